//go:build unix

package web

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// Who uses the socket past the connection gets what was not given back, and says
// how much that was.
func TestSocketsThemselvesAreCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := servePortAt(t, l)
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, preface)
	c, _ := accepted(t, p.GRPC(), len(preface))
	defer func() { _ = c.Close() }()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(client, "more")
	b, n := make([]byte, 10), 0
	err = raw.Read(func(fd uintptr) bool {
		n, err = syscall.Read(int(fd), b)
		return !errors.Is(err, syscall.EAGAIN)
	})
	if string(b[:n]) != "more" || err != nil {
		t.Errorf("the socket gave %q, %v", b[:n], err)
	}
	c.(interface{ Moved(received, sent int) }).Moved(n, 7)
	want := Traffic{Open: 1, Accepted: 1, Received: uint64(len(preface) + 4), Sent: 7}
	if got := p.Stats().GRPC; got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
