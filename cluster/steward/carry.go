package steward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// handover is how often a new leader is asked again that does not know yet that
// it leads.
const handover = 20 * time.Millisecond

// errNotMade: this node has not made its replica yet, which takes it a moment.
// Were it added now, its leader would knock in vain, and less and less often.
var errNotMade = errors.New("the node has not made the replica yet")

// course is the carrying out of one agenda. The version of the state goes on
// with every change of ours; any other change ends the course by conflicts.
type course struct {
	office  *office
	verdict *verdict

	mu      sync.Mutex
	version uint64
	moved   bool
}

// carryOut takes the steps of each group one after the other and the groups
// side by side. It waits for them a little: a group whose leader or node hangs
// goes on alone, and is left alone by later agendas until that is over.
func (o *office) carryOut(ctx context.Context, steps []cluster.Step, version uint64, v *verdict) (moved bool) {
	c := &course{office: o, verdict: v, version: version}
	lanes := make(map[cluster.GroupID][]cluster.Step)
	var order []cluster.GroupID
	for _, s := range steps {
		if lanes[s.Group] == nil {
			order = append(order, s.Group)
		}
		lanes[s.Group] = append(lanes[s.Group], s)
	}
	o.forget(lanes)
	var done sync.WaitGroup
	for _, g := range order {
		if !o.occupy(g) {
			continue
		}
		done.Add(1)
		o.lanes.Go(func() {
			defer done.Done()
			if c.lane(ctx, g, lanes[g]) {
				o.lanes.Go(func() {
					defer o.vacate(g)
					o.rest(ctx, o.cfg.Tuning.Round, nil)
				})
				return
			}
			o.vacate(g)
		})
	}
	patience, cancel := context.WithTimeout(ctx, o.cfg.Tuning.Ask)
	defer cancel()
	all := make(chan struct{})
	o.lanes.Go(func() {
		defer close(all)
		done.Wait()
	})
	select {
	case <-all:
	case <-patience.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved
}

// lane carries out the steps of one group until one fails. again: it failed as
// it did the last time, so the group should have some rest.
func (c *course) lane(ctx context.Context, g cluster.GroupID, steps []cluster.Step) (again bool) {
	leader := c.verdict.observed[g].Leader.Node
	var index uint64 // of the configuration after the last step
	var handed bool  // the leadership, in this lane
	for _, step := range steps {
		var err error
		switch {
		case step.Kind == cluster.StepRelease:
			err = c.release(ctx, step)
		case step.Kind.OnGroup():
			if step.Index == 0 {
				step.Index = index
			}
			if index, err = c.onGroup(ctx, leader, step, handed); err == nil && step.Kind == cluster.StepTransfer {
				leader, handed = step.To.Node, true
			}
		default:
			err = c.propose(ctx, step.Change())
		}
		if err != nil {
			return c.office.failed(step, err)
		}
		c.office.log.Log(ctx, loudness(step.Kind), "step done", slog.Uint64("group", uint64(g)), slog.String("step", step.String()))
	}
	c.office.succeeded(g)
	return false
}

// propose puts a change on record, if nothing else got there since the plan was
// made.
func (c *course) propose(ctx context.Context, op cluster.Op) error {
	ctx, cancel := context.WithTimeout(ctx, c.office.cfg.Tuning.Act)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	out, err := c.office.cfg.Record.Propose(ctx, cluster.Change{Expect: c.version, Op: op})
	if err != nil {
		return err
	}
	if err := out.Err(); err != nil {
		return err
	}
	c.moved = c.moved || out.Version != c.version
	c.version = out.Version
	return nil
}

// onGroup puts a step on record and asks the group's leader for it.
func (c *course) onGroup(ctx context.Context, leader cluster.NodeID, step cluster.Step, handed bool) (uint64, error) {
	if step.Kind == cluster.StepAddLearner {
		if err := c.made(ctx, step); err != nil {
			return 0, err
		}
	}
	if err := c.propose(ctx, step.Change()); err != nil {
		return 0, err
	}
	index, err := c.office.perform(ctx, leader, step, handed)
	if err == nil {
		c.mu.Lock()
		c.moved = true
		c.mu.Unlock()
	}
	return index, err
}

// made makes sure that a replica runs before it is added to its group. Its node
// follows the placement by itself, but hears of it a little later, or never if
// it has no replica of the meta group yet; so it is told.
func (c *course) made(ctx context.Context, step cluster.Step) error {
	node := step.Replica.Node
	if _, runs := c.verdict.answers.replica(step.Group, step.Replica); runs {
		return nil
	}
	if node == c.office.cfg.Self {
		return errNotMade
	}
	ctx, cancel := context.WithTimeout(ctx, c.office.cfg.Tuning.Act)
	defer cancel()
	return c.office.cfg.Peers.Start(ctx, node, replica.Ref{Group: step.Group, Number: step.Replica.Number})
}

// release has a retired replica deleted, and then forgotten.
func (c *course) release(ctx context.Context, step cluster.Step) error {
	node, ref := step.Replica.Node, replica.Ref{Group: step.Group, Number: step.Replica.Number}
	act, cancel := context.WithTimeout(ctx, c.office.cfg.Tuning.Act)
	defer cancel()
	var err error
	if node == c.office.cfg.Self {
		err = Release(act, c.office.cfg.Host, ref)
	} else {
		err = c.office.cfg.Peers.Release(act, node, ref)
	}
	if err != nil {
		return err
	}
	return c.propose(ctx, step.Change())
}

// perform asks the leader of a group for a step. One that was handed the
// leadership a moment ago may not know it yet.
func (o *office) perform(ctx context.Context, leader cluster.NodeID, step cluster.Step, handed bool) (index uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Tuning.Act)
	defer cancel()
	for begun := time.Now(); ; {
		if leader == o.cfg.Self {
			index, err = Perform(ctx, o.cfg.Host, step)
		} else {
			index, err = o.cfg.Peers.Step(ctx, leader, step)
		}
		if !handed || !errors.Is(err, replica.ErrNotLeader) || time.Since(begun) > o.cfg.Tuning.Ask {
			return index, err
		}
		select {
		case <-time.After(handover):
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// loudness: operators want to see what moves, not how it is noted down.
func loudness(kind cluster.StepKind) slog.Level {
	switch kind {
	case cluster.StepRecord:
		return slog.LevelDebug
	case cluster.StepRecover:
		return slog.LevelWarn // writes may be missing
	default:
		return slog.LevelInfo
	}
}

// failed logs why a step was not done, once as long as it stays the same, and
// reports whether it does. That something has changed meanwhile is daily life.
func (o *office) failed(step cluster.Step, err error) (again bool) {
	text := step.String() + ": " + err.Error()
	o.mu.Lock()
	again = o.failures[step.Group] == text && !errors.Is(err, errNotMade)
	o.failures[step.Group] = text
	o.mu.Unlock()
	level := slog.LevelWarn
	for _, usual := range []error{cluster.ErrConflict, replica.ErrConflict, replica.ErrNotLeader, replica.ErrBehind, errNotMade, context.Canceled} {
		if again || errors.Is(err, usual) {
			level = slog.LevelDebug
		}
	}
	o.log.Log(context.Background(), level, "step not done, looking again",
		slog.Uint64("group", uint64(step.Group)), slog.String("step", step.String()), slog.Any("err", err))
	return again
}

func (o *office) succeeded(g cluster.GroupID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.failures, g)
}

// forget drops the failures of groups of which nothing is wanted any more.
func (o *office) forget(wanted map[cluster.GroupID][]cluster.Step) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.failures, func(g cluster.GroupID, _ string) bool { return len(wanted[g]) == 0 && !o.busy[g] })
}

// held tells why what should be done is not: by the plan, and by what went
// wrong when it was tried.
func (o *office) held() []cluster.Hold {
	o.mu.Lock()
	defer o.mu.Unlock()
	held := slices.Clone(o.latest.held)
	for _, g := range slices.Sorted(maps.Keys(o.failures)) {
		held = append(held, cluster.Hold{Group: g, Why: o.failures[g]})
	}
	return held
}
