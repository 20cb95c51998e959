package replica

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

// counter is a state machine that costs nothing.
type counter struct{}

func (counter) Apply(_ uint64, commands [][]byte) []any { return make([]any, len(commands)) }
func (counter) Snapshot() (io.WriterTo, error)          { return counter{}, nil }
func (counter) Restore(io.Reader) error                 { return nil }
func (counter) WriteTo(io.Writer) (int64, error)        { return 0, nil }

func benchGroup(b *testing.B, dir string) *Group {
	cfg := singleNode(dir)
	cfg.StateMachine = func(cluster.GroupID) StateMachine { return counter{} }
	return open(b, cfg).lead(b, 1)
}

// BenchmarkPropose measures 256-byte commands from a number of callers who each
// wait for their answer, on one group.
func BenchmarkPropose(b *testing.B) {
	for _, store := range []string{"memory", "disk"} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("store=%s/callers=%d", store, callers), func(b *testing.B) {
				dir := ""
				if store == "disk" {
					dir = b.TempDir()
				}
				g := benchGroup(b, dir)
				first := g.Stats().LastIndex
				cmd := make([]byte, 256)
				ctx := context.Background()
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for c := range callers {
					n := b.N / callers
					if c < b.N%callers {
						n++
					}
					wg.Go(func() {
						for range n {
							if _, err := g.Propose(ctx, cmd); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
				b.ReportMetric(float64(b.N)/float64(g.Stats().LastIndex-first), "commands/entry")
			})
		}
	}
}

func BenchmarkConfirm(b *testing.B) {
	g := benchGroup(b, "")
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := g.Confirm(ctx); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkOpen measures the start of a node with 17 groups until all lead.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	cfg := Config{Dir: dir, Node: "n1", Founders: []cluster.NodeID{"n1"},
		StateMachine: func(cluster.GroupID) StateMachine { return counter{} }}
	for b.Loop() {
		n, err := tryOpen(cfg)
		if err != nil {
			b.Fatal(err)
		}
		if err := n.WaitLeaders(context.Background()); err != nil {
			b.Fatal(err)
		}
		n.close(b)
	}
}

// BenchmarkConfirmThreeVoters measures reads of a group of three replicas in
// one process, by asking the voters for their terms and through the log. The
// network is memory, so what is left is our own work.
func BenchmarkConfirmThreeVoters(b *testing.B) {
	for _, way := range []string{"terms", "log"} {
		for _, readers := range []int{1, 64} {
			b.Run(fmt.Sprintf("by=%s/readers=%d", way, readers), func(b *testing.B) {
				c := newCluster(trioNames, trioNames)
				c.tune = func(_ cluster.NodeID, cfg *Config) {
					cfg.tuning = defaultTuning()
					if way == "log" {
						cfg.Terms = nil
					}
				}
				for _, name := range c.names {
					c.dirs[name] = b.TempDir()
					c.start(b, name)
				}
				g := c.leader(b).Group(1)
				ctx := context.Background()
				b.ReportAllocs()
				b.SetParallelism(readers)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := g.Confirm(ctx); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
