package cluster

import (
	"cmp"
	"slices"
)

// relieve moves replicas between nodes until none is over the upper limit or
// below the lower one, one at a time and no more than needed. Without zones it
// always gets there: while a node is over the mean another is below, and of two
// nodes the one with more groups has a group the other has not. A move that
// would bring two replicas of a group closer together is not made; then a node
// may stay beyond a limit.
func (d *draft) relieve() {
	d.repeat(func(stuck map[NodeID]bool) (NodeID, bool) {
		from, ok := d.most(stuck, d.load)
		return from, ok && d.load[from] > d.high
	}, func(from NodeID) (relief, bool) {
		return d.best(func(x, y NodeID) bool { return x == from && d.load[y] < d.high })
	})
	need := make(map[NodeID]int)
	d.repeat(func(stuck map[NodeID]bool) (NodeID, bool) {
		for _, s := range d.sites {
			need[s.Node] = d.low - d.load[s.Node]
		}
		to, ok := d.most(stuck, need)
		return to, ok && need[to] > 0
	}, func(to NodeID) (relief, bool) {
		return d.best(func(x, y NodeID) bool { return y == to && d.load[x] > d.mean })
	})
}

// repeat moves one replica for the node that next names, until it names none.
// Nodes that cannot be helped are told to next.
func (d *draft) repeat(next func(stuck map[NodeID]bool) (NodeID, bool), help func(NodeID) (relief, bool)) {
	stuck := make(map[NodeID]bool)
	for {
		n, ok := next(stuck)
		if !ok {
			return
		}
		r, ok := help(n)
		if !ok {
			stuck[n] = true
			continue
		}
		nodes := slices.Clone(d.nodes[r.group])
		nodes[slices.Index(nodes, r.from)] = r.to
		d.nodes[r.group] = nodes
		d.load[r.from]--
		d.load[r.to]++
	}
}

// most is the node with the greatest number among those that take replicas,
// the first by name of equals.
func (d *draft) most(except map[NodeID]bool, number map[NodeID]int) (best NodeID, ok bool) {
	for _, s := range d.sites {
		if s.Standing == Takes && !except[s.Node] && (!ok || number[s.Node] > number[best]) {
			best, ok = s.Node, true
		}
	}
	return best, ok
}

// relief is one replica moved.
type relief struct {
	group    GroupID
	from, to NodeID
	// made: there is a replica that would have to go, copied: there is already
	// one where it would go to.
	made, copied bool
}

// best finds the cheapest of the moves that suit: one that only changes a plan
// before one that makes a replica again, then the one that evens out most.
func (d *draft) best(suits func(from, to NodeID) bool) (relief, bool) {
	var found []relief
	for i, nodes := range d.nodes {
		if GroupID(i) == MetaGroup {
			continue
		}
		for _, from := range nodes {
			others := slices.DeleteFunc(slices.Clone(nodes), func(n NodeID) bool { return n == from })
			for _, s := range d.sites {
				if d.at[from].Standing == Takes && s.Standing == Takes && suits(from, s.Node) && !slices.Contains(nodes, s.Node) &&
					d.conflicts(others, s) <= d.conflicts(others, d.at[from]) {
					g := d.p.groups[i]
					found = append(found, relief{g.Group, from, s.Node, g.holds(from), g.holds(s.Node)})
				}
			}
		}
	}
	if len(found) == 0 {
		return relief{}, false
	}
	return slices.MinFunc(found, func(a, b relief) int {
		return cmp.Or(
			trueFirst(!a.made, !b.made),
			trueFirst(a.copied, b.copied),
			cmp.Compare(d.load[b.from]-d.load[b.to], d.load[a.from]-d.load[a.to]),
			cmp.Compare(affinity(b.group, b.to), affinity(a.group, a.to)),
			cmp.Compare(a.group, b.group),
			compareNodes(a.from, b.from),
			compareNodes(a.to, b.to),
		)
	}), true
}
