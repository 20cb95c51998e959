package steward

import (
	"maps"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Status is the cluster as operators see it: plain values, the caller's own.
type Status struct {
	// Leading: this node leads the meta group, in Term, and looks after the
	// others. Else all below is this node's copy of the record, which may be late,
	// without what only questions tell.
	Leading bool
	Term    uint64
	// At is when the others were last asked; zero for never.
	At time.Time
	// Settings of the cluster; Version of its state, and of its placement.
	Settings         cluster.Settings
	Version          uint64
	PlacementVersion uint64
	// Nodes by name, Groups by number.
	Nodes  []NodeStatus
	Groups []GroupStatus
	// Held tells what should be done and is not, and why.
	Held []cluster.Hold
	// Rotation is how far the keys are by which nodes know each other.
	Rotation Rotation
}

// NodeStatus is one member.
type NodeStatus struct {
	cluster.Member
	// Health is Suspect where nobody has asked.
	Health cluster.Health
	// Heard is when the node last answered; zero for never.
	Heard time.Time
	// Note says what is strange about the node, in words.
	Note string
	// Replicas counts those the node has or is to make, Retired those it is still
	// to delete, Leaders the groups it leads as far as their leaders are known. A
	// node has drained when it leads nothing; one that leaves is taken from the
	// list when it has neither of the others.
	Replicas, Retired, Leaders int
}

// GroupStatus is one group.
type GroupStatus struct {
	Group cluster.GroupID
	// Leader leads the group in Term; zero when that is not known. Index is the
	// configuration it reports, Applied and Last how far its log is.
	Leader  cluster.Replica
	Term    uint64
	Index   uint64
	Applied uint64
	Last    uint64
	// Replicas on record, in the order of their nodes.
	Replicas []ReplicaStatus
	Target   cluster.Target
	// Moving: the group is not yet where its target wants it. Step is the step
	// under way, nil between steps.
	Moving bool
	Step   *cluster.Step
	// Pinned: an operator moved its leadership, and it stays there for a while.
	Pinned bool
}

// ReplicaStatus is one replica of a group.
type ReplicaStatus struct {
	cluster.Replica
	Role cluster.Role
	// Lost: its data is gone or not to be trusted, it will be replaced.
	Lost bool
	// Answered: it reported itself, so Progress, Applied and Lag are known.
	Answered bool
	Progress cluster.Progress
	Applied  uint64
	// Lag is how many entries its log lacks of what the leader had a moment
	// before.
	Lag uint64
}

// Node gives one node of the status; ok is false when it is no member.
func (s Status) Node(n cluster.NodeID) (status NodeStatus, ok bool) {
	i := slices.IndexFunc(s.Nodes, func(have NodeStatus) bool { return have.Node == n })
	if i < 0 {
		return NodeStatus{}, false
	}
	return s.Nodes[i], true
}

// Status tells how the cluster is. It asks nobody: on the node that leads the
// meta group it is at most a round old.
func (s *Steward) Status() Status {
	var st Status
	v := &verdict{} // nobody has asked
	var pinned map[cluster.GroupID]bool
	if o, err := s.inOffice(); err == nil {
		st.Leading, st.Term = true, o.term
		o.mu.Lock()
		latest := o.latest
		o.mu.Unlock()
		if latest.verdict != nil {
			v, st.At, st.Held = latest.verdict, latest.verdict.at, o.held()
		}
		pinned = o.pins(time.Now())
	}
	var members []cluster.Member
	var placement *cluster.Placement
	s.cfg.Record.Read(func(state *cluster.State) {
		st.Settings, st.Version = state.Settings(), state.Version()
		members, placement = state.Members(), state.Placement()
		st.Rotation = v.rotation(state.Trust(), members, s.cfg.Tuning)
	})
	if placement == nil {
		return st
	}
	st.PlacementVersion = placement.Version()
	leads := make(map[cluster.NodeID]int)
	for g := range placement.All() {
		group := v.group(g)
		group.Pinned = pinned[g.Group]
		leads[group.Leader.Node]++
		st.Groups = append(st.Groups, group)
	}
	for _, m := range members {
		n := NodeStatus{Member: m, Health: v.health[m.Node], Heard: v.nodes[m.Node].heard, Note: v.nodes[m.Node].note, Leaders: leads[m.Node]}
		for _, h := range placement.Of(m.Node) {
			if h.Role == cluster.RoleRetired {
				n.Retired++
			} else {
				n.Replicas++
			}
		}
		st.Nodes = append(st.Nodes, n)
	}
	return st
}

// group joins what is on record about a group with what was seen.
func (v *verdict) group(g cluster.GroupPlacement) GroupStatus {
	st := GroupStatus{Group: g.Group, Moving: g.Moving(), Target: cluster.Target{
		Voters: slices.Clone(g.Target.Voters), Learners: slices.Clone(g.Target.Learners), Leader: g.Target.Leader,
	}}
	if g.Step != nil {
		step := *g.Step
		st.Step = &step
	}
	leader, led := v.leaders[g.Group]
	seen := make(map[cluster.Replica]cluster.Progress)
	if led {
		o := v.observed[g.Group]
		st.Leader, st.Index = o.Leader, o.Index
		st.Term, st.Applied, st.Last = leader.Progress.Term, leader.Progress.Applied, leader.Progress.Last
		for _, r := range o.Replicas {
			seen[r.Replica] = r.Progress
		}
	}
	roles := maps.Collect(g.All())
	for _, r := range slices.SortedFunc(maps.Keys(roles), cluster.Replica.Compare) {
		rs := ReplicaStatus{Replica: r, Role: roles[r], Lost: slices.Contains(g.Lost, r), Progress: seen[r]}
		if own, ok := v.answers.replica(g.Group, r); ok {
			rs.Answered, rs.Applied = true, own.Progress.Applied
			rs.Lag = leader.Progress.Last - min(leader.Progress.Last, own.Progress.Last)
		}
		st.Replicas = append(st.Replicas, rs)
	}
	return st
}
