package h2

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// floodFaults is how many requests for nothing a connection counts as that is ended for
// a flood.
const floodFaults = 100

// faulty is a socket that wants to know of requests that led to nothing: calls without
// a good credential, of methods that do not exist, malformed ones. It says how long
// nothing more is to be read from it.
type faulty interface {
	Fault(n int) (rest time.Duration)
}

// faultyOf returns what a socket, or what TLS is spoken on, wants to know; nil for
// nothing.
func faultyOf(socket net.Conn) faulty {
	if inner, ok := socket.(interface{ NetConn() net.Conn }); ok {
		socket = inner.NetConn()
	}
	f, _ := socket.(faulty)
	return f
}

// temper is what a connection has been asked for in vain and its socket was not told
// of yet.
type temper struct {
	socket faulty
	owed   atomic.Int64
}

// fault counts requests that led to nothing.
func (t *temper) fault(n int) {
	if t.socket != nil {
		t.owed.Add(int64(n))
	}
}

// tell tells the socket at once, which need not rest any more.
func (t *temper) tell(n int) {
	if t.socket != nil {
		t.socket.Fault(n)
	}
}

// rest waits for as long as the socket wants, before more is read from it.
func (t *temper) rest(ctx context.Context) {
	if t.owed.Load() == 0 {
		return
	}
	pause := t.socket.Fault(int(t.owed.Swap(0)))
	if pause <= 0 {
		return
	}
	late := time.NewTimer(pause)
	defer late.Stop()
	select {
	case <-late.C:
	case <-ctx.Done():
	}
}
