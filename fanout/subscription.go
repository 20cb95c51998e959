package fanout

import "context"

// Subscription is a reader's place in a topic. It is read by one goroutine at a time; [Subscription.Wake] and
// [Subscription.Close] may be called from any. It holds no items: what was not read yet is the topic's, and
// may be dropped, which the reader is told.
//
// The cheapest loop takes batches with Take and waits on Ready alone, with timers and the stream's context calling Wake
// (time.AfterFunc, context.AfterFunc). Next and NextBatch are the comfortable forms.
type Subscription struct {
	topic *topic
	ready chan struct{} // rung at most once per listing; also by Wake

	// Guarded by topic.mu.
	next   uint64   // log index of the item to read next
	anchor Position // the last position the reader was told
	listed uint64   // round of the audience in which it was listed last
	place  int      // where in the list
	closed bool
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
	n, gaps, more, err := s.takeLocked(buf)
	if more {
		s.Wake()
	}
	s.topic.shard.count(n, gaps)
	return n, err
}

// takeLocked is Take under the topic's lock; more says that another Take will not have to wait.
func (s *Subscription) takeLocked(buf []Event) (n, gaps int, more bool, err error) {
	t := s.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case s.closed:
		return 0, 0, false, ErrClosed
	case t.ended == cacheDropped:
		return 0, 0, false, t.ended.err()
	}
	n, gaps = s.collect(buf)
	switch {
	case !s.drained():
		return n, gaps, true, nil
	case t.ended == alive:
		t.audience.list(s)
		return n, gaps, false, nil
	case n == 0:
		return 0, 0, false, t.ended.err()
	default:
		return n, gaps, true, nil
	}
}

// collect fills buf with what comes after the anchor.
func (s *Subscription) collect(buf []Event) (n, gaps int) {
	t := s.topic
	for n < len(buf) {
		s.next = max(s.next, t.first())
		resume := t.last
		if s.next < t.end {
			item := &t.log.at(s.next).Item
			if item.follows(s.anchor) {
				buf[n] = Event{item: *item}
				n++
				s.next++
				s.anchor = item.Position
				continue
			}
			resume = Position{Page: item.Page, Sequence: item.Sequence - 1}
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

// drained reports whether the reader has been told everything.
func (s *Subscription) drained() bool {
	return s.next == s.topic.end && s.anchor == s.topic.last
}

// Ready is rung when there is something to take that the last Take did not return, and by Wake. It may ring without
// need, and it rings once however much happened. It is never closed.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Wake rings Ready, so that the reader's goroutine can turn to something else, such as a heartbeat. It never blocks.
func (s *Subscription) Wake() {
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
// subscription began behind. A client that resumes at Sequence+1 on Page misses nothing and sees nothing twice.
func (s *Subscription) Position() Position {
	s.topic.mu.Lock()
	defer s.topic.mu.Unlock()
	return s.anchor
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
	if t.audience.size > 0 {
		return
	}
	t.audience = nil
	t.used = max(t.used, b.clock.Load())
	if t.ended != alive {
		t.clear()
	}
	t.settle()
}
