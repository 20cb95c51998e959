package web

import (
	"container/list"
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
	port   *Port
	tally  *tally // nil before it has a side
	closed atomic.Bool

	// guest is who it is of, and place its place among those that did not tell yet.
	// Guarded by the port's lock.
	guest *guest
	place *list.Element

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
	if c.closed.Swap(true) {
		return c.Conn.Close()
	}
	c.tally.closed.Add(1)
	return c.forsake()
}

// drop closes a connection that no side has accepted.
func (c *conn) drop() {
	if !c.closed.Swap(true) {
		_ = c.forsake()
	}
}

// forsake closes the socket, and then frees its place: the file descriptor is free,
// too.
func (c *conn) forsake() error {
	err := c.Conn.Close()
	c.port.forget(c)
	return err
}

// reset is Close for those who are not let in: nothing of them is left in the system.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Conn.Close()
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
