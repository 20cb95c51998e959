package h2

import (
	"sync"
	"sync/atomic"
	"time"
)

// watch relieves goroutines that are away from reading for too long. One timer
// serves all connections: with one each, setting them would wake more threads
// than the calls do.
type watch struct {
	mu    sync.Mutex
	timer *time.Timer
	conns []*conn // those whose reader was away lately
}

// enter sees to it that a connection is looked after.
func (w *watch) enter(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.watched.Store(true)
	w.conns = append(w.conns, c)
	switch {
	case len(w.conns) > 1:
	case w.timer == nil:
		w.timer = time.AfterFunc(patience, w.look)
	default:
		w.timer.Reset(patience)
	}
}

// look relieves who is away since it looked last, and forgets those that were not
// away meanwhile.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.conns[:0]
	for _, c := range w.conns {
		if c.lookedAfter() {
			kept = append(kept, c)
		}
	}
	clear(w.conns[len(kept):])
	if w.conns = kept; len(kept) > 0 {
		w.timer.Reset(patience)
	}
}

// lookedAfter relieves the reader if it is away for long. It reports whether the
// connection is to be watched further.
func (c *conn) lookedAfter() bool {
	shift := c.shift.Load()
	if shift != c.seen {
		c.seen = shift
		return true
	}
	if isAway(shift) {
		if c.shift.CompareAndSwap(shift, shift+1) {
			go c.relieve()
		}
		return true
	}
	c.watched.Store(false)
	if isAway(c.shift.Load()) { // it went just now, and may have found itself watched
		c.watched.Store(true)
		return true
	}
	return false
}

// The count of a reader's comings and goings is odd while it is away.
func isAway(shift uint64) bool { return shift%2 == 1 }

// step is called by the goroutine that reads before it does something that may
// take long. It is relieved then, unless it is back in time, with what this
// returns.
func (c *conn) step() (shift uint64) {
	shift = c.shift.Add(1)
	if !c.watched.Load() {
		c.server.watch.enter(c)
	}
	return shift
}

// back reports whether the goroutine is still the one that reads.
func (c *conn) back(shift uint64) bool {
	return c.shift.CompareAndSwap(shift, shift+1)
}

// relieve goes on reading in place of a goroutine that is away.
func (c *conn) relieve() {
	if c.endBatch() {
		c.read()
	}
}

// pace is how long the calls of a connection take that are expected to be prompt:
// an average in which each of the last few counts about the same. It decides
// whether they are served where they are read, or not because they wait for
// something all the same.
type pace struct{ average atomic.Int64 }

// note takes in how long a call took. Of two at a time one may be lost.
func (p *pace) note(took time.Duration) {
	const few = 8
	average := p.average.Load()
	p.average.Store(average + (int64(took)-average)/few)
}

func (p *pace) isPrompt() bool { return p.average.Load() < int64(promptTime) }
