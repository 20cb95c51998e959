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
