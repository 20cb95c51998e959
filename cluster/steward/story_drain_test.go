package steward

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

// A drain moves leaderships away and keeps replicas, a restart is announced, and
// a resume brings leaderships back.
func TestDrainRestartResume(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	before := f.settled(trio...)
	boss := before.Groups[0].Leader.Node
	load := f.load()
	load.more(20)
	drain := func(n cluster.NodeID) func(context.Context, *Steward) error {
		return func(ctx context.Context, s *Steward) error { return s.Drain(ctx, n) }
	}
	f.granted("the drain", drain(boss))
	f.until("it leads nothing", func() bool {
		st, ok := f.status()
		n, _ := st.Node(boss)
		known := 0
		for _, g := range st.Groups {
			if !g.Leader.IsZero() {
				known++
			}
		}
		return ok && known == len(st.Groups) && n.Leaders == 0 && n.State == cluster.Draining && n.Replicas == fleetGroups+1
	})
	if led := f.node(boss).host.Load().LeadingGroups(); len(led) != 0 {
		t.Errorf("a drained node leads %d groups", len(led))
	}
	var refusal *cluster.Refusal
	for _, n := range trio {
		if err := f.ask(drain(n)); n != boss && !errors.As(err, &refusal) {
			t.Errorf("a second of three was drained: %v", err)
		}
	}
	dead := f.kill(boss)
	load.more(20)
	f.restart(dead)
	f.granted("the resume", func(ctx context.Context, s *Steward) error { return s.Resume(ctx, boss) })
	f.settled(trio...)
	load.more(20)
	load.end()
}

// A leadership that an operator moves stays there.
func TestTransfer(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	before := f.settled(trio...)
	for _, group := range []cluster.GroupID{2, cluster.MetaGroup} {
		var to cluster.NodeID
		for _, n := range trio {
			if n != before.Groups[group].Leader.Node {
				to = n
			}
		}
		var seen Status
		stays := false
		for range 3 { // an election may always come in between
			f.granted("the transfer", func(ctx context.Context, s *Steward) error { return s.Transfer(ctx, group, to) })
			if seen, stays = f.stays(group, to); stays {
				break
			}
		}
		if !stays {
			t.Errorf("group %s does not stay with %s", group, to)
		}
		if group != cluster.MetaGroup && (!seen.Groups[group].Pinned || seen.Groups[group].Target.Leader != before.Groups[group].Target.Leader) {
			t.Errorf("after the transfer %+v", seen.Groups[group])
		}
	}
	for name, c := range map[string]struct {
		group cluster.GroupID
		to    cluster.NodeID
		why   string
	}{
		"no such group": {99, "n1", "no such group"},
		"no such node":  {1, "n9", "not a member"},
	} {
		var refusal *cluster.Refusal
		if err := f.ask(func(ctx context.Context, s *Steward) error { return s.Transfer(ctx, c.group, c.to) }); !errors.As(err, &refusal) || !strings.Contains(refusal.Why, c.why) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// stays reports whether a node is seen to lead a group in ten rounds, and no
// other.
func (f *fleet) stays(group cluster.GroupID, node cluster.NodeID) (seen Status, stays bool) {
	f.t.Helper()
	rounds := 0
	f.until("leaders are seen in ten rounds", func() bool {
		st, ok := f.status()
		if !ok || st.At.Equal(seen.At) || st.Groups[group].Leader.IsZero() {
			return false
		}
		leader := st.Groups[group].Leader.Node
		if leader != node && rounds > 0 {
			rounds = -1
			return true
		}
		if seen = st; leader == node {
			rounds++
		}
		return rounds >= 10
	})
	return seen, rounds >= 10
}

// Newcomers are refused readably, and so is a second process on one store.
func TestAdmissionIsRefusedReadably(t *testing.T) {
	t.Parallel()
	f := found(t, []cluster.NodeID{"n1"}, "n2")
	f.settled("n1", "n2")
	stranger := f.node("n1").member
	stranger.Node, stranger.Store = "n9", "store-9"
	err := f.ask(func(ctx context.Context, s *Steward) error {
		_, _, err := s.Admit(ctx, stranger, cluster.Digest{1}, false)
		return err
	})
	if !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), "make a new one") {
		t.Errorf("a stranger: %v", err)
	}
	for _, n := range f.all() {
		copied := n.member
		copied.Boot = "another"
		var refusal *cluster.Refusal
		if err := f.ask(func(ctx context.Context, s *Steward) error { return s.Announce(ctx, copied) }); !errors.As(err, &refusal) || !strings.Contains(refusal.Why, "copied") {
			t.Errorf("a second process on the disk of %s: %v", n.member.Node, err)
		}
		if err := f.ask(func(ctx context.Context, s *Steward) error { return s.Announce(ctx, n.member) }); err != nil {
			t.Errorf("%s announced as it is: %v", n.member.Node, err)
		}
	}
	if err := f.node("n2").steward.Drain(f.timeout(), "n1"); !errors.Is(err, ErrNotLeading) {
		t.Errorf("asking a learner: %v", err)
	}
	if st := f.node("n2").steward.Status(); st.Leading || len(st.Nodes) != 2 || len(st.Groups) != fleetGroups+1 {
		t.Errorf("a learner's status: %+v", st)
	}
	if err := f.ask(func(ctx context.Context, s *Steward) error { return s.Remove(ctx, "n2", false, false) }); !errors.Is(err, cluster.ErrRefused) {
		t.Errorf("removing what has not left: %v", err)
	}
}
