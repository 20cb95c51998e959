package abuse

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, harness.BuildBroker) }

// full is whether the attacks have their full size.
var full = os.Getenv("ABUSE") == "full"

// sized is a number for either size.
func sized(short, whole int) int {
	if full {
		return whole
	}
	return short
}

// cache is the one that everybody uses.
const cache = "story"

// victim is a broker under attack.
type victim struct {
	*harness.Server
	peer string // its peer port
	// key is good for everything; attackers who have one are told.
	key string
	// from is where attackers come from: another address than honest clients, where a
	// machine has several of its own, and another one each time, since ports of closed
	// connections are busy for a minute.
	from net.Dialer
	// tries counts what the attack did.
	tries atomic.Int64
}

// victims is how many there were.
var victims atomic.Uint32

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{peer: harness.FreeAddr(t)}
	v.comeFromElsewhere()
	v.Server = harness.Start(t, harness.Options{Args: []string{"--peer-listen", v.peer, "--max-in-flight", fmt.Sprint(inFlight, "MiB")}})
	v.key = v.Secure(t)
	v.CreateCache(t, cache)
	return v
}

// comeFromElsewhere gives attackers an address of their own.
func (v *victim) comeFromElsewhere() {
	other := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(victims.Add(1)))}
	if l, err := net.ListenTCP("tcp", other); err == nil {
		_ = l.Close()
		v.from.LocalAddr = other
	}
}

// dial connects an attacker. The connection ends with ctx.
func (v *victim) dial(ctx context.Context) (net.Conn, error) { return v.dialTo(ctx, v.Addr) }

func (v *victim) dialTo(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := v.from.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.(*net.TCPConn).SetLinger(0) // leaves no port behind
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, nil
}

// crowd runs so many attackers until each has returned.
func crowd(n int, attacker func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { attacker(i) })
	}
	all.Wait()
}

// persist repeats an attacker's work until ctx is done: one that is sent away comes
// back, after a moment if it could not even say something.
func persist(ctx context.Context, work func() (said bool)) {
	for ctx.Err() == nil {
		if !work() {
			rest(ctx, 20*time.Millisecond)
		}
	}
}

// rest waits, as attackers do who want to look slow.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
