//go:build unix

package h2

import (
	"errors"
	"net"
	"syscall"
)

// eager is a socket that can be written to as far as that needs no waiting; nil
// if it cannot.
type eager struct {
	raw syscall.RawConn
	// wrote is told how much, if somebody between us and the socket counts.
	wrote func(n int)
}

func eagerOf(socket net.Conn) *eager {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return nil // something lies in between, TLS for instance
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	e := &eager{raw: raw}
	if counts, ok := socket.(interface{ Wrote(n int) }); ok {
		e.wrote = counts.Wrote
	}
	return e
}

// write writes what the socket takes at once and says how much that was. An error
// is left to who writes the rest.
func (e *eager) write(b []byte) (n int) {
	err := e.raw.Write(func(fd uintptr) bool {
		var err error
		for {
			if n, err = syscall.Write(int(fd), b); !errors.Is(err, syscall.EINTR) {
				return true // whether or not that was all
			}
		}
	})
	if err != nil || n < 0 {
		return 0
	}
	if e.wrote != nil {
		e.wrote(n)
	}
	return n
}
