package route

import (
	"context"
	"fmt"
	"sync/atomic"
)

// ErrHeld is the ErrNotExecuted of a router whose changes are held back, see
// Router.Hold.
var ErrHeld = fmt.Errorf("%w: this node takes no changes while it moves to another cluster", ErrNotExecuted)

// hold lets changes through, or none. It is safe for concurrent use; make it with
// newHold.
type hold struct {
	shut  atomic.Bool
	under atomic.Int64  // changes under way
	idle  chan struct{} // told when the last of them has ended while it is shut
}

func newHold() hold { return hold{idle: make(chan struct{}, 1)} }

// enter begins a change, which leave ends unless the error is ErrHeld.
func (h *hold) enter() error {
	// Counted first, so that close misses none that has seen it open.
	h.under.Add(1)
	if h.shut.Load() {
		h.leave()
		return ErrHeld
	}
	return nil
}

func (h *hold) leave() {
	if h.under.Add(-1) == 0 && h.shut.Load() {
		select {
		case h.idle <- struct{}{}:
		default:
		}
	}
}

// close lets no change through any more and waits for those under way, or opens
// again when ctx ends before they do.
func (h *hold) close(ctx context.Context) error {
	h.shut.Store(true)
	for h.under.Load() > 0 {
		select {
		case <-h.idle:
		case <-ctx.Done():
			h.open()
			return ctx.Err()
		}
	}
	return nil
}

func (h *hold) open() { h.shut.Store(false) }

// Hold refuses every change of the data and of the catalog from now on with
// ErrHeld, and waits for those under way: what was acknowledged is there when it
// returns. It does so until Resume, or not at all when ctx ends first. What is
// only read, and what is published, goes on.
func (r *Router) Hold(ctx context.Context) error { return r.hold.close(ctx) }

// Resume ends a Hold.
func (r *Router) Resume() { r.hold.open() }
