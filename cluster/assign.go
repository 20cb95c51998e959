package cluster

import (
	"cmp"
	"slices"
)

const (
	// ReplicationFactor is the number of voters of a data group in a cluster of
	// three nodes or more. With two nodes a group has one voter and a learner:
	// two voters would tolerate no failure either.
	ReplicationFactor = 3
	// maxMetaVoters is the most voters of the meta group: five survive two
	// failures, and every further vote makes each commit slower.
	maxMetaVoters = 5
)

// Assign says where every group shall be, the meta group first. It starts from
// the targets on record and keeps what is still legal, so that a node that
// comes or goes moves little more than its own share. Asked again with what it
// answered, it answers the same.
//
// A data group has the nodes that [ReplicationFactor] asks for: in different
// zones as far as there are zones, on nodes below the load limit (see
// loadLimit) as far as zones allow, otherwise those the group likes best. The
// meta group has 1, 3 or 5 voters by the size of the cluster, and all other
// nodes learn it. What cannot be placed better stays where it is.
func Assign(p *Placement, sites []Site) []Target {
	d := newDraft(p, sites)
	for i, g := range p.groups {
		if g.Group == MetaGroup {
			d.nodes[i] = d.metaVoters(g)
			continue
		}
		d.count(d.kept(g), -1)
		d.nodes[i] = d.pick(g, min(d.size, ReplicationFactor))
		d.count(d.nodes[i], +1)
	}
	d.relieve()
	targets := make([]Target, len(p.groups))
	for i, g := range p.groups {
		targets[i] = d.target(g, d.nodes[i])
	}
	d.spreadLeaders(targets)
	return targets
}

// draft is an assignment in the making.
type draft struct {
	p     *Placement
	sites []Site
	at    map[NodeID]Site
	nodes [][]NodeID // per group, voters only for the meta group
	load  map[NodeID]int
	size  int // nodes that data groups can count on

	low, mean, high int // of the load, see loadLimits
}

func newDraft(p *Placement, sites []Site) *draft {
	d := &draft{
		p: p, sites: sites, at: make(map[NodeID]Site),
		nodes: make([][]NodeID, len(p.groups)), load: make(map[NodeID]int),
	}
	for _, s := range sites {
		d.at[s.Node] = s
		if s.stays() {
			d.size++
		}
	}
	d.low, d.mean, d.high = loadLimits(p.Groups(), d.size)
	for _, g := range p.groups[1:] {
		d.count(d.kept(g), +1)
	}
	return d
}

// kept are the nodes of the target on record that need not go. Loads begin
// with them, so that the first groups do not fill nodes which later ones
// already occupy.
func (d *draft) kept(g GroupPlacement) []NodeID {
	return slices.DeleteFunc(slices.Concat(g.Target.Voters, g.Target.Learners), func(n NodeID) bool {
		s, member := d.at[n]
		return !member || !d.candidate(g, s)
	})
}

func (d *draft) count(nodes []NodeID, by int) {
	for _, n := range nodes {
		d.load[n] += by
	}
}

// loadLimits are the least and the most replicas of data groups that a node
// should hold:
//
//	min(⌊mean⌋, ⌈0.9 · mean⌉) and max(⌈mean⌉, ⌊1.1 · mean⌋)
//
// In an assignment without zones among live nodes no node is beyond them. With
// the upper one alone, nodes could join and stay empty until a later one
// brings everybody over it at once. Its second term is rounded down and not up
// to keep the load within 1.15 of the mean wherever whole replicas allow that:
// eight replicas where the mean is 6.86 would not.
func loadLimits(groups, nodes int) (low, mean, high int) {
	if nodes == 0 {
		return 0, 0, 0
	}
	replicas := groups * min(nodes, ReplicationFactor)
	mean = replicas / nodes
	low = min(mean, (9*replicas+10*nodes-1)/(10*nodes))
	high = max((replicas+nodes-1)/nodes, 11*replicas/(10*nodes))
	return low, mean, high
}

// stays: the site is a place a group can count on.
func (s Site) stays() bool {
	return s.Standing == Takes || s.Standing == Holds || s.Standing == Rests
}

// candidate reports whether the group may be on the site: it takes new ones, or
// stays and has one already.
func (d *draft) candidate(g GroupPlacement, s Site) bool {
	return s.Standing == Takes || s.stays() && g.holds(s.Node)
}

// pick chooses up to want nodes for a group. Where nobody else can take the
// place of a node that should go, the node stays in the target until somebody
// can: a group that is short of places does not give up what it has.
func (d *draft) pick(g GroupPlacement, want int) []NodeID {
	current := g.Target.Has
	if g.Group == MetaGroup {
		current = func(n NodeID) bool { return slices.Contains(g.Target.Voters, n) }
	}
	var candidates []Site
	for _, s := range d.sites {
		if d.candidate(g, s) {
			candidates = append(candidates, s)
		}
	}
	var chosen []NodeID
	for len(chosen) < want && len(candidates) > 0 {
		best := slices.MinFunc(candidates, func(a, b Site) int {
			return cmp.Or(
				cmp.Compare(d.conflicts(chosen, a), d.conflicts(chosen, b)),
				trueFirst(current(a.Node), current(b.Node)),
				trueFirst(a.Standing == Takes, b.Standing == Takes),
				cmp.Compare(d.overload(g, a.Node), d.overload(g, b.Node)),
				trueFirst(g.holds(a.Node), g.holds(b.Node)),
				byAffinity(g.Group, a.Node, b.Node),
			)
		})
		chosen = append(chosen, best.Node)
		candidates = slices.DeleteFunc(candidates, func(s Site) bool { return s.Node == best.Node })
	}
	if len(chosen) == 0 {
		return g.Target.Voters
	}
	if want >= ReplicationFactor {
		chosen = d.retain(g, chosen, want)
	}
	return chosen
}

// retain fills up with voters on record that should go.
func (d *draft) retain(g GroupPlacement, chosen []NodeID, want int) []NodeID {
	rest := slices.DeleteFunc(slices.Clone(g.Target.Voters), func(n NodeID) bool { return slices.Contains(chosen, n) })
	slices.SortStableFunc(rest, func(a, b NodeID) int { return cmp.Compare(d.reluctance(a), d.reluctance(b)) })
	return append(chosen, rest[:min(len(rest), max(0, want-len(chosen)))]...)
}

// reluctance orders the nodes that should go: the down before the leaving, the
// removed last.
func (d *draft) reluctance(n NodeID) int {
	if s, member := d.at[n]; member {
		return int(s.Standing)
	}
	return int(Learns) + 1
}

// conflicts counts the chosen nodes that share the zone of the site.
func (d *draft) conflicts(chosen []NodeID, s Site) int {
	if s.Zone == "" {
		return 0
	}
	count := 0
	for _, n := range chosen {
		if n != s.Node && d.at[n].Zone == s.Zone {
			count++
		}
	}
	return count
}

// overload is by how much the node would exceed the limit with this group too.
// The meta group is small and counts nowhere.
func (d *draft) overload(g GroupPlacement, n NodeID) int {
	if g.Group == MetaGroup {
		return 0
	}
	return max(0, d.load[n]+1-d.high)
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// target turns the nodes of a group into voters and learners.
func (d *draft) target(g GroupPlacement, nodes []NodeID) Target {
	var t Target
	switch {
	case g.Group == MetaGroup:
		t.Voters, t.Learners = nodes, d.metaLearners(nodes)
	case len(nodes) >= ReplicationFactor:
		t.Voters = nodes
	default:
		voter := slices.MinFunc(nodes, func(a, b NodeID) int {
			return cmp.Or(
				trueFirst(slices.Contains(g.Target.Voters, a), slices.Contains(g.Target.Voters, b)),
				trueFirst(g.Target.Leader == a, g.Target.Leader == b),
				trueFirst(d.at[a].Standing == Takes, d.at[b].Standing == Takes),
				byAffinity(g.Group, a, b),
			)
		})
		t.Voters = []NodeID{voter}
		t.Learners = slices.DeleteFunc(slices.Clone(nodes), func(n NodeID) bool { return n == voter })
	}
	t.Voters = slices.Sorted(slices.Values(t.Voters))
	t.Learners = slices.Sorted(slices.Values(t.Learners))
	return t
}

// metaVoters are 1, 3 or 5 by the number of members that are here to stay, the
// down ones included. An even number is never aimed at.
func (d *draft) metaVoters(g GroupPlacement) []NodeID {
	size := 0
	for _, s := range d.sites {
		if s.stays() || s.Standing == Yields {
			size++
		}
	}
	want := 1
	switch {
	case size >= maxMetaVoters:
		want = maxMetaVoters
	case size >= ReplicationFactor:
		want = ReplicationFactor
	}
	nodes := d.pick(g, want)
	if len(nodes)%2 == 0 {
		nodes = nodes[:len(nodes)-1]
	}
	return nodes
}

// metaLearners are all nodes without a vote in the meta group. A node that
// leaves follows it until it has nothing else.
func (d *draft) metaLearners(voters []NodeID) []NodeID {
	var learners []NodeID
	for _, s := range d.sites {
		done := s.Standing == Leaves && !d.p.occupies(s.Node, func(h Holding) bool { return h.Group != MetaGroup })
		if !done && !slices.Contains(voters, s.Node) {
			learners = append(learners, s.Node)
		}
	}
	return learners
}
