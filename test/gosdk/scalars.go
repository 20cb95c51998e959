package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	"github.com/momentohq/client-sdk-go/utils"
)

// scalars is the client under test with short names for what the checks repeat.
type scalars struct{ momento.CacheClient }

// with makes a key that holds the value.
func (c scalars) with(ctx context.Context, value momento.Value, ttl time.Duration) momento.String {
	key := momento.String(fresh("key"))
	want[*responses.SetSuccess](c.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: key, Value: value, Ttl: ttl}))
	return key
}

// holds demands the value, or with an empty text that there is none.
func (c scalars) holds(ctx context.Context, key momento.Key, text string) {
	response, err := c.Get(ctx, &momento.GetRequest{CacheName: cacheName, Key: key})
	if text == "" {
		want[*responses.GetMiss](response, err)
		return
	}
	same(want[*responses.GetHit](response, err).ValueString(), text)
}

func (c scalars) there(ctx context.Context, key momento.Key) bool {
	response, err := c.Get(ctx, &momento.GetRequest{CacheName: cacheName, Key: key})
	if _, miss := response.(*responses.GetMiss); miss {
		return false
	}
	want[*responses.GetHit](response, err)
	return true
}

func (c scalars) life(ctx context.Context, key momento.Key) time.Duration {
	return want[*responses.ItemGetTtlHit](c.ItemGetTtl(ctx, &momento.ItemGetTtlRequest{CacheName: cacheName, Key: key})).RemainingTtl()
}

func (c scalars) hash(ctx context.Context, value momento.Value) momento.Bytes {
	stored := want[*responses.SetWithHashStored](c.SetWithHash(ctx, &momento.SetWithHashRequest{
		CacheName: cacheName, Key: momento.String(fresh("key")), Value: value,
	}))
	return momento.Bytes(stored.HashByte())
}

func scalarChecks() {
	c := scalars{cacheClient(adminKey)}
	defer c.Close()
	var all checks
	c.basics(&all)
	c.conditions(&all)
	c.hashes(&all)
	c.batches(&all)
	c.numbers(&all)
	c.lives(&all)
	all.finish()
}

func (c scalars) basics(all *checks) {
	all.run("set, get, replace, delete", func(ctx context.Context) {
		key := c.with(ctx, momento.String("one"), 0)
		c.holds(ctx, key, "one")
		want[*responses.SetSuccess](c.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: key, Value: momento.String("two")}))
		c.holds(ctx, key, "two")
		for range 2 {
			want[*responses.DeleteSuccess](c.Delete(ctx, &momento.DeleteRequest{CacheName: cacheName, Key: key}))
			c.holds(ctx, key, "")
		}
	})
	all.run("bytes as key and value", func(ctx context.Context) {
		key := momento.Bytes(append([]byte{0, 255, 1}, fresh("key")...))
		want[*responses.SetSuccess](c.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: key, Value: momento.Bytes{255, 0, 254}}))
		found := want[*responses.GetHit](c.Get(ctx, &momento.GetRequest{CacheName: cacheName, Key: key}))
		same(found.ValueByte(), []byte{255, 0, 254})
	})
	all.run("an empty value is a hit", func(ctx context.Context) {
		key := c.with(ctx, momento.Bytes{}, 0)
		same(c.there(ctx, key), true)
	})
	all.run("the type of an item, and which keys exist", func(ctx context.Context) {
		key, missing := c.with(ctx, momento.String("x"), 0), momento.String(fresh("key"))
		kind := want[*responses.ItemGetTypeHit](c.ItemGetType(ctx, &momento.ItemGetTypeRequest{CacheName: cacheName, Key: key}))
		same(kind.Type(), responses.ItemTypeScalar)
		want[*responses.ItemGetTypeMiss](c.ItemGetType(ctx, &momento.ItemGetTypeRequest{CacheName: cacheName, Key: missing}))
		want[*responses.ItemGetTtlMiss](c.ItemGetTtl(ctx, &momento.ItemGetTtlRequest{CacheName: cacheName, Key: missing}))
		exist := want[*responses.KeysExistSuccess](c.KeysExist(ctx, &momento.KeysExistRequest{
			CacheName: cacheName, Keys: []momento.Key{missing, key, missing},
		}))
		same(exist.Exists(), []bool{false, true, false})
	})
}

// states are what a conditional write may find: nothing, the value it compares
// with, or another one.
var states = []struct{ name, before string }{{"missing", ""}, {"equal", "same"}, {"different", "other"}}

// tries runs one conditional write against every state. The write reports
// whether it stored; "ses" tells the expectation per state: s stored, n not.
func (c scalars) tries(all *checks, call, expected string, write func(ctx context.Context, key momento.Key) bool) {
	for i, state := range states {
		stores := expected[i] == 's'
		all.run(fmt.Sprintf("%s with the key %s stores: %t", call, state.name, stores), func(ctx context.Context) {
			key := momento.String(fresh("key"))
			if state.before != "" {
				key = c.with(ctx, momento.String(state.before), 0)
			}
			same(write(ctx, key), stores)
			if stores {
				c.holds(ctx, key, "new")
			} else {
				c.holds(ctx, key, state.before)
			}
		})
	}
}

// stored tells a stored answer from a refused one by the answer's type.
func stored[Stored, NotStored any](response any, err error) bool {
	if _, not := response.(NotStored); not && err == nil {
		return false
	}
	want[Stored](response, err)
	return true
}

func (c scalars) conditions(all *checks) {
	value, than := momento.String("new"), momento.String("same")
	c.tries(all, "set if absent", "snn", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfAbsentStored, *responses.SetIfAbsentNotStored](
			c.SetIfAbsent(ctx, &momento.SetIfAbsentRequest{CacheName: cacheName, Key: key, Value: value}))
	})
	c.tries(all, "set if not exists", "snn", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfNotExistsStored, *responses.SetIfNotExistsNotStored](
			c.SetIfNotExists(ctx, &momento.SetIfNotExistsRequest{CacheName: cacheName, Key: key, Value: value}))
	})
	c.tries(all, "set if present", "nss", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfPresentStored, *responses.SetIfPresentNotStored](
			c.SetIfPresent(ctx, &momento.SetIfPresentRequest{CacheName: cacheName, Key: key, Value: value}))
	})
	c.tries(all, "set if equal", "nsn", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfEqualStored, *responses.SetIfEqualNotStored](
			c.SetIfEqual(ctx, &momento.SetIfEqualRequest{CacheName: cacheName, Key: key, Value: value, Equal: than}))
	})
	c.tries(all, "set if not equal", "sns", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfNotEqualStored, *responses.SetIfNotEqualNotStored](
			c.SetIfNotEqual(ctx, &momento.SetIfNotEqualRequest{CacheName: cacheName, Key: key, Value: value, NotEqual: than}))
	})
	c.tries(all, "set if present and not equal", "nns", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfPresentAndNotEqualStored, *responses.SetIfPresentAndNotEqualNotStored](
			c.SetIfPresentAndNotEqual(ctx, &momento.SetIfPresentAndNotEqualRequest{CacheName: cacheName, Key: key, Value: value, NotEqual: than}))
	})
	c.tries(all, "set if absent or equal", "ssn", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfAbsentOrEqualStored, *responses.SetIfAbsentOrEqualNotStored](
			c.SetIfAbsentOrEqual(ctx, &momento.SetIfAbsentOrEqualRequest{CacheName: cacheName, Key: key, Value: value, Equal: than}))
	})
}

func (c scalars) hashes(all *checks) {
	value, than := momento.String("new"), momento.String("same")
	c.tries(all, "set if present and hash equal", "nsn", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfPresentAndHashEqualStored, *responses.SetIfPresentAndHashEqualNotStored](
			c.SetIfPresentAndHashEqual(ctx, &momento.SetIfPresentAndHashEqualRequest{
				CacheName: cacheName, Key: key, Value: value, HashEqual: c.hash(ctx, than),
			}))
	})
	c.tries(all, "set if present and hash not equal", "nns", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfPresentAndHashNotEqualStored, *responses.SetIfPresentAndHashNotEqualNotStored](
			c.SetIfPresentAndHashNotEqual(ctx, &momento.SetIfPresentAndHashNotEqualRequest{
				CacheName: cacheName, Key: key, Value: value, HashNotEqual: c.hash(ctx, than),
			}))
	})
	c.tries(all, "set if absent or hash equal", "ssn", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfAbsentOrHashEqualStored, *responses.SetIfAbsentOrHashEqualNotStored](
			c.SetIfAbsentOrHashEqual(ctx, &momento.SetIfAbsentOrHashEqualRequest{
				CacheName: cacheName, Key: key, Value: value, HashEqual: c.hash(ctx, than),
			}))
	})
	c.tries(all, "set if absent or hash not equal", "sns", func(ctx context.Context, key momento.Key) bool {
		return stored[*responses.SetIfAbsentOrHashNotEqualStored, *responses.SetIfAbsentOrHashNotEqualNotStored](
			c.SetIfAbsentOrHashNotEqual(ctx, &momento.SetIfAbsentOrHashNotEqualRequest{
				CacheName: cacheName, Key: key, Value: value, HashNotEqual: c.hash(ctx, than),
			}))
	})
	all.run("a hash belongs to the value", func(ctx context.Context) {
		key := c.with(ctx, momento.String("a"), 0)
		found := want[*responses.GetWithHashHit](c.GetWithHash(ctx, &momento.GetWithHashRequest{CacheName: cacheName, Key: key}))
		same(found.ValueString(), "a")
		same(momento.Bytes(found.HashByte()), c.hash(ctx, momento.String("a")))
		if string(c.hash(ctx, momento.String("b"))) == string(found.HashByte()) {
			fail("two values share a hash")
		}
		want[*responses.GetWithHashMiss](c.GetWithHash(ctx, &momento.GetWithHashRequest{CacheName: cacheName, Key: momento.String(fresh("key"))}))
	})
}

func (c scalars) batches(all *checks) {
	all.run("batches answer in order, hits and misses", func(ctx context.Context) {
		var items []momento.BatchSetItem
		var keys []momento.Value
		for i := range 100 {
			key := momento.String(fresh("key"))
			keys = append(keys, key)
			if i%3 > 0 {
				items = append(items, momento.BatchSetItem{Key: key, Value: momento.String(fmt.Sprint(i))})
			}
		}
		want[responses.SetBatchSuccess](c.SetBatch(ctx, &momento.SetBatchRequest{CacheName: cacheName, Items: items, Ttl: time.Minute}))
		answer := want[responses.GetBatchSuccess](c.GetBatch(ctx, &momento.GetBatchRequest{CacheName: cacheName, Keys: keys}))
		for i, result := range answer.Results() {
			if i%3 == 0 {
				want[*responses.GetMiss](result, nil)
				continue
			}
			same(want[*responses.GetHit](result, nil).ValueString(), fmt.Sprint(i))
		}
		same(len(answer.Results()), 100)
	})
}

func (c scalars) numbers(all *checks) {
	add := func(ctx context.Context, key momento.String, amount int64) (responses.IncrementResponse, error) {
		return c.Increment(ctx, &momento.IncrementRequest{CacheName: cacheName, Field: key, Amount: amount})
	}
	all.run("increment counts from nothing and from text", func(ctx context.Context) {
		key := momento.String(fresh("counter"))
		same(want[*responses.IncrementSuccess](add(ctx, key, 5)).Value(), int64(5))
		same(want[*responses.IncrementSuccess](add(ctx, key, -7)).Value(), int64(-2))
		c.holds(ctx, key, "-2")
		same(want[*responses.IncrementSuccess](add(ctx, c.with(ctx, momento.String("41"), 0), 1)).Value(), int64(42))
	})
	all.run("increment reaches both ends of int64 and stops there", func(ctx context.Context) {
		top := c.with(ctx, momento.String("9223372036854775806"), 0)
		same(want[*responses.IncrementSuccess](add(ctx, top, 1)).Value(), int64(9223372036854775807))
		refused(momento.FailedPreconditionError)(add(ctx, top, 1))
		c.holds(ctx, top, "9223372036854775807")
		bottom := c.with(ctx, momento.String("-9223372036854775807"), 0)
		same(want[*responses.IncrementSuccess](add(ctx, bottom, -1)).Value(), int64(-9223372036854775808))
		refused(momento.FailedPreconditionError)(add(ctx, bottom, -1))
	})
	all.run("of many increments at once every one counts", func(ctx context.Context) {
		key := momento.String(fresh("counter"))
		var adding sync.WaitGroup
		errs := make([]error, 500)
		for i := range errs {
			adding.Go(func() { _, errs[i] = add(ctx, key, 3) })
		}
		adding.Wait()
		for _, err := range errs {
			if err != nil {
				fail("increment: %v", err)
			}
		}
		c.holds(ctx, key, "1500")
	})
	all.run("increment refuses what is not a number", func(ctx context.Context) {
		for _, text := range []string{"abc", "1.5", "0x10", "1_000"} {
			key := c.with(ctx, momento.String(text), 0)
			refused(momento.FailedPreconditionError)(add(ctx, key, 1))
			c.holds(ctx, key, text)
		}
	})
	all.run("increment always renews the life", func(ctx context.Context) {
		key := c.with(ctx, momento.String("1"), 100*time.Second)
		ttl := utils.Of(50 * time.Second)
		want[*responses.IncrementSuccess](c.Increment(ctx, &momento.IncrementRequest{CacheName: cacheName, Field: key, Amount: 1, Ttl: &ttl}))
		between(c.life(ctx, key), 10*time.Second, 50*time.Second)
	})
}

func (c scalars) lives(all *checks) {
	all.run("update, increase and decrease ttl", func(ctx context.Context) {
		key, missing := c.with(ctx, momento.String("x"), 100*time.Second), momento.String(fresh("key"))
		want[*responses.UpdateTtlSet](c.UpdateTtl(ctx, &momento.UpdateTtlRequest{CacheName: cacheName, Key: key, Ttl: 200 * time.Second}))
		between(c.life(ctx, key), 150*time.Second, 200*time.Second)
		want[*responses.UpdateTtlMiss](c.UpdateTtl(ctx, &momento.UpdateTtlRequest{CacheName: cacheName, Key: missing, Ttl: time.Second}))

		want[*responses.IncreaseTtlSet](c.IncreaseTtl(ctx, &momento.IncreaseTtlRequest{CacheName: cacheName, Key: key, Ttl: 300 * time.Second}))
		want[*responses.IncreaseTtlNotSet](c.IncreaseTtl(ctx, &momento.IncreaseTtlRequest{CacheName: cacheName, Key: key, Ttl: 100 * time.Second}))
		between(c.life(ctx, key), 250*time.Second, 300*time.Second)
		want[*responses.IncreaseTtlMiss](c.IncreaseTtl(ctx, &momento.IncreaseTtlRequest{CacheName: cacheName, Key: missing, Ttl: time.Second}))

		want[*responses.DecreaseTtlSet](c.DecreaseTtl(ctx, &momento.DecreaseTtlRequest{CacheName: cacheName, Key: key, Ttl: 50 * time.Second}))
		want[*responses.DecreaseTtlNotSet](c.DecreaseTtl(ctx, &momento.DecreaseTtlRequest{CacheName: cacheName, Key: key, Ttl: 80 * time.Second}))
		between(c.life(ctx, key), 10*time.Second, 50*time.Second)
		want[*responses.DecreaseTtlMiss](c.DecreaseTtl(ctx, &momento.DecreaseTtlRequest{CacheName: cacheName, Key: missing, Ttl: time.Second}))
	})
	all.run("gone on time, to the millisecond", func(ctx context.Context) {
		for _, ttl := range []time.Duration{time.Millisecond, 77 * time.Millisecond, 400 * time.Millisecond} {
			written := time.Now()
			key := c.with(ctx, momento.String("x"), ttl)
			acked := time.Now()
			expires(written, acked, ttl, func() bool { return c.there(ctx, key) })
		}
	})
	all.run("a shorter life given later ends on time too", func(ctx context.Context) {
		key := c.with(ctx, momento.String("x"), time.Minute)
		const ttl = 200 * time.Millisecond
		written := time.Now()
		want[*responses.UpdateTtlSet](c.UpdateTtl(ctx, &momento.UpdateTtlRequest{CacheName: cacheName, Key: key, Ttl: ttl}))
		acked := time.Now()
		expires(written, acked, ttl, func() bool { return c.there(ctx, key) })
	})
}
