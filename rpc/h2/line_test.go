//go:build unix

package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// counted is a socket that somebody counts for.
type counted struct {
	*net.TCPConn
	received, sent int
}

func (c *counted) Moved(received, sent int) {
	c.received += received
	c.sent += sent
}

// tcpPair returns two ends of a connection.
func tcpPair(t *testing.T) (near *counted, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = accepted.Close(), dialed.Close() })
	return &counted{TCPConn: accepted.(*net.TCPConn)}, dialed.(*net.TCPConn)
}

func TestLinesWaitForBytes(t *testing.T) {
	near, far := tcpPair(t)
	l := lineOf(near)
	b := make([]byte, 10)

	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := l.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing was sent, and Read returned %d, %v", n, err)
	}
	_ = near.SetReadDeadline(time.Time{})
	got := make(chan string)
	go func() {
		n, _ := l.Read(b)
		got <- string(b[:n])
	}()
	if _, err := far.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "hello" || near.received != 5 {
		t.Errorf("read %q, counted %d", text, near.received)
	}
	_ = far.CloseWrite()
	if n, err := l.Read(b); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end Read returned %d, %v", n, err)
	}
	_ = near.Close()
	if n, err := l.Read(b); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("when it was closed Read returned %d, %v", n, err)
	}
	if n := l.write(b); n != 0 {
		t.Errorf("when it was closed %d bytes were written", n)
	}
}

func TestLinesWriteWhatFits(t *testing.T) {
	near, far := tcpPair(t)
	l := lineOf(near)
	sent := 0
	for part := bytes.Repeat([]byte{'x'}, 1<<20); ; {
		n := l.write(part) // returns, although nobody reads
		sent += n
		if n < len(part) {
			break
		}
	}
	if l.write([]byte("more")) != 0 || near.sent != sent {
		t.Errorf("a socket that was full after %d bytes took more, or %d bytes were counted", sent, near.sent)
	}
	_ = near.CloseWrite()
	if n, err := io.Copy(io.Discard, far); n != int64(sent) || err != nil {
		t.Errorf("%d bytes arrived of %d: %v", n, sent, err)
	}
}
