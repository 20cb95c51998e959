package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/h2"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

var heartbeat = newFrame(encodedHeartbeat)

// stream is one subscription being served. Its carrier asks it for messages; what
// others want of it they leave in the atomics and wake it.
type stream struct {
	// ending is why the stream is to end, once it is.
	ending atomic.Pointer[ending]
	sub    Subscription
	pulse  pulse
	call   *call
	out    carrier
	sent   deliveries

	// told: the client knows a position, from an item or a discontinuity.
	told bool
	// anchored: the client is one that has to be told its position before a
	// clean end.
	anchored bool
	// err is how the stream ended, once Next has said that it is over.
	err error
}

// ending is a reason to end a stream; err nil is a clean end, after which
// clients come back by themselves.
type ending struct{ err error }

var cleanEnd = &ending{}

// end asks the stream to end. The first reason counts.
func (s *stream) end(why *ending) {
	if s.ending.CompareAndSwap(nil, why) {
		s.out.Wake()
	}
}

// batch is room for events while they are turned into messages. Couriers carry
// it from stream to stream, so that an idle stream has none, and holds on to no
// old items.
type batch [h2.Batch]fanout.Event

// Next implements h2.Source.
func (s *stream) Next(t *h2.Turn) (n int, over bool) {
	buf := t.Messages
	if why := s.ending.Load(); why != nil {
		return s.conclude(why, buf)
	}
	events, ok := t.Scratch.(*batch)
	if !ok {
		events = new(batch)
		t.Scratch = events
	}
	n, err := s.sub.Take(events[:len(buf)])
	s.sent.begin()
	for i := range events[:n] {
		if item, ok := events[i].Item(); ok {
			buf[i] = item.Encoded
			s.sent.item(i, item.Encoded)
		} else {
			gap, _ := events[i].Discontinuity()
			buf[i] = encodeDiscontinuity(gap)
		}
		events[i] = fanout.Event{}
	}
	s.sent.count()
	switch {
	case n > 0:
		s.told = true
	case err != nil:
		s.err = ended(err)
		return 0, true
	// A heartbeat says that all is well, which a node that does not reach the
	// topic's leader cannot know.
	case s.pulse.due.Swap(false) && s.sub.Live():
		buf[0], n = encodedHeartbeat, 1
	default:
		return 0, false
	}
	s.pulse.sent(t.Now)
	return n, false
}

// conclude ends the stream.
func (s *stream) conclude(why *ending, buf [][]byte) (n int, over bool) {
	s.err = why.err
	if why.err != nil || s.told || !s.anchored {
		return 0, true
	}
	at := s.sub.Position()
	buf[0] = encodeDiscontinuity(fanout.Discontinuity{New: at.Sequence, Page: at.Page})
	return 1, true
}

// ended says what the end of a subscription is for the client. Where the topic
// lives on elsewhere it ends cleanly, and the client comes back.
func ended(err error) error {
	switch {
	case errors.Is(err, fanout.ErrCacheDropped):
		return route.ErrCacheNotFound
	case errors.Is(err, fanout.ErrDisowned), errors.Is(err, fanout.ErrClosed):
		return nil
	default:
		return err
	}
}

// streams are the subscriptions being served.
type streams struct {
	heartbeat, stall time.Duration

	mu  sync.Mutex
	all map[*stream]struct{}
	// closing: a stream that begins now ends at once.
	closing bool
	// gone is closed when streams are closing and none is left.
	gone chan struct{}
}

func newStreams(heartbeat, stall time.Duration) *streams {
	return &streams{heartbeat: heartbeat, stall: stall, all: make(map[*stream]struct{}), gone: make(chan struct{})}
}

// run serves a subscription until it ends.
func (all *streams) run(c *call, out carrier, sub Subscription) error {
	after, anchored := handOver(c)
	s := &stream{call: c, out: out, sub: sub, anchored: anchored}
	c.count(nil) // it stands; what it is sent is counted on its own
	s.sent.open(c)
	defer s.sent.settle()
	if f := foreignOf(c); f != nil {
		f.posted = s.sent.posted
		s.sent.byPost = true
		f.full = func() { s.end(cleanEnd) }
		if f.Over != nil {
			defer context.AfterFunc(f.Over, f.full)()
		}
	}
	s.pulse.start(all.heartbeat, all.stall, out)
	defer s.pulse.stop()
	defer context.AfterFunc(c, func() { s.end(&ending{c.Err()}) })()
	if anchored {
		defer time.AfterFunc(after, func() { s.end(cleanEnd) }).Stop()
	}
	if at := c.who.ExpiresAt; !at.IsZero() {
		defer time.AfterFunc(time.Until(at), func() { s.end(&ending{auth.ErrExpired}) }).Stop()
	}
	all.add(s)
	defer all.remove(s)
	// Whatever was revoked before the stream was listed was not told to it.
	s.recheck(c.door.gate, time.Now())
	sub.Notify(out.Wake)
	if err := out.Deliver(s); err != nil {
		return err
	}
	return s.err
}

// recheck ends the stream if its credential is no longer good. It returns when that
// has to be looked at again; the end that was known when the stream began is not
// among it, for the stream waits for that itself.
func (s *stream) recheck(gate *auth.Gate, now time.Time) (sooner time.Time) {
	until, err := gate.Recheck(s.call.who, now)
	switch {
	case err != nil:
		s.end(&ending{err})
		return time.Time{}
	case until.Equal(s.call.who.ExpiresAt):
		return time.Time{}
	}
	return until
}

func (all *streams) add(s *stream) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.all[s] = struct{}{}
	if all.closing {
		s.end(cleanEnd)
	}
}

func (all *streams) remove(s *stream) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.all, s)
	all.settle()
}

// settle closes gone when it is time. The caller holds the lock.
func (all *streams) settle() {
	if !all.closing || len(all.all) > 0 {
		return
	}
	select {
	case <-all.gone:
	default:
		close(all.gone)
	}
}

// list returns the streams of this moment, in no order.
func (all *streams) list() []*stream {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := make([]*stream, 0, len(all.all))
	for s := range all.all {
		list = append(list, s)
	}
	return list
}

// close makes streams that begin from now on end at once.
func (all *streams) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.closing = true
	all.settle()
}
