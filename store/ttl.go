package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// updateTTL changes when an item of any type expires.
func (m *Machine) updateTTL(t target, op *storev1.UpdateTtl) *Result {
	it := m.find(t)
	if it == nil {
		return ttlMissing
	}
	expires := m.clock + op.GetTtlMs()
	switch op.GetMode() {
	case storev1.UpdateTtl_MODE_INCREASE:
		if expires <= it.expires {
			return ttlNotSet
		}
	case storev1.UpdateTtl_MODE_DECREASE:
		if expires >= it.expires {
			return ttlNotSet
		}
	}
	m.edit(t, it, func(it *item) { it.expires = expires })
	return ttlSet
}

// renewed gives an existing collection a new life if the write asks for that.
func (m *Machine) renewed(it *item, ttl *storev1.CollectionTtl) {
	if ttl.GetRefresh() {
		it.expires = m.clock + ttl.GetTtlMs()
	}
}

// remaining is the life an item has left at an instant of the given
// millisecond. Clocks count begun milliseconds, so the instant itself lies up
// to one later, and what is left is rounded down past that: right after a
// write it is less than the life that was given.
func remaining(it *item, at uint64) uint64 {
	return it.expires - at - 1
}
