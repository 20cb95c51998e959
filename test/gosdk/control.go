package main

import (
	"context"
	"slices"
	"strings"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
)

// control is the client under test with short names for what the checks repeat.
type control struct {
	momento.CacheClient
	topics momento.TopicClient
}

func (c control) create(ctx context.Context) string {
	name := fresh("cache")
	want[*responses.CreateCacheSuccess](c.CreateCache(ctx, &momento.CreateCacheRequest{CacheName: name}))
	return name
}

func (c control) has(ctx context.Context, name string) bool {
	list := want[*responses.ListCachesSuccess](c.ListCaches(ctx, &momento.ListCachesRequest{}))
	return slices.ContainsFunc(list.Caches(), func(i responses.CacheInfo) bool { return i.Name() == name })
}

func controlChecks() {
	c := control{cacheClient(adminKey), topicClient(adminKey)}
	defer c.Close()
	defer c.topics.Close()
	var all checks
	all.run("create, list, use, delete a cache", func(ctx context.Context) {
		name := c.create(ctx)
		want[*responses.CreateCacheAlreadyExists](c.CreateCache(ctx, &momento.CreateCacheRequest{CacheName: name}))
		same(c.has(ctx, name), true)
		key := momento.String("k")
		want[*responses.SetSuccess](c.Set(ctx, &momento.SetRequest{CacheName: name, Key: key, Value: key}))
		want[*responses.DeleteCacheSuccess](c.DeleteCache(ctx, &momento.DeleteCacheRequest{CacheName: name}))
		same(c.has(ctx, name), false)
		refused(momento.CacheNotFoundError)(c.Get(ctx, &momento.GetRequest{CacheName: name, Key: key}))
		want[*responses.CreateCacheSuccess](c.CreateCache(ctx, &momento.CreateCacheRequest{CacheName: name}))
		want[*responses.GetMiss](c.Get(ctx, &momento.GetRequest{CacheName: name, Key: key}))
	})
	all.run("ping", func(ctx context.Context) { want[*responses.PingSuccess](c.Ping(ctx)) })
	all.run("a missing cache is named as missing", c.missing)
	all.run("names that cannot be are refused", func(ctx context.Context) {
		for _, bad := range []string{"", "  ", "line\nbreak", strings.Repeat("x", 256)} {
			refused(momento.InvalidArgumentError)(c.CreateCache(ctx, &momento.CreateCacheRequest{CacheName: bad}))
			refused(momento.InvalidArgumentError)(c.topics.Publish(ctx, &momento.TopicPublishRequest{
				CacheName: cacheName, TopicName: bad, Value: momento.String("x"),
			}))
		}
	})
	all.run("an item over its limit says so", func(ctx context.Context) {
		refused(momento.LimitExceededError, "item size")(c.Set(ctx, &momento.SetRequest{
			CacheName: cacheName, Key: momento.String("k"), Value: momento.Bytes(make([]byte, 5_100_000)),
		}))
	})
	all.run("a topic message over its limit says so", func(ctx context.Context) {
		refused(momento.LimitExceededError, "request size")(c.topics.Publish(ctx, &momento.TopicPublishRequest{
			CacheName: cacheName, TopicName: "t", Value: momento.Bytes(make([]byte, 2_000_000)),
		}))
	})
	all.finish()
}

func (c control) missing(ctx context.Context) {
	name, key := fresh("missing"), momento.String("k")
	no := refused(momento.CacheNotFoundError)
	no(c.Get(ctx, &momento.GetRequest{CacheName: name, Key: key}))
	no(c.Set(ctx, &momento.SetRequest{CacheName: name, Key: key, Value: key}))
	no(c.Delete(ctx, &momento.DeleteRequest{CacheName: name, Key: key}))
	no(c.Increment(ctx, &momento.IncrementRequest{CacheName: name, Field: key, Amount: 1}))
	no(c.GetBatch(ctx, &momento.GetBatchRequest{CacheName: name, Keys: []momento.Value{key}}))
	no(c.SetBatch(ctx, &momento.SetBatchRequest{CacheName: name, Items: []momento.BatchSetItem{{Key: key, Value: key}}}))
	no(c.KeysExist(ctx, &momento.KeysExistRequest{CacheName: name, Keys: []momento.Key{key}}))
	no(c.ListPushBack(ctx, &momento.ListPushBackRequest{CacheName: name, ListName: "l", Value: key}))
	no(c.ListFetch(ctx, &momento.ListFetchRequest{CacheName: name, ListName: "l"}))
	no(c.ListLength(ctx, &momento.ListLengthRequest{CacheName: name, ListName: "l"}))
	no(c.topics.Publish(ctx, &momento.TopicPublishRequest{CacheName: name, TopicName: "t", Value: key}))
	no(c.topics.Subscribe(ctx, &momento.TopicSubscribeRequest{CacheName: name, TopicName: "t"}))
}
