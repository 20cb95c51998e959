package route

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// roundTime bounds a round, whose callers may be more patient.
const roundTime = 5 * time.Second

// rounds lets callers share a piece of work that must begin after they asked
// for it: whoever asks while a round is under way takes part in the next. The
// zero value is ready; close waits for what still runs.
type rounds struct {
	mu      sync.Mutex
	running bool
	closed  bool
	next    *round
	cut     context.CancelFunc // of the round under way
	ended   sync.WaitGroup
}

type round struct {
	done chan struct{}
	err  error
}

// do waits for a round that begins after the call. work is that of the caller
// who begins the round; it runs on, for others, when that caller gives up.
func (r *rounds) do(ctx context.Context, work func(context.Context) error) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return fmt.Errorf("%w: this node is stopping", ErrNotExecuted)
	}
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	mine := r.next
	if !r.running {
		r.running = true
		r.ended.Go(func() { r.run(context.WithoutCancel(ctx), work) })
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run does rounds until nobody asks for one.
func (r *rounds) run(ctx context.Context, work func(context.Context) error) {
	for {
		r.mu.Lock()
		now := r.next
		r.next = nil
		if now == nil {
			r.running = false
			r.mu.Unlock()
			return
		}
		bounded, cut := context.WithTimeout(ctx, roundTime)
		r.cut = cut
		if r.closed {
			cut()
		}
		r.mu.Unlock()
		now.err = work(bounded)
		cut()
		close(now.done)
	}
}

// close ends the round under way, and begins none any more.
func (r *rounds) close() {
	r.mu.Lock()
	r.closed = true
	if r.cut != nil {
		r.cut()
	}
	r.mu.Unlock()
	r.ended.Wait()
}
