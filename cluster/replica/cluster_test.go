package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestThreeReplicasAgree(t *testing.T) {
	c := newTrio(t)
	var want []string
	var leader *node
	for i := range 20 {
		n, line := c.proposeAnywhere(t, fmt.Sprint("line ", i))
		leader, want = n, append(want, line)
	}
	g := leader.Group(1)
	if s := g.Stats(); s.Voters != 3 {
		t.Errorf("%d voters", s.Voters)
	}
	for _, name := range trioNames {
		n := c.node(name)
		if n == leader {
			if err := n.Group(1).Confirm(timeout(t)); err != nil {
				t.Errorf("the leader's Confirm: %v", err)
			}
			continue
		}
		follower := n.Group(1)
		if _, err := follower.Propose(timeout(t), []byte("x")); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower's Propose: %v", err)
		}
		if err := follower.Confirm(timeout(t)); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower's Confirm: %v", err)
		}
		if now, err := follower.WaitLeader(timeout(t)); err != nil || now.Leader != leader.Node() || now.Leading {
			t.Errorf("a follower thinks %+v, %v", now, err)
		}
		waitFor(t, follower, func(Stats) bool { return slices.Equal(n.journal(1).all(), want) })
	}
}

// A leader that is cut off must not confirm a read once others could have gone
// on without it, and must say of its last write that it does not know.
func TestLeaderCutOffKnowsNothing(t *testing.T) {
	c := newTrio(t)
	old := c.leader(t)
	g := old.Group(1)
	propose(t, g, "before")
	before, changed := g.Leadership()
	c.isolate(old.Node(), true)
	// It still believes that it leads.
	wrote := make(chan error, 1)
	go func() {
		_, err := g.Propose(timeout(t), []byte("perhaps"))
		wrote <- err
	}()
	if err := g.Confirm(timeout(t)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a read without a majority: %v", err)
	}
	if err := <-wrote; !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("a write without a majority: %v", err)
	}
	select {
	case <-changed:
	case <-timeout(t).Done():
		t.Fatal("the old leader was not told")
	}
	next, after := c.proposeAnywhere(t, "after")
	if next == old {
		t.Error("a node that was cut off acknowledged a write")
	}
	if now, _ := next.Group(1).Leadership(); now.Term <= before.Term {
		t.Errorf("the new leader's term %d is not above %d", now.Term, before.Term)
	}
	c.isolate(old.Node(), false)
	waitFor(t, g, func(Stats) bool { return slices.Contains(old.journal(1).all(), after) })
	if lines := old.journal(1).all(); slices.Contains(lines, "perhaps") && !slices.Contains(next.journal(1).all(), "perhaps") {
		t.Errorf("the old leader executed alone: %q", lines)
	}
}

// Writers write, readers read, and leaders are cut off and killed. Nothing that
// was acknowledged is lost or done twice, and no confirmed read is stale.
func TestNoAcknowledgedWriteIsLost(t *testing.T) {
	t.Parallel()
	c := newTrio(t)
	c.leader(t)
	load := c.begin(t)
	for round := range 4 {
		load.enough(50)
		victim := c.leader(t)
		c.isolate(victim.Node(), true)
		if round%2 == 0 {
			victim.close(t)
			c.isolate(victim.Node(), false)
			load.enough(50)
			c.start(t, victim.Node())
		} else {
			load.enough(50)
			c.isolate(victim.Node(), false)
		}
	}
	load.enough(50)
	load.end()
}

// A follower that was away longer than the log reaches back gets a snapshot.
func TestFollowerCatchesUpBySnapshot(t *testing.T) {
	c := newTrio(t)
	leader := c.leader(t)
	var away *node
	for _, name := range trioNames {
		if n := c.node(name); n != leader {
			away = n
		}
	}
	away.close(t)
	for i := range 100 {
		leader, _ = c.proposeAnywhere(t, fmt.Sprint("line ", i))
	}
	if err := leader.Group(1).Snapshot(timeout(t)); err != nil {
		t.Fatal(err)
	}
	want := leader.journal(1).all()
	for range 2 {
		c.start(t, away.Node())
		back := c.node(away.Node())
		waitFor(t, back.Group(1), func(Stats) bool { return slices.Equal(back.journal(1).all(), want) })
		if s := back.Group(1).Stats(); s.SnapshotIndex == 0 {
			t.Errorf("it caught up without a snapshot: %+v", s)
		}
		back.close(t) // and starts again from what it was given
	}
	c.start(t, away.Node())
}

func TestWaitLeaderEnds(t *testing.T) {
	n := open(t, joiner("", "n1"))
	if err := n.StartReplica(timeout(t), 1, 7); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.Group(1).WaitLeader(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitLeader: %v", err)
	}
}
