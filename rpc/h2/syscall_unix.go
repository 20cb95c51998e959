//go:build unix && !linux

package h2

import (
	"errors"
	"syscall"
)

// readNow reads what there is. The descriptor must be one that never waits.
func readNow(fd uintptr, b []byte) (int, syscall.Errno) { return now(syscall.Read, fd, b) }

// writeNow writes what there is room for. The descriptor must be one that never
// waits.
func writeNow(fd uintptr, b []byte) (int, syscall.Errno) { return now(syscall.Write, fd, b) }

func now(call func(fd int, b []byte) (int, error), fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, err := call(int(fd), b)
		if err == nil {
			return n, 0
		}
		if errno, _ := errors.AsType[syscall.Errno](err); errno != syscall.EINTR {
			return 0, errno
		}
	}
}
