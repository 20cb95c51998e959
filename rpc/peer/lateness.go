package peer

import (
	"sync"
	"time"
)

// A node that was paused (SIGSTOP, a stalled disk, a suspended machine) goes on
// sending what it had in hand as if nothing had happened, and its requests say
// how much of the caller's deadline was left before the pause. The receiver
// notices by the difference between its clock and the sender's: the least that
// was ever seen is the clocks' own, and what is above it was spent on the way.
//
// Neither clock is the wall's, which people set. But quartz runs apart, and
// virtual machines are paused without their clocks noticing; so the least rises
// slowly, and a sender whose requests are called late although they are not
// has the comparison begin anew (Origin.clock).

// driftShare: clocks run apart by less than one part in 5,000 (200 ppm); those
// of machines keep within 100 ppm.
const driftShare = 5000

// lateness follows the difference of two clocks. It is safe for concurrent use.
// All times are in milliseconds; differences wrap around as the clocks do.
type lateness struct {
	mu    sync.Mutex
	clock uint32 // which comparison this is, by the sender's count
	known bool
	least int64  // of received − sent
	since uint64 // when the least was seen, by the receiver's clock
}

// waited returns how long a request was on its way beyond the least, or false
// if it belongs to a comparison that was given up since.
func (l *lateness) waited(clock uint32, sent, received uint64) (ms int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case clock < l.clock:
		return 0, false
	case clock > l.clock:
		l.clock, l.known = clock, false
	}
	difference := int64(received - sent)
	least := l.least + int64(received-l.since)/driftShare
	if !l.known || difference <= least {
		l.known, l.least, l.since = true, difference, received
		return 0, true
	}
	return difference - least, true
}

// started is when the process was; see sinceStart.
var started = time.Now()

// sinceStart reads Go's own clock, which stands still while the machine sleeps.
func sinceStart() time.Duration { return time.Since(started) }

// ticks is the clock that requests are stamped with, in milliseconds.
func ticks() uint64 { return uint64(sinceBoot().Milliseconds()) }
