package h2

import (
	"sync"
	"time"
)

// The states of a stream's sending. Whoever changes a state away from resting
// makes sure that a courier comes by, so that no wake-up is lost; a stream is
// with one courier at a time.
const (
	resting uint32 = iota // has nothing to send
	queued                // waits for the courier
	serving               // the courier is at it
	again                 // it was woken meanwhile
	stuck                 // waits for its client
	over                  // will send nothing any more
)

// Source is what a stream sends on its own account, without a goroutine.
type Source interface {
	// Next moves up to len(t.Messages) encoded messages there, without waiting for
	// anything, and says how many. Fewer mean that there are no more now; Next is
	// called again after Stream.Wake. The messages are only read. over says that
	// none will ever follow. Next is never called twice at a time.
	Next(t *Turn) (n int, over bool)
}

// Turn is what a source is given to say what it has.
type Turn struct {
	// Now is the time, a few microseconds ago.
	Now time.Time
	// Messages is room for encoded messages, at least one and at most Batch.
	Messages [][]byte
	// Scratch is the sources' own: what one leaves there another finds, or does not.
	Scratch any
}

// Batch is how many messages a stream sends in one turn at most.
const Batch = 16

// feed is the part of a stream that has a source.
type feed struct {
	mu     sync.Mutex // held while the source is asked
	source Source
	// Of the courier alone: what the windows allowed when it was last here and
	// left nothing behind, and the size of a message then.
	spare, size int64
	done        chan struct{} // closed when the source is over, and everything was sent; or the stream was cut

	// Guarded by the connection's lock.
	over, closed, cut bool
}

// Deliver sends what the source has, and returns when the source is over and all
// of it was sent, when the stream was cut, or when the call's context is done,
// whose error it then returns. It is for the handler, which must not send
// otherwise meanwhile; the source is not asked any more when it returns.
func (s *Stream) Deliver(source Source) error {
	c := s.conn
	s.feed.mu.Lock()
	s.feed.source = source
	s.feed.mu.Unlock()
	c.mu.Lock()
	s.feed.done = make(chan struct{})
	if s.feed.cut {
		s.feed.end()
	}
	if !s.gone {
		s.head()
	}
	c.flush()
	c.mu.Unlock()
	s.Wake()
	select {
	case <-s.feed.done:
	case <-s.ctx.Done():
	}
	s.feed.mu.Lock()
	s.feed.source = nil
	s.feed.mu.Unlock()
	select {
	case <-s.feed.done:
		return nil
	default:
		return s.ctx.Err()
	}
}

// end closes done, once. The caller holds the connection's lock.
func (f *feed) end() {
	if f.done != nil && !f.closed {
		f.closed = true
		close(f.done)
	}
}

// Cut makes Deliver return although the client has not taken in everything. A
// message that the client has a part of is the last it gets before the end of
// the call, whenever it reads on.
func (s *Stream) Cut() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.feed.cut = true
	begun := 0
	if s.offset > 0 {
		begun = 1
	}
	s.pending = s.pending[:min(len(s.pending), begun)]
	s.feed.end()
}

// Progress says how many messages have been handed to the connection, and
// whether the stream rests: nothing waits for the client.
func (s *Stream) Progress() (sent uint64, rests bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.sent, s.state.Load() == resting
}

// Wake says that the source may have something. It never blocks, and may be
// called from anywhere, locks held or not.
func (s *Stream) Wake() {
	for {
		switch s.state.Load() {
		case resting:
			if s.state.CompareAndSwap(resting, queued) {
				s.conn.queue.add(s.conn, s)
				return
			}
		case serving:
			if s.state.CompareAndSwap(serving, again) {
				return
			}
		default: // somebody will look at it anyway
			return
		}
	}
}

// queue is the streams that wait for the courier. The courier is a goroutine that
// is there while there are any.
type queue struct {
	mu      sync.Mutex
	streams []*Stream
	manned  bool
	closed  bool
}

// add enters a stream.
func (q *queue) add(c *conn, s *Stream) {
	q.mu.Lock()
	q.streams = append(q.streams, s)
	start := !q.manned && !q.closed
	if start {
		q.manned = true
		c.server.running.Add(1) // the connection is counted, too, until the queue is closed
	}
	q.mu.Unlock()
	if start {
		c.server.batches.start(c)
	}
}

// take exchanges what waits for an empty list. The courier leaves when it gets
// nothing.
func (q *queue) take(empty []*Stream) []*Stream {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.streams = nil
	}
	if len(q.streams) == 0 {
		q.manned = false
		return nil
	}
	taken := q.streams
	q.streams = empty
	return taken
}

// leave ends the courier's duty if nothing waits.
func (q *queue) leave() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.streams) > 0 && !q.closed {
		return false
	}
	q.manned = false
	return true
}

// waiting reports whether a stream waits.
func (q *queue) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.streams) > 0
}

// close lets no courier begin any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// satchel is what a courier carries. It is not part of a connection, so idle
// ones do without.
type satchel struct {
	Turn
	turns   int       // since the time was read
	streams []*Stream // room for those taken from a queue
	// hasty: it is carried by who must not wait.
	hasty bool
	room  [Batch][]byte
}

// clockTurns is for how many turns the time is good enough.
const clockTurns = 64

var satchels = sync.Pool{New: func() any { return new(satchel) }}

// courier serves the streams that wait, one after the other, until none does.
func (c *conn) courier() {
	defer c.server.running.Done()
	c.flushAlone() // what a hasty round left
	k := satchels.Get().(*satchel)
	defer satchels.Put(k)
	for c.serveAll(k) {
		if !c.queue.waiting() {
			c.flushAlone()
		}
	}
}

// serveAll serves the streams that wait now; false if none does, and the courier
// has left.
func (c *conn) serveAll(k *satchel) bool {
	streams := c.queue.take(k.streams[:0])
	if streams == nil {
		return false
	}
	k.turns = 0
	for _, s := range streams {
		c.serveTurn(s, k)
	}
	clear(streams)
	k.streams = streams
	return true
}

// serveTurn lets one stream send what it has, up to one batch.
func (c *conn) serveTurn(s *Stream, k *satchel) {
	if !s.state.CompareAndSwap(queued, serving) {
		return // it ended while it waited
	}
	if s.feed.spare <= 0 && !c.catchUp(s, k.hasty) {
		return
	}
	if k.turns%clockTurns == 0 {
		k.Now = time.Now()
	}
	k.turns++
	want := Batch
	if s.feed.spare < Batch*s.feed.size { // what cannot be sent stays where it is
		want = max(1, int(s.feed.spare/s.feed.size))
	}
	k.Messages = k.room[:want]
	n, last := s.feed.ask(&k.Turn)
	all := n == 0 && !last || c.post(s, k.room[:n], last, k.hasty)
	clear(k.room[:n])
	if all {
		c.rest(s, n == want && !last)
	}
}

// ask asks the source, if there is one.
func (f *feed) ask(t *Turn) (n int, last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.source == nil {
		return 0, false
	}
	return f.source.Next(t)
}

// catchUp sends what was left of the last turn. It reports whether the stream may
// go on.
func (c *conn) catchUp(s *Stream, hasty bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pushAll(s, hasty)
}

// post sends messages of the source; false if not all could be sent.
func (c *conn) post(s *Stream, messages [][]byte, last, hasty bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone || s.feed.cut {
		return false
	}
	s.feed.over = s.feed.over || last
	if n := len(messages); n > 0 {
		s.feed.size = int64(prefixSize + len(messages[n-1]))
	}
	s.pending = messages
	all := c.pushAll(s, hasty)
	s.keep()
	return all
}

// pushAll pushes, waits for the buffer to be written if it is full, and sees to
// it that the stream is looked at again if it has to wait for its client. It
// reports whether everything was sent. The caller holds the lock.
func (c *conn) pushAll(s *Stream, hasty bool) bool {
	s.feed.spare = 0
	why := c.push(s)
	for why == byBuffer && !s.gone && c.out.err == nil {
		s.keep()
		switch {
		case hasty && (c.out.writing || !c.flushEagerly()):
			c.postpone(s, why)
			return false
		case c.out.writing:
			c.await()
		default:
			c.flush()
		}
		why = c.push(s)
	}
	c.turned() // a handler may wait for its messages to be sent
	if s.gone || c.out.err != nil {
		return false
	}
	if why != free {
		c.postpone(s, why)
		return false
	}
	if s.feed.done != nil {
		s.feed.spare = max(0, min(s.window, c.out.window)) // a window may be below zero (RFC 9113, 6.9.2)
	}
	if s.feed.over {
		s.feed.end()
	}
	return true
}

// rest ends a turn after which there may be more, or not.
func (c *conn) rest(s *Stream, more bool) {
	if !more && s.state.CompareAndSwap(serving, resting) {
		return
	}
	if s.state.CompareAndSwap(serving, queued) || s.state.CompareAndSwap(again, queued) {
		c.queue.add(c, s)
	}
}
