package faults

import (
	"strconv"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// nemesis does to a cluster what a plan says. It belongs to the test's goroutine.
type nemesis struct {
	cluster *harness.Cluster
	// note tells what is done, when it is done.
	note func(format string, args ...any)
}

// harm does one step, and leaves the cluster whole.
func (n nemesis) harm(t *testing.T, s Step) {
	pause(t, s.Calm)
	c := n.cluster
	victim, other := c.Nodes[s.Node], c.Nodes[(s.Node+1)%len(c.Nodes)]
	if s.Group >= 0 {
		victim, other = c.Leader(t, s.Group), c.Nodes[s.Node]
	}
	if other == victim {
		other = c.Except(victim)[0]
	}
	n.note("%s %s (other %s, group %d) for %s", s.Harm, victim.Name, other.Name, s.Group, s.Lasts)
	if s.Harm == Transfer {
		ran := victim.CLI(t, "", "node", "transfer-leader", strconv.Itoa(s.Group), other.Name)
		n.note("  code %d", ran.Code) // a node without a voter may not lead
		return
	}
	n.hurt(t, s, victim, other)
	n.heal(t)
	n.note("  whole again")
}

// hurt does the harm and waits as long as it is to last.
func (n nemesis) hurt(t *testing.T, s Step, victim, other *harness.Node) {
	c := n.cluster
	switch s.Harm {
	case Kill:
		victim.Kill(t)
	case Freeze:
		victim.Freeze(t)
	case Isolate:
		c.Part(victim)
	case Mute:
		for _, o := range c.Except(victim) {
			c.Cut(victim, o)
		}
	case Deaf:
		for _, o := range c.Except(victim) {
			c.Cut(o, victim)
		}
	case Quarrel:
		c.Cut(victim, other)
		c.Cut(other, victim)
	case Restart:
		victim.Stop(t)
	case Rolling:
		for _, o := range c.Nodes {
			o.Stop(t)
			o.Start(t)
		}
	case Blackout:
		for _, o := range c.Nodes {
			o.Kill(t)
		}
	case Hiccups:
		for _, o := range c.Nodes {
			o.Freeze(t)
			pause(t, s.Lasts/time.Duration(len(c.Nodes)))
			o.Thaw(t)
		}
		return
	case Swap:
		c.Part(victim)
		pause(t, s.Lasts/2)
		c.Mend()
		other.Kill(t)
		pause(t, s.Lasts/2)
		return
	case Usurp:
		victim.Freeze(t)
		pause(t, s.Lasts/2)
		c.Part(victim)
		victim.Thaw(t)
		pause(t, s.Lasts/2)
		return
	}
	pause(t, s.Lasts)
}

// heal makes the cluster whole and waits until every node serves.
func (n nemesis) heal(t *testing.T) {
	n.cluster.Mend()
	for _, o := range n.cluster.Nodes {
		o.Thaw(t)
		if !o.Up() {
			o.Launch(t)
		}
	}
	for _, o := range n.cluster.Nodes {
		o.AwaitServing(t)
	}
}

// pause lets things happen for a while. Nothing is waited for: the plan says how
// long the cluster is to suffer.
func pause(t *testing.T, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-t.Context().Done():
	case <-timer.C:
	}
}
