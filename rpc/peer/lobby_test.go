package peer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// caller is one end of a connection, which tells from where it was opened.
type caller struct {
	net.Conn
	from string
}

func (c caller) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.from), Port: 1} }

func TestWhoMakesRoom(t *testing.T) {
	const a, b, c, d = "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"
	for name, test := range map[string]struct {
		// came is who is in the lobby already: as often as it says, one after the other.
		came []arrivals
		from string
		want string // whose oldest makes room; empty for nobody's
	}{
		"room for all":          {from: d},
		"one address":           {came: times(a, maxOfNetwork), from: a, want: a},
		"another one has room":  {came: times(a, maxOfNetwork), from: b},
		"the most go first":     {came: times(b, 100, a, 120, c, 36), from: d, want: a},
		"with who comes":        {came: times(b, 100, a, 100, c, 56), from: a, want: a},
		"the oldest of as many": {came: times(b, 100, a, 100, c, 56), from: d, want: b},
		"one network of IPv6":   {came: times("2001:db8::2", maxOfNetwork), from: d, want: "2001:db8::2"},
		"mapped":                {came: times("::ffff:192.0.2.1", maxOfNetwork), from: a, want: a},
		"its own first":         {came: times(a, 128, b, 128), from: a, want: a},
	} {
		t.Run(name, func(t *testing.T) {
			var l lobby
			oldest := map[string]*stranger{}
			for _, some := range test.came {
				for range some.times {
					one, displaced := l.enter(caller{from: some.from})
					if displaced != nil {
						t.Fatalf("%s made room for %s", displaced.network, some.from)
					}
					if host := one.network.Addr().String(); oldest[host] == nil {
						oldest[host] = one
					}
				}
			}
			before := l.count
			one, displaced := l.enter(caller{from: test.from})
			var want *stranger
			if test.want != "" {
				want = oldest[networkOf(caller{from: test.want}.RemoteAddr()).Addr().String()]
				before--
			}
			if displaced != want {
				t.Errorf("room was made by %v, want %v", displaced, want)
			}
			if displaced != nil && l.leave(displaced) {
				t.Error("who made room is still there")
			}
			if l.count != before+1 || !l.leave(one) || l.leave(one) || l.count != before {
				t.Errorf("%d are left, want %d", l.count, before)
			}
		})
	}
}

// arrivals are connections from one address.
type arrivals struct {
	from  string
	times int
}

func times(pairs ...any) (came []arrivals) {
	for i := 0; i < len(pairs); i += 2 {
		came = append(came, arrivals{pairs[i].(string), pairs[i+1].(int)})
	}
	return came
}

// doorway is a peer port in memory, so that waiting can be told from being slow.
type doorway struct {
	coming chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func (d *doorway) Accept() (net.Conn, error) {
	select {
	case conn := <-d.coming:
		return conn, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

func (d *doorway) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

func (d *doorway) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// knock opens a connection from an address, and returns the far end.
func (d *doorway) knock(from string) net.Conn {
	near, far := net.Pipe()
	d.coming <- caller{far, from}
	return near
}

// settled is what a member's Mux is made of that answers at a door.
func settled(t *testing.T, node string, port *doorway, log io.Writer) MuxConfig {
	t.Helper()
	self := Identity{ClusterID: "c", Node: node, StoreID: "store of " + node, BootID: "boot of " + node}
	return MuxConfig{
		Listener: port, Self: self, Guard: func(Identity) error { return nil },
		Wallet: walletOf(t, self, someTrust()), Logger: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// However many there are who say nothing, from one address or several, a member
// comes in at once, and those who were there for longest are sent away.
func TestSilentStrangersKeepNobodyOut(t *testing.T) {
	for name, from := range map[string][]string{
		"of an address":        {"192.0.2.1"},
		"of several addresses": {"192.0.2.1", "192.0.2.2", "192.0.2.3"},
		"of the member's own":  {"192.0.2.9"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lines
				port := &doorway{coming: make(chan net.Conn), done: make(chan struct{})}
				b := NewMux(settled(t, "b", port, &log))
				config := settled(t, "a", &doorway{done: make(chan struct{})}, io.Discard)
				config.Resolve = func(cluster.NodeID) (string, bool) { return "b", true }
				config.Dial = func(context.Context, string) (net.Conn, error) { return port.knock("192.0.2.9"), nil }
				a := NewMux(config)
				began := time.Now()
				var silent []net.Conn
				for i := range 2 * maxStrangers {
					silent = append(silent, port.knock(from[i%len(from)]))
				}
				go func() {
					if conn, err := b.Calls().Accept(); err == nil {
						_, _ = io.Copy(io.Discard, conn)
						_ = conn.Close()
					}
				}()
				conn, err := a.DialCalls(t.Context(), "b")
				if err != nil || time.Since(began) > 0 {
					t.Errorf("a member waited for %v: %v", time.Since(began), err)
				}
				if err == nil {
					_ = conn.Close()
				}
				if _, err := silent[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > 0 {
					t.Errorf("the oldest stranger was kept for %v: %v", time.Since(began), err)
				}
				if n := strings.Count(log.String(), "do not say who they are"); n != 1 || b.Strangers() != 0 {
					t.Errorf("%d lines, %d counted: %s", n, b.Strangers(), log.String())
				}
				_ = a.Close()
				_ = b.Close()
				if b.lobby.count != 0 || len(b.lobby.all) != 0 {
					t.Errorf("%d are left in the lobby", b.lobby.count)
				}
			})
		})
	}
}
