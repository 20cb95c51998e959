package cluster

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Role is what a replica is in its group.
type Role uint8

const (
	// RoleCreated: numbered, to be made by its node, not yet part of the group.
	RoleCreated Role = iota + 1
	// RoleLearner: receives the log, has no vote.
	RoleLearner
	// RoleVoter: votes.
	RoleVoter
	// RoleRetired: no part of the group any more; its node may still hold data.
	RoleRetired
)

// String gives the role as operators read it.
func (r Role) String() string {
	switch r {
	case RoleCreated:
		return "created"
	case RoleLearner:
		return "learner"
	case RoleVoter:
		return "voter"
	case RoleRetired:
		return "retired"
	default:
		return "no role"
	}
}

// Target is where a group shall be. Its nodes are sorted and named once.
type Target struct {
	Voters   []NodeID `json:"voters"`
	Learners []NodeID `json:"learners,omitempty"`
	// Leader is the voter that should lead, empty when none is preferred.
	Leader NodeID `json:"leader,omitempty"`
}

// Has reports whether the node shall hold a replica.
func (t Target) Has(n NodeID) bool {
	return slices.Contains(t.Voters, n) || slices.Contains(t.Learners, n)
}

// Equal reports whether both targets ask for the same.
func (t Target) Equal(o Target) bool {
	return t.Leader == o.Leader && slices.Equal(t.Voters, o.Voters) && slices.Equal(t.Learners, o.Learners)
}

func (t Target) check() error {
	all := slices.Concat(t.Voters, t.Learners)
	for _, n := range all {
		if _, err := ParseNodeID(string(n)); err != nil {
			return err
		}
	}
	slices.Sort(all)
	switch {
	case len(t.Voters) == 0:
		return errors.New("cluster: a target has no voters")
	case len(all) > MaxMembers:
		return fmt.Errorf("cluster: a target names %d nodes, at most %d are allowed", len(all), MaxMembers)
	case !slices.IsSorted(t.Voters) || !slices.IsSorted(t.Learners):
		return errors.New("cluster: the nodes of a target are not in order")
	case len(slices.Compact(all)) != len(t.Voters)+len(t.Learners):
		return errors.New("cluster: a target names a node twice")
	case t.Leader != "" && !slices.Contains(t.Voters, t.Leader):
		return fmt.Errorf("cluster: the preferred leader %s is not among the voters of its target", t.Leader)
	}
	return nil
}

// GroupPlacement is what the meta group has on record about one group. Its
// lists are sorted and must not be written to.
type GroupPlacement struct {
	Group GroupID `json:"group"`
	// Index is the Raft index of the newest configuration on record; Voters and
	// Learners are the replicas of that configuration.
	Index    uint64    `json:"index"`
	Voters   []Replica `json:"voters,omitempty"`
	Learners []Replica `json:"learners,omitempty"`
	// Created are numbered and not yet in the configuration.
	Created []Replica `json:"created,omitempty"`
	// Retired left the configuration and are not known to be deleted.
	Retired []Replica `json:"retired,omitempty"`
	// Lost are those of the voters, learners and created ones whose data is
	// gone or not to be trusted. They can only be replaced.
	Lost []Replica `json:"lost,omitempty"`
	// Next is the number the next replica of the group is given.
	Next   uint64 `json:"next"`
	Target Target `json:"target"`
	// Step is the step under way, nil between steps.
	Step *Step `json:"step,omitempty"`
}

// All yields the replicas of the group with their roles, voters first.
func (g GroupPlacement) All() iter.Seq2[Replica, Role] {
	return func(yield func(Replica, Role) bool) {
		for _, part := range []struct {
			list []Replica
			role Role
		}{{g.Voters, RoleVoter}, {g.Learners, RoleLearner}, {g.Created, RoleCreated}, {g.Retired, RoleRetired}} {
			for _, r := range part.list {
				if !yield(r, part.role) {
					return
				}
			}
		}
	}
}

// RoleOf tells the role of a replica, 0 when the group does not know it.
func (g GroupPlacement) RoleOf(r Replica) Role {
	for have, role := range g.All() {
		if have == r {
			return role
		}
	}
	return 0
}

// Moving reports whether the group is not yet where its target wants it.
func (g GroupPlacement) Moving() bool {
	if len(g.Created)+len(g.Retired)+len(g.Lost) > 0 {
		return true
	}
	return !slices.Equal(nodesOf(g.Voters), g.Target.Voters) || !slices.Equal(nodesOf(g.Learners), g.Target.Learners)
}

func nodesOf(list []Replica) []NodeID {
	nodes := make([]NodeID, len(list))
	for i, r := range list {
		nodes[i] = r.Node
	}
	return nodes
}

// holds reports whether the node has a usable replica, made or to be made.
func (g GroupPlacement) holds(n NodeID) bool {
	for r, role := range g.All() {
		if r.Node == n && role != RoleRetired && !hasReplica(g.Lost, r) {
			return true
		}
	}
	return false
}

func (g GroupPlacement) check() error {
	var all []Replica
	for _, list := range [][]Replica{g.Voters, g.Learners, g.Created, g.Retired, g.Lost} {
		if !slices.IsSortedFunc(list, Replica.Compare) {
			return fmt.Errorf("cluster: the replicas of group %s are not in order", g.Group)
		}
	}
	for r := range g.All() {
		if err := r.check(); err != nil {
			return err
		}
		if r.Number >= g.Next {
			return fmt.Errorf("cluster: replica %s exists, but the next number is %d", r.ID(g.Group), g.Next)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, Replica.Compare)
	if n := len(all); len(slices.Compact(all)) != n {
		return fmt.Errorf("cluster: a replica of group %s has two roles", g.Group)
	}
	for _, r := range g.Lost {
		if role := g.RoleOf(r); role == 0 || role == RoleRetired {
			return fmt.Errorf("cluster: replica %s is lost without being part of its group", r.ID(g.Group))
		}
	}
	if err := g.Target.check(); err != nil {
		return fmt.Errorf("group %s: %w", g.Group, err)
	}
	if g.Step != nil {
		return g.Step.check()
	}
	return nil
}

// Placement says which replicas every group has and where they shall be. It is
// immutable: a change makes a new one with a higher version, and whoever acts
// on a placement carries the version along. Safe for concurrent use; the lists
// it hands out are shared and must not be written to.
type Placement struct {
	version uint64
	groups  []GroupPlacement // in the order of their numbers, without holes
	byNode  map[NodeID][]Holding
}

// Holding is a replica seen from its node.
type Holding struct {
	Group   GroupID
	Replica Replica
	Role    Role
}

// NewPlacement makes a placement of the groups 0 (meta) to len(groups)-1, and
// refuses one that contradicts itself. It keeps groups.
func NewPlacement(version uint64, groups []GroupPlacement) (*Placement, error) {
	if len(groups) < 2 || len(groups) > MaxGroups+1 {
		return nil, fmt.Errorf("cluster: a placement has %d groups, it must have meta and 1 to %d data groups", len(groups), MaxGroups)
	}
	for i, g := range groups {
		if g.Group != GroupID(i) {
			return nil, fmt.Errorf("cluster: group %s stands where group %d belongs", g.Group, i)
		}
		if err := g.check(); err != nil {
			return nil, err
		}
	}
	return indexed(version, groups), nil
}

func indexed(version uint64, groups []GroupPlacement) *Placement {
	p := &Placement{version: version, groups: groups, byNode: make(map[NodeID][]Holding)}
	for _, g := range groups {
		for r, role := range g.All() {
			p.byNode[r.Node] = append(p.byNode[r.Node], Holding{g.Group, r, role})
		}
	}
	return p
}

// with is the placement after one group changed.
func (p *Placement) with(version uint64, g GroupPlacement) *Placement {
	groups := slices.Clone(p.groups)
	groups[g.Group] = g
	return indexed(version, groups)
}

// Version is the version of the State that made this placement.
func (p *Placement) Version() uint64 { return p.version }

// Groups is the number of data groups, without the meta group.
func (p *Placement) Groups() int { return len(p.groups) - 1 }

// Group gives the record of a group; ok is false when there is no such group.
func (p *Placement) Group(g GroupID) (record GroupPlacement, ok bool) {
	if uint64(g) >= uint64(len(p.groups)) {
		return GroupPlacement{}, false
	}
	return p.groups[g], true
}

// All yields the record of every group, the meta group first.
func (p *Placement) All() iter.Seq[GroupPlacement] { return slices.Values(p.groups) }

// Of lists the replicas of a node in the order of their groups.
func (p *Placement) Of(n NodeID) []Holding { return p.byNode[n] }

// Leader is the node that should lead the group, empty when none is preferred
// or there is no such group.
func (p *Placement) Leader(g GroupID) NodeID {
	record, _ := p.Group(g)
	return record.Target.Leader
}

// occupies reports whether the node has a replica for which keep holds.
func (p *Placement) occupies(n NodeID, keep func(Holding) bool) bool {
	return slices.ContainsFunc(p.byNode[n], keep)
}
