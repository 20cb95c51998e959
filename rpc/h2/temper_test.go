package h2

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/test/bufconn"
)

// temperedSocket wants to know of faults, and a rest for each.
type temperedSocket struct {
	net.Conn
	faults atomic.Int64
	pause  time.Duration
}

func (s *temperedSocket) Fault(n int) time.Duration {
	s.faults.Add(int64(n))
	return s.pause
}

// temperedListener makes its connections tempered.
type temperedListener struct {
	net.Listener
	socket *temperedSocket // the last one
}

func (l *temperedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.socket = &temperedSocket{Conn: c, pause: 500 * time.Millisecond}
	return l.socket, nil
}

// A connection whose calls lead to nothing is read more slowly; one with good calls is
// not.
func TestCallsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := bufconn.Listen(64 << 10)
		l := &temperedListener{Listener: pipe}
		w := newWorldAt(t, l, pipe.Dial, nil)
		r := w.rough(t)
		_ = r.socket.SetDeadline(time.Time{})
		start := time.Now()
		for id := uint32(1); id < 20; id += 2 {
			r.call(id, echoMethod, "x")
			r.status(id)
		}
		if took, n := time.Since(start), l.socket.faults.Load(); took > 0 || n > 0 {
			t.Errorf("ten good calls took %v with %d faults", took, n)
		}
		for id := uint32(21); id < 31; id += 2 {
			r.call(id, "/s/None", "x")
			r.status(id)
			r.pong()
		}
		if took, n := time.Since(start), l.socket.faults.Load(); took < 2*time.Second || n != 5 {
			t.Errorf("five calls of a method that does not exist took %v with %d faults, want 500ms each", took, n)
		}
	})
}

// A flood is told of when its connection ends.
func TestFloodsAreTold(t *testing.T) {
	pipe := bufconn.Listen(64 << 10)
	l := &temperedListener{Listener: pipe}
	w := newWorldAt(t, l, func() (net.Conn, error) { return pipe.DialContext(context.Background()) }, nil)
	r := w.rough(t)
	go func() {
		for range 1_000_000 {
			if r.WritePriority(1, http2.PriorityParam{Weight: 1}) != nil {
				return
			}
		}
	}()
	r.until(isGoAway(http2.ErrCodeEnhanceYourCalm))
	if n := l.socket.faults.Load(); n != floodFaults {
		t.Errorf("%d faults are told, want %d", n, floodFaults)
	}
}
