package api

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/rpc/admit"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Who asks for batches and does not read them keeps nobody from what is theirs, and
// takes turns again with what is left of them.
func TestWhoReadsSlowlyHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{dial: []grpc.DialOption{grpc.WithInitialWindowSize(64 << 10)}})
		body := bytes.Repeat([]byte("x"), 80<<10)
		set := &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: body, TtlMilliseconds: minute}
		ok[*cachepb.SetResponse](t)(w.scs.Set(in(t.Context()), set))
		batch := &cachepb.GetBatchRequest{}
		for range 4 {
			batch.Items = append(batch.Items, &cachepb.GetRequest{CacheKey: []byte("k")})
		}
		unread, giveUp := context.WithCancel(in(t.Context()))
		defer giveUp()
		var streams []cachepb.Scs_GetBatchClient
		for range quickRoom {
			streams = append(streams, ok[cachepb.Scs_GetBatchClient](t)(w.scs.GetBatch(unread, batch)))
		}
		synctest.Wait()

		waiting, cancel := context.WithTimeout(in(t.Context()), time.Second)
		defer cancel()
		keys := &cachepb.KeysExistRequest{CacheKeys: [][]byte{[]byte("k")}}
		_, err := w.scs.KeysExist(waiting, keys)
		wants(t, err, codes.OK)

		for range batch.GetItems() {
			answer := ok[*cachepb.GetBatchResponse](t)(streams[0].Recv())
			if !bytes.Equal(answer.GetCacheBody(), body) {
				t.Errorf("an answer of %d bytes", len(answer.GetCacheBody()))
			}
		}
		giveUp()
		synctest.Wait()
		if s := w.server.door.lanes.quick.Stats(); s != (admit.Stats{}) {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// Calls that wait for a group to have a leader keep nobody from what other groups hold,
// whoever of a batch's goroutines finds out.
func TestWhoWaitsForALeaderHoldsNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		elected := make(chan struct{})
		w.lost = func(ctx context.Context) {
			if caller, ok := ctx.Value(route.IdlerKey{}).(route.Idler); ok {
				caller.Idle()
			}
			<-elected
		}
		keys := &cachepb.KeysExistRequest{CacheKeys: [][]byte{[]byte("lost"), []byte("lost"), []byte("lost")}}
		done := make(chan error, quickRoom)
		for range quickRoom {
			go func() { done <- second(w.scs.KeysExist(in(t.Context()), keys)) }()
		}
		synctest.Wait()
		waiting, cancel := context.WithTimeout(in(t.Context()), time.Second)
		defer cancel()
		wants(t, second(w.scs.Get(waiting, &cachepb.GetRequest{CacheKey: []byte("k")})), codes.OK)
		close(elected)
		for range quickRoom {
			wants(t, <-done, codes.OK)
		}
		if s := w.server.door.lanes.quick.Stats(); s != (admit.Stats{}) {
			t.Errorf("left behind: %+v", s)
		}
	})
}
