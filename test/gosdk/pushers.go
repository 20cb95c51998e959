package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/momentohq/client-sdk-go/momento"
)

// What the crash story asks for: so many acknowledged pushes in all, by so many
// clients of several writers each, into lists that they all share.
const (
	acknowledged  = 10_000
	pushClients   = 4
	pushersEach   = 8
	sharedLists   = 5
	restartsAfter = 50 * time.Millisecond
)

// pushers pushes numbered values until enough have been acknowledged, through
// whatever happens to the broker meanwhile. A value whose push failed may or
// may not be in the list; it is reported as refused and never sent again.
func pushers() {
	var acks atomic.Int64
	var all sync.WaitGroup
	for c := range pushClients {
		client := cacheClient(adminKey)
		defer client.Close()
		for w := range pushersEach {
			all.Go(func() { pushOn(client, fmt.Sprintf("writer-%d-%d", c, w), &acks) })
		}
	}
	all.Wait()
	tell(event{Event: "finished", ID: "all"})
}

func pushOn(client momento.CacheClient, writer string, acks *atomic.Int64) {
	ctx := context.Background()
	for n := 0; acks.Load() < acknowledged; n++ {
		list := fmt.Sprintf("shared-%d", n%sharedLists)
		value := fmt.Sprintf("%s-%06d", writer, n)
		_, err := client.ListPushBack(ctx, &momento.ListPushBackRequest{
			CacheName: cacheName, ListName: list, Value: momento.String(value),
		})
		answered(order{ID: list}, value, err)
		if err == nil {
			acks.Add(1)
			continue
		}
		awaitBroker(ctx, client)
	}
}

// awaitBroker returns when the broker answers again.
func awaitBroker(ctx context.Context, client momento.CacheClient) {
	tick := time.NewTicker(restartsAfter)
	defer tick.Stop()
	for {
		if _, err := client.Ping(ctx); err == nil {
			return
		}
		<-tick.C
	}
}
