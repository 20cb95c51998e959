package admit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBusy is what a caller is refused with that has waited long enough, or found the
// queue full.
var ErrBusy = errors.New("too much is waiting")

const (
	// Patience is how long a call waits, on average, before it is refused: a little less
	// than SDKs wait for an answer. Those who are refused ask again at once, so to refuse
	// them early is more work than to let them wait: with half a second, 10,000 callers
	// made a node refuse six calls for each that it served, a fifth as many as it could
	// have, and everybody waited for the refusals. It differs from call to call by a
	// quarter, or all that came together would be refused together.
	Patience = 4 * time.Second
	// Queue is how many calls wait in a lane at most.
	Queue = 16384
)

// Caller is who asks.
type Caller struct {
	// Group and Member name the caller: groups take turns, and within each its
	// members do.
	Group, Member string
	// Weight is how many turns the group has where others have one; 0 is as 1.
	Weight uint32
}

// Lane lets calls in. Make it with New.
type Lane struct {
	room    int64 // how many are served at a time
	running atomic.Int64
	waiting atomic.Int64 // those that are in the queue, or about to be

	mu    sync.Mutex
	queue queue
}

// New makes a lane in which nobody is, for so many calls at a time.
func New(room int) *Lane {
	return &Lane{room: int64(room), queue: queue{most: Queue}}
}

// Pass is what a call is let in with. The zero Pass is one of no lane.
type Pass struct{ lane *Lane }

// Enter lets a call in, at once or when it is its turn. Who asks is found out only if
// it has to wait. It returns ErrBusy, or the error of ctx.
func (l *Lane) Enter(ctx context.Context, size int, who func() Caller) (Pass, error) {
	if l.waiting.Load() == 0 {
		if l.running.Add(1) <= l.room {
			return Pass{l}, nil
		}
		l.leave()
	}
	return l.wait(ctx, size, who())
}

// wait waits for a turn.
func (l *Lane) wait(ctx context.Context, size int, who Caller) (Pass, error) {
	l.waiting.Add(1) // before it is looked for room: who leaves now will look for somebody who waits
	w := &waiter{who: who, cost: 1 + float64(size)/largeCall, let: make(chan struct{})}
	l.mu.Lock()
	l.grant()
	if l.queue.len == 0 && l.take() {
		l.mu.Unlock()
		l.waiting.Add(-1)
		return Pass{l}, nil
	}
	evicted, ok := l.queue.push(w)
	l.mu.Unlock()
	if evicted != nil {
		l.waiting.Add(-1)
		close(evicted.let) // and it finds that it was not let in
	}
	if !ok {
		l.waiting.Add(-1)
		return Pass{}, ErrBusy
	}
	timer := time.NewTimer(Patience*3/4 + rand.N(Patience/2))
	defer timer.Stop()
	err := ErrBusy
	select {
	case <-w.let:
		if w.in {
			return Pass{l}, nil
		}
		return Pass{}, ErrBusy
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.in { // just now
		return Pass{l}, nil
	}
	if l.queue.remove(w) {
		l.waiting.Add(-1)
	}
	return Pass{}, err
}

// take takes room, if there is some.
func (l *Lane) take() bool {
	if l.running.Add(1) <= l.room {
		return true
	}
	l.running.Add(-1)
	return false
}

// grant lets in those whose turn it is. The caller holds the lock.
func (l *Lane) grant() {
	for l.queue.len > 0 && l.take() {
		w := l.queue.pop()
		w.in = true
		l.waiting.Add(-1)
		close(w.let)
	}
}

// leave gives room back, to the next if somebody waits.
func (l *Lane) leave() {
	l.running.Add(-1)
	if l.waiting.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grant()
}

// Leave ends what Enter let in. Once; a second time it does nothing.
func (p *Pass) Leave() {
	l := p.lane
	if l == nil {
		return
	}
	p.lane = nil
	l.leave()
}

// Stats are how a lane is at this moment.
type Stats struct {
	// Running calls are let in, Waiting ones are not yet.
	Running, Waiting int
}

// Stats looks at the lane.
func (l *Lane) Stats() Stats {
	return Stats{int(l.running.Load()), int(l.waiting.Load())}
}
