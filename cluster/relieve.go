package cluster

import (
	"cmp"
	"slices"
)

// relieve moves replicas from nodes over the limit to nodes below it, one at a
// time and no more than needed. Without zones it always ends with no node over
// the limit: the limit is no less than the mean, so while a node is over it
// another is below, and of two nodes the one with more groups has a group the
// other has not. A move that would bring two replicas of a group closer
// together is not made; then a node may stay over the limit.
func (d *draft) relieve() {
	stuck := make(map[NodeID]bool)
	for {
		from, ok := d.mostOverloaded(stuck)
		if !ok {
			return
		}
		if best, ok := d.bestRelief(from); ok {
			nodes := slices.Clone(d.nodes[best.group])
			nodes[slices.Index(nodes, from)] = best.to
			d.nodes[best.group] = nodes
			d.load[from]--
			d.load[best.to]++
		} else {
			stuck[from] = true
		}
	}
}

func (d *draft) mostOverloaded(except map[NodeID]bool) (NodeID, bool) {
	var worst NodeID
	for _, s := range d.sites {
		if s.Standing == Takes && !except[s.Node] && d.load[s.Node] > max(d.limit, d.load[worst]) {
			worst = s.Node
		}
	}
	return worst, worst != ""
}

// relief is one replica moved.
type relief struct {
	group GroupID
	to    NodeID
	// made: there is a replica that would have to go, copied: there is already
	// one where it would go to.
	made, copied bool
}

func (d *draft) bestRelief(from NodeID) (relief, bool) {
	var found []relief
	for i, nodes := range d.nodes {
		if GroupID(i) == MetaGroup || !slices.Contains(nodes, from) {
			continue
		}
		g := d.p.groups[i]
		others := slices.DeleteFunc(slices.Clone(nodes), func(n NodeID) bool { return n == from })
		for _, s := range d.sites {
			if s.Standing == Takes && d.load[s.Node] < d.limit && !slices.Contains(nodes, s.Node) &&
				d.conflicts(others, s) <= d.conflicts(others, d.at[from]) {
				found = append(found, relief{g.Group, s.Node, g.holds(from), g.holds(s.Node)})
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
			cmp.Compare(d.load[a.to], d.load[b.to]),
			cmp.Compare(affinity(b.group, b.to), affinity(a.group, a.to)),
			cmp.Compare(a.group, b.group),
			compareNodes(a.to, b.to),
		)
	}), true
}
