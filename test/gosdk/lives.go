package main

import (
	"context"
	"time"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	"github.com/momentohq/client-sdk-go/utils"
)

// writes are the calls that give a collection a life, by name.
type writes map[string]func(ctx context.Context, name string, ttl utils.CollectionTtl)

// checkLives tries the rules of life on each write. exists tells whether there is
// anything under a name.
func checkLives(all *checks, client momento.CacheClient, what string, calls writes, exists func(ctx context.Context, name string) bool) {
	life := func(ctx context.Context, name string) time.Duration {
		return want[*responses.ItemGetTtlHit](client.ItemGetTtl(ctx, &momento.ItemGetTtlRequest{
			CacheName: cacheName, Key: momento.String(name),
		})).RemainingTtl()
	}
	renew := func(d time.Duration) utils.CollectionTtl { return utils.WithRefreshTtlOnUpdates(utils.Of(d)) }
	keep := func(d time.Duration) utils.CollectionTtl { return utils.WithNoRefreshTtlOnUpdates(utils.Of(d)) }
	for call, write := range calls {
		all.run(call+" renews the life only when asked to", func(ctx context.Context) {
			name := fresh(what)
			write(ctx, name, keep(100*time.Second))
			write(ctx, name, keep(300*time.Second))
			between(life(ctx, name), 60*time.Second, 100*time.Second)
			write(ctx, name, renew(300*time.Second))
			between(life(ctx, name), 200*time.Second, 300*time.Second)
			write(ctx, name, renew(50*time.Second))
			between(life(ctx, name), 10*time.Second, 50*time.Second)
		})
		all.run(call+": gone on time, to the millisecond", func(ctx context.Context) {
			name := fresh(what)
			const ttl = 350 * time.Millisecond
			written := time.Now()
			write(ctx, name, renew(ttl))
			acked := time.Now()
			write(ctx, name, keep(time.Minute))
			expires(written, acked, ttl, func() bool { return exists(ctx, name) })
		})
	}
}

// scalarNamed makes a scalar, for calls that want something else.
func scalarNamed(ctx context.Context, client momento.CacheClient) string {
	name := fresh("scalar")
	want[*responses.SetSuccess](client.Set(ctx, &momento.SetRequest{CacheName: cacheName, Key: momento.String(name), Value: momento.String("x")}))
	return name
}

// kindOf demands the type of an item.
func kindOf(ctx context.Context, client momento.CacheClient, name string) responses.ItemType {
	return want[*responses.ItemGetTypeHit](client.ItemGetType(ctx, &momento.ItemGetTypeRequest{CacheName: cacheName, Key: momento.String(name)})).Type()
}

// nothing demands that no item is left under a name.
func nothing(ctx context.Context, client momento.CacheClient, name string) {
	want[*responses.ItemGetTypeMiss](client.ItemGetType(ctx, &momento.ItemGetTypeRequest{CacheName: cacheName, Key: momento.String(name)}))
}
