package main

import (
	"context"
	"slices"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	"github.com/momentohq/client-sdk-go/utils"
)

// sets is the client under test with short names for what the checks repeat.
type sets struct{ momento.CacheClient }

func (c sets) add(ctx context.Context, name string, elements ...string) {
	want[*responses.SetAddElementsSuccess](c.SetAddElements(ctx, &momento.SetAddElementsRequest{
		CacheName: cacheName, SetName: name, Elements: values(elements...),
	}))
}

// with makes a set of the elements; none make a name only.
func (c sets) with(ctx context.Context, elements ...string) string {
	name := fresh("set")
	if len(elements) > 0 {
		c.add(ctx, name, elements...)
	}
	return name
}

func (c sets) fetch(ctx context.Context, name string) (responses.SetFetchResponse, error) {
	return c.SetFetch(ctx, &momento.SetFetchRequest{CacheName: cacheName, SetName: name})
}

func (c sets) length(ctx context.Context, name string) (responses.SetLengthResponse, error) {
	return c.SetLength(ctx, &momento.SetLengthRequest{CacheName: cacheName, SetName: name})
}

func (c sets) remove(ctx context.Context, name string, elements ...string) (responses.SetRemoveElementsResponse, error) {
	return c.SetRemoveElements(ctx, &momento.SetRemoveElementsRequest{CacheName: cacheName, SetName: name, Elements: values(elements...)})
}

func (c sets) contains(ctx context.Context, name string, elements ...string) (responses.SetContainsElementsResponse, error) {
	return c.SetContainsElements(ctx, &momento.SetContainsElementsRequest{CacheName: cacheName, SetName: name, Elements: values(elements...)})
}

func (c sets) pop(ctx context.Context, name string, count uint32) (responses.SetPopResponse, error) {
	return c.SetPop(ctx, &momento.SetPopRequest{CacheName: cacheName, SetName: name, Count: &count})
}

func (c sets) holds(ctx context.Context, name string, elements ...string) {
	if len(elements) == 0 {
		want[*responses.SetFetchMiss](c.fetch(ctx, name))
		want[*responses.SetLengthMiss](c.length(ctx, name))
		nothing(ctx, c, name)
		return
	}
	got := want[*responses.SetFetchHit](c.fetch(ctx, name)).ValueString()
	slices.Sort(got)
	same(got, elements)
	same(want[*responses.SetLengthHit](c.length(ctx, name)).Length(), uint32(len(elements)))
	same(kindOf(ctx, c, name), responses.ItemTypeSet)
}

func setChecks() {
	c := sets{cacheClient(adminKey)}
	defer c.Close()
	var all checks
	c.elements(&all)
	c.pops(&all)
	c.refusals(&all)
	checkLives(&all, c, "set", writes{
		"add element": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.SetAddElementSuccess](c.SetAddElement(ctx, &momento.SetAddElementRequest{
				CacheName: cacheName, SetName: name, Element: momento.String("a"), Ttl: &ttl,
			}))
		},
		"add elements": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.SetAddElementsSuccess](c.SetAddElements(ctx, &momento.SetAddElementsRequest{
				CacheName: cacheName, SetName: name, Elements: values("b", "c"), Ttl: &ttl,
			}))
		},
	}, func(ctx context.Context, name string) bool {
		response, err := c.length(ctx, name)
		_, hit := response.(*responses.SetLengthHit)
		return err == nil && hit
	})
	all.finish()
}

func (c sets) elements(all *checks) {
	all.run("add elements, those already there as well", func(ctx context.Context) {
		name := c.with(ctx, "b", "a", "b")
		want[*responses.SetAddElementSuccess](c.SetAddElement(ctx, &momento.SetAddElementRequest{
			CacheName: cacheName, SetName: name, Element: momento.Bytes{0, 255},
		}))
		c.add(ctx, name, "a", "c")
		c.holds(ctx, name, "\x00\xff", "a", "b", "c")
	})
	all.run("contains, in the order asked", func(ctx context.Context) {
		name := c.with(ctx, "a", "b")
		same(want[*responses.SetContainsElementsHit](c.contains(ctx, name, "none", "b", "a", "b")).ContainsElements(), []bool{false, true, true, true})
		want[*responses.SetContainsElementsMiss](c.contains(ctx, fresh("set"), "a"))
	})
	all.run("remove elements, present or not, until nothing is left", func(ctx context.Context) {
		name := c.with(ctx, "a", "b", "c")
		want[*responses.SetRemoveElementSuccess](c.SetRemoveElement(ctx, &momento.SetRemoveElementRequest{
			CacheName: cacheName, SetName: name, Element: momento.String("a"),
		}))
		want[*responses.SetRemoveElementsSuccess](c.remove(ctx, name, "none"))
		c.holds(ctx, name, "b", "c")
		want[*responses.SetRemoveElementsSuccess](c.remove(ctx, name, "b", "c"))
		c.holds(ctx, name)
		want[*responses.SetRemoveElementsSuccess](c.remove(ctx, name, "b"))
	})
	all.run("what never was", func(ctx context.Context) { c.holds(ctx, fresh("set")) })
}

func (c sets) pops(all *checks) {
	all.run("pop takes some out, and the set with the last", func(ctx context.Context) {
		name := c.with(ctx, "a", "b", "c", "d")
		popped := want[*responses.SetPopHit](c.pop(ctx, name, 3)).ValueString()
		same(len(popped), 3)
		var left []string
		for _, e := range []string{"a", "b", "c", "d"} {
			if !slices.Contains(popped, e) {
				left = append(left, e)
			}
		}
		c.holds(ctx, name, left...)
		same(want[*responses.SetPopHit](c.pop(ctx, name, 10)).ValueString(), left)
		c.holds(ctx, name)
		want[*responses.SetPopMiss](c.pop(ctx, name, 1))
	})
	all.run("pop takes one when it is not said how many", func(ctx context.Context) {
		name := c.with(ctx, "a", "b")
		same(len(want[*responses.SetPopHit](c.SetPop(ctx, &momento.SetPopRequest{CacheName: cacheName, SetName: name})).ValueString()), 1)
	})
}

func (c sets) refusals(all *checks) {
	all.run("a scalar is no set", func(ctx context.Context) {
		name := scalarNamed(ctx, c)
		wrong := refused(momento.FailedPreconditionError)
		wrong(c.fetch(ctx, name))
		wrong(c.length(ctx, name))
		wrong(c.contains(ctx, name, "a"))
		wrong(c.remove(ctx, name, "a"))
		wrong(c.pop(ctx, name, 1))
		wrong(c.SetAddElement(ctx, &momento.SetAddElementRequest{CacheName: cacheName, SetName: name, Element: momento.String("a")}))
		wrong(c.SetAddElements(ctx, &momento.SetAddElementsRequest{CacheName: cacheName, SetName: name, Elements: values("a")}))
		wrong(c.SetRemoveElement(ctx, &momento.SetRemoveElementRequest{CacheName: cacheName, SetName: name, Element: momento.String("a")}))
	})
	all.run("no name, and no cache", func(ctx context.Context) {
		refused(momento.InvalidArgumentError)(c.fetch(ctx, " "))
		refused(momento.CacheNotFoundError)(c.SetFetch(ctx, &momento.SetFetchRequest{CacheName: fresh("cache"), SetName: "s"}))
	})
}
