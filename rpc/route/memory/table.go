package memory

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

const (
	// tickBits is how many of the low bits of a time in milliseconds are left out:
	// uses within the same 4 ms count as one.
	tickBits = 2
	// timeBits is how many bits of that are kept, more than eight years.
	timeBits = 36
	timeMask = 1<<timeBits - 1

	// firstCount is the count of an item that was used once. With 0 it would give
	// way before it could be used again.
	firstCount = 5
	// growth makes a count grow ever more slowly: with 10, a count of 255 stands for
	// a million uses.
	growth = 10
	// countLife is the time after which a count that does not grow loses one, in
	// ticks: about a minute.
	countLife = 60_000 >> tickBits

	// ways is how many places an item may have its use remembered in.
	ways = 4
	// leastPlaces and mostPlaces bound a table: 8 KiB to 32 MiB.
	leastPlaces = 1 << 10
	mostPlaces  = 1 << 22
)

// Never is the idleness of an item whose use nobody remembers, in milliseconds.
const Never uint64 = 1 << (timeBits + tickBits)

// ID stands for an item wherever its use is remembered.
type ID uint64

var seed = maphash.MakeSeed()

// IDOf returns the id of an item of a generation of a cache. It is another one in
// every process.
func IDOf(generation uint64, space int32, key []byte) ID {
	mixed := (generation<<1 + uint64(space)) * 0x9e3779b97f4a7c15
	return ID(maphash.Bytes(seed, key) ^ mixed)
}

// Table remembers when, and roughly how often, the items of a partition were used.
// It is safe for concurrent use; make it with NewTable.
type Table struct {
	places atomic.Pointer[[]atomic.Uint64]
}

// A place holds a time in ticks, a mark of the item whose use it was, and a count;
// 0 is nobody's.
const (
	countBits = 8
	markBits  = 64 - timeBits - countBits
	timeShift = countBits + markBits
	countMask = 1<<countBits - 1
	markMask  = (1<<markBits - 1) << countBits
)

// NewTable returns a table for few items.
func NewTable() *Table {
	t := new(Table)
	places := make([]atomic.Uint64, leastPlaces)
	t.places.Store(&places)
	return t
}

// Use is what is remembered of an item.
type Use struct {
	// Idle is the time since the last use, in milliseconds, Never at most.
	Idle uint64
	// Count grows with the logarithm of how often it was used, and shrinks with
	// time.
	Count uint8
}

// mark is what tells an item from others in the same places. It is never 0.
func (id ID) mark() uint64 { return uint64(id)>>(64-markBits)<<countBits | 1<<countBits }

// set returns the places of an item.
func set(places []atomic.Uint64, id ID) []atomic.Uint64 {
	first := uint64(id) & uint64(len(places)-1) &^ (ways - 1)
	return places[first : first+ways : first+ways]
}

func ticks(ms uint64) uint64 { return ms >> tickBits & timeMask }

// idle is how many ticks ago a place was used. By a clock that is a little behind it
// is very long ago.
func idle(place, now uint64) uint64 { return (now - place>>timeShift) & timeMask }

// count is that of a place, less what it lost since it grew last.
func count(place, now uint64) uint64 {
	c, lost := place&countMask, idle(place, now)/countLife
	return c - min(c, lost)
}

// Touch notes that an item was used at a time in milliseconds. Where it has no place
// it takes that of the item that was used least recently.
func (t *Table) Touch(id ID, ms uint64) {
	places := set(*t.places.Load(), id)
	now, mark := ticks(ms), id.mark()
	oldest, most := 0, uint64(0)
	for i := range places {
		place := places[i].Load()
		switch {
		case place == 0:
			oldest, most = i, Never
		case place&markMask == mark:
			// Most uses are of what was used a moment ago, and write nothing.
			if idle(place, now) != 0 {
				places[i].Store(now<<timeShift | mark | grown(count(place, now)))
			}
			return
		case idle(place, now) > most:
			oldest, most = i, idle(place, now)
		}
	}
	places[oldest].Store(now<<timeShift | mark | firstCount)
}

// grown is a count after one more use. It is no more exact than this: of two uses at
// the same moment one may be lost.
func grown(c uint64) uint64 {
	above := uint32(max(c, firstCount) - firstCount)
	if c < countMask && rand.Uint32N(above*growth+1) == 0 {
		c++
	}
	return c
}

// Seen tells what is remembered of an item at a time in milliseconds.
func (t *Table) Seen(id ID, ms uint64) Use {
	places := set(*t.places.Load(), id)
	now, mark := ticks(ms), id.mark()
	for i := range places {
		if place := places[i].Load(); place&markMask == mark {
			if idle(place, now) > timeMask/2 {
				return Use{Count: uint8(place & countMask)} // used by a clock that is ahead
			}
			return Use{Idle: idle(place, now) << tickBits, Count: uint8(count(place, now))}
		}
	}
	return Use{Idle: Never}
}

// Fit gives the table places for so many items, and never takes any away. What is
// noted while it grows may be lost. Only one goroutine at a time may call it.
func (t *Table) Fit(items int) {
	old := *t.places.Load()
	n := len(old)
	for n < mostPlaces && n < items+items/4 {
		n *= 2
	}
	if n == len(old) {
		return
	}
	// The places of an item in the new table are those whose low bits are its old
	// ones'. So both halves begin with all that was known, and forget what is not
	// theirs as new items come.
	places := make([]atomic.Uint64, n)
	for i := range places {
		places[i].Store(old[i&(len(old)-1)].Load())
	}
	t.places.Store(&places)
}

// Bytes is what the table takes.
func (t *Table) Bytes() int { return 8 * len(*t.places.Load()) }
