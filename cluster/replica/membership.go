package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Configuration is who belongs to a group, as one replica knows it.
type Configuration struct {
	// Index is the index of its log entry. It identifies the configuration and
	// only grows. 0: this replica knows of none, it waits to be added.
	Index uint64
	// Committed: the configuration cannot be undone any more. On others nothing
	// may be built.
	Committed bool
	// Voters and Learners are sorted by node and number.
	Voters, Learners []cluster.Replica
}

// The outcomes of a change of the configuration, besides ErrNotLeader and
// ErrClosed (not done), ErrUnknownOutcome (perhaps done; look again) and a
// context's own error (not done).
var (
	// ErrConflict: the configuration is not the one the caller looked at, or the
	// newest is not committed yet. Nothing was done: look again.
	ErrConflict = errors.New("the configuration of the group is another one")
	// ErrRefused: the change makes no sense for this configuration, or would
	// harm the group. Nothing was done; the text says what would be right.
	ErrRefused = errors.New("change refused")
	// ErrBehind: the replica is too far behind, or was not heard of lately, to
	// vote or lead. Nothing was done.
	ErrBehind = errors.New("replica is not caught up")
)

// changeTimeout bounds the wait for raft to accept a change. It does so at once
// unless the log stands still.
const changeTimeout = 5 * time.Second

// Configuration tells who belongs to the group. On the leader it is the group's
// own; elsewhere it may be older. It costs no message.
func (g *Group) Configuration() Configuration {
	now := g.store.log.roster.now.Load()
	if now.newest == nil {
		return Configuration{}
	}
	return Configuration{
		Index:     now.newest.index,
		Committed: now.committed,
		Voters:    replicasOf(now.newest.voters),
		Learners:  replicasOf(now.newest.others),
	}
}

func replicasOf(ids []string) []cluster.Replica {
	list := make([]cluster.Replica, len(ids))
	for i, id := range ids {
		list[i] = replicaOf(id)
	}
	slices.SortFunc(list, cluster.Replica.Compare)
	return list
}

// AddLearner adds a replica without a vote to the group this node leads. The
// replica must have been started, see Host.StartReplica. prevIndex is the index
// of the configuration that the decision was made on.
//
// Like Promote, Demote and Remove it returns the index of the configuration that holds
// the change, once that is committed; a change that the configuration holds
// already is no change. The outcomes are described at ErrConflict.
func (g *Group) AddLearner(ctx context.Context, r cluster.Replica, prevIndex uint64) (index uint64, err error) {
	return g.change(ctx, r, prevIndex, func(now *configuration, id string) (step, error) {
		switch {
		case slices.Contains(now.others, id):
			return nil, nil
		case slices.Contains(now.voters, id):
			return nil, fmt.Errorf("%w: it is a voter already", ErrRefused)
		}
		return func(prev uint64) raft.IndexFuture {
			return g.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(id), prev, changeTimeout)
		}, nil
	})
}

// Promote gives a learner a vote. ErrBehind: this leader did not hear of it
// lately, or its log lacks too much. That is a last guard and not the criterion,
// which needs time: see Progress.Near.
func (g *Group) Promote(ctx context.Context, r cluster.Replica, prevIndex uint64) (index uint64, err error) {
	return g.change(ctx, r, prevIndex, func(now *configuration, id string) (step, error) {
		switch {
		case slices.Contains(now.voters, id):
			return nil, nil
		case !slices.Contains(now.others, id):
			return nil, fmt.Errorf("%w: it is no learner of the group, add it first", ErrRefused)
		}
		if err := g.follows(id); err != nil {
			return nil, err
		}
		return func(prev uint64) raft.IndexFuture {
			return g.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(id), prev, changeTimeout)
		}, nil
	})
}

// Demote takes the vote of a replica away; it goes on as a learner. The leader
// does not demote itself: leadership is transferred first, and the new leader
// asked.
func (g *Group) Demote(ctx context.Context, r cluster.Replica, prevIndex uint64) (index uint64, err error) {
	return g.change(ctx, r, prevIndex, func(now *configuration, id string) (step, error) {
		switch {
		case slices.Contains(now.others, id):
			return nil, nil
		case !slices.Contains(now.voters, id):
			return nil, fmt.Errorf("%w: it is no voter of the group", ErrRefused)
		case len(now.voters) == 1:
			return nil, fmt.Errorf("%w: it is the only voter", ErrRefused)
		case id == g.replica:
			return nil, fmt.Errorf("%w: it leads the group, transfer the leadership first", ErrRefused)
		}
		return func(prev uint64) raft.IndexFuture {
			return g.raft.DemoteVoter(raft.ServerID(id), prev, changeTimeout)
		}, nil
	})
}

// Remove takes a voter or a learner out of the group. The leader does not
// remove itself: leadership is transferred first, and the new leader asked.
func (g *Group) Remove(ctx context.Context, r cluster.Replica, prevIndex uint64) (index uint64, err error) {
	return g.change(ctx, r, prevIndex, func(now *configuration, id string) (step, error) {
		switch {
		case id == g.replica:
			return nil, fmt.Errorf("%w: it leads the group, transfer the leadership first", ErrRefused)
		case !slices.Contains(now.voters, id) && !slices.Contains(now.others, id):
			return nil, nil
		case len(now.voters) == 1 && now.voters[0] == id:
			return nil, fmt.Errorf("%w: it is the only voter", ErrRefused)
		}
		return func(prev uint64) raft.IndexFuture {
			return g.raft.RemoveServer(raft.ServerID(id), prev, changeTimeout)
		}, nil
	})
}

// step hands one change to raft.
type step func(prevIndex uint64) raft.IndexFuture

// change checks that the caller decided on the present configuration, asks
// decide what to do about it, and does it. A nil step means it is done already.
func (g *Group) change(ctx context.Context, r cluster.Replica, prevIndex uint64, decide func(*configuration, string) (step, error)) (uint64, error) {
	id := r.ID(g.id)
	index, err := g.tryChange(ctx, id, prevIndex, decide)
	if err != nil {
		return 0, fmt.Errorf("group %s: replica %s: %w", g.id, id, err)
	}
	return index, nil
}

func (g *Group) tryChange(ctx context.Context, id string, prevIndex uint64, decide func(*configuration, string) (step, error)) (uint64, error) {
	if _, _, err := cluster.ParseReplicaID(id); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if prevIndex == 0 {
		return 0, fmt.Errorf("%w: the index of the configuration it was decided on is missing", ErrRefused)
	}
	if err := g.mayChange(); err != nil {
		return 0, err
	}
	now := g.store.log.roster.now.Load()
	if now.newest == nil || now.newest.index != prevIndex || !now.committed {
		return 0, fmt.Errorf("%w: %s, the change is for index %d", ErrConflict, now.describe(), prevIndex)
	}
	do, err := decide(now.newest, id)
	if err != nil || do == nil {
		return prevIndex, err
	}
	var index uint64
	begun, err := g.errands.run(ctx, func() error {
		future := do(prevIndex)
		if err := future.Error(); err != nil {
			return g.changeError(err)
		}
		// Raft answers behind the state machine, so the roster knows by now that
		// the configuration is committed.
		index = future.Index()
		return nil
	})
	if begun && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return 0, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	if err != nil {
		return 0, err
	}
	return index, nil
}

// mayChange refuses what only a leader that knows its group may do.
func (g *Group) mayChange() error {
	if g.closing.Load() || g.stop.err() != nil {
		return g.closedError()
	}
	if v := g.view.Load(); !v.Leading || !g.leads(v.Term) {
		return ErrNotLeader
	}
	return nil
}

// changeError maps raft's answer to a change. What raft refuses by its own
// judgement has no type: it is that the configuration changed meanwhile, since
// all else was checked before.
func (g *Group) changeError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: an earlier change is not committed", ErrConflict)
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown), g.stop.err() != nil:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	default:
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
}

// describe says in words what is in force.
func (f *inForce) describe() string {
	switch {
	case f.newest == nil:
		return "this replica knows none"
	case !f.committed:
		return fmt.Sprintf("index %d is not committed yet", f.newest.index)
	default:
		return fmt.Sprintf("it has index %d", f.newest.index)
	}
}
