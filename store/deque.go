package store

import (
	"bytes"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// chunkSlots is how many entries a full chunk holds: large enough to make the
// spine small, small enough to copy in no time.
const chunkSlots = 64

// chunk is a run of neighbouring entries.
type chunk struct {
	epoch uint64
	window[[]byte]
}

// deque is the entries of a list, in chunks on a spine. It never is empty
// between commands.
//
// With more than one chunk, every chunk has chunkSlots slots and the live
// entries of the first end, and those of all later ones begin, at a chunk's
// edge; so an index is found by division. A deque, its spine and its chunks
// are written only in the epoch they were made in; older ones belong to a
// frozen snapshot as well and are copied first.
type deque struct {
	epoch  uint64
	spine  window[*chunk]
	length int
	// size counts the entries by the formula of entrySize.
	size uint64
}

func entrySize(v []byte) uint64 { return entryOverhead + uint64(len(v)) }

func newDeque(epoch uint64) *deque { return &deque{epoch: epoch} }

// own returns the deque that may be written in the given epoch: d itself, or a
// copy of it that still shares the chunks.
func (d *deque) own(epoch uint64) *deque {
	if d.epoch == epoch {
		return d
	}
	return &deque{epoch: epoch, spine: d.spine.clone(), length: d.length, size: d.size}
}

// writable returns the i-th chunk for writing.
func (d *deque) writable(i int) *chunk {
	p := &d.spine.live()[i]
	if c := *p; c.epoch != d.epoch {
		*p = &chunk{epoch: d.epoch, window: c.clone()}
	}
	return *p
}

func (d *deque) kind() storev1.Kind { return storev1.Kind_KIND_LIST }
func (d *deque) count() int         { return d.length }
func (d *deque) bytes() uint64      { return listOverhead + d.size }

func (d *deque) owned(epoch uint64) collection { return d.own(epoch) }

func (d *deque) parts(yield func(*storev1.SnapshotRecord_Part) bool) {
	for begin := 0; begin < d.length; {
		values := d.slice(begin, min(begin+partEntries, d.length))
		n := part(len(values), func(i int) int { return len(values[i]) })
		if !yield(&storev1.SnapshotRecord_Part{Values: values[:n]}) {
			return
		}
		begin += n
	}
}

func (d *deque) take(key string, part *storev1.SnapshotRecord_Part) string {
	if len(part.GetFields())+len(part.GetScores()) > 0 {
		return "a part that is none of a list"
	}
	for _, v := range part.GetValues() {
		if len(key)+len(v) > MaxItemBytes {
			return "a list entry of an impossible length"
		}
		d.pushBack(v)
	}
	return ""
}

func (d *deque) pushBack(v []byte) {
	n := d.spine.len()
	if n == 0 || !d.writable(n-1).pushBack(v, chunkSlots) {
		c := d.grow()
		c.pushBack(v, chunkSlots)
		d.spine.pushBack(c, noBound)
	}
	d.length++
	d.size += entrySize(v)
}

func (d *deque) pushFront(v []byte) {
	if d.spine.len() == 0 || !d.writable(0).pushFront(v, chunkSlots) {
		c := d.grow()
		c.lo, c.hi = len(c.slots), len(c.slots)
		c.pushFront(v, chunkSlots)
		d.spine.pushFront(c, noBound)
	}
	d.length++
	d.size += entrySize(v)
}

// grow makes a chunk for the spine: a full one beside others, and one without
// slots yet where it is the first, since most lists are short.
func (d *deque) grow() *chunk {
	c := &chunk{epoch: d.epoch}
	if d.spine.len() > 0 {
		c.slots = make([][]byte, chunkSlots)
	}
	return c
}

// front and back return the outermost entries of a deque that is not empty.
func (d *deque) front() []byte { return d.spine.live()[0].live()[0] }

func (d *deque) back() []byte {
	chunks := d.spine.live()
	entries := chunks[len(chunks)-1].live()
	return entries[len(entries)-1]
}

// dropFront removes the first n entries.
func (d *deque) dropFront(n int) {
	d.length -= n
	for n > 0 {
		c := d.spine.live()[0]
		k := min(n, c.len())
		d.forget(c.live()[:k])
		if k == c.len() {
			d.spine.dropFront(1)
		} else {
			d.writable(0).dropFront(k)
		}
		n -= k
	}
	d.tidy()
}

// dropBack removes the last n entries.
func (d *deque) dropBack(n int) {
	d.length -= n
	for n > 0 {
		last := d.spine.len() - 1
		c := d.spine.live()[last]
		k := min(n, c.len())
		d.forget(c.live()[c.len()-k:])
		if k == c.len() {
			d.spine.dropBack(1)
		} else {
			d.writable(last).dropBack(k)
		}
		n -= k
	}
	d.tidy()
}

// forget takes entries out of the size.
func (d *deque) forget(entries [][]byte) {
	for _, v := range entries {
		d.size -= entrySize(v)
	}
}

// tidy gives back the room that a shorter deque does not need.
func (d *deque) tidy() {
	d.spine.shrink()
	if d.spine.len() == 1 && d.spine.live()[0].epoch == d.epoch {
		d.spine.live()[0].shrink()
	}
}

// slice returns the entries begin to end, exclusive, in a slice of its own.
func (d *deque) slice(begin, end int) [][]byte {
	out := make([][]byte, 0, end-begin)
	for c, at := d.seek(begin); len(out) < end-begin; c, at = c+1, 0 {
		entries := d.spine.live()[c].live()[at:]
		out = append(out, entries[:min(len(entries), end-begin-len(out))]...)
	}
	return out
}

// seek finds the chunk of the i-th entry and the entry's place among the live
// ones of that chunk.
func (d *deque) seek(i int) (c, at int) {
	first := d.spine.live()[0].len()
	if i < first {
		return 0, i
	}
	return 1 + (i-first)/chunkSlots, (i - first) % chunkSlots
}

// contains tells whether an entry equals v.
func (d *deque) contains(v []byte) bool {
	for _, c := range d.spine.live() {
		for _, entry := range c.live() {
			if bytes.Equal(entry, v) {
				return true
			}
		}
	}
	return false
}

// filter returns a deque of the entries that keep accepts, packed into new
// chunks. The original is left alone.
func (d *deque) filter(epoch uint64, keep func(i int, v []byte) bool) *deque {
	kept, i := newDeque(epoch), 0
	for _, c := range d.spine.live() {
		for _, v := range c.live() {
			if keep(i, v) {
				kept.pushBack(v)
			}
			i++
		}
	}
	return kept
}
