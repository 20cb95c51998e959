package web

import (
	"context"
	"net/http"
	"time"
)

// What a network may ask for that leads to nothing: answers to who did not prove who it
// is, pages, calls that do not exist. It is served all the same, and then its
// connections rest for a moment; so those who guess, or only want work to be done, get
// no more of it than they may, and calls that are good never wait.
const (
	// faultCost makes a thousand a second, and connectionCost five thousand new
	// connections.
	faultCost      = time.Millisecond
	connectionCost = faultCost / 5
	// faultCredit is what a network may ask for at once.
	faultCredit = 2 * time.Second
	// faultPause is how long a connection rests at most: pings have to be answered.
	faultPause = time.Second
)

// Fault counts so many requests that led to nothing, and returns how long the
// connection is to rest before anything else of it is read. It may be called by many
// goroutines.
func (c *conn) Fault(n int) (rest time.Duration) {
	if c.guest == nil || c.guest.isProxy {
		return 0
	}
	return c.port.debts.charge(c.guest.network, time.Duration(n)*faultCost, time.Now())
}

// faulty is a connection, or an exchange on one, that can be told of requests that led
// to nothing.
type faulty interface{ Fault(n int) time.Duration }

type (
	connKey  struct{}
	knownKey struct{}
)

// tempered has a connection rest whose requests lead to nothing. A request that ends up
// as a call with a good credential is none of them.
func tempered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := false
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), knownKey{}, &known)))
		if known {
			return
		}
		whom, ok := r.Context().Value(connKey{}).(faulty)
		if !ok {
			whom, ok = w.(faulty)
		}
		if !ok {
			return
		}
		if pause := whom.Fault(1); pause > 0 {
			_ = http.NewResponseController(w).Flush() // the answer need not wait
			rest(r.Context(), pause)
		}
	})
}

// proven notes that the request of ctx proved who makes it.
func proven(ctx context.Context) {
	if is, ok := ctx.Value(knownKey{}).(*bool); ok {
		*is = true
	}
}

// rest waits that long, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
