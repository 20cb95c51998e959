package hook

import (
	"container/heap"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// event is one item on its way to one receiver. Its bytes are the topic's, shared
// and only read.
type event struct {
	fanout.Item
	topic    fanout.Key
	taken    time.Time // when it was taken from the topic, which is when it was published
	attempts int       // that have begun
	due      time.Time // when the next one may begin
}

// line is what waits for one webhook's receiver. It decides what is sent next, and
// when; it sends nothing, and has no clock. First attempts are made one at a time,
// in the order of the topic, so a receiver that is well gets its events in order.
// An event that failed steps aside, and the ones behind it go on, unless it is the
// receiver that fails: then the whole line rests.
type line struct {
	tuning *Tuning
	load   *load            // of all lines, this one included
	hook   *storev1.Webhook // replaced when the webhook is changed

	fresh []*event // never tried, in order
	late  lateness // to be tried again
	bytes int      // of all events here, those under way included
	held  int      // their number

	first    *event   // the first attempt under way
	retrying []*event // the other attempts under way
	failures int      // in a row
	rest     time.Time
	spent    time.Time // until when the rate is used up, see allowed
	ending   bool      // what is left gets one more attempt, and no rest
}

// load is what all lines hold together.
type load struct{ events, bytes int }

// room is how many events more may be taken. A line that holds none may always
// take one, however full the others are.
func (l *line) room() int {
	switch {
	case l.held == 0 && l.load.bytes >= l.tuning.TotalBytes:
		return 1
	case l.bytes >= l.tuning.Bytes || l.load.bytes >= l.tuning.TotalBytes:
		return 0
	}
	return l.tuning.Events - l.held
}

// push takes an event in, behind the others.
func (l *line) push(e *event) {
	e.due = e.taken
	l.fresh = append(l.fresh, e)
	l.held++
	l.bytes += len(e.Encoded)
	l.load.events++
	l.load.bytes += len(e.Encoded)
}

// empty reports whether nothing waits and nothing is under way.
func (l *line) empty() bool { return l.held == 0 }

// underWay is how many attempts are.
func (l *line) underWay() int {
	if l.first != nil {
		return len(l.retrying) + 1
	}
	return len(l.retrying)
}

// next tells when the next attempt may begin, if none of those under way ends
// before; false if it has to wait for one of them, or for an event.
func (l *line) next() (at time.Time, ok bool) {
	late := len(l.late) > 0 && len(l.retrying) < l.tuning.Retries
	fresh := len(l.fresh) > 0 && l.first == nil
	switch {
	case l.failures > 0 && l.underWay() > 0:
		return time.Time{}, false // whether the receiver is well shows now
	case late && (!fresh || l.late[0].due.Before(l.fresh[0].due)):
		at = l.late[0].due
	case fresh:
		at = l.fresh[0].due
	default:
		return time.Time{}, false
	}
	return latest(at, l.rest, l.allowed()), true
}

func latest(all ...time.Time) (at time.Time) {
	for _, t := range all {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// allowed tells from when on the rate allows one more attempt: each one spends its
// share of a second, and a second's worth may be spent at once.
func (l *line) allowed() time.Time { return l.spent.Add(-time.Second) }

// begin hands out the event that is to be tried now. next must have said so. An
// event that is due again comes before those that were never tried.
func (l *line) begin(now time.Time) *event {
	l.spent = latest(l.spent, now).Add(time.Second / time.Duration(l.tuning.Rate))
	var e *event
	if len(l.late) > 0 && len(l.retrying) < l.tuning.Retries && !l.late[0].due.After(now) {
		e = heap.Pop(&l.late).(*event)
		l.retrying = append(l.retrying, e)
	} else {
		e, l.fresh[0] = l.fresh[0], nil
		if l.fresh = l.fresh[1:]; len(l.fresh) == 0 {
			l.fresh = nil // lets go of the room
		}
		l.first = e
	}
	e.attempts++
	return e
}

// settled is what an attempt meant for its event.
type settled uint8

const (
	delivered settled = iota
	again             // it will be tried again
	unwanted          // the receiver refused it for good
	unallowed         // it may not be delivered there
	exhausted         // it was tried too often, or for too long
)

// end takes in how an attempt went, and says what becomes of the event.
func (l *line) end(e *event, o outcome, now time.Time) settled {
	if e == l.first {
		l.first = nil
	} else {
		l.retrying = slices.DeleteFunc(l.retrying, func(other *event) bool { return other == e })
	}
	if o.fate != postponed {
		l.failures, l.rest = 0, time.Time{}
		l.drop(e)
		return [...]settled{taken: delivered, refused: unwanted, forbidden: unallowed}[o.fate]
	}
	l.failures++
	pause := max(l.tuning.backOff(e.attempts, l.tuning.MaxPause), min(o.pause, l.tuning.MaxPause))
	e.due = now.Add(pause)
	if e.attempts >= l.tuning.Attempts || e.due.Sub(e.taken) > l.tuning.Age || l.ending {
		l.drop(e)
		l.relax(now, o.pause)
		return exhausted
	}
	heap.Push(&l.late, e)
	l.relax(now, o.pause)
	return again
}

// relax lets the receiver rest, the longer the more failures there were in a row.
// A single one is about an event and not about the receiver.
func (l *line) relax(now time.Time, wish time.Duration) {
	pause := min(wish, l.tuning.MaxPause)
	if l.failures > 1 {
		pause = max(pause, l.tuning.backOff(l.failures-1, l.tuning.MaxRest))
	}
	l.rest = now.Add(pause)
}

// drop lets go of an event.
func (l *line) drop(e *event) {
	l.held--
	l.bytes -= len(e.Encoded)
	l.load.events--
	l.load.bytes -= len(e.Encoded)
}

// expire drops the events that are too old to be tried, and returns how many.
func (l *line) expire(now time.Time) (gone int) {
	for len(l.fresh) > 0 && now.Sub(l.fresh[0].taken) > l.tuning.Age {
		l.drop(l.fresh[0])
		l.fresh[0], l.fresh = nil, l.fresh[1:]
		gone++
	}
	for len(l.late) > 0 && now.Sub(l.late[0].taken) > l.tuning.Age {
		l.drop(heap.Pop(&l.late).(*event))
		gone++
	}
	return gone
}

// finish gives everything that waits one more attempt, at once. Of a receiver that
// fails meanwhile the rest is given up, see end.
func (l *line) finish(now time.Time) {
	l.ending, l.rest, l.failures = true, time.Time{}, 0
	for _, e := range l.late {
		e.due = now
	}
	heap.Init(&l.late)
}

// discard drops all that waits, and returns how many events that were. What is
// under way is not recalled.
func (l *line) discard() (gone int) {
	gone = len(l.fresh) + len(l.late)
	for _, e := range l.fresh {
		l.drop(e)
	}
	for _, e := range l.late {
		l.drop(e)
	}
	l.fresh, l.late = nil, nil
	return gone
}

// lateness is a heap of events by when they are due, and by their order in the
// topic if that is the same.
type lateness []*event

func (h lateness) Len() int { return len(h) }
func (h lateness) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].Compare(h[j].Position) < 0
}
func (h lateness) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *lateness) Push(e any) { *h = append(*h, e.(*event)) }

// Pop implements heap.Interface.
func (h *lateness) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
