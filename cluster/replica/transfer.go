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

// reach is how many entries a follower may lack to be given a vote or the
// leadership. Its last answer is up to a fifth of a heartbeat timeout old, in
// which a busy group writes some hundred entries. Whoever decides on promotion
// looks closer, see Progress.Near.
const reach = 512

// follows reports by ErrBehind that a replica was not heard of within a
// heartbeat timeout or lacks too many entries.
func (g *Group) follows(id string) error {
	seen := g.peers.of(id)
	if silent := time.Since(seen.at); silent > g.tuning.heartbeat {
		if seen.at.IsZero() {
			return fmt.Errorf("%w: it never answered", ErrBehind)
		}
		return fmt.Errorf("%w: it did not answer for %v", ErrBehind, silent.Round(time.Millisecond))
	}
	if last := g.raft.LastIndex(); seen.last+reach < last {
		return fmt.Errorf("%w: its log ends at %d, the leader's at %d", ErrBehind, seen.last, last)
	}
	return nil
}

// TransferLeadership hands the leadership of the group to the voter on another
// node and returns once this node does not lead any more. Commands are refused
// with ErrNotLeader meanwhile, for at most a heartbeat timeout.
//
// ErrRefused: the node has no voter of the group. ErrBehind: its voter is not
// heard of or lacks too much. ErrNotLeader: this node does not lead, or not yet.
// ErrUnknownOutcome: the transfer was begun and not seen to succeed; Leadership
// shows what came of it.
func (g *Group) TransferLeadership(ctx context.Context, to cluster.NodeID) error {
	if err := g.transfer(ctx, to); err != nil {
		return fmt.Errorf("group %s: transferring the leadership to %s: %w", g.id, to, err)
	}
	return nil
}

func (g *Group) transfer(ctx context.Context, to cluster.NodeID) error {
	if err := g.mayChange(); err != nil {
		return err
	}
	mine := g.view.Load()
	if !mine.Leading {
		return ErrNotLeader
	}
	now := g.store.log.roster.now.Load()
	if now.newest == nil || !now.committed {
		return fmt.Errorf("%w: %s", ErrConflict, now.describe())
	}
	id, err := voterOn(now.newest, to, g.replica)
	if err != nil {
		return err
	}
	if err := g.follows(id); err != nil {
		return err
	}
	begun, err := g.errands.run(ctx, func() error {
		return g.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(id)).Error()
	})
	switch {
	case err == nil:
		// Raft is done; whoever asks this Group shall hear the same.
		select {
		case <-mine.over:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnknownOutcome, ctx.Err())
		}
	case !begun:
		return err
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
}

// voterOn finds the voter of a node. Of a node that lost its disk a dead voter
// and its successor may both vote for a moment; then it is not fit to lead.
func voterOn(c *configuration, node cluster.NodeID, self string) (string, error) {
	there := slices.DeleteFunc(slices.Clone(c.voters), func(id string) bool { return replicaOf(id).Node != node })
	switch {
	case len(there) == 0:
		return "", fmt.Errorf("%w: it has no voter of the group", ErrRefused)
	case there[0] == self:
		return "", fmt.Errorf("%w: it leads the group already", ErrRefused)
	case len(there) > 1:
		return "", fmt.Errorf("%w: it has two voters of the group", ErrRefused)
	}
	return there[0], nil
}
