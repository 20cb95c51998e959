package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// The leader of a group is cut off from the others: wholly, so that nobody hears
// it, so that it hears nobody. Each time the others go on with a leader of their
// own, the one that was cut off says so to its clients, and all is one again when
// the network is. Nothing acknowledged is lost, there is one order, and no replica
// has moved.
func TestPartOffALeaderUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	name := c.NameIn(group, "story", "room")
	before := harness.Replicas(c.Nodes[0].Status(t))
	var witnesses []*witness
	for _, n := range c.Nodes {
		witnesses = append(witnesses, newWitness(t, n, name))
	}
	l := startLoad(t, name, 1, c.Nodes, witnesses...)
	l.flows(t, harness.Patience, 50)

	for _, way := range []struct {
		name string
		cut  func(leader *harness.Node, others []*harness.Node)
	}{
		{"the leader is alone", func(leader *harness.Node, _ []*harness.Node) { c.Part(leader) }},
		{"nobody hears the leader", func(leader *harness.Node, others []*harness.Node) {
			for _, n := range others {
				c.Cut(leader, n)
			}
		}},
		{"the leader hears nobody", func(leader *harness.Node, others []*harness.Node) {
			for _, n := range others {
				c.Cut(n, leader)
			}
		}},
	} {
		leader := c.Leader(t, group)
		others := c.Except(leader)
		cut := time.Now()
		way.cut(leader, others)
		t.Logf("%s: writes were back %s after the cut", way.name, l.back(t, takeOver, others[0]))
		l.flows(t, harness.Patience, 30, others...)
		l.refuses(t, leader)
		if got := l.of(&l.pushes, ackedSince(cut, leader)); len(got) > 0 {
			t.Errorf("%s: %d pushes were acknowledged by %s, which was cut off", way.name, len(got), leader.Name)
		}
		c.Mend()
		l.flows(t, harness.Patience, 20, leader)
	}
	l.finish()
	hearEachOther(t, c)
	l.agreed(t, c, witnesses...)
	if after := harness.Replicas(c.Nodes[0].Status(t)); !maps.Equal(before, after) {
		t.Errorf("replicas moved by themselves: before %v, after %v", before, after)
	}
}

// Four nodes are split in the middle. A group goes on in the half that has two of
// its three voters and not in the other, and all is one again when the network is.
func TestSplitInHalvesUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Nodes: 4})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	name := c.NameIn(group, "story", "room")
	var witnesses []*witness
	for _, n := range c.Nodes {
		witnesses = append(witnesses, newWitness(t, n, name))
	}
	most := twoVoters(t, c, group)
	l := startLoad(t, name, 1, c.Nodes, witnesses...)
	l.flows(t, harness.Patience, 20)

	rest := c.Except(most...)
	split := time.Now()
	c.Part(most...)
	t.Logf("writes in the half with most voters were back %s after the split", l.back(t, takeOver, most[0]))
	l.flows(t, harness.Patience, 30, most...)
	l.refuses(t, rest[0])
	if got := l.of(&l.pushes, ackedSince(split, rest...)); len(got) > 0 {
		t.Errorf("%d pushes were acknowledged in the half with one voter", len(got))
	}
	c.Mend()
	l.flows(t, harness.Patience, 20, rest...)
	l.finish()
	hearEachOther(t, c)
	l.agreed(t, c, witnesses...)
}

// twoVoters waits until a group has three voters and none of it moves, which takes
// a while after four nodes have founded a cluster in which three vote, and returns
// two of them.
func twoVoters(t *testing.T, c *harness.Cluster, group int) (two []*harness.Node) {
	t.Helper()
	harness.Eventually(t, 4*harness.Patience, "a group at rest", func() (bool, string) {
		status := c.Nodes[0].Status(t)
		voters := harness.Voters(status)[uint32(group)]
		two = slices.DeleteFunc(slices.Clone(c.Nodes), func(n *harness.Node) bool { return !slices.Contains(voters, n.Name) })
		return len(two) == 3 && !status.GetGroups()[group].GetMoving(), fmt.Sprint(status.GetGroups()[group])
	})
	return two[:2]
}

// refuses demands that a client of a node which was cut off hears within the
// deadline of an SDK that nothing was done, or that nobody knows.
func (l *load) refuses(t *testing.T, n *harness.Node) {
	t.Helper()
	ctx, conn := n.InCache(t, "story"), n.Conn(t)
	value := fmt.Sprintf("refused.%d-0", time.Now().UnixNano())
	var reads []attempt
	var asking sync.WaitGroup
	asking.Go(func() { l.send(ctx, n, conn, value, callTime) })
	asking.Go(func() {
		l.try(ctx, &reads, n, value, callTime, func(ctx context.Context) error {
			_, err := cachepb.NewScsClient(conn).ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte(l.name)})
			return err
		})
	})
	asking.Wait()
	for what, in := range map[string]*[]attempt{"push": &l.pushes, "publish": &l.publishes, "read": &reads} {
		a := l.of(in, func(a attempt) bool { return a.value == value })[0]
		t.Logf("%s refused a %s after %s: %v", n.Name, what, a.ended.Sub(a.begun), a.err)
		switch status.Code(a.err) {
		case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted:
		default:
			t.Errorf("a %s through %s, which was cut off: %v", what, n.Name, a.err)
		}
	}
}

// hearEachOther waits until gossip of every node hears every other.
func hearEachOther(t *testing.T, c *harness.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		harness.Eventually(t, harness.Patience, n.Name+" to hear all others", func() (bool, string) {
			m := n.Metrics(t)
			alive := m.Of("mayfly_gossip_peers", "state", "alive")
			return alive == float64(len(c.Nodes)-1), fmt.Sprint(alive, " are heard")
		})
	}
}
