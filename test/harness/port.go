package harness

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// Ports are taken from below the range that the system gives to outgoing
// connections (32768 and up on Linux): while a server is down for a restart, a
// client that keeps dialling it must never be given that very port as its own.
const (
	firstPort = 18_000
	lastPort  = 31_999
)

// nextPort starts at a place of its own in each process, so that two test runs
// at the same time rarely try the same port.
var nextPort atomic.Uint32

func init() {
	nextPort.Store(uint32(os.Getpid()) * 61 % (lastPort - firstPort))
}

// FreeAddr finds a loopback address that nothing listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range lastPort - firstPort {
		port := firstPort + int(nextPort.Add(1))%(lastPort-firstPort+1)
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return addr
	}
	t.Fatalf("no free port between %d and %d", firstPort, lastPort)
	return ""
}
