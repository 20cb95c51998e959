package cluster

import (
	"maps"
	"slices"
)

// Health is what the meta leader knows of a node's life. The zero value is
// Suspect: of whom nothing is known, nothing is assumed.
type Health uint8

const (
	// Suspect: gossip doubts the node, or its heartbeat is late. It is given
	// nothing new and loses nothing.
	Suspect Health = iota
	// Live: its heartbeat arrives.
	Live
	// Down: silent for so long that its replicas may be replaced, within the
	// limits of the plan. How long is for the caller to decide.
	Down
)

// String gives the health as operators read it.
func (h Health) String() string {
	switch h {
	case Live:
		return "live"
	case Down:
		return "down"
	default:
		return "suspect"
	}
}

// Progress is how far a replica is with its group's log, as it reports itself.
// The zero value is Behind.
type Progress uint8

const (
	// Behind: still copying, or silent.
	Behind Progress = iota
	// Near: within reach of the leader, but not for long enough.
	Near
	// CaughtUp: near for long enough to be given a vote.
	CaughtUp
)

// ObservedReplica is one server of a group's Raft configuration.
type ObservedReplica struct {
	Replica  Replica
	Voter    bool
	Progress Progress
}

// Observed is what the leader of a group says about it. Only a configuration
// that is committed may be reported; a group whose newest configuration is not,
// or whose leader is unknown, is left out of the view.
type Observed struct {
	Leader Replica
	// Index is the Raft index of the configuration, never 0.
	Index    uint64
	Replicas []ObservedReplica
}

func (o Observed) find(r Replica) (ObservedReplica, bool) {
	i := slices.IndexFunc(o.Replicas, func(have ObservedReplica) bool { return have.Replica == r })
	if i < 0 {
		return ObservedReplica{}, false
	}
	return o.Replicas[i], true
}

// View is all that a plan or a check looks at: what is agreed, and what was
// seen. Nodes without health are Suspect, groups without observation unknown.
// It is read only.
type View struct {
	Members   []Member // without the removed ones
	Placement *Placement
	Observed  map[GroupID]Observed
	Health    map[NodeID]Health
	// Pinned are groups whose leadership is left where an operator put it. It is
	// still taken from nodes that must not lead. May be nil.
	Pinned map[GroupID]bool
}

func (v View) member(n NodeID) (Member, bool) {
	i := slices.IndexFunc(v.Members, func(m Member) bool { return m.Node == n })
	if i < 0 {
		return Member{}, false
	}
	return v.Members[i], true
}

// observed is the observation of a group, if it is not older than the record.
func (v View) observed(g GroupPlacement) (Observed, bool) {
	o, ok := v.Observed[g.Group]
	return o, ok && o.Index >= g.Index && !o.Leader.IsZero()
}

// gone reports whether a replica can never take part again: its node was
// removed, or its data was lost.
func (v View) gone(g GroupPlacement, r Replica) bool {
	_, member := v.member(r.Node)
	return !member || hasReplica(g.Lost, r)
}

// sound reports whether an observed replica counts towards a majority: its node
// is live, its data trusted, and it follows.
func (v View) sound(g GroupPlacement, o Observed, r ObservedReplica) bool {
	follows := r.Progress == CaughtUp || r.Replica == o.Leader
	return follows && v.Health[r.Replica.Node] == Live && !v.gone(g, r.Replica)
}

// Standing is what placement may expect of a node.
type Standing uint8

const (
	// Takes: active and live, may be given replicas and leaderships.
	Takes Standing = iota + 1
	// Holds: active but not certainly alive. Keeps what it has.
	Holds
	// Rests: drains in place, as for a restart. Keeps its replicas, leads nothing.
	Rests
	// Yields: down for long, its replicas are replaced where that is possible.
	Yields
	// Leaves: gives everything away.
	Leaves
	// Learns: joining, learns the meta group and nothing else.
	Learns
)

// Site is a node as Assign sees it.
type Site struct {
	Node     NodeID
	Zone     string
	Standing Standing
}

// leastForRepair is the least number of members with which a down node's
// replicas are replaced without being asked: with fewer there is nowhere to go.
const leastForRepair = 4

// Sites derives the standing of every member, in the order of their names. At
// most one node yields at a time, and none while more than a third of the
// members are down or suspect (then it is the network), while a node drains
// for a restart, or with fewer than four members.
func (v View) Sites() []Site {
	yielding := v.yielding()
	sites := make([]Site, 0, len(v.Members))
	for _, m := range v.Members {
		site := Site{Node: m.Node, Zone: m.Zone}
		switch {
		case m.State == Joining:
			site.Standing = Learns
		case m.Leaving:
			site.Standing = Leaves
		case m.State == Draining:
			site.Standing = Rests
		case m.Node == yielding:
			site.Standing = Yields
		case v.Health[m.Node] == Live:
			site.Standing = Takes
		default:
			site.Standing = Holds
		}
		sites = append(sites, site)
	}
	slices.SortFunc(sites, func(a, b Site) int { return compareNodes(a.Node, b.Node) })
	return sites
}

// yielding picks the one down node that is being replaced: the one with the
// fewest replicas left, so that a repair is ended before another begins.
func (v View) yielding() NodeID {
	absent, active := 0, 0
	held := make(map[NodeID]int)
	for _, m := range v.Members {
		if m.State == Joining {
			continue
		}
		active++
		if v.Health[m.Node] != Live {
			absent++
		}
		if m.State == Active && v.Health[m.Node] == Down {
			if n := v.duties(m.Node); n > 0 {
				held[m.Node] = n
			}
		}
	}
	if active < leastForRepair || 3*absent > active || v.restarting() != "" || len(held) == 0 {
		return ""
	}
	return slices.MinFunc(slices.Sorted(maps.Keys(held)), func(a, b NodeID) int { return held[a] - held[b] })
}

// duties counts the groups that rely on a node: those it shall vote in.
func (v View) duties(n NodeID) int {
	count := 0
	for g := range v.Placement.All() {
		if slices.Contains(g.Target.Voters, n) || hasNode(g.Voters, n) {
			count++
		}
	}
	return count
}

// restarting names a member that drains to come back, empty for none.
func (v View) restarting() NodeID {
	for _, m := range v.Members {
		if m.State == Draining && !m.Leaving {
			return m.Node
		}
	}
	return ""
}
