package share

import (
	"container/list"
	"context"
	"sync"
)

// Pool is what is divided.
type Pool struct {
	greed int64

	mu    sync.Mutex
	limit int64
	used  int64
	queue list.List // of *wish, oldest first
}

// wish is who waits for something.
type wish struct {
	holder *Holder
	n      int64
	done   chan struct{} // closed when it is granted
}

// New makes a pool of so much. Whoever asks may hold greed times what is free at
// most; it is 1 at least.
func New(limit, greed int64) *Pool { return &Pool{limit: limit, greed: max(greed, 1)} }

// Resize makes it a pool of so much from now on. Who holds more than there is keeps it.
func (p *Pool) Resize(limit int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	p.grant()
}

// Used is how much is held by anybody.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Holder returns somebody who holds nothing yet. A nil Pool has enough for
// everybody.
func (p *Pool) Holder() Holder { return Holder{pool: p} }

// Trusted returns a Holder that may have all that is free, because it takes for many.
func (p *Pool) Trusted() Holder { return Holder{pool: p, trusted: true} }

// Holder is who takes from a Pool, and gives back. It must not be copied once it
// holds something. The zero Holder is one of a pool that has enough for everybody.
type Holder struct {
	pool    *Pool
	trusted bool
	held    int64 // guarded by the pool's lock
}

// Held is how much it holds; 0 if the pool has enough for everybody.
func (h *Holder) Held() int64 {
	if h.pool == nil {
		return 0
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.held
}

// Take takes n, or reports that it gets no more.
func (h *Holder) Take(n int64) bool {
	if h.pool == nil {
		return true
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	return h.take(n)
}

// The parts of a pool that its rule speaks of.
const (
	reserved = 8    // one of so many parts is only for those who hold little
	little   = 1024 // who holds no more than one of so many
)

// take is Take for who holds the lock.
func (h *Holder) take(n int64) bool {
	p := h.pool
	free := p.limit - p.used - n
	if !h.trusted && h.held+n > p.limit/little {
		free -= p.limit / reserved
		// A first wish may be larger than its share: where the pool is small it
		// could never be granted otherwise.
		if h.held > 0 && h.held+n > p.greed*free {
			return false
		}
	}
	if free < 0 {
		return false
	}
	p.used += n
	h.held += n
	return true
}

// Await takes n as soon as it gets that much, those who asked before first. It
// returns the error of ctx when that is done before.
func (h *Holder) Await(ctx context.Context, n int64) error {
	if h.pool == nil {
		return nil
	}
	p := h.pool
	p.mu.Lock()
	if p.queue.Len() == 0 && h.take(n) {
		p.mu.Unlock()
		return nil
	}
	w := &wish{holder: h, n: n, done: make(chan struct{})}
	place := p.queue.PushBack(w)
	p.grant() // those before may be waiting for their own share alone
	p.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.done: // just now
		return nil
	default:
		p.queue.Remove(place)
		return ctx.Err()
	}
}

// Give gives back n.
func (h *Holder) Give(n int64) {
	if h.pool == nil {
		return
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	h.held -= n
	h.pool.used -= n
	h.pool.grant()
}

// grant grants what can be granted, in turn. One whose own share is used up is in
// nobody's way. The caller holds the lock.
func (p *Pool) grant() {
	for e := p.queue.Front(); e != nil; {
		w, place := e.Value.(*wish), e
		e = e.Next()
		if w.holder.take(w.n) {
			p.queue.Remove(place)
			close(w.done)
		}
	}
}
