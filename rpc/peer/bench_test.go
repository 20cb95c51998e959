package peer

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
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

// BenchmarkMirror measures what an item costs that crosses to another node, both
// ends together; ns/op is one item, published as fast as the link takes it.
func BenchmarkMirror(b *testing.B) {
	for _, count := range []int{1, 100} {
		b.Run(fmt.Sprint(count, " topics"), func(b *testing.B) { benchmarkMirror(b, count) })
	}
}

func benchmarkMirror(b *testing.B, count int) {
	const lead = 1024 // items that are ahead of the link at most
	owner := leading(b, fanout.Config{TopicItems: 2 * lead, TopicBytes: 64 << 20})
	var w town
	w.served(b, &double{mux: owner.NewMux})
	up, err := w.caller(b).Mirror(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer up.Close()
	mirror := topics(b, fanout.Config{})
	if err := mirror.Mirror(mirroredGroup); err != nil {
		b.Fatal(err)
	}
	keys := make([]fanout.Key, count)
	for i := range keys {
		keys[i] = fanout.Key{Cache: "chat", Topic: fmt.Sprint("room", i)}
		if _, err := mirror.Subscribe(mirroredGroup, keys[i], fanout.Position{}, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	relay := mirror.NewRelay()
	if err := relay.Join(mirroredGroup); err != nil {
		b.Fatal(err)
	}
	if err := up.Ask(relay.Requests()); err != nil {
		b.Fatal(err)
	}
	take := func() (items int) {
		p, err := up.Next()
		if err == nil {
			err = relay.Take(p, time.Now())
		}
		if err != nil {
			b.Fatal(err)
		}
		return len(p.Events)
	}
	for range keys {
		take() // it has begun
	}
	value := make([]byte, 200)
	b.ReportAllocs()
	b.ResetTimer()
	published, crossed := 0, 0
	for crossed < b.N {
		for published < min(b.N, crossed+lead) {
			if _, err := owner.Publish(mirroredGroup, keys[published%count], time.Now(), func(fanout.Position) []byte { return value }); err != nil {
				b.Fatal(err)
			}
			published++
		}
		crossed += take()
	}
}

// BenchmarkCommit measures what an entry of 256 bytes costs that three nodes agree on
// over their peer ports: all three run in this process, and keep it in memory.
func BenchmarkCommit(b *testing.B) {
	var w town
	nodes := []cluster.NodeID{"a", "b", "c"}
	hosts := make(map[cluster.NodeID]*replica.Host)
	for _, node := range nodes {
		host, err := replica.Open(b.Context(), replica.Config{
			Node: node, ClusterID: "c", DataGroups: 1, Founders: nodes, Network: w.mux(b, string(node)),
			StateMachine: func(cluster.GroupID) replica.StateMachine { return &log{} },
		})
		if err != nil {
			b.Fatal(err)
		}
		hosts[node] = host
		b.Cleanup(func() { _ = host.Close(context.WithoutCancel(b.Context())) })
	}
	leader := hosts[propose(b.Context(), b, hosts, 1, "first")].Group(1)
	entry := make([]byte, 256)
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := leader.Propose(b.Context(), entry); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
