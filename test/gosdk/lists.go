package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	"github.com/momentohq/client-sdk-go/utils"
)

// lists is the client under test with short names for what the checks repeat.
type lists struct{ momento.CacheClient }

func values(texts ...string) []momento.Value {
	all := make([]momento.Value, len(texts))
	for i, text := range texts {
		all[i] = momento.String(text)
	}
	return all
}

// with makes a list of the texts; none make a name only.
func (c lists) with(ctx context.Context, texts ...string) string {
	name := fresh("list")
	if len(texts) > 0 {
		c.back(ctx, name, 0, texts...)
	}
	return name
}

func (c lists) back(ctx context.Context, name string, truncate uint32, texts ...string) uint32 {
	return want[*responses.ListConcatenateBackSuccess](c.ListConcatenateBack(ctx, &momento.ListConcatenateBackRequest{
		CacheName: cacheName, ListName: name, Values: values(texts...), TruncateFrontToSize: truncate,
	})).ListLength()
}

func (c lists) front(ctx context.Context, name string, truncate uint32, texts ...string) uint32 {
	return want[*responses.ListConcatenateFrontSuccess](c.ListConcatenateFront(ctx, &momento.ListConcatenateFrontRequest{
		CacheName: cacheName, ListName: name, Values: values(texts...), TruncateBackToSize: truncate,
	})).ListLength()
}

func (c lists) pushBack(ctx context.Context, name string, truncate uint32, text string) uint32 {
	return want[*responses.ListPushBackSuccess](c.ListPushBack(ctx, &momento.ListPushBackRequest{
		CacheName: cacheName, ListName: name, Value: momento.String(text), TruncateFrontToSize: truncate,
	})).ListLength()
}

func (c lists) pushFront(ctx context.Context, name string, truncate uint32, text string) uint32 {
	return want[*responses.ListPushFrontSuccess](c.ListPushFront(ctx, &momento.ListPushFrontRequest{
		CacheName: cacheName, ListName: name, Value: momento.String(text), TruncateBackToSize: truncate,
	})).ListLength()
}

// slice fetches; nil is an end that is not given, and a nil result is a miss.
func (c lists) slice(ctx context.Context, name string, start, end *int32) []string {
	response, err := c.ListFetch(ctx, &momento.ListFetchRequest{
		CacheName: cacheName, ListName: name, StartIndex: start, EndIndex: end,
	})
	if _, miss := response.(*responses.ListFetchMiss); miss && err == nil {
		return nil
	}
	return want[*responses.ListFetchHit](response, err).ValueListString()
}

// holds demands the whole list, and that no list is left when it is empty.
func (c lists) holds(ctx context.Context, name string, texts ...string) {
	same(c.slice(ctx, name, nil, nil), texts)
	length, err := c.ListLength(ctx, &momento.ListLengthRequest{CacheName: cacheName, ListName: name})
	if len(texts) > 0 {
		same(want[*responses.ListLengthHit](length, err).Length(), uint32(len(texts)))
		return
	}
	want[*responses.ListLengthMiss](length, err)
	want[*responses.ItemGetTypeMiss](c.ItemGetType(ctx, &momento.ItemGetTypeRequest{CacheName: cacheName, Key: momento.String(name)}))
}

func (c lists) life(ctx context.Context, name string) time.Duration {
	return want[*responses.ItemGetTtlHit](c.ItemGetTtl(ctx, &momento.ItemGetTtlRequest{
		CacheName: cacheName, Key: momento.String(name),
	})).RemainingTtl()
}

func listChecks() {
	c := lists{cacheClient(adminKey)}
	defer c.Close()
	var all checks
	c.pushes(&all)
	c.pops(&all)
	c.slices(&all)
	c.removes(&all)
	c.lives(&all)
	all.finish()
}

func (c lists) pushes(all *checks) {
	all.run("push back appends and answers the length", func(ctx context.Context) {
		name := c.with(ctx)
		same(c.pushBack(ctx, name, 0, "a"), uint32(1))
		same(c.pushBack(ctx, name, 0, "b"), uint32(2))
		c.holds(ctx, name, "a", "b")
	})
	all.run("push front puts at the head", func(ctx context.Context) {
		name := c.with(ctx)
		same(c.pushFront(ctx, name, 0, "a"), uint32(1))
		same(c.pushFront(ctx, name, 0, "b"), uint32(2))
		c.holds(ctx, name, "b", "a")
	})
	all.run("push back truncates the front", func(ctx context.Context) {
		name := c.with(ctx, "a", "b", "c")
		same(c.pushBack(ctx, name, 2, "d"), uint32(2))
		c.holds(ctx, name, "c", "d")
	})
	all.run("push front truncates the back", func(ctx context.Context) {
		name := c.with(ctx, "a", "b", "c")
		same(c.pushFront(ctx, name, 2, "d"), uint32(2))
		c.holds(ctx, name, "d", "a")
	})
	all.run("the last hundred messages of a chat", func(ctx context.Context) {
		name := c.with(ctx)
		var last []string
		for i := range uint32(130) {
			same(c.pushBack(ctx, name, 100, fmt.Sprint(i)), min(i+1, 100))
			last = append(last, fmt.Sprint(i))
		}
		c.holds(ctx, name, last[30:]...)
	})
	all.run("concatenate back", func(ctx context.Context) {
		name := c.with(ctx, "a", "b")
		same(c.back(ctx, name, 0, "c", "d"), uint32(4))
		c.holds(ctx, name, "a", "b", "c", "d")
		same(c.back(ctx, name, 5, "e", "f", "g"), uint32(5))
		c.holds(ctx, name, "c", "d", "e", "f", "g")
		same(c.back(ctx, name, 2, "h", "i", "j"), uint32(2))
		c.holds(ctx, name, "i", "j")
	})
	all.run("concatenate front keeps the order of the batch", func(ctx context.Context) {
		name := c.with(ctx, "a", "b")
		same(c.front(ctx, name, 0, "c", "d"), uint32(4))
		c.holds(ctx, name, "c", "d", "a", "b")
		same(c.front(ctx, name, 5, "e", "f", "g"), uint32(5))
		c.holds(ctx, name, "e", "f", "g", "c", "d")
		same(c.front(ctx, name, 2, "h", "i", "j"), uint32(2))
		c.holds(ctx, name, "h", "i")
	})
	all.run("bytes stay bytes, and an empty value is a value", func(ctx context.Context) {
		name := c.with(ctx)
		parts := []momento.Value{momento.Bytes{0}, momento.Bytes{255, 0, 128}, momento.Bytes{}}
		want[*responses.ListConcatenateBackSuccess](c.ListConcatenateBack(ctx, &momento.ListConcatenateBackRequest{
			CacheName: cacheName, ListName: name, Values: parts,
		}))
		found := want[*responses.ListFetchHit](c.ListFetch(ctx, &momento.ListFetchRequest{CacheName: cacheName, ListName: name}))
		same(fmt.Sprint(found.ValueListByte()), "[[0] [255 0 128] []]")
	})
}

func (c lists) pops(all *checks) {
	front := func(ctx context.Context, name string) (responses.ListPopFrontResponse, error) {
		return c.ListPopFront(ctx, &momento.ListPopFrontRequest{CacheName: cacheName, ListName: name})
	}
	back := func(ctx context.Context, name string) (responses.ListPopBackResponse, error) {
		return c.ListPopBack(ctx, &momento.ListPopBackRequest{CacheName: cacheName, ListName: name})
	}
	all.run("pop front and back until nothing is left", func(ctx context.Context) {
		name := c.with(ctx, "a", "b", "c")
		same(want[*responses.ListPopFrontHit](front(ctx, name)).ValueString(), "a")
		same(want[*responses.ListPopBackHit](back(ctx, name)).ValueString(), "c")
		same(want[*responses.ListPopFrontHit](front(ctx, name)).ValueString(), "b")
		want[*responses.ListPopFrontMiss](front(ctx, name))
		want[*responses.ListPopBackMiss](back(ctx, name))
		c.holds(ctx, name)
	})
	all.run("a list that never was is a miss", func(ctx context.Context) { c.holds(ctx, fresh("list")) })
}

// slices is the table of protocol.md 4.2; this SDK can say all of it.
func (c lists) slices(all *checks) {
	at := func(i int32) *int32 { return &i }
	show := func(i *int32) string {
		if i == nil {
			return "none"
		}
		return fmt.Sprint(*i)
	}
	digits := strings.Split("0123456789", "")
	for _, s := range []struct {
		of         []string
		start, end *int32
		want       string
	}{
		{digits, at(5), nil, "56789"},
		{digits, at(5), at(0), ""},
		{digits, at(-5), nil, "56789"},
		{digits, at(-5), at(0), ""},
		{digits, nil, at(5), "01234"},
		{digits, nil, at(-5), "01234"},
		{digits, at(2), at(6), "2345"},
		{digits, at(2), at(-6), "23"},
		{digits, at(-7), at(-2), "34567"},
		{digits, at(-2), at(-6), ""},
		{digits, at(0), at(10), "0123456789"},
		{digits, at(-100), at(100), "0123456789"},
		{digits, at(10), nil, ""},
		{[]string{"x"}, at(-1), at(1), "x"},
		{[]string{"x"}, at(1), at(-1), ""},
		{[]string{"x"}, at(0), at(-1), ""},
	} {
		name := fmt.Sprintf("fetch of %d entries from %s to %s", len(s.of), show(s.start), show(s.end))
		all.run(name, func(ctx context.Context) {
			same(strings.Join(c.slice(ctx, c.with(ctx, s.of...), s.start, s.end), ""), s.want)
		})
	}
}

func (c lists) removes(all *checks) {
	remove := func(ctx context.Context, name, text string) {
		want[*responses.ListRemoveValueSuccess](c.ListRemoveValue(ctx, &momento.ListRemoveValueRequest{
			CacheName: cacheName, ListName: name, Value: momento.String(text),
		}))
	}
	all.run("remove value drops every equal entry", func(ctx context.Context) {
		name := c.with(ctx, "a", "b", "a", "c", "a")
		remove(ctx, name, "a")
		c.holds(ctx, name, "b", "c")
		remove(ctx, name, "zebra")
		c.holds(ctx, name, "b", "c")
		remove(ctx, name, "b")
		remove(ctx, name, "c")
		c.holds(ctx, name)
		remove(ctx, name, "c")
	})
	all.run("a list is a key like any other", func(ctx context.Context) {
		name := c.with(ctx, "a")
		kind := want[*responses.ItemGetTypeHit](c.ItemGetType(ctx, &momento.ItemGetTypeRequest{CacheName: cacheName, Key: momento.String(name)}))
		same(kind.Type(), responses.ItemTypeList)
		want[*responses.DeleteSuccess](c.Delete(ctx, &momento.DeleteRequest{CacheName: cacheName, Key: momento.String(name)}))
		c.holds(ctx, name)
	})
	all.run("a scalar is not a list", func(ctx context.Context) {
		name := fresh("scalar")
		want[*responses.SetSuccess](c.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: momento.String(name), Value: momento.String("x")}))
		wrong := refused(momento.FailedPreconditionError)
		wrong(c.ListPushBack(ctx, &momento.ListPushBackRequest{CacheName: cacheName, ListName: name, Value: momento.String("a")}))
		wrong(c.ListPushFront(ctx, &momento.ListPushFrontRequest{CacheName: cacheName, ListName: name, Value: momento.String("a")}))
		wrong(c.ListConcatenateBack(ctx, &momento.ListConcatenateBackRequest{CacheName: cacheName, ListName: name, Values: values("a")}))
		wrong(c.ListConcatenateFront(ctx, &momento.ListConcatenateFrontRequest{CacheName: cacheName, ListName: name, Values: values("a")}))
		wrong(c.ListPopBack(ctx, &momento.ListPopBackRequest{CacheName: cacheName, ListName: name}))
		wrong(c.ListPopFront(ctx, &momento.ListPopFrontRequest{CacheName: cacheName, ListName: name}))
		wrong(c.ListFetch(ctx, &momento.ListFetchRequest{CacheName: cacheName, ListName: name}))
		wrong(c.ListLength(ctx, &momento.ListLengthRequest{CacheName: cacheName, ListName: name}))
		wrong(c.ListRemoveValue(ctx, &momento.ListRemoveValueRequest{CacheName: cacheName, ListName: name, Value: momento.String("a")}))
	})
}

func (c lists) lives(all *checks) {
	pushes := map[string]func(ctx context.Context, name string, ttl utils.CollectionTtl){
		"push back": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.ListPushBackSuccess](c.ListPushBack(ctx, &momento.ListPushBackRequest{
				CacheName: cacheName, ListName: name, Value: momento.String("x"), Ttl: &ttl,
			}))
		},
		"push front": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.ListPushFrontSuccess](c.ListPushFront(ctx, &momento.ListPushFrontRequest{
				CacheName: cacheName, ListName: name, Value: momento.String("x"), Ttl: &ttl,
			}))
		},
		"concatenate back": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.ListConcatenateBackSuccess](c.ListConcatenateBack(ctx, &momento.ListConcatenateBackRequest{
				CacheName: cacheName, ListName: name, Values: values("x"), Ttl: &ttl,
			}))
		},
		"concatenate front": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.ListConcatenateFrontSuccess](c.ListConcatenateFront(ctx, &momento.ListConcatenateFrontRequest{
				CacheName: cacheName, ListName: name, Values: values("x"), Ttl: &ttl,
			}))
		},
	}
	renew := func(d time.Duration) utils.CollectionTtl { return utils.WithRefreshTtlOnUpdates(utils.Of(d)) }
	keep := func(d time.Duration) utils.CollectionTtl { return utils.WithNoRefreshTtlOnUpdates(utils.Of(d)) }
	for call, push := range pushes {
		all.run(call+" renews the life only when asked to", func(ctx context.Context) {
			name := fresh("list")
			push(ctx, name, keep(100*time.Second))
			push(ctx, name, keep(300*time.Second))
			between(c.life(ctx, name), 60*time.Second, 100*time.Second)
			push(ctx, name, renew(300*time.Second))
			between(c.life(ctx, name), 200*time.Second, 300*time.Second)
			push(ctx, name, renew(50*time.Second))
			between(c.life(ctx, name), 10*time.Second, 50*time.Second)
		})
		all.run(call+": gone on time, to the millisecond", func(ctx context.Context) {
			name := fresh("list")
			const ttl = 350 * time.Millisecond
			written := time.Now()
			push(ctx, name, renew(ttl))
			acked := time.Now()
			expires(written, acked, ttl, func() bool { return c.slice(ctx, name, nil, nil) != nil })
			c.holds(ctx, name)
		})
	}
}
