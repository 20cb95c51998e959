package cluster

import (
	"errors"
	"fmt"
	"slices"
)

// Found is the birth of a cluster.
type Found struct {
	Settings Settings `json:"settings"`
	// Members become active at once.
	Members []Member `json:"members"`
	// Voters are the first voters of every group, each with replica number
	// [FirstReplica]. They are an odd number of the members.
	Voters []NodeID `json:"voters"`
}

func (*Found) kind() string  { return "found" }
func (*Found) planned() bool { return false }

func (op *Found) apply(s *State) (Replica, error) {
	if err := op.Settings.Check(); err != nil {
		return Replica{}, err
	}
	s.settings = op.Settings
	if len(op.Members) > MaxMembers {
		return Replica{}, fmt.Errorf("%d members, a cluster has at most %d", len(op.Members), MaxMembers)
	}
	for _, m := range op.Members {
		m.State, m.Leaving = Active, false
		if err := s.admit(m); err != nil {
			return Replica{}, err
		}
	}
	target := Target{Voters: slices.Sorted(slices.Values(op.Voters))}
	if err := target.check(); err != nil {
		return Replica{}, err
	}
	if len(target.Voters)%2 == 0 {
		return Replica{}, fmt.Errorf("%d first voters, it must be an odd number: an even one tolerates no more failures than one less", len(target.Voters))
	}
	var voters []Replica
	for _, n := range target.Voters {
		if _, ok := s.memberAt(n); !ok {
			return Replica{}, fmt.Errorf("first voter %s is not among the members", n)
		}
		voters = append(voters, Replica{Node: n, Number: FirstReplica})
	}
	groups := make([]GroupPlacement, op.Settings.Groups+1)
	for i := range groups {
		groups[i] = GroupPlacement{Group: GroupID(i), Voters: voters, Next: FirstReplica + 1, Target: target}
	}
	s.placement = indexed(s.version, groups)
	return Replica{}, nil
}

// admit adds a member whose name and store are new.
func (s *State) admit(m Member) error {
	if err := m.Check(); err != nil {
		return err
	}
	i, exists := s.memberAt(m.Node)
	switch {
	case exists:
		return fmt.Errorf("there is a node %s already, with another store; choose another name; or, if it is that node and its disk was lost, bring it back with `mayfly node replace`", m.Node)
	case len(s.members) >= MaxMembers:
		return fmt.Errorf("the cluster has %d members, which is the limit", MaxMembers)
	}
	if err := s.storeIsNew(m); err != nil {
		return err
	}
	if m.Level < s.settings.Level {
		return fmt.Errorf("node %s knows feature level %d, the cluster is at %d; upgrade its program", m.Node, m.Level, s.settings.Level)
	}
	s.members = slices.Insert(slices.Clone(s.members), i, m)
	return nil
}

func (s *State) storeIsNew(m Member) error {
	for _, t := range s.tombstones {
		switch {
		case t.Store == m.Store:
			return fmt.Errorf("the data directory of node %s belonged to a node or disk that was removed; start with an empty one", m.Node)
		case t.Node == m.Node:
			return fmt.Errorf("a node %s was removed for ever; choose another name", m.Node)
		}
	}
	for _, other := range s.members {
		if other.Store == m.Store {
			return fmt.Errorf("the data directory of node %s is that of node %s; it was copied, start with an empty one", m.Node, other.Node)
		}
	}
	return nil
}

// change replaces one member.
func (s *State) change(i int, m Member) error {
	if s.members[i] == m {
		return errSame
	}
	if err := m.Check(); err != nil {
		return err
	}
	s.members = slices.Clone(s.members)
	s.members[i] = m
	return nil
}

func (s *State) mustMember(n NodeID) (int, error) {
	i, ok := s.memberAt(n)
	if ok {
		return i, nil
	}
	if slices.ContainsFunc(s.tombstones, func(t Tombstone) bool { return n != "" && t.Node == n }) {
		return 0, fmt.Errorf("node %s was removed for ever", n)
	}
	return 0, fmt.Errorf("there is no node %.*q", MaxNodeIDLen, string(n))
}

// become changes the state of a member, if the transition is legal.
func (s *State) become(n NodeID, next MemberState, leaving bool) error {
	i, err := s.mustMember(n)
	if err != nil {
		return err
	}
	m := s.members[i]
	if m.State != next && !m.State.CanBecome(next) {
		return fmt.Errorf("node %s is %s and cannot become %s", n, m.State, next)
	}
	m.State, m.Leaving = next, leaving
	return s.change(i, m)
}

// Join lets a new node in. It spends the token. Repeating it with the same token
// for the same node and store changes nothing.
type Join struct {
	// Member as it introduces itself; its state is not asked for.
	Member Member `json:"member"`
	// Token is the digest of the token it brought.
	Token Digest `json:"token"`
}

func (*Join) kind() string  { return "join" }
func (*Join) planned() bool { return false }

func (op *Join) apply(s *State) (Replica, error) {
	m := op.Member
	m.State, m.Leaving = Joining, false
	if i, ok := s.memberAt(m.Node); ok && s.members[i].Store == m.Store {
		return Replica{}, s.again(op.Token, m)
	}
	if err := s.spend(op.Token, m); err != nil {
		return Replica{}, err
	}
	if len(s.tombstones) >= MaxTombstones {
		return Replica{}, fmt.Errorf("%d nodes and disks were removed from this cluster, which is the limit", MaxTombstones)
	}
	return Replica{}, s.admit(m)
}

// Announce tells what a restart may change about a member: its boot id,
// addresses, zone and feature level. Node and store must be the ones on record.
// Whether the process on record still lives is for the proposer to find out.
type Announce struct {
	Member Member `json:"member"`
}

func (*Announce) kind() string  { return "announce" }
func (*Announce) planned() bool { return false }

func (op *Announce) apply(s *State) (Replica, error) {
	i, err := s.mustMember(op.Member.Node)
	if err != nil {
		return Replica{}, err
	}
	old := s.members[i]
	switch {
	case old.Store != op.Member.Store:
		return Replica{}, fmt.Errorf("node %s has another data directory than the one on record; if its disk was lost, bring it back with `mayfly node replace`", old.Node)
	case op.Member.Level < s.settings.Level:
		return Replica{}, fmt.Errorf("node %s knows feature level %d, the cluster is at %d; upgrade its program", old.Node, op.Member.Level, s.settings.Level)
	}
	m := op.Member
	m.State, m.Leaving = old.State, old.Leaving
	return Replica{}, s.change(i, m)
}

// Activate ends the joining of a member.
type Activate struct {
	Node NodeID `json:"node"`
}

func (*Activate) kind() string  { return "activate" }
func (*Activate) planned() bool { return true }

func (op *Activate) apply(s *State) (Replica, error) {
	i, err := s.mustMember(op.Node)
	if err != nil {
		return Replica{}, err
	}
	if s.members[i].State == Draining {
		return Replica{}, fmt.Errorf("node %s drains; resume it to end that", op.Node)
	}
	return Replica{}, s.become(op.Node, Active, false)
}

// Drain has a member give its leaderships away, after CheckDrain; or, with
// Leave, all it has, after CheckLeave.
type Drain struct {
	Node  NodeID `json:"node"`
	Leave bool   `json:"leave,omitempty"`
}

func (*Drain) kind() string  { return "drain" }
func (*Drain) planned() bool { return true }

func (op *Drain) apply(s *State) (Replica, error) {
	if i, ok := s.memberAt(op.Node); ok && s.members[i].Leaving && !op.Leave {
		return Replica{}, fmt.Errorf("node %s is leaving; resume it first", op.Node)
	}
	if op.Leave && !s.hasActiveBeside(op.Node) {
		return Replica{}, fmt.Errorf("node %s is the last active one and cannot leave", op.Node)
	}
	return Replica{}, s.become(op.Node, Draining, op.Leave)
}

func (s *State) hasActiveBeside(n NodeID) bool {
	return slices.ContainsFunc(s.members, func(m Member) bool { return m.Node != n && m.State == Active })
}

// Resume ends a drain, and takes back a leave as far as it is not done yet.
type Resume struct {
	Node NodeID `json:"node"`
}

func (*Resume) kind() string  { return "resume" }
func (*Resume) planned() bool { return false }

func (op *Resume) apply(s *State) (Replica, error) {
	i, err := s.mustMember(op.Node)
	if err != nil {
		return Replica{}, err
	}
	if s.members[i].State == Joining {
		return Replica{}, fmt.Errorf("node %s is joining, it does not drain", op.Node)
	}
	return Replica{}, s.become(op.Node, Active, false)
}

// RemoveMember removes a member for ever: one that left and holds nothing, or
// with Force, after CheckRemove, one that is down or never became active.
type RemoveMember struct {
	Node  NodeID `json:"node"`
	Force bool   `json:"force,omitempty"`
}

func (*RemoveMember) kind() string  { return "remove-member" }
func (*RemoveMember) planned() bool { return true }

func (op *RemoveMember) apply(s *State) (Replica, error) {
	i, err := s.mustMember(op.Node)
	if err != nil {
		return Replica{}, err
	}
	m := s.members[i]
	if !op.Force {
		if !m.Leaving {
			return Replica{}, fmt.Errorf("node %s has not left; let it leave, or remove it by force when it is down", m.Node)
		}
		if h := s.placement.Of(m.Node); len(h) > 0 {
			return Replica{}, fmt.Errorf("node %s still holds %d replicas, the first is %s", m.Node, len(h), h[0].Replica.ID(h[0].Group))
		}
	}
	if !s.hasActiveBeside(m.Node) {
		return Replica{}, fmt.Errorf("node %s is the last active one and cannot be removed", m.Node)
	}
	s.members = slices.Delete(slices.Clone(s.members), i, i+1)
	s.bury(Tombstone{Node: m.Node, Store: m.Store})
	s.abandon(m.Node)
	return Replica{}, nil
}

func (s *State) bury(t Tombstone) {
	i, _ := slices.BinarySearchFunc(s.tombstones, t, compareTombstones)
	s.tombstones = slices.Insert(slices.Clone(s.tombstones), i, t)
}

// ReplaceStore lets a member come back with an empty data directory, after
// CheckReplaceStore. Every replica it had is lost and will be replaced by one
// with a new number.
type ReplaceStore struct {
	// Old is the store on record that is given up for ever.
	Old string `json:"old"`
	// Member as it introduces itself with the new store; its state stays.
	Member Member `json:"member"`
	// Token is the digest of the join token it brought, which is spent.
	Token Digest `json:"token"`
}

func (*ReplaceStore) kind() string  { return "replace-store" }
func (*ReplaceStore) planned() bool { return true }

func (op *ReplaceStore) apply(s *State) (Replica, error) {
	i, err := s.mustMember(op.Member.Node)
	if err != nil {
		return Replica{}, err
	}
	old, m := s.members[i], op.Member
	m.State, m.Leaving = old.State, old.Leaving
	switch {
	case old.Store == m.Store:
		return Replica{}, s.again(op.Token, m)
	case old.Store != op.Old:
		return Replica{}, fmt.Errorf("the store of node %s on record is another one than the one to be replaced", m.Node)
	case len(s.tombstones) >= MaxTombstones:
		return Replica{}, errors.New("too many nodes and disks were removed from this cluster")
	}
	if err := s.spend(op.Token, m); err != nil {
		return Replica{}, err
	}
	if err := s.storeIsNew(m); err != nil {
		return Replica{}, err
	}
	s.bury(Tombstone{Store: old.Store})
	s.loseAll(m.Node)
	return Replica{}, s.change(i, m)
}

// RaiseLevel raises the feature level of the cluster to one that every member
// knows.
type RaiseLevel struct {
	Level uint32 `json:"level"`
}

func (*RaiseLevel) kind() string  { return "raise-level" }
func (*RaiseLevel) planned() bool { return false }

func (op *RaiseLevel) apply(s *State) (Replica, error) {
	if op.Level <= s.settings.Level {
		return Replica{}, errSame
	}
	for _, m := range s.members {
		if m.Level < op.Level {
			return Replica{}, fmt.Errorf("node %s knows feature level %d only; upgrade its program", m.Node, m.Level)
		}
	}
	s.settings.Level = op.Level
	return Replica{}, nil
}
