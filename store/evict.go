package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// MaxEvictKeys is how many items one Evict may name, and what it keeps the
// partition busy with.
const MaxEvictKeys = 4096

// evicted counts what gave way.
type evicted struct{ items, bytes uint64 }

// evict removes the items that are named, if they are of kinds that may go. A cache that this partition knows under
// another generation, or not at all, holds none of them.
func (m *Machine) evict(cmd *Command, op *storev1.Evict) *Result {
	switch {
	case !validName(cmd.GetCache()):
		return invalid(badName)
	case cmd.GetGeneration() == 0:
		return invalid(badGeneration)
	case !validSpace(cmd.GetSpace()):
		return invalid(badSpace)
	case len(op.GetKeys()) > MaxEvictKeys:
		return invalid(badEvict)
	}
	c, known := m.caches.Get(cmd.GetCache())
	if !known || c.forgetAt != 0 || c.generation != cmd.GetGeneration() {
		return stale
	}
	shelf := c.space(cmd.GetSpace())
	if shelf == nil {
		return evictedOf(evicted{})
	}
	var gone evicted
	for _, key := range op.GetKeys() {
		// An expired one is not evicted, though its memory is free as well now.
		if it := m.find(target{c, shelf, key}); it != nil && op.GetKinds()&(1<<it.kind()) != 0 {
			gone.items++
			gone.bytes += it.size()
			m.remove(target{cache: c, shelf: shelf}, it)
		}
	}
	c.evicted.items += gone.items
	c.evicted.bytes += gone.bytes
	return evictedOf(gone)
}

func evictedOf(e evicted) *Result {
	return &Result{Outcome: &storev1.Result_Evicted_{Evicted: &storev1.Result_Evicted{Items: e.items, Bytes: e.bytes}}}
}

// Candidate is an item that may be evicted.
type Candidate struct {
	Space storev1.Space
	Key   string
	// Bytes is what it counts by the size formula; see Stats.Bytes.
	Bytes uint64
}

// Sample picks about n items of a cache at random, which may come twice, and
// appends them to buf; the seed chooses. Only items of the kinds whose bits, 1 <<
// Kind, are set are picked. Where those are rare it looks at some items in a row
// instead, and may find fewer than n, or none. It reads only, and for a time that
// grows with n alone.
func (m *Machine) Sample(cache string, generation uint64, of uint32, n int, seed uint64, buf []Candidate) []Candidate {
	c, known := m.caches.Get(cache)
	if !known || c.forgetAt != 0 || c.generation != generation || c.of(of) == 0 {
		return buf
	}
	draw := chance(seed)
	boards := 0
	if c.boards != nil {
		boards = len(c.boards.items)
	}
	most := len(buf) + n
	for range sampleTries * n {
		if len(buf) == most {
			return buf
		}
		if i := draw.below(len(c.items) + boards); i < len(c.items) {
			buf = c.pick(storev1.Space_SPACE_ITEMS, i, of, buf)
		} else {
			buf = c.boards.pick(storev1.Space_SPACE_LEADERBOARDS, i-len(c.items), of, buf)
		}
	}
	for _, space := range spaces {
		if s := c.space(space); s != nil && len(s.items) > 0 {
			from := draw.below(len(s.items))
			for i := 0; i < min(len(s.items), sampleRun) && len(buf) < most; i++ {
				buf = s.pick(space, (from+i)%len(s.items), of, buf)
			}
		}
	}
	return buf
}

// Remaining returns those of some items picked earlier that are still there and of the
// kinds that are set in of, with what they take now. It reads only, and reuses items.
func (m *Machine) Remaining(cache string, generation uint64, of uint32, items []Candidate) []Candidate {
	c, known := m.caches.Get(cache)
	if !known || c.forgetAt != 0 || c.generation != generation {
		return items[:0]
	}
	remaining := items[:0]
	for _, item := range items {
		shelf := c.space(item.Space)
		if shelf == nil {
			continue
		}
		if it := shelf.items[item.Key]; it != nil && it.expires > m.clock && of&(1<<it.kind()) != 0 {
			item.Bytes = it.size()
			remaining = append(remaining, item)
		}
	}
	return remaining
}

const (
	// sampleTries is how often an item is drawn for each that is wanted.
	sampleTries = 4
	// sampleRun is how many items in a row are looked at when that was not enough.
	sampleRun = 2048
)

// spaces are all key spaces.
var spaces = []storev1.Space{storev1.Space_SPACE_ITEMS, storev1.Space_SPACE_LEADERBOARDS}

// pick appends one of the items if it is of those kinds. They are numbered by their
// places in the schedule, which holds all of them and finds each at once.
func (s *shelf) pick(space storev1.Space, i int, of uint32, buf []Candidate) []Candidate {
	if it := s.due.heap[i].who; of&(1<<it.kind()) != 0 {
		return append(buf, Candidate{Space: space, Key: it.key, Bytes: it.size()})
	}
	return buf
}

// of counts the items of those kinds.
func (t *totals) of(kinds uint32) (n int) {
	for k, count := range t.kinds {
		if kinds&(1<<k) != 0 {
			n += count
		}
	}
	return n
}
