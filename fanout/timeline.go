package fanout

import "sync"

// timelineSlots is the resolution of a timeline: its horizon is divided by this many.
const timelineSlots = 256

// timeline remembers when topics are due for a visit: a ring of buckets, each covering one tick. Adding and taking cost
// the same however many topics there are. A topic may be visited up to one tick late; and early, if it was added beyond
// the horizon. A bucket's memory goes when the bucket is taken.
type timeline struct {
	tick int64 // nanoseconds

	mu      sync.Mutex
	next    int64 // number of the first tick not yet taken
	buckets [timelineSlots + 2][]*topic
}

func newTimeline(horizon int64) *timeline {
	return &timeline{tick: max(1, (horizon+timelineSlots-1)/timelineSlots)}
}

func (l *timeline) bucket(tick int64) *[]*topic { return &l.buckets[tick%int64(len(l.buckets))] }

// add remembers to visit t at due or, by less than a tick, later.
func (l *timeline) add(t *topic, due int64) {
	tick := (due + l.tick - 1) / l.tick
	l.mu.Lock()
	defer l.mu.Unlock()
	tick = min(max(tick, l.next), l.next+int64(len(l.buckets))-1)
	b := l.bucket(tick)
	*b = append(*b, t)
}

// take removes and returns the topics of the earliest tick that is over at the given time; false if there is none. The
// result may be empty.
func (l *timeline) take(now int64) ([]*topic, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	over := now / l.tick
	if l.next > over {
		return nil, false
	}
	// After a long pause the whole ring is due once; the ticks beyond it are empty.
	if skip := over - int64(len(l.buckets)); l.next <= skip {
		l.rotate(skip + 1)
	}
	b := l.bucket(l.next)
	due := *b
	*b = nil
	l.next++
	return due, true
}

// rotate moves the start to a later tick and keeps the order of the buckets.
func (l *timeline) rotate(next int64) {
	old := l.buckets
	for i := range int64(len(old)) {
		l.buckets[(next+i)%int64(len(old))] = old[(l.next+i)%int64(len(old))]
	}
	l.next = next
}

// pop removes and returns one of the topics that are due first, or nil.
func (l *timeline) pop() *topic {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range int64(len(l.buckets)) {
		b := l.bucket(l.next + i)
		if n := len(*b); n > 0 {
			t := (*b)[n-1]
			(*b)[n-1] = nil
			*b = (*b)[:n-1]
			return t
		}
	}
	return nil
}
