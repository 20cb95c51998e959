package replica

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// A lone node with data grows to three and five and shrinks to another lone
// node, under load, while after every step the leader dies and comes back from
// its disk. Nothing that was acknowledged is lost or done twice.
func TestGrowAndShrinkUnderLoad(t *testing.T) {
	t.Parallel()
	c := newFleet(t, "n1", "n2", "n3", "n4", "n5")
	c.leader(t)
	load := c.begin(t)
	load.enough(100) // so that a newcomer needs a snapshot
	died := make(map[cluster.NodeID]bool)
	kill := func() {
		victim := c.leader(t).Node()
		died[victim] = true
		c.restart(t, victim)
		load.enough(15)
	}
	for i, name := range c.names[1:] {
		c.join(t, name)
		c.voters(t, c.names[:i+2]...)
		load.enough(15)
		kill()
	}
	for i, name := range c.names[:4] {
		c.leave(t, name)
		c.voters(t, c.names[i+1:]...)
		load.enough(15)
		kill()
	}
	load.end()
	if got := c.node("n5").LeadingGroups(); len(got) != 1 || got[0] != c.group("n5") {
		t.Errorf("the last node leads %v", got)
	}
	if c.asked.Load() == 0 {
		t.Error("no read was confirmed by terms")
	}
	t.Logf("killed while leading: %v", died)
}

// A change is made to the configuration it was decided on, or not at all.
func TestChangeOfAnotherConfigurationIsRefused(t *testing.T) {
	c := newFleet(t, "n1", "n2", "n3")
	g := c.leader(t).Group(1)
	r2, r3 := cluster.Replica{Node: "n2", Number: 2}, cluster.Replica{Node: "n3", Number: 3}
	born := g.Configuration()
	if !born.Committed || born.Index != 1 || !reflect.DeepEqual(born.Voters, []cluster.Replica{{Node: "n1", Number: 1}}) || len(born.Learners) != 0 {
		t.Fatalf("born with %+v", born)
	}
	for _, r := range []cluster.Replica{r2, r3} {
		if err := c.node(r.Node).StartReplica(timeout(t), 1, r.Number); err != nil {
			t.Fatal(err)
		}
	}
	ctx := timeout(t)
	index, err := g.AddLearner(ctx, r2, born.Index)
	now := g.Configuration()
	if err != nil || now.Index != index || index <= born.Index || !now.Committed || !reflect.DeepEqual(now.Learners, []cluster.Replica{r2}) {
		t.Fatalf("added with index %d, %v: %+v", index, err, now)
	}
	if _, err := c.node("n2").Group(1).AddLearner(ctx, r3, index); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a learner's change: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for _, attempt := range []struct {
		name string
		do   func() (uint64, error)
		want error
		text string
	}{
		{"stale index", func() (uint64, error) { return g.AddLearner(ctx, r3, born.Index) }, ErrConflict, "it has index"},
		{"future index", func() (uint64, error) { return g.AddLearner(ctx, r3, index+1) }, ErrConflict, "it has index"},
		{"no index", func() (uint64, error) { return g.AddLearner(ctx, r3, 0) }, ErrRefused, "index"},
		{"stale promotion", func() (uint64, error) { return g.Promote(ctx, r2, born.Index) }, ErrConflict, ""},
		{"stale removal", func() (uint64, error) { return g.Remove(ctx, r2, born.Index) }, ErrConflict, ""},
		{"a stranger's promotion", func() (uint64, error) { return g.Promote(ctx, r3, index) }, ErrRefused, "add it first"},
		{"a voter as learner", func() (uint64, error) { return g.AddLearner(ctx, born.Voters[0], index) }, ErrRefused, "voter already"},
		{"the leader itself", func() (uint64, error) { return g.Remove(ctx, born.Voters[0], index) }, ErrRefused, "transfer"},
		{"no name", func() (uint64, error) { return g.AddLearner(ctx, cluster.Replica{Number: 9}, index) }, ErrRefused, ""},
		{"no number", func() (uint64, error) { return g.AddLearner(ctx, cluster.Replica{Node: "n3"}, index) }, ErrRefused, ""},
		{"too late", func() (uint64, error) { return g.AddLearner(gone, r3, index) }, context.Canceled, ""},
		{"another's number", func() (uint64, error) { return g.Promote(ctx, cluster.Replica{Node: "n2", Number: 9}, index) }, ErrRefused, ""},
	} {
		if _, err := attempt.do(); !errors.Is(err, attempt.want) || !strings.Contains(err.Error(), attempt.text) {
			t.Errorf("%s: %v, want %v", attempt.name, err, attempt.want)
		}
	}
	// What is done already stays done, and is no change.
	if again, err := g.AddLearner(ctx, r2, index); err != nil || again != index {
		t.Errorf("adding it again: index %d, %v", again, err)
	}
	if again, err := g.Remove(ctx, r3, index); err != nil || again != index {
		t.Errorf("removing a stranger: index %d, %v", again, err)
	}
	if got := g.Configuration(); !reflect.DeepEqual(got, now) {
		t.Errorf("the configuration became %+v", got)
	}
	if err := g.TransferLeadership(ctx, "n2"); !errors.Is(err, ErrRefused) {
		t.Errorf("leadership for a learner: %v", err)
	}
	if err := g.TransferLeadership(ctx, "n1"); !errors.Is(err, ErrRefused) {
		t.Errorf("leadership for the leader: %v", err)
	}
	// Raft's own judgement, should the check in front have been overtaken.
	err = g.raft.AddNonvoter("n3/1/3", "n3/1/3", born.Index, changeTimeout).Error()
	if err := g.changeError(err); !errors.Is(err, ErrConflict) {
		t.Errorf("raft's refusal: %v", err)
	}
}

// A voter becomes a learner again, goes on following, and can be given its vote
// back. The leader and a lone voter keep theirs.
func TestVoterIsDemoted(t *testing.T) {
	c := newTrio(t)
	c.proposeAnywhere(t, "before")
	leader := c.leader(t)
	g := leader.Group(1)
	self := cluster.Replica{Node: leader.Node(), Number: cluster.FirstReplica}
	others := slices.DeleteFunc(g.Configuration().Voters, func(r cluster.Replica) bool { return r == self })
	ctx, born := timeout(t), g.Configuration()
	for _, attempt := range []struct {
		name  string
		r     cluster.Replica
		index uint64
		want  error
		text  string
	}{
		{"the leader itself", self, born.Index, ErrRefused, "transfer"},
		{"a stranger", cluster.Replica{Node: "n9", Number: 9}, born.Index, ErrRefused, "no voter"},
		{"a stale index", others[0], born.Index + 1, ErrConflict, ""},
		{"no index", others[0], 0, ErrRefused, "index"},
	} {
		if _, err := g.Demote(ctx, attempt.r, attempt.index); !errors.Is(err, attempt.want) || !strings.Contains(err.Error(), attempt.text) {
			t.Errorf("%s: %v, want %v", attempt.name, err, attempt.want)
		}
	}
	if _, err := c.group(others[0].Node).Demote(ctx, others[1], born.Index); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a follower's change: %v", err)
	}
	index := born.Index
	for i, r := range others {
		next, err := g.Demote(ctx, r, index)
		now := g.Configuration()
		if err != nil || next <= index || now.Index != next || !now.Committed || len(now.Voters) != 2-i || !slices.Contains(now.Learners, r) {
			t.Fatalf("demoting %v: index %d, %v: %+v", r, next, err, now)
		}
		if again, err := g.Demote(ctx, r, next); err != nil || again != next {
			t.Errorf("demoting it again: index %d, %v", again, err)
		}
		index = next
	}
	if _, err := g.Demote(ctx, self, index); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "only voter") {
		t.Errorf("the only voter: %v", err)
	}
	propose(t, g, "alone")
	for _, r := range others {
		until(t, "a learner follows", func() bool { return slices.Contains(c.node(r.Node).journal(1).all(), "alone") })
	}
	if _, err := g.Promote(ctx, others[0], index); err != nil {
		t.Errorf("giving the vote back: %v", err)
	}
}

// Whoever is not heard of, or lacks too much, is given no vote.
func TestSilentReplicaIsNotPromoted(t *testing.T) {
	c := newFleet(t, "n1", "n3")
	learner := c.learn(t, "n3")
	g := c.leader(t).Group(1)
	until(t, "the learner answers", func() bool {
		f := g.Followers()
		return len(f) == 1 && f[0].Replica == learner && !f[0].Voter && f[0].Last > 0
	})
	if f := c.group("n3").Followers(); len(f) != 0 {
		t.Errorf("a learner hears %v", f)
	}
	if err := g.follows(learner.ID(1)); err != nil {
		t.Errorf("a learner that answers: %v", err)
	}
	c.isolate("n3", true)
	until(t, "the learner is missed", func() bool { return errors.Is(g.follows(learner.ID(1)), ErrBehind) })
	if _, err := g.Promote(timeout(t), learner, g.Configuration().Index); !errors.Is(err, ErrBehind) {
		t.Errorf("a silent learner: %v", err)
	}
	for i := 0; g.raft.LastIndex() <= reach; i++ {
		propose(t, g, fmt.Sprint("line ", i))
	}
	g.peers.heard(learner.ID(1), time.Now().Add(time.Minute), 0)
	if err := g.follows(learner.ID(1)); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "its log ends at 0") {
		t.Errorf("a learner that lacks everything: %v", err)
	}
	c.isolate("n3", false)
}

func TestNear(t *testing.T) {
	leader := Progress{Term: 3, Leading: true, Configuration: 50, Applied: 1000, Last: 1010}
	for name, c := range map[string]struct {
		p    Progress
		want bool
	}{
		"the leader's twin":      {Progress{Configuration: 50, Applied: 1000, Last: 1010}, true},
		"100 behind":             {Progress{Configuration: 50, Applied: 900, Last: 910}, true},
		"101 applied behind":     {Progress{Configuration: 50, Applied: 899, Last: 1010}, false},
		"101 logged behind":      {Progress{Configuration: 50, Applied: 1000, Last: 909}, false},
		"ahead":                  {Progress{Configuration: 50, Applied: 2000, Last: 2000}, true},
		"another configuration":  {Progress{Configuration: 49, Applied: 1000, Last: 1010}, false},
		"blank":                  {Progress{}, false},
		"blank, but knows of it": {Progress{Configuration: 50, Applied: 0, Last: 1010}, false},
	} {
		if got := c.p.Near(leader); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if (Progress{Configuration: 2, Last: 3}).Near(Progress{Leading: true, Configuration: 2, Applied: 2, Last: 3}) {
		t.Error("a replica of a young group counts as near without having applied anything")
	}
	if (Progress{Configuration: 50, Applied: 1000, Last: 1010}).Near(Progress{Configuration: 50, Applied: 1000, Last: 1010}) {
		t.Error("near to somebody who does not lead")
	}
}

// Leadership goes where it is sent, and a leader that was asked to leave can be
// removed afterwards.
func TestLeadershipIsTransferred(t *testing.T) {
	c := newTrio(t)
	from := c.leader(t)
	until(t, "both others answer their leader", func() bool {
		f := c.leader(t).Group(1).Followers()
		return len(f) == 2 && f[0].Voter && f[1].Voter && f[0].Last > 0 && f[1].Last > 0
	})
	for _, to := range c.names {
		if to == from.Node() {
			continue
		}
		until(t, fmt.Sprint(to, " leads"), func() bool {
			g := c.leader(t).Group(1)
			if g.node == to {
				return true
			}
			err := g.TransferLeadership(timeout(t), to)
			if err == nil && g.IsLeader() {
				t.Errorf("%s still leads after a transfer", g.node)
			}
			return false
		})
	}
	c.proposeAnywhere(t, "after")
}

// A replica that joins long after the log was trimmed gets the state as a
// snapshot, in pieces, and keeps it.
func TestLearnerGetsALargeState(t *testing.T) {
	t.Run("pipes", func(t *testing.T) { learnLargeState(t, newFleet(t, "n1", "n2")) })
	t.Run("tcp", func(t *testing.T) {
		c := newCluster([]cluster.NodeID{"n1", "n2"}, []cluster.NodeID{"n1"})
		ports := &ports{addrs: make(map[string]string)}
		c.tune = func(_ cluster.NodeID, cfg *Config) { cfg.Network = ports }
		for _, name := range c.names {
			c.dirs[name] = t.TempDir()
			c.start(t, name)
		}
		learnLargeState(t, c)
	})
}

func learnLargeState(t *testing.T, c *trio) {
	leader := c.leader(t)
	g := leader.Group(1)
	for range 16 {
		propose(t, g, strings.Repeat("state ", 64<<10))
	}
	for i := range 40 {
		propose(t, g, fmt.Sprint("line ", i))
	}
	if err := g.Snapshot(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if s := g.Stats(); s.FirstIndex <= 17 {
		t.Fatalf("the log was not trimmed: %+v", s)
	}
	c.join(t, "n2")
	want := leader.journal(1).all()
	for life := range 2 {
		back := c.node("n2")
		until(t, "the state arrived", func() bool { return slices.Equal(back.journal(1).all(), want) })
		if s := back.Group(1).Stats(); s.SnapshotIndex == 0 {
			t.Errorf("life %d without a snapshot: %+v", life, s)
		}
		until(t, "it knows the configuration", func() bool {
			return reflect.DeepEqual(back.Group(1).Configuration(), c.leader(t).Group(1).Configuration())
		})
		c.restart(t, "n2")
	}
}

// A learner that missed the entry which made it one finds the configuration in
// the snapshot it is sent.
func TestSnapshotBringsTheConfiguration(t *testing.T) {
	c := newFleet(t, "n1", "n2")
	g := c.leader(t).Group(1)
	c.isolate("n2", true)
	c.learn(t, "n2")
	want := g.Configuration()
	for i := range 40 {
		propose(t, g, fmt.Sprint("line ", i))
	}
	if err := g.Snapshot(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if s := g.Stats(); s.FirstIndex <= want.Index {
		t.Fatalf("the log still holds the configuration: %+v", s)
	}
	c.isolate("n2", false)
	until(t, "the learner knows the configuration", func() bool { return reflect.DeepEqual(c.group("n2").Configuration(), want) })
	until(t, "the learner is near", func() bool { return c.group("n2").Progress().Near(g.Progress()) })
}

// Configurations survive restarts with their indexes, out of the log and out of
// a snapshot.
func TestConfigurationSurvives(t *testing.T) {
	c := newFleet(t, "n1", "n2")
	c.learn(t, "n2")
	want := c.group("n1").Configuration()
	c.restart(t, "n1")
	until(t, "it is known after a restart", func() bool { return reflect.DeepEqual(c.group("n1").Configuration(), want) })
	g := c.leader(t).Group(1)
	for i := range 40 {
		propose(t, g, fmt.Sprint("line ", i))
	}
	if err := g.Snapshot(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if s := g.Stats(); s.FirstIndex <= want.Index {
		t.Fatalf("the log still holds the configuration: %+v", s)
	}
	c.restart(t, "n1")
	if got := c.group("n1").Configuration(); !reflect.DeepEqual(got, want) {
		t.Errorf("from a snapshot %+v, want %+v", got, want)
	}
}
