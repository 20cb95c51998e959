package peer

import (
	"time"

	"golang.org/x/sys/unix"
)

// limitUnsent ends a connection whose bytes nobody acknowledges.
func limitUnsent(fd int) {
	// A socket that does not know the option has the keepalive.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unsentFor.Milliseconds()))
}

// sinceBoot reads a clock that nobody can set and that goes on while the
// machine sleeps: a request that slept with it is as old as it is.
func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return sinceStart()
	}
	return time.Duration(now.Nano())
}
