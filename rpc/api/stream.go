package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// batchSize is how many events a stream takes from its topic at a time. They are
// part of the stream's memory, idle or not.
const batchSize = 16

var heartbeat = newFrame(encodedHeartbeat)

// stream is one subscription being served. Its loop belongs to the handler's
// goroutine; what others want of it they leave in the atomics and ring.
type stream struct {
	call   *call
	out    grpc.ServerStream
	sub    Subscription
	pulse  *pulse
	events [batchSize]fanout.Event

	// told: the client knows a position, from an item or a discontinuity.
	told bool
	// anchored: the client is one that has to be told its position before a
	// clean end.
	anchored bool

	// foreign is the call, if it did not come in over gRPC's own transport.
	foreign *foreign

	// ending is why the stream is to end, once it is.
	ending atomic.Pointer[ending]
}

// ending is a reason to end a stream; err nil is a clean end, after which
// clients come back by themselves.
type ending struct{ err error }

var cleanEnd = &ending{}

// end asks the stream to end. The first reason counts.
func (s *stream) end(why *ending) {
	if s.ending.CompareAndSwap(nil, why) {
		s.sub.Wake()
	}
}

// loop delivers until the stream ends and returns how it ended.
func (s *stream) loop() error {
	for {
		if why := s.ending.Load(); why != nil {
			return s.conclude(why)
		}
		n, err := s.sub.Take(s.events[:])
		switch {
		case n > 0:
			if err := s.deliver(s.events[:n]); err != nil {
				return err
			}
			continue
		case err != nil:
			return ended(err)
		}
		// A heartbeat says that all is well, which a node that does not reach the
		// topic's leader cannot know.
		if s.pulse.due.Swap(false) && s.sub.Live() {
			if err := s.send(heartbeat); err != nil {
				return err
			}
		}
		if s.foreign != nil {
			if err := s.foreign.x.Flush(); err != nil {
				return err
			}
		}
		s.pulse.rest()
		<-s.sub.Ready()
		s.pulse.wake()
	}
}

// deliver sends what was taken. The frames of a batch share one allocation, and
// live until the transport has written the last of them.
func (s *stream) deliver(events []fanout.Event) error {
	frames := make([]frame, len(events))
	for i := range events {
		if item, ok := events[i].Item(); ok {
			frames[i].set(item.Encoded)
		} else {
			gap, _ := events[i].Discontinuity()
			frames[i].set(encodeDiscontinuity(gap))
		}
		events[i] = fanout.Event{} // an idle stream must not keep old items
		if err := s.send(&frames[i]); err != nil {
			return err
		}
	}
	s.told = true
	return nil
}

func (s *stream) send(f *frame) error {
	if err := s.out.SendMsg(f); err != nil {
		return err
	}
	s.pulse.sent.Add(1)
	return nil
}

// conclude ends the stream.
func (s *stream) conclude(why *ending) error {
	if why.err != nil || s.told || !s.anchored {
		return why.err
	}
	at := s.sub.Position()
	return s.send(newFrame(encodeDiscontinuity(fanout.Discontinuity{New: at.Sequence, Page: at.Page})))
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
func (all *streams) run(c *call, out grpc.ServerStream, sub Subscription) error {
	after, anchored := handOver(c)
	s := &stream{call: c, out: out, sub: sub, anchored: anchored}
	if s.foreign = foreignOf(c); s.foreign != nil {
		s.foreign.patient = true
		s.foreign.full = func() { s.end(cleanEnd) }
	}
	s.pulse = newPulse(all.heartbeat, all.stall, sub.Wake, func() { abandon(c) })
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
	if err := s.loop(); !errors.Is(err, ErrEnough) {
		return err
	}
	return nil
}

// recheck ends the stream if its credential is no longer good.
func (s *stream) recheck(gate *auth.Gate, now time.Time) {
	if err := gate.Recheck(s.call.who, now); err != nil {
		s.end(&ending{err})
	}
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

// abandon ends a stream whose handler is stuck in its client's flow control,
// from another goroutine. It ends cleanly, so that a client that was only asleep
// comes back, and resumes, when it wakes. grpc-go offers this to nobody but its
// own transport, whose stream is in the context.
func abandon(ctx context.Context) {
	if t, ok := grpc.ServerTransportStreamFromContext(ctx).(interface{ WriteStatus(*status.Status) error }); ok {
		_ = t.WriteStatus(status.New(codes.OK, "")) // the connection may be gone, which is as good
	}
}
