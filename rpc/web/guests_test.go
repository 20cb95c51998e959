package web

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// at is the address of a client.
func at(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

// enterAll enters connections from an address until one is refused.
func enterAll(g *guests, from net.Addr) (n int) {
	for g.enter(from) != nil {
		n++
	}
	return n
}

func TestOneAddressLeavesRoom(t *testing.T) {
	g := newGuests(Limits{Connections: 10_000}, 10)
	if n := enterAll(&g, at("192.0.2.1:1")); n < 6500 || n > 7500 {
		t.Errorf("one address got %d of 10000 connections, want about 7000", n)
	}
	if g.refused != (Refusals{Address: 1}) {
		t.Errorf("refusals are %+v, want one of the address", g.refused)
	}
	for _, other := range []string{"192.0.2.2:1", "[2001:db8::1]:1"} {
		if g.enter(at(other)) == nil {
			t.Errorf("nothing is left for %s", other)
		}
	}
	if g.enter(at("192.0.2.1:2")) != nil {
		t.Error("the greedy address got one more")
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	g := newGuests(Limits{Connections: 100, PerAddress: 3, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, 10)
	for _, test := range []struct {
		from string
		want int
	}{
		{"192.0.2.1:1", 3}, {"192.0.2.2:1", 3}, {"10.1.2.3:1", 94}, // all that is left
	} {
		if n := enterAll(&g, at(test.from)); n != test.want {
			t.Errorf("%s got %d connections, want %d", test.from, n, test.want)
		}
	}
	if g.enter(at("192.0.2.9:1")) != nil || g.refused.Full == 0 {
		t.Errorf("a full port let somebody in, or did not say that it is full: %+v", g.refused)
	}
}

// Addresses of IPv6 that one customer has are one.
func TestNetworksOfIPv6(t *testing.T) {
	g := newGuests(Limits{Connections: 1000, PerAddress: 2}, 10)
	for _, from := range []string{"[2001:db8::1]:1", "[2001:db8::2]:1"} {
		if g.enter(at(from)) == nil {
			t.Errorf("%s was kept out", from)
		}
	}
	if g.enter(at("[2001:db8::3]:1")) != nil {
		t.Error("a third address of the same network got in")
	}
	if g.enter(at("[2001:db8:0:1::1]:1")) == nil {
		t.Error("another network was kept out")
	}
}

// Whoever leaves makes room, and nothing is kept of those who are gone.
func TestGuestsAreForgotten(t *testing.T) {
	g := newGuests(Limits{Connections: 100, PerAddress: 1}, 10)
	for range 5 {
		one := g.enter(at("192.0.2.1:1"))
		if one == nil || g.enter(at("192.0.2.1:2")) != nil {
			t.Fatal("not exactly one got in")
		}
		g.leave(one)
	}
	if len(g.known) != 0 || g.places.Used() != 0 {
		t.Errorf("%d networks are known and %d places taken, want none", len(g.known), g.places.Used())
	}
}

// The places of a port come free however its connections end.
func TestPlacesComeFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newPipes()
		p := NewPort(l, slog.New(slog.NewTextHandler(&log, nil)))
		p.Limit(Limits{Connections: 2, PerAddress: 1})
		served := make(chan error)
		go func() { served <- p.Serve() }()
		for _, said := range []string{"GET", "", preface} { // accepted; silent until its time is over; for a side where nobody accepts
			client := l.dial()
			go func() { _, _ = io.WriteString(client, said) }()
			synctest.Wait()
			gone(t, l.dial())
			if said == "GET" {
				c, _ := accepted(t, p.HTTP(), 3)
				c.Close()
				c.Close()
			} else {
				time.Sleep(giveTime + time.Second)
			}
			synctest.Wait()
			client.Close()
			if used := p.guests.places.Used(); used != 0 {
				t.Errorf("after %q %d places are taken", said, used)
			}
		}
		if s := p.Stats(); s.Refused.Address != 3 || s.Waiting != 0 {
			t.Errorf("%+v, want three refused and nobody waiting", s)
		}
		if n := strings.Count(log.String(), "are refused"); n != 1 {
			t.Errorf("it was said %d times within a minute that connections are refused, want once\n%s", n, log.String())
		}
		p.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// Other limits hold for who comes from then on.
func TestLimitsWhileRunning(t *testing.T) {
	g := newGuests(Limits{Connections: 100}, 10)
	from := at("192.0.2.1:1")
	before := enterAll(&g, from)
	g.limit(Limits{Connections: 100, PerAddress: before + 2})
	if n := enterAll(&g, from); n != 0 {
		t.Errorf("%d more of one address; the port has no room for them", n)
	}
	g.limit(Limits{Connections: 1000, PerAddress: before + 2})
	if n := enterAll(&g, from); n != 2 {
		t.Errorf("%d more of one address, want 2", n)
	}
	g.limit(Limits{Connections: 10})
	if g.enter(at("192.0.2.2:1")) != nil {
		t.Error("a port that has more than it may lets somebody in")
	}
	one := g.known[netip.MustParsePrefix("192.0.2.1/32")]
	for range before + 2 {
		g.leave(one)
	}
	if g.enter(at("192.0.2.2:1")) == nil {
		t.Error("an empty port lets nobody in")
	}
}
