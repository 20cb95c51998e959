package web

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
)

// preface is how every HTTP/2 connection begins, as far as it is needed to tell:
// no other method has this name.
const preface = "PRI * HTTP/2.0"

// conn is a connection that was read from to find out its side, and that is
// counted once it has one.
type conn struct {
	net.Conn
	tally  *tally
	closed atomic.Bool

	// head holds what was read to tell; head[given:read] is still to be given
	// to the side.
	head        [len(preface)]byte
	given, read int
}

// sniff reads until it is clear whether the peer speaks HTTP/2.
func (c *conn) sniff() (isHTTP2 bool, err error) {
	for c.read < len(preface) {
		n, err := c.Conn.Read(c.head[c.read:])
		c.read += n
		switch {
		case !strings.HasPrefix(preface, string(c.head[:c.read])):
			return false, nil
		case err != nil:
			return false, err
		}
	}
	return true, nil
}

// Read reads what the peer sent, from its first byte on.
func (c *conn) Read(b []byte) (n int, err error) {
	if c.given < c.read {
		n = copy(b, c.head[c.given:c.read])
		c.given += n
	} else {
		n, err = c.Conn.Read(b)
	}
	c.tally.received.Add(uint64(n))
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.tally.sent.Add(uint64(n))
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	if !c.closed.Swap(true) {
		c.tally.closed.Add(1)
	}
	return c.Conn.Close()
}

// SyscallConn gives the socket itself, to who says with Moved how much went through
// it. What was read to tell the sides apart comes from Read only.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	socket, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return socket.SyscallConn()
}

// Moved counts what was read from the socket itself, and written to it.
func (c *conn) Moved(received, sent int) {
	if received > 0 {
		c.tally.received.Add(uint64(received))
	}
	if sent > 0 {
		c.tally.sent.Add(uint64(sent))
	}
}
