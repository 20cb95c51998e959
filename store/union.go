package store

import (
	"cmp"
	"math"
	"slices"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// JoinScores returns the score of a member that two sources of a union hold. It
// is never NaN: opposite infinities add up to 0.
func JoinScores(a, b float64, aggregate storev1.Aggregate) float64 {
	switch aggregate {
	case storev1.Aggregate_AGGREGATE_MIN:
		return min(a, b)
	case storev1.Aggregate_AGGREGATE_MAX:
		return max(a, b)
	default:
		return number(a + b)
	}
}

// WeighScore returns the score that a source of a union contributes. It is never
// NaN: an infinity weighs nothing with weight 0.
func WeighScore(score float64, weight float32) float64 {
	// The conversion keeps the product from being fused with a later sum, which
	// some processors would round otherwise than others.
	return number(float64(score * float64(weight)))
}

func number(score float64) float64 {
	if math.IsNaN(score) {
		return 0
	}
	return score
}

// sortedSetUnion replaces whatever there is by a union, into which the set under
// the key goes once for each of its weights. Nothing united is no set.
func (m *Machine) sortedSetUnion(t target, op *storev1.SortedSetUnion) *Result {
	it := m.find(t)
	var own *sortedSet
	if len(op.GetOwnWeights()) > 0 {
		var ok bool
		if own, ok = held[*sortedSet](it); !ok {
			return notSortedSet
		}
	}
	all := unite(op, own)
	if len(all) > MaxCollectionLength {
		return invalid(badLength)
	}
	m.replace(t, it, sortedSetOf(all, m.epoch), op.GetTtlMs())
	return lengthOf(len(all))
}

// unite returns the members of a union with their scores, by member. own is nil
// when there is no set under the key, or when that is no source.
func unite(op *storev1.SortedSetUnion, own *sortedSet) []scored {
	others := make([]scored, len(op.GetMembers()))
	for i, member := range op.GetMembers() {
		others[i] = scored{textOf(member), op.GetScores()[i]}
	}
	// Of one member the scores are joined in the order given: sums are rounded,
	// so another order could give another score.
	slices.SortStableFunc(others, func(a, b scored) int { return cmp.Compare(a.member, b.member) })
	var mine []scored
	if own != nil {
		mine = own.members()
	}
	all := make([]scored, 0, len(others)+len(mine))
	join := func(member string, score float64) {
		if n := len(all); n > 0 && all[n-1].member == member {
			all[n-1].score = JoinScores(all[n-1].score, score, op.GetAggregate())
		} else {
			all = append(all, scored{member, score})
		}
	}
	for len(others)+len(mine) > 0 {
		if len(mine) == 0 || len(others) > 0 && others[0].member <= mine[0].member {
			join(others[0].member, others[0].score)
			others = others[1:]
			continue
		}
		for _, weight := range op.GetOwnWeights() {
			join(mine[0].member, WeighScore(mine[0].score, weight))
		}
		mine = mine[1:]
	}
	return all
}

// sortedSetOf makes a sorted set of different elements that come by member. It
// uses their slice up.
func sortedSetOf(all []scored, epoch uint64) *sortedSet {
	s := newSortedSet(epoch)
	for _, e := range all {
		s.content += uint64(len(e.member))
		if len(all) > fewMembers {
			s.byMember.push(e)
		}
	}
	slices.SortFunc(all, scored.compare)
	for _, e := range all {
		s.byScore.push(e)
	}
	return s
}

// replace makes the target an item that holds c with a new life; an empty c is no
// item.
func (m *Machine) replace(t target, it *item, c collection, ttl uint64) {
	switch {
	case c.count() == 0 && it != nil:
		m.remove(t, it)
	case c.count() == 0:
	case it == nil:
		m.create(t, ttl, func(it *item) { it.held = c })
	default:
		m.edit(t, it, func(it *item) {
			it.value, it.held = nil, c
			it.expires = m.clock + ttl
		})
	}
}
