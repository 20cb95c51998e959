package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func newDebts() *debts { return &debts{due: make(map[netip.Prefix]time.Time)} }

// A network may ask in vain for so much at once and then for a thousand a second; one
// that asks for more rests, for no longer than pings can wait, and is forgiven in time.
func TestDebts(t *testing.T) {
	d, now := newDebts(), time.Unix(1, 0)
	who, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	for i := range int(faultCredit / faultCost) {
		if rest := d.charge(who, faultCost, now); rest > 0 {
			t.Fatalf("number %d has to rest for %v", i, rest)
		}
	}
	if rest := d.charge(who, 100*faultCost, now); rest != 100*faultCost {
		t.Errorf("a hundred too many rest for %v", rest)
	}
	for range 100_000 {
		if rest := d.charge(who, faultCost, now); rest > faultPause {
			t.Fatalf("a rest of %v", rest)
		}
	}
	if rest := d.charge(other, faultCost, now); rest > 0 {
		t.Errorf("another network rests for %v", rest)
	}
	if rest := d.charge(who, faultCost, now.Add(faultPause+10*faultCost)); rest > 0 {
		t.Errorf("after the longest rest it rests for %v more", rest)
	}
}

// Who comes from ever new addresses fills no memory.
func TestDebtorsAreBounded(t *testing.T) {
	d, now := newDebts(), time.Unix(1, 0)
	for i := range 10 * maxDebtors {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		d.charge(netip.PrefixFrom(addr, 32), faultCost, now.Add(time.Duration(i)*time.Microsecond))
	}
	if n := len(d.due); n > maxDebtors+1 {
		t.Errorf("%d networks are remembered, want at most %d", n, maxDebtors)
	}
}

// restful is a connection that asks for a rest.
type restful struct {
	net.Conn
	faults int
}

func (r *restful) Fault(n int) time.Duration { r.faults += n; return 300 * time.Millisecond }

// Requests that prove nothing have their connection rest, and others have not.
func TestRequestsForNothing(t *testing.T) {
	for name, good := range map[string]bool{"a page": false, "a call": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := tempered(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if good {
						proven(r.Context())
					}
					_, _ = io.WriteString(w, "x")
				}))
				c := new(restful)
				w, start := httptest.NewRecorder(), time.Now()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(context.WithValue(t.Context(), connKey{}, c)))
				want, faults := 300*time.Millisecond, 1
				if good {
					want, faults = 0, 0
				}
				if took := time.Since(start); took != want || c.faults != faults {
					t.Errorf("it took %v with %d faults, want %v and %d", took, c.faults, want, faults)
				}
			})
		})
	}
}

// Those who ask in vain wait, and nobody else does; nor does a proxy that is trusted.
func TestOneNetworkRests(t *testing.T) {
	g := newGuests(Limits{Connections: 100, Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}}, 10)
	p := &Port{debts: *newDebts(), guests: g} //nolint:govet // the lock is new
	for addr, rests := range map[string]bool{"192.0.2.1:1": true, "10.0.0.1:1": false} {
		c := &conn{port: p, guest: p.guests.enter(at(addr))}
		if rest := c.Fault(10_000); (rest > 0) != rests {
			t.Errorf("%s rests for %v", addr, rest)
		}
	}
	if rest := (&conn{port: p, guest: p.guests.enter(at("192.0.2.2:1"))}).Fault(1); rest > 0 {
		t.Errorf("another address rests for %v", rest)
	}
}
