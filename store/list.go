package store

import (
	"bytes"
	"cmp"
	"slices"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// list returns what a list holds, nil for an item of another type.
func (it *item) list() *deque {
	d, _ := it.held.(*deque)
	return d
}

// findList is find for an operation on lists; it is false when the item is
// something else.
func (m *Machine) findList(t target) (*item, bool) {
	it := m.find(t)
	return it, it == nil || it.list() != nil
}

// listPush adds values at one end, keeping their order, and drops entries from
// the other end so that at most truncate_to_size remain.
func (m *Machine) listPush(t target, op *storev1.ListPush) *Result {
	it, ok := m.findList(t)
	if !ok {
		return notList
	}
	length := 0
	if it != nil {
		length = it.list().length
	}
	if len(op.GetValues()) == 0 {
		return lengthOrNone(it)
	}
	values, drop := fit(op, length)
	after := length - drop + len(values)
	switch {
	case after > MaxCollectionLength:
		return invalid(badLength)
	case it == nil:
		m.create(t, op.GetTtl().GetTtlMs(), func(it *item) {
			d := newDeque(m.epoch)
			push(d, op.GetEnd(), values)
			it.held = d
		})
	default:
		m.edit(t, it, func(it *item) {
			dropOpposite(it.list(), op.GetEnd(), drop)
			push(it.list(), op.GetEnd(), values)
			m.renewed(it, op.GetTtl())
		})
	}
	return lengthOf(after)
}

// fit tells which of the pushed values stay, and how many entries of a list of
// the given length go to make room for them.
func fit(op *storev1.ListPush, length int) (values [][]byte, drop int) {
	values = op.GetValues()
	size := int(op.GetTruncateToSize())
	switch {
	case size == 0:
		return values, 0
	case len(values) < size:
		return values, max(0, length+len(values)-size)
	case op.GetEnd() == storev1.End_END_FRONT:
		return values[:size], length
	default:
		return values[len(values)-size:], length
	}
}

func push(d *deque, end storev1.End, values [][]byte) {
	if end == storev1.End_END_BACK {
		for _, v := range values {
			d.pushBack(v)
		}
		return
	}
	for _, v := range slices.Backward(values) {
		d.pushFront(v)
	}
}

func dropOpposite(d *deque, end storev1.End, n int) {
	if end == storev1.End_END_BACK {
		d.dropFront(n)
	} else {
		d.dropBack(n)
	}
}

// lengthOrNone answers with the length of a list that may not exist.
func lengthOrNone(it *item) *Result {
	if it == nil {
		return noLength
	}
	return lengthOf(it.list().length)
}

func (m *Machine) listPop(t target, op *storev1.ListPop) *Result {
	it, ok := m.findList(t)
	switch {
	case !ok:
		return notList
	case it == nil:
		return noPopped
	}
	front := op.GetEnd() == storev1.End_END_FRONT
	v, length := it.list().back(), it.list().length-1
	if front {
		v = it.list().front()
	}
	if length == 0 {
		m.remove(t, it)
		return popped(v, 0)
	}
	m.edit(t, it, func(it *item) {
		if front {
			it.list().dropFront(1)
		} else {
			it.list().dropBack(1)
		}
	})
	return popped(v, length)
}

// listRetain keeps a slice of the list. Nothing kept is no list.
func (m *Machine) listRetain(t target, op *storev1.ListRetain) *Result {
	it, ok := m.findList(t)
	switch {
	case !ok:
		return notList
	case it == nil:
		return noLength
	}
	begin, end := bounds(op.GetSlice(), it.list().length)
	if begin == end {
		m.remove(t, it)
		return lengthOf(0)
	}
	m.edit(t, it, func(it *item) {
		it.list().dropBack(it.list().length - end)
		it.list().dropFront(begin)
		m.renewed(it, op.GetTtl())
	})
	return lengthOf(end - begin)
}

// listRemove drops every entry equal to the value.
func (m *Machine) listRemove(t target, op *storev1.ListRemove) *Result {
	it, ok := m.findList(t)
	switch {
	case !ok:
		return notList
	case it == nil:
		return noLength
	case !it.list().contains(op.GetValue()):
		return lengthOf(it.list().length)
	}
	return m.keep(t, it, func(_ int, v []byte) bool {
		return !bytes.Equal(v, op.GetValue())
	})
}

// listErase drops ranges of entries. Their indexes mean the list as it was
// before, so they may overlap; they may also run past the end.
func (m *Machine) listErase(t target, op *storev1.ListErase) *Result {
	it, ok := m.findList(t)
	switch {
	case !ok:
		return notList
	case it == nil:
		return noLength
	case op.GetAll():
		m.remove(t, it)
		return lengthOf(0)
	}
	spans := merge(op.GetRanges(), it.list().length)
	if len(spans) == 0 {
		return lengthOf(it.list().length)
	}
	return m.keep(t, it, func(i int, _ []byte) bool {
		if len(spans) > 0 && i >= spans[0].end {
			spans = spans[1:]
		}
		return len(spans) == 0 || i < spans[0].begin
	})
}

// keep replaces a list by those of its entries that wanted accepts. It asks in
// order.
func (m *Machine) keep(t target, it *item, wanted func(i int, v []byte) bool) *Result {
	kept := it.list().filter(m.epoch, wanted)
	if kept.length == 0 {
		m.remove(t, it)
	} else {
		m.edit(t, it, func(it *item) { it.held = kept })
	}
	return lengthOf(kept.length)
}

// span is a range of indexes, end exclusive.
type span struct{ begin, end int }

// merge turns ranges into ascending spans that do not touch each other and
// lie within the length.
func merge(ranges []*storev1.ListErase_Range, length int) []span {
	spans := make([]span, 0, len(ranges))
	for _, r := range ranges {
		if r.GetCount() == 0 || r.GetBegin() >= uint64(length) {
			continue
		}
		begin := int(r.GetBegin())
		end := begin + int(min(r.GetCount(), uint64(length-begin)))
		spans = append(spans, span{begin, end})
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.begin <= merged[n-1].end {
			merged[n-1].end = max(merged[n-1].end, s.end)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}
