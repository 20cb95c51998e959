package fault

import (
	"net"
	"sync"
)

// Line is what the connections of a listener run through. When it is cut they break
// without a word, and new ones do as soon as they are made, until it is mended. The
// zero value is whole.
type Line struct {
	mu    sync.Mutex
	cut   bool
	conns map[*conn]struct{}
}

// Listen returns a listener whose connections run through the line.
func (l *Line) Listen(on net.Listener) net.Listener { return &listener{Listener: on, line: l} }

type listener struct {
	net.Listener
	line *Line
}

// Cut breaks all connections, and those that are made from now on.
func (l *Line) Cut() {
	l.mu.Lock()
	l.cut = true
	broken := l.conns
	l.conns = nil
	l.mu.Unlock()
	for c := range broken {
		snap(c.Conn)
	}
}

// Mend lets new connections live again.
func (l *Line) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.line.admit(accepted); c != nil {
			return c, nil
		}
		snap(accepted)
	}
}

// admit returns nil while the line is cut.
func (l *Line) admit(accepted net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil
	}
	c := &conn{Conn: accepted, line: l}
	if l.conns == nil {
		l.conns = make(map[*conn]struct{})
	}
	l.conns[c] = struct{}{}
	return c
}

// snap closes a connection with a reset, as a machine does that has lost it.
func snap(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a connection that is gone needs no reset
	}
	_ = c.Close()
}

// conn is a connection that its line knows of.
type conn struct {
	net.Conn
	line *Line
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.line.mu.Lock()
	delete(c.line.conns, c)
	c.line.mu.Unlock()
	return c.Conn.Close()
}
