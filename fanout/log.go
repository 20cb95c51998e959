package fanout

import "sort"

// itemOverhead is what an item counts besides its encoded bytes: its slot in the log and the slack around it.
const itemOverhead = 64

// log is the kept end of a topic: a ring of items, oldest first. Items have an index that only grows, independent of
// their position, so that cursors survive page changes and holes in the numbers. Its owner locks.
type log struct {
	slots []slot // length is a power of two; index i lives in slots[i & (len-1)]
	first uint64 // index of the oldest item
	count int
	bytes int64
}

type slot struct {
	Item
	at int64 // when it was published, in broker time
}

func (s *slot) cost() int64 { return int64(len(s.Encoded)) + itemOverhead }

// newLog makes an empty log whose first item gets the given index.
func newLog(first uint64) *log {
	return &log{slots: make([]slot, 1), first: first}
}

// at returns the item with the given index, which must be kept.
func (l *log) at(index uint64) *slot { return &l.slots[index&uint64(len(l.slots)-1)] }

func (l *log) oldest() *slot { return l.at(l.first) }

func (l *log) push(item Item, at int64) {
	if l.count == len(l.slots) {
		l.resize(2 * len(l.slots))
	}
	s := l.at(l.first + uint64(l.count))
	*s = slot{Item: item, at: at}
	l.count++
	l.bytes += s.cost()
}

// drop removes the oldest item.
func (l *log) drop() {
	s := l.oldest()
	l.bytes -= s.cost()
	*s = slot{} // lets go of the bytes
	l.first++
	l.count--
}

// fit gives back the room of a past burst.
func (l *log) fit() {
	size := len(l.slots)
	for size > 8 && l.count <= size/4 {
		size /= 2
	}
	if size != len(l.slots) {
		l.resize(size)
	}
}

func (l *log) resize(size int) {
	old := *l
	l.slots = make([]slot, size)
	for i := range uint64(l.count) {
		*l.at(l.first + i) = *old.at(l.first + i)
	}
}

// merge enters items, in ascending order, where they belong by their positions, and returns how many were new. They
// count as published when their successor was, or now if there is none. The first index stays, so all later ones move.
func (l *log) merge(items []Item, now int64) (added int) {
	merged := make([]slot, 0, l.count+len(items))
	i, stamp := l.count-1, now
	for j := len(items) - 1; i >= 0 || j >= 0; {
		order := 1
		if i >= 0 && j >= 0 {
			order = items[j].Compare(l.at(l.first + uint64(i)).Position)
		} else if j < 0 {
			order = -1
		}
		if order > 0 {
			merged = append(merged, slot{Item: items[j], at: stamp})
			added++
			j--
			continue
		}
		s := *l.at(l.first + uint64(i))
		merged, stamp = append(merged, s), s.at
		i--
		if order == 0 {
			j--
		}
	}
	*l = *newLog(l.first)
	for i := len(merged) - 1; i >= 0; i-- {
		l.push(merged[i].Item, merged[i].at)
	}
	return added
}

// search returns the index of the first item at or after the position, or the end.
func (l *log) search(p Position) uint64 {
	return l.first + uint64(sort.Search(l.count, func(i int) bool {
		return l.at(l.first+uint64(i)).Compare(p) >= 0
	}))
}
