package test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// takeOver bounds how long the writes to a group may stand still when its leader
// is gone. It takes about three seconds; the rest is for a machine that is busy.
const takeOver = 15 * time.Second

// The leader of a group is killed while writers on all nodes push to a list of it
// and publish to a topic. Writes through the others are back soon, no
// acknowledged push is lost or there twice, and subscribers on the others hear
// one and the same topic, with one word about the change. It comes back and serves.
func TestKillALeaderUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	name := c.NameIn(group, "story", "room")
	first := c.Leader(t, group)
	others := c.Except(first)
	var witnesses []*witness
	for _, n := range append(others, others...) { // two at each
		witnesses = append(witnesses, newWitness(t, n, name))
	}
	l := startLoad(t, name, 3, c.Nodes, witnesses...)
	l.flows(t, harness.Patience, 100)

	first.Kill(t)
	t.Logf("writes were back %s after the leader was killed", l.back(t, takeOver, others[0]))
	l.flows(t, harness.Patience, 100, others...)
	second := c.Leader(t, group)
	if second == first {
		t.Fatalf("%s still leads", first.Name)
	}
	first.Start(t)
	l.flows(t, harness.Patience, 50, first)
	l.finish()

	l.agreed(t, c, witnesses...)
}

// A leader stands still for eight seconds, in which others take over, and goes on
// in the middle of what it was doing. What it was asked meanwhile it answers with
// what has been written meanwhile, or not at all; and it gives no number to any
// item as if it still led.
func TestFreezeALeaderUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	name := c.NameIn(group, "story", "room")
	leader := c.Leader(t, group)
	others := c.Except(leader)
	var witnesses []*witness
	for _, n := range c.Nodes {
		witnesses = append(witnesses, newWitness(t, n, name))
	}
	l := startLoad(t, name, 3, c.Nodes, witnesses...)
	l.flows(t, harness.Patience, 50)
	conn := leader.Conn(t)
	if _, err := cachepb.NewScsClient(conn).ListLength(leader.InCache(t, "story"), &cachepb.ListLengthRequest{ListName: []byte(name)}); err != nil {
		t.Fatal(err) // a connection cannot be made while the leader stands still
	}

	const standstill = 8 * time.Second
	leader.Freeze(t)
	frozen := time.Now()
	t.Logf("writes were back %s after the leader froze", l.back(t, takeOver, others[0]))
	l.flows(t, harness.Patience, 50, others...)
	late := l.askTheFrozen(t, leader, conn)
	harness.Eventually(t, harness.Patience, standstill.String(), func() (bool, string) {
		return time.Since(frozen) >= standstill, "time goes on"
	})
	leader.Thaw(t)
	late()
	l.flows(t, harness.Patience, 50, leader)
	l.finish()

	l.agreed(t, c, witnesses...)
}

// askTheFrozen has a node that stands still asked many things by patient callers
// at once. The function it returns waits for the answers: each list must have all
// pushes that were acknowledged before it was asked for.
func (l *load) askTheFrozen(t *testing.T, n *harness.Node, conn *grpc.ClientConn) (answered func()) {
	t.Helper()
	known := l.of(&l.pushes, func(a attempt) bool { return a.acked() })
	ctx := harness.Bounded(t)
	var asking sync.WaitGroup
	var answers atomic.Int64
	for i := range 20 {
		asking.Go(func() { l.send(ctx, n, conn, fmt.Sprintf("late.%d-0", i), harness.Patience) })
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(harness.WithCache(ctx, "story"), harness.Patience)
			defer cancel()
			answer, err := cachepb.NewScsClient(conn).ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte(l.name)})
			if err != nil {
				t.Logf("%s refused a read: %v", n.Name, err) // that is no stale read
				return
			}
			answers.Add(1)
			has := make(map[string]bool)
			for _, v := range answer.GetFound().GetValues() {
				has[string(v)] = true
			}
			for _, a := range known {
				if !has[a.value] {
					t.Errorf("a stale read: %s lacks %s, which was acknowledged by %s before", n.Name, a.value, a.through.Name)
					return
				}
			}
		})
	}
	return func() {
		asking.Wait()
		t.Logf("%d of 20 reads were answered, all of them with news", answers.Load())
	}
}

// agreed demands, when the load is over and every node runs, that every witness hears a
// last item, that every node holds what was acknowledged, and that all tell of one order.
func (l *load) agreed(t *testing.T, c *harness.Cluster, witnesses ...*witness) {
	t.Helper()
	const last = "the end-0"
	publish(t, c.Up()[0].Server, l.name, []string{last})
	for _, w := range witnesses {
		w.hears(t, last)
	}
	for _, n := range c.Nodes {
		l.holds(t, n)
	}
	l.oneOrder(t, witnesses...)
}
