package api

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// BenchmarkStalledReaders measures the time from a publish to the one subscriber that
// reads, beside others of the topic that have stopped reading.
func BenchmarkStalledReaders(b *testing.B) {
	for _, stalled := range []int{0, 1000} {
		b.Run(fmt.Sprint(stalled), func(b *testing.B) {
			w := newWorld(b, settings{})
			address := w.listenTCP(b)
			open := func() grpc.ServerStreamingClient[pubsubpb.SubscribeResponse] {
				s, err := pubsubpb.NewPubsubClient(dialTCP(b, address)).Subscribe(b.Context(), &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
				if err == nil {
					_, err = s.Recv()
				}
				if err != nil {
					b.Fatal(err)
				}
				return s
			}
			for range stalled {
				open()
			}
			fast := open()
			publish := func(value string) {
				ok[*pubsubpb.PublishResponse](b)(w.topic.Publish(b.Context(), text("c", "t", value)))
				if _, err := fast.Recv(); err != nil {
					b.Fatal(err)
				}
			}
			for range 20 { // more than a stream's window, so that they are stalled
				publish(strings.Repeat("x", 8<<10))
			}
			for b.Loop() {
				publish("x")
			}
		})
	}
}

// BenchmarkAfford measures what it takes to find that nothing is limited, and to take
// from limits.
func BenchmarkAfford(b *testing.B) {
	w := newWorld(b, settings{})
	most := uint32(1 << 31)
	limited := &storev1.CacheLimits{MaxTrafficRate: &most, MaxThroughputKbps: &most}
	for name, c := range map[string]*call{
		"no limit":              {cache: &storev1.CacheRecord{Name: "c"}},
		"a cache's":             {cache: &storev1.CacheRecord{Name: "c", Limits: limited}},
		"a cache's and a key's": {cache: &storev1.CacheRecord{Name: "c", Limits: limited}, who: auth.Principal{KeyID: "k", Account: "k", Limits: auth.Limits{Operations: most}}},
	} {
		c.door, c.bounds, c.method = w.server.door, w.server.door.bounds.Load(), &method{rule: rules[cachepb.Scs_Get_FullMethodName]}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			request := &cachepb.GetRequest{CacheKey: []byte("k")}
			before := cpu()
			defer func() { b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op") }()
			for b.Loop() {
				c.debts.n = 0
				if err := c.afford(request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
