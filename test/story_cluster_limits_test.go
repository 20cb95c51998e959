package test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// flood publishes on a node as fast as four callers can, until ctx ends, and counts
// what was taken.
func flood(ctx context.Context, t *testing.T, n *harness.Node, cache string, took *atomic.Int64) {
	client := pubsubpb.NewPubsubClient(n.Conn(t))
	call := harness.WithKey(ctx, n.AdminKey(t))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := client.Publish(call, &pubsubpb.PublishRequest{
					CacheName: cache, Topic: "t", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: "x"}},
				})
				switch status.Code(err) {
				case codes.OK:
					took.Add(1)
				case codes.ResourceExhausted:
					// As fast as the SDKs' users do who try again at once, but for the
					// processor that this test shares with the brokers.
					pause(ctx, 2*time.Millisecond)
				case codes.DeadlineExceeded, codes.Canceled: // it is over
				default:
					t.Errorf("publish: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// The limit of a cache is that of the cluster, whichever nodes its clients use: all of
// it is there for one node alone, and not more of it for three.
func TestClusterKeepsLimits(t *testing.T) {
	t.Parallel()
	const limit = 200
	c := harness.StartCluster(t, harness.ClusterOptions{})
	mustRun(t, c.Nodes[0].CLI(t, "", "cache", "create", "story", "--max-publishes", "200", "--max-subscriptions", "5", "--max-keys", "10"))
	const settle, look = 2 * time.Second, 3 * time.Second
	for _, test := range []struct {
		name  string
		nodes []*harness.Node
	}{{"all to one node", c.Nodes[:1]}, {"the same to each", c.Nodes}} {
		ctx, stop := context.WithTimeout(t.Context(), settle+look)
		var took atomic.Int64
		var all sync.WaitGroup
		for _, n := range test.nodes {
			all.Go(func() { flood(ctx, t, n, "story", &took) })
		}
		pause(ctx, settle)
		before, began := took.Load(), time.Now()
		all.Wait()
		rate := float64(took.Load()-before) / time.Since(began).Seconds()
		stop()
		t.Logf("%s: %.1f a second of a limit of %d", test.name, rate, limit)
		if rate < 0.8*limit || rate > 1.15*limit {
			t.Errorf("%s: %.1f a second passed a limit of %d", test.name, rate, limit)
		}
	}
	countPlaces(t, c)
	countKeys(t, c)
}

// countPlaces takes places on every node in turn until none is left anywhere.
func countPlaces(t *testing.T, c *harness.Cluster) {
	t.Helper()
	ctx := harness.WithKey(t.Context(), c.Nodes[0].AdminKey(t))
	taken := 0
	for late := time.Now().Add(4 * time.Second); time.Now().Before(late); pause(ctx, 100*time.Millisecond) {
		for _, n := range c.Nodes {
			s, err := pubsubpb.NewPubsubClient(n.Conn(t)).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "t"})
			if err == nil {
				_, err = s.Recv()
			}
			switch status.Code(err) {
			case codes.OK:
				taken++
			case codes.ResourceExhausted:
			default:
				t.Fatal(err)
			}
		}
	}
	if taken != 5 {
		t.Errorf("%d subscriptions were taken, want 5", taken)
	}
}

// countKeys makes keys, a few a second, on every node in turn.
func countKeys(t *testing.T, c *harness.Cluster) {
	t.Helper()
	made := 0
	for i := range 24 {
		key := "/cache/story?ttl_seconds=60&key=" + string(rune('a'+i))
		if c.Nodes[i%3].Request(t, "PUT", key, "v", "Authorization", c.Nodes[0].AdminKey(t)).Status == 204 {
			made++
		}
		pause(t.Context(), 100*time.Millisecond)
	}
	// Nodes tell each other once a second, in which some may have been made.
	if made < 10 || made > 20 {
		t.Errorf("%d keys were made, want 10 or a second's worth more", made)
	}
	t.Logf("%d keys of 10", made)
}
