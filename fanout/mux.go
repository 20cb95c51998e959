package fanout

import (
	"fmt"
	"sync"
	"time"
)

// portionBytes is how many bytes of items one topic hands out before it is the next one's turn. With it a topic full of
// large items delays the others by no more than a fraction of a millisecond on a local network.
const portionBytes = 64 << 10

// Mux reads many topics on behalf of one other node, which mirrors them: what [Link] and [Feed] are at the other end.
// It has one place to wait, is fair between the topics, and like a Subscription it holds no items: what the other
// node does not fetch in time is dropped by the topic's own log and told as a discontinuity.
//
// It is read by one goroutine at a time. Open, Shut, Mark and Close may be called from any.
type Mux struct {
	broker *Broker
	ready  chan struct{}

	mu      sync.Mutex // taken after a topic's lock
	cursors map[Key]*cursor
	queue   []*cursor // those that may have something to tell, from head on
	head    int
	flowing []*cursor // those that told items a short while ago
	closed  bool
}

// Portion is what a Mux has to tell about one topic.
type Portion struct {
	// Handle and Partition are what the topic was opened with. A transport need not carry the partition: the other end
	// knows it, see Relay.Partition.
	Handle, Partition uint32
	// Kind says which of the others is set.
	Kind PortionKind
	// Position belongs to Begun and HighWater.
	Position Position
	// Events belongs to Told: items and discontinuities, in the buffer handed to Take.
	Events []Event
	// Err belongs to Over: ErrNotOwner, ErrCacheDropped, ErrDisowned or ErrClosed.
	Err error
}

// PortionKind tells portions apart.
type PortionKind uint8

// The kinds of portions. A topic's first is Begun: its newest position when it was opened, see [Feed.Begin]. Then
// come Told and HighWater, see [Feed.HighWater], until it is Over, which is its last.
const (
	Begun PortionKind = iota + 1
	Told
	HighWater
	Over
)

// quietMarks is for how many calls of Mark a topic is marked that has told items: once for them, and once more.
const quietMarks = 2

// cursor is the place of a Mux in one topic.
type cursor struct {
	Subscription
	mux    *Mux
	handle uint32
	newest Position // when it was opened

	// Guarded by mux.mu.
	queued bool
	begun  bool // told as Begun
	marked bool // a high-water mark is due
	marks  int  // how many more calls of Mark concern it
	shut   bool
}

// NewMux makes a Mux without topics.
func (b *Broker) NewMux() *Mux {
	return &Mux{broker: b, ready: make(chan struct{}, 1), cursors: make(map[Key]*cursor)}
}

// Open begins to read a topic of a partition that this broker owns: behind seen, where the zero Position means from
// the oldest kept item on; or behind the newest item, if replay is false. The topic is created if it does not exist.
// If it is open already the new reading takes the place of the old one, whose handle is not told any more once the
// new one is Begun. Errors: ErrNotOwner, ErrBadPosition, ErrTooManyTopics, ErrClosed.
func (m *Mux) Open(handle, partition uint32, key Key, seen Position, replay bool, now time.Time) error {
	if replay && seen != (Position{}) && !seen.valid() {
		return fmt.Errorf("%w: %v", ErrBadPosition, seen)
	}
	b := m.broker
	p, err := b.partition(partition)
	if err != nil {
		return err
	}
	c := &cursor{mux: m, handle: handle}
	c.cursor = c
	at := b.at(now)
	err = p.shard(key).with(key, toNumber, at, func(t *topic) { c.newest = t.serve(&c.Subscription, seen, replay, at) })
	if err != nil {
		return err
	}
	b.subscriptions.Add(1)
	old, ok := m.enter(c)
	if old != nil {
		old.Close()
	}
	if !ok {
		c.Close()
		return ErrClosed
	}
	c.ring()
	return nil
}

// enter lists a new cursor and returns the one it replaces; false if the Mux is closed.
func (m *Mux) enter(c *cursor) (old *cursor, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		c.shut = true
		return nil, false
	}
	old = m.remove(c.topic.key)
	m.cursors[c.topic.key] = c
	return old, true
}

// remove takes a topic's cursor out and returns it, to be closed without the lock; nil if there is none.
func (m *Mux) remove(key Key) *cursor {
	c := m.cursors[key]
	if c != nil {
		c.shut = true
		delete(m.cursors, key)
	}
	return c
}

// Shut ends the reading of a topic. Shutting one that is not open is harmless.
func (m *Mux) Shut(key Key) {
	m.mu.Lock()
	c := m.remove(key)
	m.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// Close ends the reading of all topics. Take then has nothing more, Open fails. It wakes the reader. Closing twice is
// harmless.
func (m *Mux) Close() {
	m.mu.Lock()
	all := m.cursors
	for _, c := range all {
		c.shut = true
	}
	m.cursors, m.queue, m.head, m.flowing, m.closed = nil, nil, 0, nil, true
	m.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
	m.Wake()
}

// Ready is rung when there is something to take, and by Wake; maybe without need. The reader waits on it after a Take
// that returned false.
func (m *Mux) Ready() <-chan struct{} { return m.ready }

// Wake rings Ready. It never blocks.
func (m *Mux) Wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// ring queues the cursor, so that its topic gets its turn.
func (c *cursor) ring() {
	m := c.mux
	m.mu.Lock()
	rung := !c.queued && !c.shut
	if rung {
		m.push(c)
	}
	m.mu.Unlock()
	if rung {
		m.Wake()
	}
}

// push enters a cursor at the end of the queue. The caller holds the lock.
func (m *Mux) push(c *cursor) {
	c.queued = true
	if m.head > 16 && m.head > len(m.queue)/2 {
		n := copy(m.queue, m.queue[m.head:])
		clear(m.queue[n:])
		m.queue, m.head = m.queue[:n], 0
	}
	m.queue = append(m.queue, c)
}

// pop takes the cursor whose turn it is; nil if there is none.
func (m *Mux) pop() *cursor {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.head < len(m.queue) {
		c := m.queue[m.head]
		m.queue[m.head] = nil
		m.head++
		c.queued = false
		if !c.shut {
			return c
		}
	}
	m.queue, m.head = m.queue[:0], 0
	if cap(m.queue) > 4*len(m.cursors)+16 {
		m.queue = nil
	}
	return nil
}

// Mark makes every topic that has told items lately tell a HighWater once it has no more. Its caller should call it
// every second or so: without it the loss of a topic's last frame would go unnoticed until its next item.
func (m *Mux) Mark() {
	m.mu.Lock()
	defer m.mu.Unlock()
	flowing := m.flowing[:0]
	for _, c := range m.flowing {
		c.marked = true
		if !c.queued {
			m.push(c)
		}
		if c.marks--; c.marks > 0 {
			flowing = append(flowing, c)
		}
	}
	clear(m.flowing[len(flowing):])
	m.flowing = flowing
	if m.head < len(m.queue) {
		m.Wake()
	}
}

// Take returns what the topic whose turn it is has to tell, with as many events as are there, fit into buf, and are
// not too many bytes for one turn. False means that there is nothing now. The Portion is good until buf is used
// again.
func (m *Mux) Take(buf []Event) (Portion, bool) {
	for c := m.pop(); c != nil; c = m.pop() {
		if p, ok := c.turn(buf); ok {
			return p, true
		}
	}
	return Portion{}, false
}

// turn is what the cursor has to tell, if anything.
func (c *cursor) turn(buf []Event) (Portion, bool) {
	p := Portion{Handle: c.handle, Partition: c.topic.shard.partition.id}
	if c.tellBegun() {
		p.Kind, p.Position = Begun, c.newest
		return p, true
	}
	n, gaps, then, err := c.takeLocked(buf, portionBytes)
	c.topic.shard.count(n, gaps)
	switch {
	case err != nil:
		p.Kind, p.Err = Over, err
		return p, c.over()
	case n > 0:
		p.Kind, p.Events = Told, buf[:n]
		return p, c.told(then == again)
	case c.tellMark():
		p.Kind, p.Position = HighWater, c.Position()
		return p, true
	default:
		return p, false
	}
}

// tellBegun reports whether this is the cursor's first turn, and asks for another.
func (c *cursor) tellBegun() bool {
	c.mux.mu.Lock()
	defer c.mux.mu.Unlock()
	if c.begun || c.shut {
		return false
	}
	c.begun = true
	c.again()
	return true
}

// told notes that items are told, and asks for another turn if there is more. False if they must not be told any more.
func (c *cursor) told(more bool) bool {
	m := c.mux
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.shut {
		return false
	}
	if c.marks == 0 {
		m.flowing = append(m.flowing, c)
	}
	c.marks = quietMarks
	if more || c.marked {
		c.again()
	}
	return true
}

// tellMark reports whether a high-water mark is due, which it no longer is.
func (c *cursor) tellMark() bool {
	c.mux.mu.Lock()
	defer c.mux.mu.Unlock()
	due := c.marked && !c.shut
	c.marked = false
	return due
}

// over removes a cursor whose topic has ended. False if the cursor was shut and its end interests nobody.
func (c *cursor) over() bool {
	m := c.mux
	m.mu.Lock()
	shut := c.shut
	if !shut {
		m.remove(c.topic.key)
	}
	m.mu.Unlock()
	c.Close()
	return !shut
}

// again queues the cursor behind the others. The caller holds the lock and is the reader, who will look at the queue
// before it waits.
func (c *cursor) again() {
	if !c.queued {
		c.mux.push(c)
	}
}
