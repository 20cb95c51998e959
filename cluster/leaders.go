package cluster

import (
	"cmp"
	"slices"
)

// leaderLimit is the most groups a node should be preferred to lead.
func leaderLimit(groups, nodes int) int {
	if nodes == 0 {
		return 0
	}
	return (groups+nodes-1)/nodes + 1
}

// spreadLeaders chooses a preferred leader for every group, the meta group
// included. Preferences on record stay as long as their node may lead and is
// not over the limit. The others are matched to nodes below the limit, making
// room by moving earlier choices along where that helps; a group for which
// there is no room goes to the least busy of its nodes.
func (d *draft) spreadLeaders(targets []Target) {
	m := matching{d: d, targets: targets, leads: make(map[NodeID][]int)}
	able := 0
	for _, s := range d.sites {
		if s.Standing == Takes {
			able++
		}
	}
	m.limit = leaderLimit(len(targets), able)
	var open []int
	for i := range targets {
		old := d.p.groups[i].Target.Leader
		standing := d.at[old].Standing
		mayKeep := slices.Contains(targets[i].Voters, old) && (standing == Takes || standing == Holds)
		if mayKeep && len(m.leads[old]) < m.limit {
			m.give(i, old)
		} else {
			open = append(open, i)
		}
	}
	for _, i := range open {
		if m.place(i, make(map[NodeID]bool)) {
			continue
		}
		if able := m.able(i); len(able) > 0 {
			m.give(i, able[0])
		}
	}
}

// matching gives groups to leaders.
type matching struct {
	d       *draft
	targets []Target
	leads   map[NodeID][]int
	limit   int
}

func (m *matching) give(i int, n NodeID) {
	if old := m.targets[i].Leader; old != "" {
		m.leads[old] = slices.DeleteFunc(m.leads[old], func(j int) bool { return j == i })
	}
	m.targets[i].Leader = n
	m.leads[n] = append(m.leads[n], i)
}

// able lists the voters of a group that may be given its leadership, the least
// busy first.
func (m *matching) able(i int) []NodeID {
	nodes := slices.DeleteFunc(slices.Clone(m.targets[i].Voters), func(n NodeID) bool { return m.d.at[n].Standing != Takes })
	slices.SortFunc(nodes, func(a, b NodeID) int {
		return cmp.Or(cmp.Compare(len(m.leads[a]), len(m.leads[b])), byAffinity(GroupID(i), a, b))
	})
	return nodes
}

// place finds a node for group i, if need be by moving another group from it.
func (m *matching) place(i int, tried map[NodeID]bool) bool {
	able := m.able(i)
	for _, n := range able {
		if len(m.leads[n]) < m.limit {
			m.give(i, n)
			return true
		}
	}
	for _, n := range able {
		if tried[n] {
			continue
		}
		tried[n] = true
		for _, j := range slices.Clone(m.leads[n]) {
			if m.place(j, tried) {
				m.give(i, n)
				return true
			}
		}
	}
	return false
}
