package steward

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// office is one term in which this node leads the meta group. It knows nothing
// of the terms before it.
type office struct {
	cfg      Config
	log      *slog.Logger
	term     uint64
	observer *observer
	lanes    sync.WaitGroup
	wake     chan struct{} // holds one: a round is wanted now

	mu        sync.Mutex
	ended     bool
	rounds    uint64 // that were begun
	latest    look
	published chan struct{}                 // closed when there is a newer look
	busy      map[cluster.GroupID]bool      // a lane of the group is under way
	pinned    map[cluster.GroupID]time.Time // until when its leadership stays
	failures  map[cluster.GroupID]string    // why the last step was not done
	notes     map[cluster.NodeID]string     // what was logged last
}

// look is what came of the observation of one round.
type look struct {
	round   uint64
	verdict *verdict
	held    []cluster.Hold
}

func newOffice(cfg Config, term uint64) *office {
	return &office{
		cfg: cfg, log: cfg.Logger, term: term, observer: newObserver(cfg),
		wake: make(chan struct{}, 1), published: make(chan struct{}),
		busy: make(map[cluster.GroupID]bool), pinned: make(map[cluster.GroupID]time.Time),
		failures: make(map[cluster.GroupID]string), notes: make(map[cluster.NodeID]string),
	}
}

// run looks and acts until ctx ends.
func (o *office) run(ctx context.Context) {
	o.log.Info("looking after the cluster", slog.Uint64("term", o.term))
	var moved time.Time
	for ctx.Err() == nil {
		changed := o.cfg.Record.Changed()
		if o.round(ctx) {
			moved = time.Now()
		}
		t := o.cfg.Tuning
		pause := t.Round
		if time.Since(moved) < t.Settle+2*t.Round {
			pause /= 5 // what was begun goes on soon
		}
		o.rest(ctx, t.Round/50, nil) // never without a breath
		o.rest(ctx, pause, changed)
	}
}

// rest waits for a while, less when woken or when changed is closed.
func (o *office) rest(ctx context.Context, pause time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	var wake <-chan struct{}
	if changed != nil {
		wake = o.wake
	}
	select {
	case <-wake:
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hurry asks for a round now.
func (o *office) hurry() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// end waits for what is still under way; run is over and its context ended.
func (o *office) end() {
	o.mu.Lock()
	o.ended = true
	close(o.published)
	o.mu.Unlock()
	o.lanes.Wait()
	o.observer.pending.Wait()
	o.log.Info("no longer looking after the cluster", slog.Uint64("term", o.term))
}

// round observes, plans and acts, and reports whether anything was done.
func (o *office) round(ctx context.Context) (moved bool) {
	o.mu.Lock()
	o.rounds++
	number := o.rounds
	o.mu.Unlock()
	v := o.observer.observe(ctx)
	if v == nil || ctx.Err() != nil {
		return false
	}
	view, version := o.view(v)
	agenda := cluster.Plan(view)
	o.publish(look{round: number, verdict: v, held: agenda.Held})
	o.turn(ctx, v)
	return o.carryOut(ctx, agenda.Steps, version, v)
}

// view joins a verdict with what is agreed, and gives the version of that.
func (o *office) view(v *verdict) (view cluster.View, version uint64) {
	o.cfg.Record.Read(func(s *cluster.State) {
		view, version = s.View(v.observed, v.health), s.Version()
	})
	view.Pinned = o.pins(v.at)
	return view, version
}

// publish shows a look to those who wait for one, and logs what is new in it.
func (o *office) publish(l look) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.latest = l
	close(o.published)
	o.published = make(chan struct{})
	for n, life := range l.verdict.nodes {
		if life.note != "" && life.note != o.notes[n] {
			o.log.Warn("a node is not as it is on record", slog.String("node", string(n)), slog.String("why", life.note))
		}
		o.notes[n] = life.note
	}
}

// fresh waits for a look that began after the call.
func (o *office) fresh(ctx context.Context) (look, error) {
	o.mu.Lock()
	want := o.rounds + 1
	for {
		if o.ended {
			o.mu.Unlock()
			return look{}, ErrNotLeading
		}
		latest, published := o.latest, o.published
		o.mu.Unlock()
		if latest.round >= want {
			return latest, nil
		}
		o.hurry()
		select {
		case <-published:
		case <-ctx.Done():
			return look{}, ctx.Err()
		}
		o.mu.Lock()
	}
}

// pin keeps the leadership of a group where it is until the given time, the
// zero time ends that.
func (o *office) pin(g cluster.GroupID, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pinned[g] = until
}

func (o *office) pins(now time.Time) map[cluster.GroupID]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.pinned, func(_ cluster.GroupID, until time.Time) bool { return !now.Before(until) })
	pinned := make(map[cluster.GroupID]bool, len(o.pinned))
	for g := range o.pinned {
		pinned[g] = true
	}
	return pinned
}

// occupy takes a group for a lane of steps, if no other has it.
func (o *office) occupy(g cluster.GroupID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy[g] {
		return false
	}
	o.busy[g] = true
	return true
}

func (o *office) vacate(g cluster.GroupID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.busy, g)
}
