package steward

import (
	"context"
	"fmt"
	"slices"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Account is what a node says of itself when it is asked. boot is the id of its
// process. It costs no message.
func Account(host *replica.Host, boot string) Report {
	report := Report{Node: host.Node(), Store: host.StoreID(), Boot: boot}
	for _, g := range host.Groups() {
		r := ReplicaReport{Group: g.ID(), Number: g.Number(), Progress: g.Progress()}
		// The two are read one after the other: a configuration that is not the one
		// of the progress says nothing about it.
		if c := g.Configuration(); r.Progress.Leading && c.Committed && c.Index == r.Progress.Configuration {
			r.Configuration = &c
		}
		report.Replicas = append(report.Replicas, r)
	}
	return report
}

// Perform carries out a step on a group that this node leads, and gives the
// index of the group's configuration afterwards. Step.Index must be the one of
// the present configuration, also for a transfer, which does not change it.
//
// The errors are those of replica.Group: ErrNotLeader, ErrConflict, ErrRefused,
// ErrBehind and ErrClosed mean that nothing was done, ErrUnknownOutcome that
// somebody has to look.
func Perform(ctx context.Context, host *replica.Host, step cluster.Step) (index uint64, err error) {
	g := host.Group(step.Group)
	if g == nil {
		return 0, fmt.Errorf("%s: %w: this node has no replica of it", step, replica.ErrNotLeader)
	}
	switch step.Kind {
	case cluster.StepAddLearner:
		return g.AddLearner(ctx, step.Replica, step.Index)
	case cluster.StepPromote:
		return g.Promote(ctx, step.Replica, step.Index)
	case cluster.StepDemote:
		return g.Demote(ctx, step.Replica, step.Index)
	case cluster.StepRemove:
		return g.Remove(ctx, step.Replica, step.Index)
	case cluster.StepTransfer:
		return step.Index, transfer(ctx, g, step)
	default:
		return 0, fmt.Errorf("%w: a step %.32q is not asked of a group's leader", replica.ErrRefused, step.Kind)
	}
}

// transfer hands leadership to a replica, not to just any of its node. What may
// change between the look at the configuration and the transfer does no harm:
// the replica checks its heir again.
func transfer(ctx context.Context, g *replica.Group, step cluster.Step) error {
	now := g.Configuration()
	switch {
	case step.Replica.ID(step.Group) != g.Replica():
		return fmt.Errorf("%s: %w: the replica here is %s", step, replica.ErrNotLeader, g.Replica())
	case !now.Committed || now.Index != step.Index:
		return fmt.Errorf("%s: %w: it was decided on index %d, this replica knows index %d", step, replica.ErrConflict, step.Index, now.Index)
	case !slices.Contains(now.Voters, step.To):
		return fmt.Errorf("%s: %w: that is no voter of the group", step, replica.ErrRefused)
	}
	return g.TransferLeadership(ctx, step.To.Node)
}

// Release stops a replica of this node for ever and deletes its data. It must
// only be done on the word of the meta leader, who has the replica retired on
// record and heard from the group's leader that the group does not know it. It
// may be repeated, also after an error.
//
// A replica that leads is plainly part of its group and refuses, by an error
// that wraps replica.ErrRefused.
func Release(ctx context.Context, host *replica.Host, ref replica.Ref) error {
	if g := host.Group(ref.Group); g != nil && g.Number() == ref.Number && g.IsLeader() {
		return fmt.Errorf("%w: replica %s leads its group, it cannot be released", replica.ErrRefused, g.Replica())
	}
	if err := host.RemoveReplica(ctx, ref.Group, ref.Number); err != nil {
		return fmt.Errorf("releasing replica number %d: %w", ref.Number, err)
	}
	if err := host.Purge(ref.Group, ref.Number); err != nil {
		return fmt.Errorf("releasing replica number %d: %w", ref.Number, err)
	}
	return nil
}
