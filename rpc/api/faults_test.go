package api

import (
	"context"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/fanout"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// doom lets calls of one method meet a fate.
type doom struct {
	method      string
	messages    int
	broken, err error
}

func (doom) Headers() []string { return nil }

func (d doom) Call(_ context.Context, method string, streams bool, _ func(string) string) (messages int, broken, err error) {
	if method != d.method || streams != (d.broken != nil) {
		return 0, nil, nil
	}
	return d.messages, d.broken, d.err
}

func TestProvokedErrors(t *testing.T) {
	w := newWorld(t, settings{secured: true, config: Config{Faults: doom{
		method: cachepb.Scs_Get_FullMethodName, err: status.Error(codes.DataLoss, "provoked"),
	}}})
	_, err := w.scs.Get(in(t.Context(), "cache", "c"), &cachepb.GetRequest{CacheKey: []byte("k")})
	wants(t, err, codes.DataLoss) // although there is no credential
	_, err = w.scs.Delete(in(t.Context(), "cache", "c"), &cachepb.DeleteRequest{CacheKey: []byte("k")})
	wants(t, err, codes.Unauthenticated)
}

// A stream that is to break sends what it may and no more, whether its handler sends
// or a subscription does, and whether or not there would have been more, or as much.
func TestProvokedBreaks(t *testing.T) {
	broken := status.Error(codes.Internal, "provoked")
	t.Run("batch", func(t *testing.T) {
		for _, keys := range []int{0, 1, 2, 5} {
			w := newWorld(t, settings{config: Config{Faults: doom{method: cachepb.Scs_GetBatch_FullMethodName, messages: 2, broken: broken}}})
			r := &cachepb.GetBatchRequest{}
			for range keys {
				r.Items = append(r.Items, &cachepb.GetRequest{CacheKey: []byte("k")})
			}
			stream, err := w.scs.GetBatch(in(t.Context(), "cache", "c"), r)
			if err != nil {
				t.Fatal(err)
			}
			for n := 0; ; n++ {
				_, err := stream.Recv()
				if err == nil {
					continue
				}
				if n != min(keys, 2) || err == io.EOF {
					t.Errorf("%d keys: %d answers and %v, want %d", keys, n, err, min(keys, 2))
				}
				wants(t, err, codes.Internal)
				break
			}
		}
	})
	t.Run("subscription", func(t *testing.T) {
		// The first message is the heartbeat that greets.
		w := newWorld(t, settings{config: Config{Heartbeat: time.Hour, Faults: doom{
			method: "/cache_client.pubsub.Pubsub/Subscribe", messages: 3, broken: broken,
		}}})
		l := w.listen(t, fanout.Position{})
		w.say(t, "a", "b", "c", "d")
		l.expect("1 a", "2 b")
		l.ends(codes.Internal)
	})
	t.Run("before anything came", func(t *testing.T) {
		w := newWorld(t, settings{config: Config{Heartbeat: time.Hour, Faults: doom{
			method: "/cache_client.pubsub.Pubsub/Subscribe", messages: 1, broken: broken,
		}}})
		w.listen(t, fanout.Position{}).ends(codes.Internal)
	})
}
