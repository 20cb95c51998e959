package web

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// side is the listener of one protocol.
type side struct {
	addr   net.Addr
	conns  chan given
	done   chan struct{}
	once   sync.Once
	number atomic.Uint64 // of connections given, which spreads them over the tallies
	opened atomic.Bool   // somebody accepts
	tallies
}

// given is a connection as its side gets it, and what counts it.
type given struct {
	net.Conn
	tally *tally
}

func newSide(addr net.Addr) *side {
	return &side{addr: addr, conns: make(chan given), done: make(chan struct{})}
}

// accepting reports whether connections given are taken.
func (s *side) accepting() bool {
	select {
	case <-s.done:
		return false
	default:
		return s.opened.Load()
	}
}

// giveTime is how long a connection is kept for a side on which nobody accepts yet,
// because the node still waits for others. Nobody reads from it meanwhile, so that
// its end goes unseen; and clients of gRPC wait no longer than this to be greeted.
const giveTime = 20 * time.Second

// give hands a connection to whoever accepts on this side, as it is or as what it
// carries, or closes it when nobody does in time, or will any more.
func (s *side) give(c *conn, as net.Conn) {
	t := &s.tallies[s.number.Add(1)%uint64(len(s.tallies))]
	if early := c.tally; early != nil { // counted before it had a side
		t.received.Add(early.received.Load())
		t.sent.Add(early.sent.Load())
	}
	c.tally = t
	select {
	case <-s.done: // the choice below is random when both are ready
		c.drop()
		return
	default:
	}
	late := time.NewTimer(giveTime)
	defer late.Stop()
	select {
	case s.conns <- given{as, t}:
	case <-s.done:
		c.drop()
	case <-late.C:
		c.drop()
	}
}

// Accept implements net.Listener.
func (s *side) Accept() (net.Conn, error) {
	s.opened.Store(true)
	select {
	case <-s.done:
		return nil, net.ErrClosed
	case c := <-s.conns:
		c.tally.accepted.Add(1)
		return c.Conn, nil
	}
}

// Close implements net.Listener.
func (s *side) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr implements net.Listener.
func (s *side) Addr() net.Addr { return s.addr }
