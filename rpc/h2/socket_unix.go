//go:build unix

package h2

import (
	"errors"
	"net"
	"syscall"
)

// eager is a socket that can be written to as far as that needs no waiting; nil
// if it cannot.
type eager struct{ raw syscall.RawConn }

func eagerOf(socket net.Conn) *eager {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return nil // something lies in between, TLS for instance
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return &eager{raw}
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
	if err != nil {
		return 0
	}
	return max(n, 0)
}
