package api

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// Limits that are set while a server runs hold for the next call, and what they show
// is what holds.
func TestLimitsWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		put := func(size int) error {
			return second(w.scs.Set(in(t.Context()), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, size), TtlMilliseconds: minute}))
		}
		set := func(limits Limits) {
			t.Helper()
			if err := w.server.SetLimits(limits); err != nil {
				t.Fatal(err)
			}
		}
		wants(t, put(100), codes.OK)
		set(Limits{Node: Allowance{Operations: 3}})
		if refused, last := spend(10, func() error { return put(1) }); refused != 7 {
			t.Errorf("%d of 10 calls were refused on a node that takes 3 a second: %v", refused, last)
		}
		set(Limits{ItemBytes: 64})
		if text := status.Convert(put(100)).Message(); !strings.Contains(text, "64") {
			t.Errorf("an item of more than 64 bytes: %q", text)
		}
		wants(t, put(10), codes.OK)
		set(Limits{Publishes: 7})
		listed, err := w.control.ListCaches(t.Context(), &controlpb.ListCachesRequest{})
		if err != nil || listed.GetCache()[0].GetTopicLimits().GetMaxPublishRate() != 7 {
			t.Errorf("shown: %v, %v", listed, err)
		}
		if refused, last := spend(10, func() error { return put(100) }); refused != 0 {
			t.Errorf("%d calls were refused without a limit: %v", refused, last)
		}
	})
}

// Subscriptions that are there when fewer are allowed stay; a new one has to wait
// until there is a place.
func TestFewerSubscriptionsWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		open := func(ctx context.Context) error {
			s, err := w.topic.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
			if err == nil {
				_, err = s.Recv()
			}
			return err
		}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		if refused, last := spend(3, func() error { return open(ctx) }); refused != 0 {
			t.Fatal(last)
		}
		if err := w.server.SetLimits(Limits{Subscriptions: 1}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := w.topics.Stats().Subscriptions; n != 3 {
			t.Errorf("%d subscriptions are left of 3", n)
		}
		limitedBy(t, open(t.Context()), subscriptionsKind)
		leave()
		synctest.Wait()
		wants(t, open(t.Context()), codes.OK)
		limitedBy(t, open(t.Context()), subscriptionsKind)
	})
}

// What makes no sense changes nothing.
func TestSenselessLimitsWhileRunning(t *testing.T) {
	room := share.New(1<<30, 1)
	w := newWorld(t, settings{config: Config{Limits: Limits{ItemBytes: 50}, Room: room}})
	before := w.server.door.bounds.Load()
	for name, limits := range map[string]Limits{
		"negative":        {Operations: -1},
		"larger than all": {RequestBytes: maxReceive + 1},
		"none fits":       {InFlightBytes: 1},
	} {
		if err := w.server.SetLimits(limits); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if w.server.door.bounds.Load() != before {
		t.Error("limits that were refused are in force")
	}
	if held := room.Holder(); !held.Take(100 << 20) {
		t.Error("the room for messages has changed")
	} else {
		held.Give(held.Held())
	}
	if err := w.server.SetLimits(Limits{InFlightBytes: 30 << 20}); err != nil {
		t.Fatal(err)
	}
	if held := room.Holder(); held.Take(100 << 20) {
		t.Error("the room for messages is as large as before")
	}
	if got := w.server.door.budget.limit.Load(); got != 30<<20 {
		t.Errorf("requests share %d bytes", got)
	}
}

// Calls go on while limits are set.
func TestSettingLimitsBesideCalls(t *testing.T) {
	w := newWorld(t, settings{})
	var all sync.WaitGroup
	defer all.Wait()
	for range 4 {
		all.Go(func() {
			for range 50 {
				if _, err := w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte("k")}); status.Code(err) != codes.OK && status.Code(err) != codes.ResourceExhausted {
					t.Error(err)
				}
			}
		})
	}
	for n := range 50 {
		if err := w.server.SetLimits(Limits{Node: Allowance{Operations: n % 2}, MaxTTL: DefaultLimits().MaxTTL}); err != nil {
			t.Error(err)
		}
	}
}
