//go:build unix

package h2

import (
	"io"
	"net"
	"os"
	"syscall"
)

// line is a socket as the system knows it. It is read and written with system
// calls that do not wait and that the scheduler is not told of, where that is
// possible: being told, it wakes a thread that watches over the call, and after
// a pause that costs more than a small message does. One goroutine at a time may
// read, and one write.
type line struct {
	raw     syscall.RawConn
	in, out transfer
	// moved is told how much, if somebody between us and the socket counts.
	moved func(received, sent int)
}

// transfer is a system call. What it is about is kept with the connection, so that
// making it allocates nothing.
type transfer struct {
	bytes []byte
	n     int
	errno syscall.Errno
	call  func(fd uintptr) (done bool)
}

// lineOf returns the line of a socket; nil if it has none.
func lineOf(socket net.Conn) *line {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return nil // something lies in between, TLS for instance
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	l := &line{raw: raw, moved: func(int, int) {}}
	if counts, ok := socket.(interface{ Moved(received, sent int) }); ok {
		l.moved = counts.Moved
	}
	l.in.call = func(fd uintptr) bool {
		l.in.n, l.in.errno = readNow(fd, l.in.bytes)
		return l.in.errno != syscall.EAGAIN
	}
	l.out.call = func(fd uintptr) bool {
		l.out.n, l.out.errno = writeNow(fd, l.out.bytes)
		return true // whether or not that was all
	}
	return l
}

// Read implements io.Reader. It waits until there is something.
func (l *line) Read(b []byte) (int, error) {
	l.in.bytes = b
	err := l.raw.Read(l.in.call)
	l.in.bytes = nil
	switch {
	case err != nil:
		return 0, err
	case l.in.errno != 0:
		return 0, os.NewSyscallError("read", l.in.errno)
	case l.in.n == 0:
		return 0, io.EOF
	}
	l.moved(l.in.n, 0)
	return l.in.n, nil
}

// write writes what the socket takes at once and says how much that was. An error
// is left to who writes the rest.
func (l *line) write(b []byte) int {
	l.out.bytes = b
	err := l.raw.Write(l.out.call)
	l.out.bytes = nil
	if err != nil || l.out.errno != 0 {
		return 0
	}
	l.moved(0, l.out.n)
	return l.out.n
}
