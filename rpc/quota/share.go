package quota

import (
	"cmp"
	"slices"
)

// Use is what one node tells the others about a subject.
type Use struct {
	Subject Subject
	// Demand is what was wanted per second, refused or not.
	Demand Rates
	// Held is how many subscriptions the subject has on the node, Missed how many were
	// refused it lately.
	Held, Missed int
	// Keys is how many items of the cache the node leads, for caches whose keys are
	// limited.
	Keys uint64
}

// round is what the nodes told each other last, as far as limits are divided by it.
// It never changes.
type round struct {
	nodes, mine int               // how many divide, and which of them this one is
	uses        map[Subject][]Use // of each of them; none where nobody wants anything
}

// alone is the round of a node that divides with nobody.
var alone = &round{nodes: 1}

// of is what each node uses of a subject.
func (r *round) of(s Subject) []Use {
	if uses := r.uses[s]; uses != nil {
		return uses
	}
	return make([]Use, r.nodes)
}

// part is this node's part of a rate.
func (r *round) part(s Subject, k Kind, limit float64) float64 {
	if r.nodes == 1 {
		return limit
	}
	demands := make([]float64, r.nodes)
	for i, u := range r.of(s) {
		demands[i] = u.Demand[k]
	}
	return divide(limit, demands, r.mine)
}

// places is how many subscriptions this node may have.
func (r *round) places(s Subject, limit int) int {
	if r.nodes == 1 {
		return limit
	}
	return seat(limit, r.of(s), r.mine)
}

// newcomers is which part of its equal part every node is given at least, so that
// one that wants nothing yet need not refuse the first who comes.
const newcomers = 1.0 / 50

// divide returns the part of a limit that node i may use. Whoever wants less than
// the others' equal share has what it wants; what is left when all have theirs is
// divided equally. The parts are the limit together.
func divide(limit float64, demands []float64, i int) float64 {
	n := float64(len(demands))
	least := limit / n * newcomers
	wishes := make([]float64, len(demands))
	for j, d := range demands {
		wishes[j] = max(d, least)
	}
	mine := wishes[i]
	slices.Sort(wishes)
	for j, wish := range wishes {
		equal := limit / (n - float64(j))
		if wish > equal {
			return min(mine, equal)
		}
		limit -= wish
	}
	return mine + limit/n
}

// seat returns how many of the places node i may fill. What is held stays; what is
// free goes to those where somebody was refused, then to all equally. The odd ones go
// to those that want most, the first of equals.
func seat(limit int, uses []Use, i int) int {
	free := limit
	for _, u := range uses {
		free -= u.Held
	}
	if free <= 0 {
		return uses[i].Held
	}
	missed := make([]float64, len(uses))
	for j, u := range uses {
		missed[j] = float64(u.Missed)
	}
	odd, rank := free, 0
	given := make([]int, len(uses))
	for j := range uses {
		given[j] = int(divide(float64(free), missed, j))
		odd -= given[j]
	}
	for j := range uses {
		if cmp.Or(-cmp.Compare(uses[j].Missed, uses[i].Missed), cmp.Compare(j, i)) < 0 {
			rank++
		}
	}
	if rank < odd {
		given[i]++
	}
	return uses[i].Held + given[i]
}
