package test

import (
	"testing"
	"time"

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
	l := startLoad(t, name, 3, c.Nodes...)
	l.flows(t, harness.Patience, 100)

	first.Kill(t)
	t.Logf("writes were back %s after the leader was killed", l.flows(t, takeOver, 100, others...))
	second := c.Leader(t, group)
	if second == first {
		t.Fatalf("%s still leads", first.Name)
	}
	first.Start(t)
	l.flows(t, harness.Patience, 50, first)
	l.finish()

	end(t, c, name, witnesses...)
	for _, n := range c.Nodes {
		l.holds(t, n)
	}
	l.oneOrder(t, witnesses...)
}

// end publishes a last item and waits until every witness has heard it.
func end(t *testing.T, c *harness.Cluster, topic string, witnesses ...*witness) {
	t.Helper()
	const last = "the end-0"
	publish(t, c.Up()[0].Server, topic, []string{last})
	for _, w := range witnesses {
		w.hears(t, last)
	}
}
