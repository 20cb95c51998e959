package store

import (
	"math"

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
	union := newSortedSet(m.epoch)
	join := func(member string, score float64) {
		if _, other, known := union.find(member); known {
			score = JoinScores(other, score, op.GetAggregate())
		}
		union.put(member, score)
	}
	for i, member := range op.GetMembers() {
		join(textOf(member), op.GetScores()[i])
	}
	if len(op.GetOwnWeights()) > 0 {
		own, ok := held[*sortedSet](it)
		if !ok {
			return notSortedSet
		}
		if own != nil {
			for e := range own.byScore.span(0, own.count()) {
				for _, weight := range op.GetOwnWeights() {
					join(e.member, WeighScore(e.score, weight))
				}
			}
		}
	}
	if union.count() > MaxCollectionLength {
		return invalid(badLength)
	}
	m.replace(t, it, union, op.GetTtlMs())
	return lengthOf(union.count())
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
