package h2

import (
	"sync"
	"sync/atomic"
)

// batches hold back couriers while prompt handlers run, until what was read
// together has been served: several items for a stream then take one turn and one
// write. The reader plays courier itself as far as that needs no waiting, so
// that no other thread is woken. A handler that is not prompt after all holds
// couriers back for no longer than its reader is waited for.
type batches struct {
	open atomic.Int32 // readers that are serving one

	mu      sync.Mutex
	waiting []*conn // whose couriers are to begin
}

// roundSize is for how many connections one goroutine plays courier. More are
// shared out, so that all processors have a part in it.
const roundSize = 32

// start begins a connection's courier, now or when the batch ends.
func (b *batches) start(c *conn) {
	if b.open.Load() == 0 {
		go c.courier()
		return
	}
	b.mu.Lock()
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	if b.open.Load() == 0 { // it has ended just now, and may not have seen this one
		for _, c := range b.take() {
			go c.courier()
		}
	}
}

func (b *batches) take() []*conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := b.waiting
	b.waiting = nil
	return waiting
}

// beginBatch is called by the goroutine that reads before it serves a call.
func (c *conn) beginBatch() {
	if !c.inBatch {
		c.inBatch = true
		c.server.batches.open.Add(1)
	}
}

// endBatch is called when it has served all that was read together. It reports
// whether the goroutine is still the one that reads.
func (c *conn) endBatch() bool {
	waiting := c.closeBatch()
	if len(waiting) == 0 {
		return true
	}
	for len(waiting) > roundSize {
		go rounds(waiting[:roundSize])
		waiting = waiting[roundSize:]
	}
	shift := c.step()
	rounds(waiting)
	return c.back(shift)
}

func rounds(conns []*conn) {
	for _, c := range conns {
		c.round()
	}
}

// closeBatch returns the connections whose couriers were held back.
func (c *conn) closeBatch() []*conn {
	if !c.inBatch {
		return nil
	}
	c.inBatch = false
	c.server.batches.open.Add(-1)
	return c.server.batches.take()
}

// round is a courier's round by a goroutine that must not wait: what needs waiting
// is left to one that may.
func (c *conn) round() {
	c.mu.Lock()
	able := c.line != nil && !c.out.writing
	c.mu.Unlock()
	if !able {
		go c.courier()
		return
	}
	k := satchels.Get().(*satchel)
	k.hasty = true
	c.serveAll(k)
	k.hasty = false
	satchels.Put(k)
	c.mu.Lock()
	all := c.flushEagerly()
	c.mu.Unlock()
	if all && c.queue.leave() {
		c.server.running.Done()
		return
	}
	go c.courier()
}

// flushEagerly writes what the socket takes at once. It reports whether that was
// all, or somebody else is writing. The caller holds the lock.
func (c *conn) flushEagerly() bool {
	o := &c.out
	if o.writing || len(o.buf) == 0 || o.err != nil {
		return true
	}
	o.writing = true
	b := o.buf
	o.buf = nil
	c.mu.Unlock()
	n := c.line.write(b)
	c.mu.Lock()
	o.writing = false
	if n == len(b) {
		recycle(b)
	} else {
		o.buf = append(append(b[:0], b[n:]...), o.buf...)
	}
	c.turned()
	c.leave()
	return len(o.buf) == 0
}
