package steward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

const (
	// followEvery is how often the placement is compared with what runs here when
	// nothing has changed.
	followEvery = 3 * time.Second
	// firstRetry and lastRetry bound the pause after a replica did not start.
	firstRetry, lastRetry = 100 * time.Millisecond, 30 * time.Second
)

// follower makes and starts the replicas that the placement has created for
// this node. It deletes nothing.
type follower struct {
	cfg Config

	// starting is held while replicas are started, by the placement or by order of
	// the meta leader.
	starting sync.Mutex
	failed   map[replica.Ref]failure
}

// failure is a replica that did not start.
type failure struct {
	pause time.Duration
	next  time.Time // when to try again
	over  bool      // trying again is of no use
}

func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := f.cfg.Record.Changed()
		wait := f.follow(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// follow starts what is due, and tells when to look again at the latest.
func (f *follower) follow(ctx context.Context) time.Duration {
	f.starting.Lock()
	defer f.starting.Unlock()
	due := f.due()
	for ref := range f.failed {
		if _, wanted := due[ref]; !wanted {
			delete(f.failed, ref)
		}
	}
	wait := followEvery
	for ref, lost := range due {
		fail, failing := f.failed[ref]
		if left := time.Until(fail.next); failing && (fail.over || left > 0) {
			if !fail.over {
				wait = min(wait, left)
			}
			continue
		}
		switch err := f.startInPlace(ctx, ref, lost); {
		case err == nil:
			delete(f.failed, ref)
		case ctx.Err() == nil:
			wait = min(wait, f.fail(ref, fail, err))
		}
	}
	return wait
}

// due lists the replicas that shall run here and do not, each with the number
// of the lost one whose place it takes, or 0. A node whose data directory is not
// the one on record follows nothing: what is created there is not for it.
func (f *follower) due() map[replica.Ref]uint64 {
	due := make(map[replica.Ref]uint64)
	lost := make(map[cluster.GroupID]uint64)
	running := make(map[cluster.GroupID]uint64)
	for _, g := range f.cfg.Host.Groups() {
		running[g.ID()] = g.Number()
	}
	f.cfg.Record.Read(func(s *cluster.State) {
		if self, member := s.Member(f.cfg.Self); !member || self.Store != f.cfg.Host.StoreID() || !s.Founded() {
			return
		}
		for _, h := range s.Placement().Of(f.cfg.Self) {
			record, _ := s.Placement().Group(h.Group)
			number := h.Replica.Number
			switch gone := slices.Contains(record.Lost, h.Replica); {
			case gone && running[h.Group] == number:
				lost[h.Group] = number
			case !gone && running[h.Group] != number && (h.Role == cluster.RoleCreated || h.Role == cluster.RoleLearner):
				// A learner may have been added before it was made; a voter never.
				due[replica.Ref{Group: h.Group, Number: number}] = 0
			}
		}
	})
	for ref := range due {
		due[ref] = lost[ref.Group]
	}
	return due
}

// startInPlace stops the lost replica, if there is one, and starts its
// successor. The caller holds starting.
func (f *follower) startInPlace(ctx context.Context, ref replica.Ref, lost uint64) error {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Tuning.Act)
	defer cancel()
	if lost != 0 && lost < ref.Number {
		if err := f.cfg.Host.RemoveReplica(ctx, ref.Group, lost); err != nil {
			return err
		}
	}
	return f.start(ctx, ref)
}

// start starts a replica and tells about it if it did not run before. The
// caller holds starting.
func (f *follower) start(ctx context.Context, ref replica.Ref) error {
	if g := f.cfg.Host.Group(ref.Group); g != nil && g.Number() == ref.Number {
		return nil
	}
	if err := f.cfg.Host.StartReplica(ctx, ref.Group, ref.Number); err != nil {
		return err
	}
	if g := f.cfg.Host.Group(ref.Group); g != nil && g.Number() == ref.Number {
		f.cfg.Started(g)
	}
	return nil
}

// fail notes that a replica did not start and tells when to try again. It logs
// the first time only.
func (f *follower) fail(ref replica.Ref, before failure, err error) time.Duration {
	next := failure{pause: min(max(firstRetry, 2*before.pause), lastRetry), over: errors.Is(err, replica.ErrRetired)}
	next.next = time.Now().Add(next.pause)
	f.failed[ref] = next
	if before.pause == 0 {
		f.cfg.Logger.Error("a replica that belongs on this node does not start",
			slog.Uint64("group", uint64(ref.Group)), slog.Uint64("number", ref.Number), slog.Any("err", err))
	}
	return next.pause
}

// Start makes and starts a replica by order of the meta leader: the only way for
// a node that cannot read yet what is created for it, and the quick one for
// others. It may be repeated. Where this node's record knows better, it refuses
// by an error that wraps replica.ErrRefused.
func (s *Steward) Start(ctx context.Context, ref replica.Ref) error {
	if role, known := s.roleOf(ref); known && role == cluster.RoleRetired {
		return fmt.Errorf("%w: replica number %d of group %s is retired", replica.ErrRefused, ref.Number, ref.Group)
	}
	s.follower.starting.Lock()
	defer s.follower.starting.Unlock()
	return s.follower.start(ctx, ref)
}

// Release does what the function Release does, once this node's record has the
// replica retired too. The record may be a little late, so it is waited for; if
// it does not come, the error wraps replica.ErrRefused, and the meta leader will
// look again. The record of the meta group's own replica ends before its
// retirement, so of that it is not asked.
func (s *Steward) Release(ctx context.Context, ref replica.Ref) error {
	patience, cancel := context.WithTimeout(ctx, s.cfg.Tuning.Ask)
	defer cancel()
	for ref.Group != cluster.MetaGroup {
		changed := s.cfg.Record.Changed()
		role, known := s.roleOf(ref)
		if !known || role == cluster.RoleRetired {
			break
		}
		select {
		case <-changed:
		case <-patience.Done():
			return fmt.Errorf("%w: replica number %d of group %s is a %s on record here", replica.ErrRefused, ref.Number, ref.Group, role)
		}
	}
	return Release(ctx, s.cfg.Host, ref)
}

// roleOf tells the role of a replica of this node; known is false when the
// record does not name it.
func (s *Steward) roleOf(ref replica.Ref) (role cluster.Role, known bool) {
	s.cfg.Record.Read(func(state *cluster.State) {
		if !state.Founded() {
			return
		}
		g, _ := state.Placement().Group(ref.Group)
		role = g.RoleOf(cluster.Replica{Node: s.cfg.Self, Number: ref.Number})
	})
	return role, role != 0
}
