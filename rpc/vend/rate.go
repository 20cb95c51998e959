package vend

import (
	"net/netip"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/address"
)

const (
	// maxAddresses is how many callers are told apart at a time, some 100 bytes each.
	maxAddresses = 8192
	// sweepEvery is how often those are looked for who owe nothing, when there is no
	// room: who sends from ever new addresses shall not have all looked at each time.
	sweepEvery = time.Second
)

// limiter holds each address to a rate. An address may use up what it has for a
// minute at once, and then has to wait for more.
type limiter struct {
	// every is the time that one request costs.
	every time.Duration
	size  int

	mu sync.Mutex
	// due is, for each address, when all that it asked for will have been paid: a
	// minute ahead of now it has nothing left, behind now it owes nothing.
	due   map[netip.Prefix]time.Time
	swept time.Time // when the map was swept last
}

func newLimiter(perMinute int) *limiter {
	return &limiter{every: time.Minute / time.Duration(perMinute), size: maxAddresses, due: make(map[netip.Prefix]time.Time)}
}

// allow counts a request, or returns how long its sender has to wait.
func (l *limiter) allow(from netip.Addr, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := l.place(address.Network(from), now)
	due := l.due[who]
	if due.Before(now) {
		due = now
	}
	due = due.Add(l.every)
	if ahead := due.Sub(now) - time.Minute; ahead > 0 {
		return ahead
	}
	l.due[who] = due
	return 0
}

// place makes room for an address. When there are too many who owe something, the
// new ones share one place.
func (l *limiter) place(who netip.Prefix, now time.Time) netip.Prefix {
	if _, known := l.due[who]; known || len(l.due) < l.size {
		return who
	}
	if now.Sub(l.swept) < sweepEvery {
		return netip.Prefix{}
	}
	l.swept = now
	for other, due := range l.due {
		if !due.After(now) {
			delete(l.due, other)
		}
	}
	if len(l.due) < l.size {
		return who
	}
	return netip.Prefix{}
}
