package web

import (
	"net"
	"sync"
	"sync/atomic"
)

// side is the listener of one protocol.
type side struct {
	addr   net.Addr
	conns  chan *conn
	done   chan struct{}
	once   sync.Once
	number atomic.Uint64 // of connections given, which spreads them over the tallies
	tallies
}

func newSide(addr net.Addr) *side {
	return &side{addr: addr, conns: make(chan *conn), done: make(chan struct{})}
}

// give hands a connection to whoever accepts on this side, or closes it when
// nobody will any more.
func (s *side) give(c *conn) {
	c.tally = &s.tallies[s.number.Add(1)%uint64(len(s.tallies))]
	select {
	case <-s.done: // the choice below is random when both are ready
		_ = c.Conn.Close()
		return
	default:
	}
	select {
	case s.conns <- c:
	case <-s.done:
		_ = c.Conn.Close()
	}
}

// Accept implements net.Listener.
func (s *side) Accept() (net.Conn, error) {
	select {
	case <-s.done:
		return nil, net.ErrClosed
	case c := <-s.conns:
		c.tally.accepted.Add(1)
		return c, nil
	}
}

// Close implements net.Listener.
func (s *side) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// Addr implements net.Listener.
func (s *side) Addr() net.Addr { return s.addr }
