package peer

import (
	"context"
	"errors"
	"iter"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// double stands for a node; what is nil is not asked.
type double struct {
	apply   func(context.Context, cluster.GroupID, *storev1.Command) (*storev1.Result, error)
	view    func(context.Context, cluster.GroupID, *storev1.Query, bool) (*storev1.Result, error)
	publish func(context.Context, cluster.GroupID, fanout.Key, route.Message) (fanout.Position, error)
	catalog func(context.Context, *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error)
	terms   func([]replica.Ref) []uint64
	survey  func(context.Context, cluster.GroupID, uint64, uint64) (iter.Seq[fanout.Seen], error)
	mux     func() *fanout.Mux
	leader  cluster.NodeID // that it names instead of itself
}

func (d *double) Apply(ctx context.Context, g cluster.GroupID, c *storev1.Command) (*storev1.Result, error) {
	return d.apply(ctx, g, c)
}

func (d *double) View(ctx context.Context, g cluster.GroupID, q *storev1.Query, relaxed bool) (*storev1.Result, error) {
	return d.view(ctx, g, q, relaxed)
}

func (d *double) Publish(ctx context.Context, g cluster.GroupID, k fanout.Key, m route.Message) (fanout.Position, error) {
	return d.publish(ctx, g, k, m)
}

func (d *double) ApplyCatalog(ctx context.Context, c *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
	return d.catalog(ctx, c)
}

func (d *double) Terms(refs []replica.Ref) []uint64 { return d.terms(refs) }

func (d *double) Survey(ctx context.Context, g cluster.GroupID, term, page uint64) (iter.Seq[fanout.Seen], error) {
	return d.survey(ctx, g, term, page)
}

func (d *double) Mux() *fanout.Mux { return d.mux() }

func (d *double) NotLeader(g cluster.GroupID) *route.NotLeaderError {
	return &route.NotLeaderError{Group: g, Leader: d.leader, Term: 7}
}

// standing makes a double whose data plane is a real node's.
func standing(node interface {
	route.Node
	Catalog
	Topics
}) *double {
	return &double{apply: node.Apply, view: node.View, publish: node.Publish, catalog: node.ApplyCatalog, mux: node.Mux}
}

// served has node "b" of the town serve a double until the test ends or the
// function it returns is called, which cuts what is under way.
func (w *town) served(t testing.TB, d *double, change ...func(*ServerConfig)) (stop func()) {
	t.Helper()
	m := w.mux(t, "b")
	config := ServerConfig{Node: d, Catalog: d, Terms: d, Witness: d, Topics: d}
	for _, c := range change {
		c(&config)
	}
	s, err := NewServer(config)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(m.Calls()); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Stop(now); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("stop: %v", err)
		}
		serving.Wait()
		_ = m.Close()
	})
	t.Cleanup(stop)
	return stop
}

// caller makes the face that node "a" of the town has of "b".
func (w *town) caller(t testing.TB) *Client {
	t.Helper()
	m := w.mux(t, "a")
	return w.through(t, m, m.DialCalls).Client("b")
}

func (w *town) through(t testing.TB, m *Mux, dial func(context.Context, cluster.NodeID) (net.Conn, error)) *Pool {
	p := NewPool(PoolConfig{Self: m.config.Self, Dial: dial})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// until waits for something to become true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
