//go:build unix

package node

import "syscall"

// descriptors is how many files and sockets the process may have open; ok is false
// if that is not known. The runtime has raised it as far as it may be raised.
func descriptors() (n uint64, ok bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return limit.Cur, true
}
