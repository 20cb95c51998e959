package store

import (
	"iter"
	"slices"
)

// tree is a sequence in which any place is found, filled and emptied in a time
// that grows with the logarithm of its length: a B-tree whose nodes know how
// much is below each branch. It has no order of its own; whoever keeps one finds
// places by search.
//
// A tree and its nodes are written only in the epoch they were made in; older
// ones belong to a frozen snapshot as well and are copied first. A copy of the
// struct that gets a newer epoch is a tree of its own. How the elements are
// spread over the nodes depends on the past and must never be seen outside.
type tree[E any] struct {
	epoch uint64
	// root is nil when there is nothing.
	root   *node[E]
	length int
}

// node holds elements in order, and in between, unless it is a leaf, branches:
// one more than elements.
type node[E any] struct {
	epoch    uint64
	elements []E
	branches []branch[E]
}

// branch is a node and how many elements it and everything below it hold.
type branch[E any] struct {
	*node[E]
	count int
}

const (
	// nodeElements is how many elements a node may hold. With one more, and the
	// branch that it brings, it fills slots of a power of two just before it is
	// divided.
	nodeElements = nodeSlots - 2
	nodeSlots    = 32
	// fewElements is when a node that lost an element is joined with a neighbour.
	// It lies well below half, so that coming and going costs nothing.
	fewElements = 10
)

// own returns the tree for writing in the given epoch.
func (t tree[E]) own(epoch uint64) tree[E] {
	t.epoch = epoch
	return t
}

// writable returns n, or a copy of it that may be written.
func (t *tree[E]) writable(n *node[E]) *node[E] {
	if n.epoch == t.epoch {
		return n
	}
	return &node[E]{epoch: t.epoch, elements: roomy(n.elements), branches: roomy(n.branches)}
}

// below returns the node of a branch for writing.
func (t *tree[E]) below(b *branch[E]) *node[E] {
	b.node = t.writable(b.node)
	return b.node
}

// roomy copies a part of a node, with slots for one more: few in a leaf that is
// alone, as most are.
func roomy[T any](part []T) []T {
	if len(part) == 0 {
		return nil
	}
	slots := 4
	for slots <= len(part) {
		slots *= 2
	}
	return append(make([]T, 0, slots), part...)
}

// search returns how many elements come before a place and the element there,
// nil at the end. The function tells whether an element comes before that place;
// it must hold for a first part of the tree and for nothing after it.
func (t *tree[E]) search(before func(e E) bool) (place int, there *E) {
	for n := t.root; n != nil; {
		i, end := 0, len(n.elements)
		for i < end {
			if middle := (i + end) / 2; before(n.elements[middle]) {
				i = middle + 1
			} else {
				end = middle
			}
		}
		if i < len(n.elements) {
			there = &n.elements[i]
		}
		place += i
		if n.branches == nil {
			break
		}
		for _, b := range n.branches[:i] {
			place += b.count
		}
		n = n.branches[i].node
	}
	return place, there
}

// seek finds the branch of n that leads to a place: i is the branch, at the
// place below it. Where at is the count of that branch, the place is the element
// behind the branch.
func (n *node[E]) seek(place int) (i, at int) {
	for place > n.branches[i].count {
		place -= n.branches[i].count + 1
		i++
	}
	return i, place
}

// at returns the element at a place.
func (t *tree[E]) at(place int) E {
	n := t.root
	for n.branches != nil {
		i, below := n.seek(place)
		if below == n.branches[i].count {
			return n.elements[i]
		}
		n, place = n.branches[i].node, below
	}
	return n.elements[place]
}

// replace puts another element into a place.
func (t *tree[E]) replace(place int, e E) {
	t.root = t.writable(t.root)
	n := t.root
	for n.branches != nil {
		i, below := n.seek(place)
		if below == n.branches[i].count {
			n.elements[i] = e
			return
		}
		n, place = t.below(&n.branches[i]), below
	}
	n.elements[place] = e
}

// push puts an element at the end.
func (t *tree[E]) push(e E) { t.insert(t.length, e) }

// insert puts an element into a place; what was there and behind it moves on.
func (t *tree[E]) insert(place int, e E) {
	if t.root == nil {
		t.root = &node[E]{epoch: t.epoch}
	}
	// What only ever grows at an end would leave half empty nodes behind, so
	// there a node is divided close to that end.
	divide := nodeSlots / 2
	switch place {
	case t.length:
		divide = nodeElements - 1
	case 0:
		divide = 1
	}
	t.root = t.writable(t.root)
	t.insertBelow(t.root, place, e, divide)
	t.length++
	if len(t.root.elements) > nodeElements {
		t.root = &node[E]{epoch: t.epoch, branches: []branch[E]{{t.root, t.length}}}
		t.divide(t.root, 0, divide)
	}
}

func (t *tree[E]) insertBelow(n *node[E], place int, e E, divide int) {
	if n.branches == nil {
		n.elements = slices.Insert(n.elements, place, e)
		return
	}
	i, at := n.seek(place)
	b := &n.branches[i]
	t.insertBelow(t.below(b), at, e, divide)
	b.count++
	if len(b.elements) > nodeElements {
		t.divide(n, i, divide)
	}
}

// divide cuts the node below the i-th branch of n in two; its m-th element moves
// up in between.
func (t *tree[E]) divide(n *node[E], i, m int) {
	left := t.below(&n.branches[i])
	right := &node[E]{epoch: t.epoch, elements: append(make([]E, 0, nodeSlots), left.elements[m+1:]...)}
	count := len(right.elements)
	if left.branches != nil {
		right.branches = append(make([]branch[E], 0, nodeSlots), left.branches[m+1:]...)
		left.branches = slices.Delete(left.branches, m+1, len(left.branches))
		for _, b := range right.branches {
			count += b.count
		}
	}
	n.elements = slices.Insert(n.elements, i, left.elements[m])
	left.elements = slices.Delete(left.elements, m, len(left.elements))
	n.branches[i].count -= count + 1
	n.branches = slices.Insert(n.branches, i+1, branch[E]{right, count})
}

// remove takes the element out of a place; what was behind it moves up.
func (t *tree[E]) remove(place int) {
	t.root = t.writable(t.root)
	t.removeBelow(t.root, place)
	t.length--
	switch {
	case len(t.root.elements) > 0:
	case t.root.branches == nil:
		t.root = nil
	default:
		t.root = t.root.branches[0].node
	}
}

func (t *tree[E]) removeBelow(n *node[E], place int) E {
	if n.branches == nil {
		e := n.elements[place]
		n.elements = slices.Delete(n.elements, place, place+1)
		return e
	}
	i, at := n.seek(place)
	b := &n.branches[i]
	var e E
	if at < b.count {
		e = t.removeBelow(t.below(b), at)
	} else {
		// The last one below takes the place of what lies between branches.
		e = n.elements[i]
		n.elements[i] = t.removeBelow(t.below(b), b.count-1)
	}
	b.count--
	if len(b.elements) < fewElements {
		t.join(n, max(i-1, 0))
	}
	return e
}

// join makes one node of those below the i-th branch of n and the next, or two
// of even size when one could not hold everything.
func (t *tree[E]) join(n *node[E], i int) {
	left, right := t.below(&n.branches[i]), n.branches[i+1]
	elements, branches := left.elements, left.branches
	elements = append(append(elements, n.elements[i]), right.elements...)
	branches = append(branches, right.branches...)
	left.elements, left.branches = elements, branches
	n.branches[i].count += right.count + 1
	n.elements = slices.Delete(n.elements, i, i+1)
	n.branches = slices.Delete(n.branches, i+1, i+2)
	if len(elements) > nodeElements {
		t.divide(n, i, len(elements)/2)
		left.elements, left.branches = roomy(left.elements), roomy(left.branches)
	}
}

// span goes through the places begin to end, exclusive.
func (t *tree[E]) span(begin, end int) iter.Seq[E] {
	return func(yield func(E) bool) {
		if begin < end {
			t.root.span(begin, end, yield)
		}
	}
}

func (n *node[E]) span(begin, end int, yield func(E) bool) bool {
	if n.branches == nil {
		for _, e := range n.elements[begin:end] {
			if !yield(e) {
				return false
			}
		}
		return true
	}
	first := 0 // the place where the branch begins
	for i, b := range n.branches {
		last := first + b.count
		if begin < last && !b.span(max(begin-first, 0), min(end-first, b.count), yield) {
			return false
		}
		if end <= last {
			return true
		}
		if begin <= last && !yield(n.elements[i]) {
			return false
		}
		if first = last + 1; end == first {
			return true
		}
	}
	return true
}
