package main

import (
	"context"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	"github.com/momentohq/client-sdk-go/utils"
)

// dictionaries is the client under test with short names for what the checks
// repeat.
type dictionaries struct{ momento.CacheClient }

type fieldsOf map[string]string

func (c dictionaries) set(ctx context.Context, name string, fields fieldsOf) string {
	if len(fields) > 0 {
		want[*responses.DictionarySetFieldsSuccess](c.DictionarySetFields(ctx, &momento.DictionarySetFieldsRequest{
			CacheName: cacheName, DictionaryName: name, Elements: momento.DictionaryElementsFromMapStringString(fields),
		}))
	}
	return name
}

// with makes a dictionary of the fields; none make a name only.
func (c dictionaries) with(ctx context.Context, fields fieldsOf) string {
	return c.set(ctx, fresh("dictionary"), fields)
}

func (c dictionaries) fetch(ctx context.Context, name string) (responses.DictionaryFetchResponse, error) {
	return c.DictionaryFetch(ctx, &momento.DictionaryFetchRequest{CacheName: cacheName, DictionaryName: name})
}

func (c dictionaries) get(ctx context.Context, name, field string) (responses.DictionaryGetFieldResponse, error) {
	return c.DictionaryGetField(ctx, &momento.DictionaryGetFieldRequest{CacheName: cacheName, DictionaryName: name, Field: momento.String(field)})
}

func (c dictionaries) getMany(ctx context.Context, name string, fields ...string) (responses.DictionaryGetFieldsResponse, error) {
	return c.DictionaryGetFields(ctx, &momento.DictionaryGetFieldsRequest{CacheName: cacheName, DictionaryName: name, Fields: values(fields...)})
}

func (c dictionaries) length(ctx context.Context, name string) (responses.DictionaryLengthResponse, error) {
	return c.DictionaryLength(ctx, &momento.DictionaryLengthRequest{CacheName: cacheName, DictionaryName: name})
}

func (c dictionaries) increment(ctx context.Context, name, field string, amount int64) (responses.DictionaryIncrementResponse, error) {
	return c.DictionaryIncrement(ctx, &momento.DictionaryIncrementRequest{CacheName: cacheName, DictionaryName: name, Field: momento.String(field), Amount: amount})
}

func (c dictionaries) remove(ctx context.Context, name string, fields ...string) (responses.DictionaryRemoveFieldsResponse, error) {
	return c.DictionaryRemoveFields(ctx, &momento.DictionaryRemoveFieldsRequest{CacheName: cacheName, DictionaryName: name, Fields: values(fields...)})
}

func (c dictionaries) holds(ctx context.Context, name string, fields fieldsOf) {
	if len(fields) == 0 {
		want[*responses.DictionaryFetchMiss](c.fetch(ctx, name))
		want[*responses.DictionaryLengthMiss](c.length(ctx, name))
		nothing(ctx, c, name)
		return
	}
	same(fieldsOf(want[*responses.DictionaryFetchHit](c.fetch(ctx, name)).ValueMap()), fields)
	same(want[*responses.DictionaryLengthHit](c.length(ctx, name)).Length(), uint32(len(fields)))
	same(kindOf(ctx, c, name), responses.ItemTypeDictionary)
}

func dictionaryChecks() {
	c := dictionaries{cacheClient(adminKey)}
	defer c.Close()
	var all checks
	c.reads(&all)
	c.writes(&all)
	c.refusals(&all)
	checkLives(&all, c, "dictionary", writes{
		"set field": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.DictionarySetFieldSuccess](c.DictionarySetField(ctx, &momento.DictionarySetFieldRequest{
				CacheName: cacheName, DictionaryName: name, Field: momento.String("a"), Value: momento.String("1"), Ttl: &ttl,
			}))
		},
		"set fields": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.DictionarySetFieldsSuccess](c.DictionarySetFields(ctx, &momento.DictionarySetFieldsRequest{
				CacheName: cacheName, DictionaryName: name, Elements: momento.DictionaryElementsFromMapStringString(fieldsOf{"b": "2"}), Ttl: &ttl,
			}))
		},
		"increment": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.DictionaryIncrementSuccess](c.DictionaryIncrement(ctx, &momento.DictionaryIncrementRequest{
				CacheName: cacheName, DictionaryName: name, Field: momento.String("n"), Amount: 1, Ttl: &ttl,
			}))
		},
	}, func(ctx context.Context, name string) bool {
		response, err := c.fetch(ctx, name)
		_, hit := response.(*responses.DictionaryFetchHit)
		return err == nil && hit
	})
	all.finish()
}

func (c dictionaries) reads(all *checks) {
	all.run("set fields, and read them", func(ctx context.Context) {
		name := c.with(ctx, fieldsOf{"a": "1", "b": "2", "empty": ""})
		c.set(ctx, name, fieldsOf{"b": "two", "c": "3"})
		want[*responses.DictionarySetFieldSuccess](c.DictionarySetField(ctx, &momento.DictionarySetFieldRequest{
			CacheName: cacheName, DictionaryName: name, Field: momento.Bytes{0, 255}, Value: momento.Bytes{128},
		}))
		c.holds(ctx, name, fieldsOf{"a": "1", "b": "two", "c": "3", "empty": "", "\x00\xff": "\x80"})
		same(want[*responses.DictionaryGetFieldHit](c.get(ctx, name, "b")).ValueString(), "two")
		same(want[*responses.DictionaryGetFieldHit](c.get(ctx, name, "empty")).ValueString(), "")
		want[*responses.DictionaryGetFieldMiss](c.get(ctx, name, "none"))
	})
	all.run("get fields answers each one asked, in order", func(ctx context.Context) {
		name := c.with(ctx, fieldsOf{"a": "1", "b": "2"})
		got := want[*responses.DictionaryGetFieldsHit](c.getMany(ctx, name, "b", "none", "a"))
		same(got.ValueMap(), map[string]string{"a": "1", "b": "2"})
		same(len(got.Responses()), 3)
		want[*responses.DictionaryGetFieldHit](got.Responses()[0], nil)
		want[*responses.DictionaryGetFieldMiss](got.Responses()[1], nil)
		want[*responses.DictionaryGetFieldHit](got.Responses()[2], nil)
	})
	all.run("what never was", func(ctx context.Context) {
		name := c.with(ctx, nil)
		c.holds(ctx, name, nil)
		want[*responses.DictionaryGetFieldMiss](c.get(ctx, name, "a"))
		want[*responses.DictionaryGetFieldsMiss](c.getMany(ctx, name, "a"))
		want[*responses.DictionaryRemoveFieldsSuccess](c.remove(ctx, name, "a"))
	})
}

func (c dictionaries) writes(all *checks) {
	all.run("increment", func(ctx context.Context) {
		name := c.with(ctx, fieldsOf{"n": "5", "text": "x"})
		same(want[*responses.DictionaryIncrementSuccess](c.increment(ctx, name, "n", 3)).Value(), int64(8))
		same(want[*responses.DictionaryIncrementSuccess](c.increment(ctx, name, "n", -10)).Value(), int64(-2))
		same(want[*responses.DictionaryIncrementSuccess](c.increment(ctx, name, "new", 7)).Value(), int64(7))
		refused(momento.FailedPreconditionError)(c.increment(ctx, name, "text", 1))
		c.holds(ctx, name, fieldsOf{"n": "-2", "text": "x", "new": "7"})
		born := c.with(ctx, nil)
		same(want[*responses.DictionaryIncrementSuccess](c.increment(ctx, born, "n", 1)).Value(), int64(1))
		c.holds(ctx, born, fieldsOf{"n": "1"})
	})
	all.run("remove fields, present or not, until nothing is left", func(ctx context.Context) {
		name := c.with(ctx, fieldsOf{"a": "1", "b": "2", "c": "3"})
		want[*responses.DictionaryRemoveFieldSuccess](c.DictionaryRemoveField(ctx, &momento.DictionaryRemoveFieldRequest{
			CacheName: cacheName, DictionaryName: name, Field: momento.String("a"),
		}))
		c.holds(ctx, name, fieldsOf{"b": "2", "c": "3"})
		want[*responses.DictionaryRemoveFieldsSuccess](c.remove(ctx, name, "b", "none", "c"))
		c.holds(ctx, name, nil)
	})
	all.run("delete takes the whole dictionary", func(ctx context.Context) {
		name := c.with(ctx, fieldsOf{"a": "1"})
		want[*responses.DeleteSuccess](c.Delete(ctx, &momento.DeleteRequest{CacheName: cacheName, Key: momento.String(name)}))
		c.holds(ctx, name, nil)
	})
}

func (c dictionaries) refusals(all *checks) {
	all.run("a scalar is no dictionary", func(ctx context.Context) {
		name := scalarNamed(ctx, c)
		wrong := refused(momento.FailedPreconditionError)
		wrong(c.fetch(ctx, name))
		wrong(c.get(ctx, name, "a"))
		wrong(c.getMany(ctx, name, "a"))
		wrong(c.length(ctx, name))
		wrong(c.increment(ctx, name, "a", 1))
		wrong(c.remove(ctx, name, "a"))
		wrong(c.DictionaryRemoveField(ctx, &momento.DictionaryRemoveFieldRequest{CacheName: cacheName, DictionaryName: name, Field: momento.String("a")}))
		wrong(c.DictionarySetField(ctx, &momento.DictionarySetFieldRequest{
			CacheName: cacheName, DictionaryName: name, Field: momento.String("a"), Value: momento.String("1"),
		}))
		wrong(c.DictionarySetFields(ctx, &momento.DictionarySetFieldsRequest{
			CacheName: cacheName, DictionaryName: name, Elements: momento.DictionaryElementsFromMapStringString(fieldsOf{"a": "1"}),
		}))
	})
	all.run("no name, and no cache", func(ctx context.Context) {
		refused(momento.InvalidArgumentError)(c.fetch(ctx, " "))
		refused(momento.CacheNotFoundError)(c.DictionaryFetch(ctx, &momento.DictionaryFetchRequest{CacheName: fresh("cache"), DictionaryName: "d"}))
	})
}
