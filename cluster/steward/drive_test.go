package steward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// applied is a record that takes every change at once.
type applied struct{ *record }

func (a applied) Propose(_ context.Context, change cluster.Change) (out cluster.Outcome, err error) {
	a.update(func() { out = a.state.Apply(change) })
	return out, nil
}

// moods are peers of which some hang, some fail and the others obey.
type moods struct {
	hang, fail map[cluster.NodeID]bool
	asked      chan string
}

func (m moods) call(ctx context.Context, n cluster.NodeID, what string) error {
	m.asked <- fmt.Sprint(n, ": ", what)
	switch {
	case m.hang[n]:
		<-ctx.Done()
		return fmt.Errorf("%w: %w", replica.ErrUnknownOutcome, ctx.Err())
	case m.fail[n]:
		return replica.ErrBehind
	}
	return nil
}

func (m moods) Observe(ctx context.Context, n cluster.NodeID) (Report, error) {
	return Report{Node: n, Store: "store-" + string(n), Boot: "boot"}, m.call(ctx, n, "observe")
}

func (m moods) Step(ctx context.Context, n cluster.NodeID, s cluster.Step) (uint64, error) {
	return s.Index + 1, m.call(ctx, n, s.String())
}

func (m moods) Start(ctx context.Context, n cluster.NodeID, ref replica.Ref) error {
	return m.call(ctx, n, fmt.Sprint("start ", ref))
}

func (m moods) Release(ctx context.Context, n cluster.NodeID, ref replica.Ref) error {
	return m.call(ctx, n, fmt.Sprint("release ", ref))
}

// atWork is an office over a record of its own, of a node that no test asks.
func atWork(t *testing.T, m moods) (*office, *record) {
	t.Helper()
	rec := newRecord(func() *replica.Host { return nil })
	founding := &cluster.Found{Settings: cluster.Settings{ClusterID: "moods", Groups: 2}, Voters: []cluster.NodeID{"a", "b", "c"}}
	for _, n := range founding.Voters {
		founding.Members = append(founding.Members, cluster.Member{Node: n, Store: "store-" + string(n), Boot: "boot", PeerAddr: "a:1", GossipAddr: "a:2"})
	}
	write(t, rec, founding)
	return newOffice(Config{Self: "nobody", Record: applied{rec}, Peers: m, Tuning: usual(t), Logger: slog.New(slog.DiscardHandler)}, 1), rec
}

// A group whose leader hangs goes on alone, and is left alone meanwhile; its
// rest is dropped. One that fails again and again is given some rest.
func TestGroupsGoOnSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := moods{hang: map[cluster.NodeID]bool{"a": true}, asked: make(chan string, 100), fail: make(map[cluster.NodeID]bool)}
		o, rec := atWork(t, m)
		replicaOn := func(n cluster.NodeID) cluster.Replica { return cluster.Replica{Node: n, Number: 1} }
		v := &verdict{observed: map[cluster.GroupID]cluster.Observed{
			1: {Leader: replicaOn("a"), Index: 1}, 2: {Leader: replicaOn("b"), Index: 1},
		}}
		demote := func(g cluster.GroupID, n cluster.NodeID, index uint64) cluster.Step {
			return cluster.Step{Kind: cluster.StepDemote, Group: g, Replica: replicaOn(n), Index: index}
		}
		steps := []cluster.Step{demote(1, "b", 1), demote(1, "c", 0), demote(2, "a", 1), demote(2, "c", 0)}
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		if moved := o.carryOut(ctx, steps, rec.state.Version(), v); !moved || time.Since(begun) != o.cfg.Tuning.Ask {
			t.Errorf("moved: %v, after %v", moved, time.Since(begun))
		}
		if n := len(m.asked); n != 3 || !isBusy(o, 1) || isBusy(o, 2) {
			t.Errorf("%d steps were asked for", n)
		}
		g, _ := rec.state.Placement().Group(2)
		if g.Step == nil || g.Step.Index != 2 || g.Step.Replica.Node != "c" {
			t.Errorf("on record for the group that moved: %v", g.Step)
		}
		// The other one is not asked for anything until its leader had its time.
		if o.carryOut(ctx, steps[:2], rec.state.Version(), v); len(m.asked) != 3 || time.Since(begun) != o.cfg.Tuning.Ask {
			t.Errorf("%d steps were asked for after %v", len(m.asked), time.Since(begun))
		}
		o.lanes.Wait()
		if took := time.Since(begun); took != o.cfg.Tuning.Act || len(m.asked) != 3 || isBusy(o, 1) {
			t.Errorf("the lane ended after %v with %d steps asked for", took, len(m.asked))
		}
		m.fail["b"] = true
		for round, rest := range []time.Duration{0, o.cfg.Tuning.Round} {
			begun = time.Now()
			o.carryOut(ctx, []cluster.Step{demote(2, "a", 5)}, rec.state.Version(), v)
			o.lanes.Wait()
			if took := time.Since(begun); took != rest {
				t.Errorf("failure %d was given %v of rest, want %v", round, took, rest)
			}
		}
		cancel()
		o.end()
	})
}

// A replica is added to its group when its node has made it. Others are told to,
// this node does so by itself.
func TestReplicasAreMadeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := moods{asked: make(chan string, 100), fail: make(map[cluster.NodeID]bool)}
		o, rec := atWork(t, m)
		v := &verdict{observed: map[cluster.GroupID]cluster.Observed{}}
		try := func(want ...string) {
			t.Helper()
			var steps []cluster.Step
			for i, n := range []cluster.NodeID{"d", o.cfg.Self, "f"} {
				g := cluster.GroupID(i)
				v.observed[g] = cluster.Observed{Leader: cluster.Replica{Node: "a", Number: 1}, Index: 1}
				steps = append(steps, cluster.Step{Kind: cluster.StepAddLearner, Group: g, Replica: cluster.Replica{Node: n, Number: 2}, Index: 1})
			}
			o.carryOut(t.Context(), steps, rec.state.Version(), v)
			o.lanes.Wait()
			var got []string
			for len(m.asked) > 0 {
				got = append(got, <-m.asked)
			}
			slices.Sort(got) // the groups go side by side
			if !slices.Equal(got, want) {
				t.Errorf("asked were %q, want %q", got, want)
			}
		}
		m.fail["f"] = true
		try("a: add-learner d/0/2", "d: start {0 2}", "f: start {2 2}")
		if g, _ := rec.state.Placement().Group(1); g.Step != nil {
			t.Errorf("on record is %v", g.Step)
		}
		if held := o.held(); len(held) != 2 || held[0].Group != 1 || !strings.Contains(held[0].Why, errNotMade.Error()) {
			t.Errorf("operators read %v", held)
		}
		v.answers = answers{}
		for g, n := range []cluster.NodeID{"d", o.cfg.Self, "f"} {
			v.answers[n] = Report{Node: n, Replicas: []ReplicaReport{{Group: cluster.GroupID(g), Number: 2}}}
		}
		try("a: add-learner d/0/2", "a: add-learner f/2/2", "a: add-learner nobody/1/2")
		o.carryOut(t.Context(), nil, rec.state.Version(), v)
		if held := o.held(); len(held) != 0 {
			t.Errorf("operators still read %v", held)
		}
		o.end()
	})
}

// heirs are peers that learn of their leadership late.
type heirs struct {
	moods
	after time.Time
}

func (h heirs) Step(ctx context.Context, n cluster.NodeID, s cluster.Step) (uint64, error) {
	if n == "b" && time.Now().Before(h.after) {
		return 0, replica.ErrNotLeader
	}
	return h.moods.Step(ctx, n, s)
}

// What follows a transfer is asked of the new leader, who may need a moment.
func TestNewLeaderIsGivenAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := moods{asked: make(chan string, 100)}
		o, rec := atWork(t, m)
		o.cfg.Peers = heirs{m, time.Now().Add(100 * time.Millisecond)}
		a, b := cluster.Replica{Node: "a", Number: 1}, cluster.Replica{Node: "b", Number: 1}
		v := &verdict{observed: map[cluster.GroupID]cluster.Observed{1: {Leader: a, Index: 1}}}
		o.carryOut(t.Context(), []cluster.Step{
			{Kind: cluster.StepTransfer, Group: 1, Replica: a, To: b, Index: 1}, {Kind: cluster.StepRemove, Group: 1, Replica: a},
		}, rec.state.Version(), v)
		if len(m.asked) != 2 || len(o.held()) != 0 {
			t.Errorf("%d steps were done, held are %v", len(m.asked), o.held())
		}
		begun := time.Now()
		o.cfg.Peers = heirs{m, begun.Add(time.Hour)}
		v.observed[1] = cluster.Observed{Leader: b, Index: 5}
		o.carryOut(t.Context(), []cluster.Step{{Kind: cluster.StepRemove, Group: 1, Replica: a, Index: 5}}, rec.state.Version(), v)
		if time.Since(begun) != 0 || len(o.held()) != 1 {
			t.Errorf("whoever was taken for the leader before is asked for %v", time.Since(begun))
		}
		o.end()
	})
}

// newcomer is the record of a node that has no replica of the meta group at
// first.
type newcomer struct {
	applied
	leads atomic.Bool
}

func (n *newcomer) Leading() (uint64, bool, <-chan struct{}) {
	if n.leads.Load() {
		return 1, true, make(chan struct{})
	}
	return 0, false, nil
}

// A node that nobody could tell about its leadership finds out.
func TestNewcomerTakesOffice(t *testing.T) {
	for name, tell := range map[string]func(*record){
		"by a change of the record": func(rec *record) { rec.update(func() {}) },
		"by the clock":              func(*record) { <-time.After(followEvery) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, rec := atWork(t, moods{asked: make(chan string, 1000)})
				o.end()
				n := &newcomer{applied: applied{rec}}
				o.cfg.Record = n
				s := &Steward{cfg: o.cfg}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { s.lead(ctx) })
				synctest.Wait()
				if _, err := s.inOffice(); !errors.Is(err, ErrNotLeading) {
					t.Errorf("without leading: %v", err)
				}
				n.leads.Store(true)
				tell(rec)
				synctest.Wait()
				if _, err := s.inOffice(); err != nil {
					t.Error(err)
				}
				cancel()
				running.Wait()
				if _, err := s.inOffice(); !errors.Is(err, ErrNotLeading) {
					t.Errorf("after its end: %v", err)
				}
			})
		})
	}
}

func isBusy(o *office, g cluster.GroupID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.busy[g]
}

// When the state has changed since the plan was made nobody is asked.
func TestOldPlansAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := moods{asked: make(chan string, 100)}
		o, rec := atWork(t, m)
		v := &verdict{observed: map[cluster.GroupID]cluster.Observed{1: {Leader: cluster.Replica{Node: "a", Number: 1}, Index: 1}}}
		version := rec.state.Version()
		write(t, rec, &cluster.Drain{Node: "c"})
		step := cluster.Step{Kind: cluster.StepDemote, Group: 1, Replica: cluster.Replica{Node: "b", Number: 1}, Index: 1}
		if moved := o.carryOut(t.Context(), []cluster.Step{step}, version, v); moved || len(m.asked) != 0 {
			t.Errorf("moved: %v, asked: %d", moved, len(m.asked))
		}
		o.end()
	})
}

// Who does not answer is waited for once, judged by the clock, and welcome back.
func TestSilentNodesAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := moods{hang: map[cluster.NodeID]bool{"c": true}, asked: make(chan string, 1000)}
		o, _ := atWork(t, m)
		round := func(want time.Duration, health cluster.Health) {
			t.Helper()
			begun := time.Now()
			v := o.observer.observe(t.Context())
			if took := time.Since(begun); took != want {
				t.Errorf("a round took %v, want %v", took, want)
			}
			if v.health["a"] != cluster.Live || v.health["c"] != health || len(v.answers) < 2 {
				t.Errorf("seen %v by %d answers", v.health, len(v.answers))
			}
		}
		round(o.cfg.Tuning.Ask, cluster.Suspect)
		round(0, cluster.Suspect)
		<-time.After(o.cfg.Tuning.Ask)
		synctest.Wait()
		delete(m.hang, "c")
		o.observer.observe(t.Context()) // it may or may not be heard in time
		synctest.Wait()
		round(0, cluster.Live)
		synctest.Wait()
		m.hang["c"] = true
		round(o.cfg.Tuning.Ask, cluster.Live)
		<-time.After(o.cfg.Tuning.SuspectAfter)
		round(0, cluster.Suspect)
		<-time.After(o.cfg.Tuning.DownAfter)
		round(0, cluster.Down)
		o.end()
	})
}

// A wish waits for a look that began after it, and no longer than the office
// lasts.
func TestWishesWaitForAFreshLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := atWork(t, moods{asked: make(chan string, 1000)})
		ctx, cancel := context.WithCancel(t.Context())
		o.rounds = 4 // one is under way
		o.publish(look{round: 3, verdict: &verdict{}})
		got := make(chan look, 1)
		go func() {
			l, err := o.fresh(ctx)
			if err != nil {
				t.Error(err)
			}
			got <- l
		}()
		synctest.Wait()
		if len(o.wake) != 1 {
			t.Error("nobody was hurried")
		}
		o.publish(look{round: 4, verdict: &verdict{}})
		synctest.Wait()
		if len(got) != 0 {
			t.Error("a look that began before was good enough")
		}
		o.publish(look{round: 5, verdict: &verdict{}})
		if l := <-got; l.round != 5 {
			t.Errorf("it was given look %d", l.round)
		}
		o.rounds = 5
		failed := make(chan error, 1)
		go func() {
			_, err := o.fresh(ctx)
			failed <- err
		}()
		synctest.Wait()
		o.end()
		if err := <-failed; !errors.Is(err, ErrNotLeading) {
			t.Errorf("after the office: %v", err)
		}
		cancel()
	})
}
