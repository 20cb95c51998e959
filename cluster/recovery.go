package cluster

import (
	"errors"
	"fmt"
	"slices"
)

// A group that lost the majority of its voters for good is brought back offline,
// by an operator, from what one survivor holds (replica.RecoverGroup). Nobody can
// be asked for a number then, so the survivor is given one that the group's
// counter will not have reached: recoveries count in steps of 2^20. That a
// replica leads its group under a number that was never given out says that this
// has happened, and the record follows.

// recoveryBits are the bits of a replica's number that count replicas; those
// above count recoveries.
const recoveryBits = 20

// RecoveryNumber is the number of the replica that a group is brought back with,
// when highest is the highest number of the group that is known. It is above all
// that the group gave out, as long as those who are lost did not give out another
// million that nobody else heard of.
func RecoveryNumber(highest uint64) uint64 { return (highest>>recoveryBits + 1) << recoveryBits }

// RecoveryEpoch tells how often the group of a replica was brought back before
// the replica was numbered. It is the same for all that take part in a group.
func RecoveryEpoch(number uint64) uint64 { return number >> recoveryBits }

// RecoverGroup puts on record that a group was brought back offline. What it was
// before ends: every replica that is not part of it now is given up, for their
// logs may hold what never happened.
type RecoverGroup struct {
	// Record is the configuration as its leader reports it. Its index may be lower
	// than that on record: what the survivor had not heard of is forgotten.
	Record Record `json:"record"`
}

func (*RecoverGroup) kind() string  { return "recover-group" }
func (*RecoverGroup) planned() bool { return true }

func (op *RecoverGroup) apply(s *State) (Replica, error) {
	g, err := s.group(op.Record.Group)
	if err != nil {
		return Replica{}, err
	}
	next, err := op.check(s, g)
	if err != nil {
		return Replica{}, err
	}
	before := slices.Concat(g.Voters, g.Learners, g.Created)
	g.Index, g.Step, g.Next = op.Record.Index, nil, next
	g.Voters, g.Learners, g.Created = slices.Clone(op.Record.Voters), slices.Clone(op.Record.Learners), nil
	for _, r := range before {
		if !hasReplica(g.Voters, r) && !hasReplica(g.Learners, r) {
			g = s.retire(g, r)
		}
	}
	s.update(g)
	return Replica{}, nil
}

// check requires a configuration of members of which one has a number that was
// never given out, and returns the next number of the group.
func (op *RecoverGroup) check(s *State, g GroupPlacement) (next uint64, err error) {
	all := slices.Concat(op.Record.Voters, op.Record.Learners)
	next = g.Next
	for _, r := range all {
		if err := r.check(); err != nil {
			return 0, err
		}
		if _, err := s.mustMember(r.Node); err != nil {
			return 0, err
		}
		if r.Number >= maxNumber {
			return 0, fmt.Errorf("group %s has used up its replica numbers", g.Group)
		}
		if hasReplica(g.Retired, r) {
			return 0, fmt.Errorf("replica %s was given up", r.ID(g.Group))
		}
		next = max(next, r.Number+1)
	}
	slices.SortFunc(all, Replica.Compare)
	switch n := len(all); {
	case op.Record.Index == 0, len(op.Record.Voters) == 0:
		return 0, fmt.Errorf("a configuration of group %s has no voters", g.Group)
	case len(slices.Compact(all)) != n,
		!slices.IsSortedFunc(op.Record.Voters, Replica.Compare), !slices.IsSortedFunc(op.Record.Learners, Replica.Compare):
		return 0, fmt.Errorf("a configuration of group %s names a replica twice or out of order", g.Group)
	case next == g.Next:
		return 0, errors.New("all replicas of the configuration were numbered here, so the group was not brought back")
	}
	return next, nil
}

// recovered reports whether the leader of a group has a number that was never
// given out: only a recovery makes such a replica.
func (v View) recovered(g GroupPlacement) (Observed, bool) {
	o, ok := v.Observed[g.Group]
	if !ok || o.Leader.Number < g.Next {
		return Observed{}, false
	}
	_, member := v.member(o.Leader.Node)
	return o, member
}

// recoveryOf puts the configuration of a group that was brought back on record.
func recoveryOf(g GroupPlacement, o Observed) Step {
	step := Step{Kind: StepRecover, Group: g.Group, Replica: o.Leader, record: Record{Group: g.Group, Index: o.Index}}
	for _, r := range o.Replicas {
		if r.Voter {
			step.record.Voters = withReplica(step.record.Voters, r.Replica)
		} else {
			step.record.Learners = withReplica(step.record.Learners, r.Replica)
		}
	}
	return step
}
