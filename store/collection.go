package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// collection is what an item holds that is no scalar. It is never empty between
// commands, and written only in the epoch it was made in.
type collection interface {
	kind() storev1.Kind
	// count is how many elements there are.
	count() int
	// bytes is what the collection counts by the size formula.
	bytes() uint64
	// owned returns the collection for writing in the given epoch: itself, or a
	// copy that still shares its parts.
	owned(epoch uint64) collection
	// parts cuts the elements into records of a snapshot, in order, until one is
	// not wanted.
	parts(yield func(*storev1.SnapshotRecord_Part) bool)
	// take adds the elements of the next part. It says what is wrong with one
	// that no collection's parts could have made.
	take(key string, part *storev1.SnapshotRecord_Part) (bad string)
}

// newCollection returns an empty collection, nil for a kind that is none.
func newCollection(kind storev1.Kind, epoch uint64) collection {
	switch kind {
	case storev1.Kind_KIND_LIST:
		return newDeque(epoch)
	case storev1.Kind_KIND_DICTIONARY:
		return newDictionary(epoch)
	case storev1.Kind_KIND_SET:
		return newSet(epoch)
	case storev1.Kind_KIND_SORTED_SET:
		return newSortedSet(epoch)
	default:
		return nil
	}
}

// held returns what an item holds as the collection that an operation works on.
// An item that is not there, nil, holds none; ok is false for one that holds
// something else.
func held[C collection](it *item) (c C, ok bool) {
	if it == nil {
		return c, true
	}
	c, ok = it.held.(C)
	return c, ok
}

// grow lets fill add elements to a collection of the right type, or to a new one
// when there is none. It refuses when so many more elements could be too many.
func grow[C collection](
	m *Machine, t target, it *item, fresh func(epoch uint64) C, ttl *storev1.CollectionTtl, elements int, fill func(C),
) (refusal *Result) {
	if it == nil {
		m.create(t, ttl.GetTtlMs(), func(it *item) {
			c := fresh(m.epoch)
			fill(c)
			it.held = c
		})
		return nil
	}
	if it.held.count()+elements > MaxCollectionLength {
		return invalid(badLength)
	}
	m.edit(t, it, func(it *item) {
		fill(it.held.(C))
		m.renewed(it, ttl)
	})
	return nil
}

// shrink lets drop take elements out of a collection. The item goes with the
// last of them.
func shrink[C collection](m *Machine, t target, it *item, ttl *storev1.CollectionTtl, drop func(C)) {
	left := 0
	m.edit(t, it, func(it *item) {
		drop(it.held.(C))
		left = it.held.count()
		m.renewed(it, ttl)
	})
	if left == 0 {
		// The copy that edit may have made is what the shelf holds now.
		m.remove(t, t.shelf.items[it.key])
	}
}

// present returns those elements that are there. What is not there must cost no
// copy of what a snapshot shares.
func present(elements [][]byte, known func(element string) bool) (there []string) {
	for _, e := range elements {
		if known(textOf(e)) {
			there = append(there, textOf(e))
		}
	}
	return there
}

// viewLength answers how many elements a collection of that kind has.
func viewLength(it *item, kind storev1.Kind) *Result {
	switch {
	case it == nil:
		return noLength
	case it.held == nil || it.kind() != kind:
		return wrongType[kind]
	}
	return lengthOf(it.held.count())
}

// answerShare is what each element of an answer counts, beside its bytes, where
// an answer is bounded.
const answerShare = 16

// fits tells whether n elements with so many bytes together are within a bound,
// 0 for none.
func fits(n int, content, most uint64) bool {
	return most == 0 || uint64(n)*answerShare+content <= most
}

// inParts makes parts of the elements of a tree, until one is not wanted: as many in
// each as fit, and at least one.
func inParts[E any](
	t *tree[E], yield func(*storev1.SnapshotRecord_Part) bool,
	size func(E) int, add func(part *storev1.SnapshotRecord_Part, e E),
) {
	part, bytes := new(storev1.SnapshotRecord_Part), 0
	for e := range t.span(0, t.length) {
		n := len(part.GetValues())
		if bytes += size(e); n == partEntries || n > 0 && bytes > partBytes {
			if !yield(part) {
				return
			}
			part, bytes = new(storev1.SnapshotRecord_Part), size(e)
		}
		add(part, e)
	}
	if len(part.GetValues()) > 0 {
		yield(part)
	}
}
