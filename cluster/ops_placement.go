package cluster

import (
	"errors"
	"fmt"
	"slices"
)

// maxNumber keeps the counter of replicas from wrapping. It cannot be reached
// by counting.
const maxNumber = 1 << 53

// GroupTarget is the new target of one group.
type GroupTarget struct {
	Group  GroupID `json:"group"`
	Target Target  `json:"target"`
}

// Retarget replaces the targets of the named groups.
type Retarget struct {
	Targets []GroupTarget `json:"targets"`
}

func (*Retarget) kind() string  { return "retarget" }
func (*Retarget) planned() bool { return true }

func (op *Retarget) apply(s *State) (Replica, error) {
	groups := slices.Clone(s.placement.groups)
	changed := false
	for _, t := range op.Targets {
		if int(t.Group) >= len(groups) {
			return Replica{}, noGroup(t.Group)
		}
		if err := t.Target.check(); err != nil {
			return Replica{}, fmt.Errorf("group %s: %w", t.Group, err)
		}
		changed = changed || !groups[t.Group].Target.Equal(t.Target)
		groups[t.Group].Target = Target{
			Voters:   slices.Clone(t.Target.Voters),
			Learners: slices.Clone(t.Target.Learners),
			Leader:   t.Target.Leader,
		}
	}
	if !changed {
		return Replica{}, errSame
	}
	s.placement = indexed(s.version, groups)
	return Replica{}, nil
}

func noGroup(g GroupID) error { return fmt.Errorf("there is no group %s", g) }

// update replaces the record of one group.
func (s *State) update(g GroupPlacement) { s.placement = s.placement.with(s.version, g) }

func (s *State) group(id GroupID) (GroupPlacement, error) {
	g, ok := s.placement.Group(id)
	if !ok {
		return g, noGroup(id)
	}
	return g, nil
}

// CreateReplica numbers a new replica of a group on a node of its target.
type CreateReplica struct {
	Group GroupID `json:"group"`
	Node  NodeID  `json:"node"`
}

func (*CreateReplica) kind() string  { return "create-replica" }
func (*CreateReplica) planned() bool { return true }

func (op *CreateReplica) apply(s *State) (Replica, error) {
	g, err := s.group(op.Group)
	if err != nil {
		return Replica{}, err
	}
	if _, err := s.mustMember(op.Node); err != nil {
		return Replica{}, err
	}
	switch {
	case !g.Target.Has(op.Node):
		return Replica{}, fmt.Errorf("group %s shall not be on node %s", g.Group, op.Node)
	case g.holds(op.Node):
		return Replica{}, fmt.Errorf("group %s has a replica on node %s already", g.Group, op.Node)
	case g.Next >= maxNumber:
		return Replica{}, fmt.Errorf("group %s has used up its replica numbers", g.Group)
	}
	created := Replica{Node: op.Node, Number: g.Next}
	g.Next++
	g.Created = withReplica(g.Created, created)
	s.update(g)
	return created, nil
}

// BeginStep puts a step on record that is about to be asked of a group's
// leader. That it commits proves the proposer is the meta leader still.
type BeginStep struct {
	Step Step `json:"step"`
}

func (*BeginStep) kind() string  { return "begin-step" }
func (*BeginStep) planned() bool { return true }

func (op *BeginStep) apply(s *State) (Replica, error) {
	g, err := s.group(op.Step.Group)
	if err != nil {
		return Replica{}, err
	}
	if err := op.Step.check(); err != nil {
		return Replica{}, err
	}
	if op.Step.Index < g.Index {
		return Replica{}, fmt.Errorf("the step is for configuration %d of group %s, which is at %d", op.Step.Index, g.Group, g.Index)
	}
	step := op.Step
	step.targets, step.record = nil, Record{}
	if g.Step != nil && g.Step.same(step) {
		return Replica{}, errSame
	}
	g.Step = &step
	s.update(g)
	return Replica{}, nil
}

// Record notes the committed configuration of a group, as its leader reported
// it, and ends the step under way. Replicas that are no longer part of it are
// retired.
type Record struct {
	Group    GroupID   `json:"group"`
	Index    uint64    `json:"index"`
	Voters   []Replica `json:"voters"`
	Learners []Replica `json:"learners,omitempty"`
}

func (*Record) kind() string  { return "record" }
func (*Record) planned() bool { return true }

func (op *Record) apply(s *State) (Replica, error) {
	g, err := s.group(op.Group)
	if err != nil {
		return Replica{}, err
	}
	if err := op.check(g); err != nil {
		return Replica{}, err
	}
	if g.Step == nil && g.Index == op.Index && slices.Equal(g.Voters, op.Voters) && slices.Equal(g.Learners, op.Learners) {
		return Replica{}, errSame
	}
	before := slices.Concat(g.Voters, g.Learners)
	g.Index, g.Step = op.Index, nil
	g.Voters, g.Learners = slices.Clone(op.Voters), slices.Clone(op.Learners)
	for _, r := range slices.Concat(g.Voters, g.Learners) {
		g.Created = withoutReplica(g.Created, r)
	}
	for _, r := range before {
		if !hasReplica(g.Voters, r) && !hasReplica(g.Learners, r) {
			g = s.retire(g, r)
		}
	}
	s.update(g)
	return Replica{}, nil
}

func (op *Record) check(g GroupPlacement) error {
	if op.Index == 0 || op.Index < g.Index {
		return fmt.Errorf("configuration %d of group %s is older than %d on record", op.Index, g.Group, g.Index)
	}
	if len(op.Voters) == 0 {
		return fmt.Errorf("a configuration of group %s has no voters", g.Group)
	}
	all := slices.Concat(op.Voters, op.Learners)
	for _, r := range all {
		if role := g.RoleOf(r); role == 0 || role == RoleRetired {
			return fmt.Errorf("group %s has no replica %.*q on record", g.Group, maxReplicaIDLen, r.ID(g.Group))
		}
	}
	slices.SortFunc(all, Replica.Compare)
	if n := len(all); len(slices.Compact(all)) != n ||
		!slices.IsSortedFunc(op.Voters, Replica.Compare) || !slices.IsSortedFunc(op.Learners, Replica.Compare) {
		return fmt.Errorf("a configuration of group %s names a replica twice or out of order", g.Group)
	}
	return nil
}

// retire moves a replica to the retired ones. Where its node is gone, nobody
// is left to delete anything and it is forgotten.
func (s *State) retire(g GroupPlacement, r Replica) GroupPlacement {
	g.Lost = withoutReplica(g.Lost, r)
	if _, member := s.memberAt(r.Node); member {
		g.Retired = withReplica(g.Retired, r)
	}
	return g
}

// RetireReplica gives up a created replica that is not part of its group yet.
type RetireReplica struct {
	Group   GroupID `json:"group"`
	Replica Replica `json:"replica"`
}

func (*RetireReplica) kind() string  { return "retire-replica" }
func (*RetireReplica) planned() bool { return true }

func (op *RetireReplica) apply(s *State) (Replica, error) {
	g, err := s.group(op.Group)
	if err != nil {
		return Replica{}, err
	}
	if !hasReplica(g.Created, op.Replica) {
		return Replica{}, errors.New("only a created replica that is not part of its group can be retired")
	}
	g.Created = withoutReplica(g.Created, op.Replica)
	s.update(s.retire(g, op.Replica))
	return Replica{}, nil
}

// ForgetReplica drops a retired replica that its node has deleted.
type ForgetReplica struct {
	Group   GroupID `json:"group"`
	Replica Replica `json:"replica"`
}

func (*ForgetReplica) kind() string  { return "forget-replica" }
func (*ForgetReplica) planned() bool { return false }

func (op *ForgetReplica) apply(s *State) (Replica, error) {
	g, err := s.group(op.Group)
	if err != nil {
		return Replica{}, err
	}
	switch g.RoleOf(op.Replica) {
	case 0:
		return Replica{}, errSame
	case RoleRetired:
		g.Retired = withoutReplica(g.Retired, op.Replica)
		s.update(g)
		return Replica{}, nil
	default:
		return Replica{}, errors.New("only a retired replica can be forgotten")
	}
}

// LoseReplica notes that the data of a replica is gone or not to be trusted, as
// its node reports. It will be replaced by one with a new number.
type LoseReplica struct {
	Group   GroupID `json:"group"`
	Replica Replica `json:"replica"`
}

func (*LoseReplica) kind() string  { return "lose-replica" }
func (*LoseReplica) planned() bool { return false }

func (op *LoseReplica) apply(s *State) (Replica, error) {
	g, err := s.group(op.Group)
	if err != nil {
		return Replica{}, err
	}
	switch role := g.RoleOf(op.Replica); {
	case role == 0:
		return Replica{}, fmt.Errorf("group %s has no such replica", g.Group)
	case role == RoleRetired || hasReplica(g.Lost, op.Replica):
		return Replica{}, errSame
	}
	g.Lost = withReplica(g.Lost, op.Replica)
	s.update(g)
	return Replica{}, nil
}

// loseAll marks all replicas of a node as lost.
func (s *State) loseAll(n NodeID) {
	groups := slices.Clone(s.placement.groups)
	for _, h := range s.placement.Of(n) {
		if h.Role != RoleRetired {
			groups[h.Group].Lost = withReplica(groups[h.Group].Lost, h.Replica)
		}
	}
	s.placement = indexed(s.version, groups)
}

// abandon drops what a removed node was to make or to delete. Its voters and
// learners stay on record until their groups have let go of them.
func (s *State) abandon(n NodeID) {
	groups := slices.Clone(s.placement.groups)
	for _, h := range s.placement.Of(n) {
		if g := &groups[h.Group]; h.Role == RoleCreated || h.Role == RoleRetired {
			g.Created = withoutReplica(g.Created, h.Replica)
			g.Retired = withoutReplica(g.Retired, h.Replica)
			g.Lost = withoutReplica(g.Lost, h.Replica)
		}
	}
	s.placement = indexed(s.version, groups)
}
