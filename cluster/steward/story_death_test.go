package steward

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

var trio = []cluster.NodeID{"n1", "n2", "n3"}

// A node that is down for long is replaced where there is somebody to take its
// place, and can be removed by force.
func TestDeadNodeIsReplacedAndRemoved(t *testing.T) {
	t.Parallel()
	f := found(t, trio, "n4")
	f.settled("n1", "n2", "n3", "n4")
	load := f.load()
	load.more(20)
	f.kill("n3")
	load.more(20)
	remove := func(ctx context.Context, s *Steward) error { return s.Remove(ctx, "n3", true, false) }
	var refusal *cluster.Refusal
	if err := f.ask(remove); !errors.As(err, &refusal) || !strings.Contains(refusal.Why, "for nodes that are down") {
		t.Errorf("removing a node that is only suspected: %v", err)
	}
	f.until("the dead node is replaced", func() bool {
		st, ok := f.status()
		n3, member := st.Node("n3")
		return ok && member && n3.Health == cluster.Down && n3.Replicas == 1 && n3.Retired == fleetGroups // it goes on learning the meta group
	})
	f.granted("the removal", remove)
	f.settled("n1", "n2", "n4")
	load.more(20)
	load.end()
}

// With nobody to take its place a dead node keeps it, until it is removed by
// somebody who accepts that fewer remain.
func TestDeadNodeOfThreeIsRemoved(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	f.settled(trio...)
	load := f.load()
	load.more(20)
	f.kill("n2")
	remove := func(fewer bool) func(context.Context, *Steward) error {
		return func(ctx context.Context, s *Steward) error { return s.Remove(ctx, "n2", true, fewer) }
	}
	f.until("it is refused for nothing but the number of nodes", func() bool {
		var refusal *cluster.Refusal
		err := f.ask(remove(false))
		if err == nil {
			t.Fatal("one of three was removed without being told that fewer may remain")
		}
		return errors.As(err, &refusal) && strings.Contains(refusal.Why, "would remain")
	})
	f.granted("the removal", remove(true))
	f.settled("n1", "n3")
	load.more(20)
	load.end()
}

// A node whose disk was wiped is not let in as the one it was, and gets all its
// replicas anew once its store is replaced.
func TestWipedDiskIsReplaced(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	f.settled(trio...)
	load := f.load()
	load.more(20)
	f.kill("n2")
	wiped := f.start("n2", t.TempDir(), nil)
	if err := f.ask(func(ctx context.Context, s *Steward) error { return s.Announce(ctx, wiped.member) }); !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), "mayfly node replace") {
		t.Errorf("announcing another disk: %v", err)
	}
	f.until("the operator is told", func() bool {
		st, _ := f.status()
		n2, _ := st.Node("n2")
		return n2.Health == cluster.Suspect && strings.Contains(n2.Note, "mayfly node replace")
	})
	if groups := wiped.host.Load().Groups(); len(groups) != 0 {
		t.Errorf("an unknown disk was given %d replicas", len(groups))
	}
	digest := f.token("n2")
	replace := func(ctx context.Context, s *Steward) error {
		_, _, err := s.Admit(ctx, wiped.member, digest, true)
		return err
	}
	f.granted("the replacement", replace)
	f.granted("the same again", replace)
	f.settled(trio...)
	load.more(20)
	load.end()
	for _, g := range wiped.host.Load().Groups() {
		if g.Number() == cluster.FirstReplica {
			t.Errorf("%s came back under its old number", g.Replica())
		}
	}
}

// Meta leaders die or lose their office in the middle of a walk, questions and
// answers get lost, and whoever comes next goes on.
func TestWalkSurvivesItsLeaders(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	f.settled(trio...)
	load := f.load()
	load.more(20)
	f.loss.Store(5)
	f.join("n4")
	f.join("n5")
	for round := range 4 {
		st, _ := f.status()
		f.until("the walk goes on", func() bool {
			now, ok := f.status()
			return ok && now.PlacementVersion > st.PlacementVersion+3
		})
		var boss cluster.NodeID
		f.until("somebody leads", func() bool {
			for _, n := range f.all() {
				if n.steward.Status().Leading {
					boss = n.member.Node
				}
			}
			return boss != ""
		})
		if round%2 == 0 {
			f.restart(f.kill(boss))
		} else {
			f.isolate(boss, true)
			f.until("another takes over", func() bool {
				for _, n := range f.all() {
					if n.member.Node != boss && n.steward.Status().Leading {
						return true
					}
				}
				return false
			})
			f.isolate(boss, false)
		}
		if round == 0 {
			f.granted("the leave", func(ctx context.Context, s *Steward) error { return s.Leave(ctx, "n2", false) })
		}
	}
	f.loss.Store(0)
	f.settled("n1", "n3", "n4", "n5")
	f.kill("n2")
	load.more(20)
	load.end()
}

// A node that never answers holds up nobody but itself.
func TestHangingNodeHoldsUpNobody(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	f.settled(trio...)
	var victim cluster.NodeID
	st, _ := f.status()
	for _, g := range st.Groups[1:] {
		if g.Leader.Node != st.Groups[0].Leader.Node {
			victim = g.Leader.Node // and it leads something
		}
	}
	f.hang(victim, true)
	f.until("it is suspected", func() bool {
		st, _ := f.status()
		n, _ := st.Node(victim)
		return n.Health == cluster.Suspect
	})
	// A drain needs a majority of the others in every group, so it is refused by
	// name; a join needs only the meta group.
	var refusal *cluster.Refusal
	for _, n := range trio {
		if err := f.ask(func(ctx context.Context, s *Steward) error { return s.Drain(ctx, n) }); n != victim && (!errors.As(err, &refusal) || len(refusal.Groups) == 0) {
			t.Errorf("draining %s: %v", n, err)
		}
	}
	f.join("n4")
	f.until("the newcomer is active", func() bool {
		st, _ := f.status()
		n4, _ := st.Node("n4")
		return n4.State == cluster.Active
	})
	f.hang(victim, false)
	f.granted("the end of the drain", func(ctx context.Context, s *Steward) error { return s.Resume(ctx, victim) })
	f.settled("n1", "n2", "n3", "n4")
}
