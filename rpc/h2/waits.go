package h2

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What a connection may keep us waiting with, and for how long.
const (
	// maxWaits is how many bytes all requests may have whose handlers wait for the
	// rest of their message, and connectionWaits those of one connection.
	maxWaits        = 64 << 20
	connectionWaits = 1 << 20
	// streamWeight is what a stream takes besides what its client sent.
	streamWeight = 1 << 10
	// messageTime and messageRate are how long a message may take: ten seconds, and
	// longer by its size.
	messageTime = 10 * time.Second
	messageRate = 64 << 10 // bytes a second
	// roomTime is how long a large message waits for others to make room.
	roomTime = 5 * time.Second
	// crammedTime is how long calls are refused on a connection whose answers find no
	// room: others may make some.
	crammedTime = time.Second
	// lookTime is how often somebody looks for streams that wait for their clients.
	// Two looks without progress are the end of one.
	lookTime = messageTime
	// stuckLooks is how many looks without progress are the end of a connection whose
	// client does not read from it.
	stuckLooks = 2
)

// timeFor is how long a message of so many bytes may take to come in.
func timeFor(size int) time.Duration {
	return messageTime + time.Duration(size)*time.Second/messageRate
}

// weightOf is what the head of a request takes, as RFC 9113, 6.5.2 counts it.
func weightOf(fields []hpack.HeaderField) int64 {
	n := int64(streamWeight)
	for i := range fields {
		n += int64(fields[i].Size())
	}
	return n
}

// waitFor enters a stream whose handler waits for the rest of its message. The caller
// holds the lock.
func (c *conn) waitFor(s *Stream, weight int64) {
	c.unbegun++
	c.addWeight(s, weight)
}

func (c *conn) addWeight(s *Stream, n int64) {
	s.weight += n
	c.waiting += n
}

// begins notes that a stream no longer waits. The caller holds the lock.
func (c *conn) begins(s *Stream) {
	if s.weight > 0 {
		c.unbegun--
		c.addWeight(s, -s.weight)
	}
}

// weigh is called before who reads goes to wait for more: it settles what the
// streams take whose messages are not whole. If that is too much, handlers that ask
// who calls begin now, which sends strangers away and lets the others take in what is
// theirs; it returns their streams. What needs no credential is refused. The caller
// holds the lock.
func (c *conn) weigh() (early []*Stream) {
	if c.unbegun > 0 {
		c.lookAgain()
	}
	if c.waiting == c.weighed {
		return nil
	}
	if more := c.waiting - c.weighed; more <= 0 {
		c.waitRoom.Give(-more)
		c.weighed = c.waiting
		return nil
	} else if c.waiting <= connectionWaits && c.waitRoom.Take(more) {
		c.weighed = c.waiting
		return nil
	}
	for _, s := range c.streams {
		switch {
		case s.weight == 0:
		case s.method.guarded:
			early = append(early, s.start())
		default:
			c.server.counts.shed.Add(1)
			c.dismissEarly(s, codes.ResourceExhausted, "too many requests are incomplete, and this one needs no credential")
		}
	}
	c.waitRoom.Give(c.weighed - c.waiting)
	c.weighed = c.waiting
	return early
}

// dismissEarly answers a request whose handler has not begun. The caller holds the
// lock.
func (c *conn) dismissEarly(s *Stream, code codes.Code, why string) {
	c.refuse(s.id, refuse(http.StatusOK, code, why), false)
	c.drop(s)
}

// lookAgain sees to it that somebody looks for streams that wait for their clients.
// The caller holds the lock.
func (c *conn) lookAgain() {
	if c.looking || c.stage == finished {
		return
	}
	c.looking = true
	if c.lookout == nil {
		c.lookout = time.AfterFunc(lookTime, c.look)
	} else {
		c.lookout.Reset(lookTime)
	}
}

// look ends streams that wait for their clients since it looked last.
func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looking = false
	if c.isStuck() { // so that who writes, a handler perhaps, learns of it
		c.server.counts.late.Add(1)
		c.close()
		return
	}
	again := c.out.slow
	for _, s := range c.streams {
		switch {
		case s.weight > 0:
			if again = true; !s.seenWaiting() {
				continue
			}
			c.server.counts.late.Add(1)
			c.dismissEarly(s, codes.DeadlineExceeded, "the message did not come to its end in time")
		case s.stalls():
			if again = true; !s.seenWaiting() {
				continue
			}
			c.server.counts.late.Add(1)
			c.reset(s.id, http2.ErrCodeCancel)
		}
	}
	if again {
		c.lookAgain()
	}
	c.flush()
}

// isStuck reports whether the client took nothing of what is being written since some
// looks, whatever it says itself. The caller holds the lock.
func (c *conn) isStuck() bool {
	o := &c.out
	if !o.slow || o.steps != o.lastSteps {
		o.lastSteps, o.stuck = o.steps, 0
		return false
	}
	o.stuck++
	return o.stuck >= stuckLooks
}

// stalls reports whether the answer of a call waits for its client. Those of sources
// and exchanges have others who look after them.
func (s *Stream) stalls() bool {
	return len(s.pending) > 0 && s.exchange == nil && s.feed.done == nil
}

// seenWaiting reports whether the stream was there at the last look, with nothing
// sent since.
func (s *Stream) seenWaiting() bool {
	place := s.sent<<32 + uint64(s.offset) + 1
	seen := s.seen == place
	s.seen = place
	return seen
}

// reserve takes room for a message that is on its way, before its client is told to
// send on. The caller holds the lock, which is free meanwhile.
func (s *Stream) reserve(size int) error {
	c := s.conn
	if s.charged > 0 || c.room.Take(int64(size)) {
		s.charge(int64(size))
		return nil
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, roomTime)
	err := c.room.Await(ctx, int64(size))
	cancel()
	c.mu.Lock()
	switch {
	case err != nil && s.ctx.Err() != nil:
		return status.FromContextError(s.ctx.Err()).Err()
	case err != nil:
		c.server.counts.shed.Add(1)
		return errNoRoom
	case s.gone:
		c.room.Give(int64(size))
		return errGone
	}
	s.charge(int64(size))
	return nil
}

// charge notes what a stream has taken of the room. The caller holds the lock.
func (s *Stream) charge(n int64) {
	if s.charged == 0 {
		s.charged = n
	}
}

// discharge gives it back. The caller holds the lock.
func (s *Stream) discharge() {
	if s.charged > 0 {
		s.conn.room.Give(s.charged)
		s.charged = 0
		s.conn.crammed = 0
	}
}

// dischargeAlone is discharge for who does not hold the lock.
func (s *Stream) dischargeAlone() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.discharge()
}

// hoard takes room for what the client does not read. Without, the answer is not kept.
// The caller holds the lock.
func (c *conn) hoard(s *Stream) {
	unsent := int64(s.unsent())
	if unsent <= 0 || s.gone {
		return
	}
	if c.room.Take(unsent) {
		s.discharge()
		s.charged = unsent
		c.lookAgain()
		return
	}
	c.server.counts.shed.Add(1)
	c.crammed = c.age() + crammedTime
	if s.offset > 0 || s.sent > 0 {
		c.reset(s.id, http2.ErrCodeEnhanceYourCalm)
		return
	}
	s.pending, s.trailer = nil, nil
	s.trailers = appendStatus(nil, status.Convert(errNoRoom), nil)
	c.push(s)
}

// isCrammed reports whether an answer found no room, and none was read since. Calls that
// came together with its own would make theirs for nothing.
func (c *conn) isCrammed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.crammed > 0 && c.crammed > c.age()
}

// errNoRoom is what clients are told whose messages or answers find no room.
var errNoRoom = status.Error(codes.ResourceExhausted, "too many bytes of requests and answers are under way, the throughput is more than this node can hold; try again later")
