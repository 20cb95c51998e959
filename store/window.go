package store

// window is a slice that grows at both ends in amortized constant time. The
// live elements are slots[lo:hi]; all others are zero, so that nothing dead is
// kept from the garbage collector. The zero value is empty and ready.
type window[T any] struct {
	slots  []T
	lo, hi int
}

const (
	minSlots = 4
	// noBound lets a window grow as far as memory goes.
	noBound = int(^uint(0) >> 1)
)

func (w *window[T]) len() int  { return w.hi - w.lo }
func (w *window[T]) live() []T { return w.slots[w.lo:w.hi] }

// pushBack adds v at the end and reports false, changing nothing, when that
// would take more than bound slots.
func (w *window[T]) pushBack(v T, bound int) bool {
	if w.hi == len(w.slots) && !w.makeRoom(true, bound) {
		return false
	}
	w.slots[w.hi] = v
	w.hi++
	return true
}

// pushFront is pushBack at the other end.
func (w *window[T]) pushFront(v T, bound int) bool {
	if w.lo == 0 && !w.makeRoom(false, bound) {
		return false
	}
	w.lo--
	w.slots[w.lo] = v
	return true
}

// dropFront forgets the first n elements.
func (w *window[T]) dropFront(n int) {
	clear(w.slots[w.lo : w.lo+n])
	w.lo += n
}

// dropBack forgets the last n elements.
func (w *window[T]) dropBack(n int) {
	clear(w.slots[w.hi-n : w.hi])
	w.hi -= n
}

// makeRoom moves or regrows the live elements. Most of the room goes to the
// end that is pushed at; the other end keeps a share, or pushing at both ends
// in turn would move everything each time.
func (w *window[T]) makeRoom(back bool, bound int) bool {
	size := len(w.slots)
	if w.len() > size/2 || size == 0 {
		size = min(max(2*size, minSlots), bound)
	}
	room := size - w.len()
	if size == len(w.slots) && w.len() > size/2 {
		return false
	}
	front := room / 4
	if !back {
		front = room - front
	}
	w.place(size, front)
	return true
}

// place gives the window the given number of slots, front of them free before
// the live elements.
func (w *window[T]) place(size, front int) {
	n := w.len()
	if size == len(w.slots) {
		copy(w.slots[front:], w.live())
		clear(w.slots[:front])
		clear(w.slots[front+n:])
	} else {
		slots := make([]T, size)
		copy(slots[front:], w.live())
		w.slots = slots
	}
	w.lo, w.hi = front, front+n
}

// shrink gives back slots when less than a quarter of them is in use.
func (w *window[T]) shrink() {
	if n := w.len(); len(w.slots) > 2*minSlots && n < len(w.slots)/4 {
		w.place(2*n, n/2)
	}
}

// clone copies the window into slots of its own.
func (w *window[T]) clone() window[T] {
	c := window[T]{slots: make([]T, len(w.slots)), lo: w.lo, hi: w.hi}
	copy(c.slots[c.lo:c.hi], w.live())
	return c
}
