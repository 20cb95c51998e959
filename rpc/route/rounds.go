package route

import (
	"context"
	"sync"
	"time"
)

// roundTime bounds a round, whose callers may be more patient.
const roundTime = 5 * time.Second

// rounds lets callers share a piece of work that must begin after they asked
// for it: whoever asks while a round is under way takes part in the next.
type rounds struct {
	mu      sync.Mutex
	running bool
	next    *round
}

type round struct {
	done chan struct{}
	err  error
}

// do waits for a round that begins after the call. work is that of the caller
// who begins the round; it runs on, for others, when that caller gives up.
func (r *rounds) do(ctx context.Context, work func(context.Context) error) error {
	r.mu.Lock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	mine := r.next
	if !r.running {
		r.running = true
		go r.run(context.WithoutCancel(ctx), work)
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run does rounds until nobody asks for one. It ends by itself, within the time
// of a round.
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
		r.mu.Unlock()
		bounded, cancel := context.WithTimeout(ctx, roundTime)
		now.err = work(bounded)
		cancel()
		close(now.done)
	}
}
