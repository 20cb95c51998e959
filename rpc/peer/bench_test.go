package peer

import (
	"context"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
)

// BenchmarkHop measures what a request costs that is served by another node,
// beside the service itself: both ends run in this process.
func BenchmarkHop(b *testing.B) {
	var w town
	w.served(b, &double{
		apply: func(context.Context, cluster.GroupID, *storev1.Command) (*storev1.Result, error) {
			return &storev1.Result{Outcome: &storev1.Result_Stored{Stored: true}}, nil
		},
		publish: func(context.Context, cluster.GroupID, fanout.Key, route.Message) (fanout.Position, error) {
			return fanout.Position{Page: 1, Sequence: 1}, nil
		},
	})
	c := w.caller(b)
	value := make([]byte, 100)
	apply := func() error {
		_, err := c.Apply(b.Context(), 1, nodetest.Set("key", value, time.Hour))
		return err
	}
	publish := func() error {
		_, err := c.Publish(b.Context(), 1, fanout.Key{Cache: "chat", Topic: "room"}, route.Message{Value: value})
		return err
	}
	for name, one := range map[string]func() error{"apply": apply, "publish": publish} {
		b.Run(name+"/alone", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := one(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/64 at once", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := one(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
