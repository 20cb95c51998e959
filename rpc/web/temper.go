package web

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
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
	// maxDebtors is how many networks are told apart at a time, some 100 bytes each.
	maxDebtors = 8192
	// debtorsPause is how often room is looked for among them.
	debtorsPause = time.Second
)

// debts are what networks have asked for in vain.
type debts struct {
	mu sync.Mutex
	// due is when all that a network has asked for will have been paid.
	due   map[netip.Prefix]time.Time
	swept time.Time
}

// charge counts, and returns how long whoever is charged has to rest.
func (d *debts) charge(who netip.Prefix, cost time.Duration, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	who = d.place(who, now)
	due := d.due[who]
	if due.Before(now) {
		due = now
	}
	// What nobody pays is forgotten: a debt ends with the longest rest behind the
	// credit.
	if latest := now.Add(faultCredit + faultPause); due.Before(latest) {
		due = due.Add(cost)
	}
	d.due[who] = due
	return min(max(due.Sub(now)-faultCredit, 0), faultPause)
}

// place makes room for a network. Where there is none, those that are new share one.
func (d *debts) place(who netip.Prefix, now time.Time) netip.Prefix {
	if _, known := d.due[who]; known || len(d.due) < maxDebtors {
		return who
	}
	if now.Sub(d.swept) >= debtorsPause {
		d.swept = now
		for other, due := range d.due {
			if !due.After(now) {
				delete(d.due, other)
			}
		}
		if len(d.due) < maxDebtors {
			return who
		}
	}
	return netip.Prefix{}
}

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
