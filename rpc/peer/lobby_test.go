package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/address"
)

// caller is one end of a connection, which tells from where it was opened.
type caller struct {
	net.Conn
	from string
}

func (c caller) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1))
}

func TestWhoMakesRoom(t *testing.T) {
	const a, b, c, d = "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"
	for name, test := range map[string]struct {
		// came is who is in the lobby already: as often as it says, one after the other.
		came []arrivals
		from string
		want string // whose oldest makes room; empty for nobody's
	}{
		"room for all":            {from: d},
		"many nodes of one":       {came: times(a, maxStrangers-1), from: a},
		"one of many":             {came: times(a, maxStrangers-1), from: b},
		"all are of one":          {came: times(a, maxStrangers), from: b, want: a},
		"it is one of them":       {came: times(a, maxStrangers), from: a, want: a},
		"the most go first":       {came: times(b, 100, a, 120, c, 36), from: d, want: a},
		"with who comes":          {came: times(b, 100, a, 100, c, 56), from: a, want: a},
		"the oldest of as many":   {came: times(b, 100, a, 100, c, 56), from: d, want: b},
		"one network of IPv6":     {came: times("2001:db8::2", 60, "2001:db8::3", 70, a, 126), from: b, want: "2001:db8::3"},
		"a neighbour in the link": {came: times("2001:db8::2", 56, "2001:db8::3", 200), from: d, want: "2001:db8::3"},
		"two links":               {came: times("fe80::1%a", 100, "fe80::1%b", 156), from: "fe80::2%a", want: "fe80::1%b"},
		"mapped":                  {came: times(a, 80, "::ffff:192.0.2.1", 60, b, 116), from: c, want: a},
		"everybody comes once":    {came: everybody(maxStrangers), from: a, want: "2001:db8:0:0::1"},
	} {
		t.Run(name, func(t *testing.T) {
			var l lobby
			oldest := map[string]*stranger{}
			for _, some := range test.came {
				for range some.times {
					one, displaced := l.enter(caller{from: some.from})
					if displaced != nil {
						t.Fatalf("%s made room for %s", displaced.address, some.from)
					}
					if oldest[some.from] == nil {
						oldest[some.from] = one
					}
				}
			}
			before := l.all.Len()
			one, displaced := l.enter(caller{from: test.from})
			if displaced != oldest[test.want] {
				t.Errorf("room was made by %v, want the oldest of %q", displaced, test.want)
			}
			if displaced != nil && l.leave(displaced) {
				t.Error("who made room is still there")
			}
			if left := l.all.Len(); left != min(before+1, maxStrangers) || !l.leave(one) || l.leave(one) || l.all.Len() != left-1 {
				t.Errorf("%d were there, %d with one more, %d without", before, left, l.all.Len())
			}
		})
	}
}

// However many come from wherever, all are counted, and who makes room was there.
func TestLobbyCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l lobby
		var inside []*stranger
		from := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "fe80::1%a", "fe80::1%b"})
		for range rapid.IntRange(1, 3*maxStrangers).Draw(t, "steps") {
			if len(inside) > 0 && rapid.IntRange(0, 4).Draw(t, "leaves") == 0 {
				i := rapid.IntRange(0, len(inside)-1).Draw(t, "who")
				l.leave(inside[i])
				inside = slices.Delete(inside, i, i+1)
				continue
			}
			one, displaced := l.enter(caller{from: from.Draw(t, "from")})
			i := slices.Index(inside, displaced)
			if full := len(inside) == maxStrangers; full != (displaced != nil) || full != (i >= 0) {
				t.Fatalf("of %d, %v made room", len(inside), displaced)
			}
			if i >= 0 {
				inside = slices.Delete(inside, i, i+1)
			}
			inside = append(inside, one)
		}
		networks, addresses := map[netip.Prefix]int{}, map[netip.Addr]int{}
		for _, one := range inside {
			networks[address.Network(one.address)]++
			addresses[one.address]++
		}
		if l.all.Len() != len(inside) || !maps.Equal(l.networks, networks) || !maps.Equal(l.addresses, addresses) {
			t.Fatalf("%d are there, counted as %v and %v", len(inside), l.networks, l.addresses)
		}
	})
}

// everybody is as many addresses, each of a network of its own.
func everybody(n int) (came []arrivals) {
	for i := range n {
		came = append(came, arrivals{fmt.Sprintf("2001:db8:0:%x::1", i), 1})
	}
	return came
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

	mu    sync.Mutex
	awake chan struct{} // closed by a deadline that has passed
}

func newDoorway() *doorway {
	return &doorway{coming: make(chan net.Conn), done: make(chan struct{}), awake: make(chan struct{})}
}

func (d *doorway) Accept() (net.Conn, error) {
	d.mu.Lock()
	awake := d.awake
	d.mu.Unlock()
	select {
	case <-awake:
		return nil, os.ErrDeadlineExceeded
	case conn := <-d.coming:
		return conn, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

// SetDeadline takes the past, and none.
func (d *doorway) SetDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at.IsZero() {
		d.awake = make(chan struct{})
	} else {
		close(d.awake)
	}
	return nil
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
				port := newDoorway()
				b := NewMux(settled(t, "b", port, &log))
				config := settled(t, "a", newDoorway(), io.Discard)
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
				if left := b.lobby.all.Len(); left != 0 {
					t.Errorf("%d are left in the lobby", left)
				}
			})
		})
	}
}

// As many as there are who say nothing, those that found a cluster hear each other.
func TestSilentStrangersKeepNoFounderOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		port := newDoorway()
		found := func(node string, port net.Listener, log io.Writer) *convention {
			self := cluster.Member{Node: cluster.NodeID(node), Store: "store-of-" + node, Boot: "boot-of-" + node, PeerAddr: node + ":1", GossipAddr: node + ":2", Level: 1}
			c, err := newConvention(ConveneConfig{
				Listener: port, Expect: 2, Groups: 1, Self: self, Wallet: founderOf(t, node, self.Store), Logger: slog.New(slog.NewTextHandler(log, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		a, b := found("a", port, &log), found("b", newDoorway(), io.Discard)
		stop := a.listen(func(err error) { t.Error(err) })
		began := time.Now()
		var silent []net.Conn
		for range 2 * maxStrangers {
			silent = append(silent, port.knock("192.0.2.1"))
		}
		conn := port.knock("192.0.2.9")
		out := new(peerv1.FoundResponse)
		err := b.newborn.say(t.Context(), conn, &peerv1.Hello{Class: peerv1.Hello_CLASS_FOUND}, &peerv1.FoundRequest{Candidate: b.assembly.introduction()}, out, roundTime)
		if err != nil || out.GetCandidate().GetSelf().GetNode() != "a" || time.Since(began) > 0 {
			t.Errorf("after %v node b heard %v: %v", time.Since(began), out, err)
		}
		_ = conn.Close()
		if _, err := silent[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > 0 {
			t.Errorf("the oldest stranger was kept for %v: %v", time.Since(began), err)
		}
		stop()
		if n := strings.Count(log.String(), "do not say who they are"); n != 1 {
			t.Errorf("%d lines: %s", n, log.String())
		}
	})
}
