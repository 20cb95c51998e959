package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	// socketFaults is what a socket counts as that breaks the rules of the protocol.
	socketFaults = 20
	// socketPings is how many pings a client may send at once, and then one a second.
	socketPings = 60
)

// socketTemper is what a socket has been asked for in vain. It belongs to the socket's
// reader.
type socketTemper struct {
	conn  faulty    // nil: nobody wants to know
	pings time.Time // when those that came will have been few
}

func newSocketTemper(r *http.Request) *socketTemper {
	conn, _ := r.Context().Value(connKey{}).(faulty)
	return &socketTemper{conn: conn}
}

func (t *socketTemper) charge(n int) time.Duration {
	if t.conn == nil {
		return 0
	}
	return t.conn.Fault(n)
}

// fault counts a message that makes no sense, and rests if there are too many of them.
func (t *socketTemper) fault(ctx context.Context) {
	if pause := t.charge(1); pause > 0 {
		rest(ctx, pause)
	}
}

// pinged reports whether a ping is to be answered. One too many is not, and rests.
func (t *socketTemper) pinged(ctx context.Context, _ []byte) bool {
	now := time.Now()
	if t.pings.Before(now) {
		t.pings = now
	}
	if t.pings = t.pings.Add(time.Second); t.pings.Sub(now) <= socketPings*time.Second {
		return true
	}
	t.pings = now.Add(socketPings * time.Second)
	t.charge(1)
	rest(ctx, faultPause)
	return false
}

// ended looks why nothing more could be read: because the client has gone, one way or
// another, or because it breaks the rules.
func (t *socketTemper) ended(err error) {
	_, broken := errors.AsType[*net.OpError](err)
	gone := broken || websocket.CloseStatus(err) >= 0 || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !gone {
		t.charge(socketFaults)
	}
}
