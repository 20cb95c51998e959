package test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Whoever tests an app against `mayfly dev` lets calls fail as often as the headers
// say, and streams break, over the wire.
func TestFaultsByHeader(t *testing.T) {
	t.Parallel()
	server := harness.StartDev(t)
	c := clientsOf(server.Conn(t))
	ctx := harness.WithCache(harness.Bounded(t), "default")
	failing := metadata.AppendToOutgoingContext(ctx, "request-id", "a", "error-rpcs", "get set", "return-error", "unavailable", "error-count", "2")
	for i, want := range []codes.Code{codes.Unavailable, codes.Unavailable, codes.OK, codes.OK} {
		if _, err := c.scs.Get(failing, &cachepb.GetRequest{CacheKey: []byte("k")}); status.Code(err) != want {
			t.Errorf("try %d: %v, want %v", i+1, err, want)
		}
	}
	breaking := metadata.AppendToOutgoingContext(ctx, "stream-error-rpcs", "topic-subscribe", "stream-error", "internal", "stream-error-message-limit", "2")
	stream, err := c.pubsub.Subscribe(breaking, &pubsubpb.SubscribeRequest{CacheName: "default", Topic: "t"})
	for n := 0; ; n++ { // the second message is a heartbeat like the first
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			if status.Code(err) != codes.Internal || n != 2 {
				t.Errorf("the stream ended with %v after %d messages, want INTERNAL after 2", err, n)
			}
			break
		}
	}
}

// The same seed lets the same calls fail in two brokers.
func TestFaultsAtRandom(t *testing.T) {
	t.Parallel()
	fates := func() (fates []codes.Code) {
		server := harness.StartDev(t, "--fault-percent", "40", "--fault-seed", "7")
		c := clientsOf(server.Conn(t))
		ctx := harness.WithCache(harness.Bounded(t), "default")
		for range 12 {
			_, err := c.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")})
			fates = append(fates, status.Code(err))
		}
		return fates
	}
	first, second := fates(), fates()
	failed := 0
	for i := range first {
		if first[i] != second[i] {
			t.Errorf("call %d: %v in one broker and %v in the other", i+1, first[i], second[i])
		}
		if first[i] != codes.OK {
			failed++
		}
	}
	if failed == 0 || failed == len(first) {
		t.Errorf("%d of %d calls failed", failed, len(first))
	}
}

// A line that is blocked carries nothing, and carries again once it is unblocked; and
// what lives a minute is gone in a second on a broker whose clock runs.
func TestBlockedLineAndFastClock(t *testing.T) {
	t.Parallel()
	admin := harness.FreeAddr(t)
	server := harness.StartDev(t, "--admin-listen", admin, "--clock", "60")
	c := clientsOf(server.Conn(t))
	ctx := harness.WithCache(harness.Bounded(t), "default")
	get := func() (*cachepb.GetResponse, error) {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return c.scs.Get(limited, &cachepb.GetRequest{CacheKey: []byte("k")})
	}
	if _, err := c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: []byte("v"), TtlMilliseconds: 60_000}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if r, err := get(); err != nil || r.GetResult() != cachepb.ECacheResult_Hit && time.Since(began) < 900*time.Millisecond {
		t.Errorf("at once there is %v, %v", r, err)
	}
	harness.Eventually(t, 5*time.Second, "a minute to pass in a second", func() (bool, string) {
		r, err := get()
		return err == nil && r.GetResult() == cachepb.ECacheResult_Miss, r.String()
	})
	ask := func(path string) {
		t.Helper()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	ask("/block")
	if _, err := get(); err == nil {
		t.Error("the line is blocked, and carries")
	}
	ask("/unblock")
	harness.Eventually(t, harness.Patience, "the line to carry again", func() (bool, string) {
		_, err := get()
		return err == nil, ""
	})
}
