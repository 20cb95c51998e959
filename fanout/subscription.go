package fanout

import (
	"context"
	"math"
	"sync/atomic"
)

// Subscription is a reader's place in a topic. It is read by one goroutine at a time; [Subscription.Wake] and
// [Subscription.Close] may be called from any. It holds no items: what was not read yet is the topic's, and
// may be dropped, which the reader is told.
//
// The cheapest loop takes batches with Take and waits on Ready alone, with timers and the stream's context calling Wake
// (time.AfterFunc, context.AfterFunc). Next and NextBatch are the comfortable forms.
type Subscription struct {
	topic  *topic
	ready  chan struct{} // rung at most once per listing; also by Wake; nil if there is a cursor
	cursor *cursor       // of the Mux that reads, if one does; rung instead

	notify atomic.Pointer[func()] // called instead of ringing ready, see Notify

	// Guarded by topic.mu.
	next       uint64   // log index of the item to read next
	anchor     Position // the last position the reader was told; while pending: what it asked for
	merges     uint32   // the topic's, when next was found
	listed     uint32   // round of the audience in which it was listed last
	place      uint32   // where in the list
	dismissals uint8    // the topic's, when the subscription began; a reader looks long before it wraps
	pending    bool     // waits until a leader elsewhere was asked
	asked      bool     // a leader elsewhere was asked for what this reader needs
	closed     bool
}

// Take moves up to len(buf) events into buf without waiting, in order, and returns how many; 0 without an error means
// that there is nothing now. After every Take the reader may wait on Ready: it is rung when there is something to
// take, at once if buf was too small for all. So a stream's loop is Take, send, wait. It allocates nothing.
//
// After the end of the subscription the error is ErrCacheDropped (at once), ErrDisowned or ErrClosed (after
// all that was still to be read, unless the subscription itself was closed), and stays so.
func (s *Subscription) Take(buf []Event) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	n, gaps, then, err := s.takeLocked(buf, math.MaxInt)
	switch then {
	case again:
		s.Wake()
	case ask:
		s.topic.shard.partition.tell()
	}
	s.topic.shard.count(n, gaps)
	return n, err
}

// sequel is what has to be done after a take, without the topic's lock.
type sequel uint8

const (
	wait  sequel = iota // nothing: the reader is listed, or at its end
	again               // another take does not have to wait
	ask                 // like wait, and the leader has to be asked
)

// takeLocked is Take under the topic's lock, until the items have bytes bytes or more.
func (s *Subscription) takeLocked(buf []Event, bytes int) (n, gaps int, then sequel, err error) {
	t := s.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case s.closed:
		return 0, 0, wait, ErrClosed
	case t.ended == cacheDropped:
		return 0, 0, wait, t.ended.err()
	case s.pending:
	case s.anchor.above(t.last) && s.strayed():
		if t.await(s, s.anchor.next()) {
			then = ask
		}
	default:
		n, gaps = s.collect(buf, bytes)
		if !s.drained() {
			return n, gaps, again, nil
		}
	}
	switch err := s.end(); {
	case err == nil:
		t.audience.list(s)
		return n, gaps, then, nil
	case n == 0:
		return 0, 0, wait, err
	default:
		return n, gaps, again, nil
	}
}

// end returns why nothing more will come, or nil. The caller holds the topic's lock.
func (s *Subscription) end() error {
	t := s.topic
	switch {
	case t.ended != alive:
		return t.ended.err()
	case s.dismissals != t.dismissals:
		return ErrDisowned
	case s.cursor != nil && !t.owned():
		return ErrNotOwner
	default:
		return nil
	}
}

// start gives a pending reader its place. The caller holds the topic's lock.
func (s *Subscription) start(next uint64, anchor Position) {
	s.pending = false
	s.next, s.anchor, s.merges = next, anchor, s.topic.merges
}

// collect fills buf with what comes after the anchor, until the items have bytes bytes or more.
func (s *Subscription) collect(buf []Event, bytes int) (n, gaps int) {
	t := s.topic
	if s.merges != t.merges {
		s.merges, s.next = t.merges, t.after(s.anchor)
	}
	for n < len(buf) && bytes > 0 {
		s.next = max(s.next, t.first())
		resume := t.last
		if s.next < t.end {
			item := &t.log.at(s.next).Item
			if item.follows(s.anchor) {
				buf[n] = Event{item: *item}
				n++
				s.next++
				s.anchor = item.Position
				bytes -= len(item.Encoded)
				continue
			}
			resume = item.behind()
		} else if s.anchor == t.last {
			break
		}
		buf[n] = gapBetween(s.anchor, resume)
		n++
		gaps++
		s.anchor = resume
	}
	return n, gaps
}

// strayed reports whether a reader whose anchor is above all that this mirror has seen may be right. That happens
// when it was placed by a broker that owned the topic and had been replaced without knowing: only the leader that the
// reader comes from can tell. A reader that was placed after asking a leader is beyond that one's numbers, and is
// told.
func (s *Subscription) strayed() bool {
	return !s.asked && s.cursor == nil && s.topic.shard.partition.mirrored.Load() && s.end() == nil
}

// drained reports whether the reader has been told everything.
func (s *Subscription) drained() bool {
	return s.next == s.topic.end && s.anchor == s.topic.last
}

// Ready is rung when there is something to take that the last Take did not return, and by Wake. It may ring without
// need, and it rings once however much happened. It is never closed.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Wake rings Ready, so that the reader's goroutine can turn to something else, such as a heartbeat. It never blocks.
func (s *Subscription) Wake() {
	if s.cursor != nil {
		s.cursor.ring()
		return
	}
	if s.notified() {
		return
	}
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// NextBatch waits until there is at least one event and moves as many as are there, up to len(buf), into buf. What
// needs no waiting succeeds even when ctx is done. An empty buf yields 0 at once. Errors are those of Take and the
// context's.
func (s *Subscription) NextBatch(ctx context.Context, buf []Event) (int, error) {
	for {
		n, err := s.Take(buf)
		if n > 0 || err != nil || len(buf) == 0 {
			return n, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// Next is NextBatch for one event.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	var one [1]Event
	_, err := s.NextBatch(ctx, one[:])
	return one[0], err
}

// Position returns the anchor: the last position the reader was told, or, before its first event, the one the
// subscription began behind. A client that resumes at Sequence+1 on Page misses nothing and sees nothing twice. While
// a subscription in a mirrored partition waits for the leader (see Live), it is the one before the item it asked for;
// or zero, if it asked for what is new.
func (s *Subscription) Position() Position {
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	switch {
	case !s.pending:
		return s.anchor
	case s.anchor.Sequence == 0:
		return Position{}
	default:
		return s.anchor.behind()
	}
}

// Live reports whether the subscription has its place and its topic's leader reaches it: this broker owns the
// partition, or a link feeds the mirror of the topic. While it is false silence means nothing, and a stream should
// not claim to be well. Ready is rung when a subscription gets the place it waited for; other changes of the answer
// ring nothing.
func (s *Subscription) Live() bool {
	t := s.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	return !s.closed && !s.pending && s.end() == nil && (t.owned() || t.fed())
}

// Close ends the subscription and wakes its reader, which gets ErrClosed. Closing twice is harmless.
func (s *Subscription) Close() {
	t := s.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.Wake()
	b := t.shard.broker
	b.subscriptions.Add(-1)
	t.audience.leave(s)
	if s.pending && t.interest != nil {
		t.interest.forgo()
	}
	if t.audience.size > 0 {
		return
	}
	t.audience = nil
	t.used = max(t.used, b.clock.Load())
	if t.interest != nil {
		t.interest.left = t.used
	}
	if t.ended != alive {
		t.clear()
	}
	t.settle()
}
