package replica

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// A stream may be silent between messages for as long as it likes, but not
// within one.
func TestStreamStalledWithinAMessageIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = near.Close() }()
		conn := &acceptedConn{Conn: far, layer: &streamLayer{open: map[net.Conn]struct{}{}}}
		defer func() { _ = conn.Close() }()
		buf := make([]byte, 8)
		for range 2 { // a message, its answer, and a long silence
			go func() {
				time.Sleep(time.Hour)
				_, _ = near.Write([]byte("whole"))
				_, _ = near.Read(make([]byte, 8))
			}()
			if n, err := conn.Read(buf); err != nil || n != 5 {
				t.Fatalf("after an idle hour: %d bytes, %v", n, err)
			}
			if _, err := conn.Write([]byte("answer")); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			time.Sleep(time.Hour)
			_, _ = near.Write([]byte("beg"))
			time.Sleep(peerTimeout - time.Second)
			_, _ = near.Write([]byte("in"))
		}()
		for _, want := range []int{3, 2} {
			if n, err := conn.Read(buf); err != nil || n != want {
				t.Fatalf("read %d bytes, %v; want %d", n, err, want)
			}
		}
		start := time.Now()
		if _, err := conn.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != peerTimeout {
			t.Errorf("after %v within a message: %v", time.Since(start), err)
		}
	})
}
