package main

import (
	"context"
	"strings"

	"github.com/momentohq/client-sdk-go/momento"
)

// limitChecks are what the SDK shows when a limit is hit. The story has made a cache
// for each: its name is that of the story's cache and of the limit.
func limitChecks() {
	c, t := cacheClient(adminKey), topicClient(adminKey)
	defer c.Close()
	defer t.Close()
	limited := func(name string) string { return cacheName + "-" + name }
	value := momento.String(strings.Repeat("x", 3000))
	var all checks

	// shows makes calls until one is refused, which a limit of a few a second does
	// soon, and demands the SDK's wording of the limit and the broker's own.
	shows := func(call func() (any, error), words ...string) {
		for range 200 {
			if response, err := call(); err != nil {
				refused(momento.LimitExceededError, words...)(response, err)
				return
			}
		}
		fail("200 calls passed")
	}
	set := func(ctx context.Context, cache string, key momento.Key, value momento.Value) func() (any, error) {
		return func() (any, error) {
			return c.Set(ctx, &momento.SetRequest{CacheName: limited(cache), Key: key, Value: value})
		}
	}
	publish := func(ctx context.Context, cache string, value momento.TopicValue) func() (any, error) {
		return func() (any, error) {
			return t.Publish(ctx, &momento.TopicPublishRequest{CacheName: limited(cache), TopicName: "topic", Value: value})
		}
	}

	all.run("operations", func(ctx context.Context) {
		shows(func() (any, error) {
			return c.Get(ctx, &momento.GetRequest{CacheName: limited("operations"), Key: momento.String("key")})
		}, "request rate limit", "over 5 per second in this cache")
	})
	all.run("messages", func(ctx context.Context) {
		shows(publish(ctx, "publishes", momento.String("x")), "request rate limit", "over 5 messages per second")
	})
	all.run("bytes of items", func(ctx context.Context) {
		shows(set(ctx, "throughput", momento.String("key"), value), "bandwidth limit", "4 kib per second")
	})
	all.run("bytes of messages", func(ctx context.Context) {
		shows(publish(ctx, "throughput", value), "bandwidth limit", "4 kib per second")
	})
	all.run("subscriptions", func(ctx context.Context) {
		subscribe := func() (any, error) {
			return t.Subscribe(ctx, &momento.TopicSubscribeRequest{CacheName: limited("subscriptions"), TopicName: "topic"})
		}
		first := want[momento.TopicSubscription](subscribe())
		defer first.Close()
		shows(subscribe, "topic subscriptions limit", "there may be 1")
	})
	all.run("item size", func(ctx context.Context) {
		shows(set(ctx, "sizes", momento.String("key"), value), "item size limit", "2048 bytes")
	})
	all.run("message size", func(ctx context.Context) {
		shows(publish(ctx, "sizes", value), "request size limit", "2048 bytes")
	})
	all.run("keys", func(ctx context.Context) {
		shows(func() (any, error) { return set(ctx, "keys", momento.String(fresh("key")), momento.String("x"))() },
			"limit exceeded", "5 keys and no more")
	})
	all.finish()
}
