package quota

import (
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what is counted by the second.
type Kind uint8

// The kinds of rates.
const (
	// Operations are calls on items, and elements of batches.
	Operations Kind = iota
	// Publishes are messages published to topics.
	Publishes
	// Bytes are those of requests and of their answers.
	Bytes

	kinds
)

// Rates are amounts per second, or amounts, by kind. As a limit 0 means none.
type Rates [kinds]float64

// None reports whether all are zero.
func (r *Rates) None() bool { return *r == Rates{} }

// Account is what one subject uses on this node. It is safe for concurrent use.
type Account struct {
	subject Subject
	latest  *atomic.Pointer[round]

	mu      sync.Mutex
	buckets [kinds]bucket
	places  places
	round   *round    // by which parts and places were found
	used    time.Time // when something was spent last
	gone    bool      // the book has forgotten it
}

// bucket is one rate of an account.
type bucket struct {
	// left is what may be spent at once, below zero after something large; at is
	// when that was so, the zero time for a bucket that was never touched.
	left float64
	at   time.Time
	// wanted is what was asked for since the last round, refused or not; demand
	// is that per second, smoothed.
	wanted, demand float64
	// limit is the cluster's, as it was when something was spent last, and part how
	// much of it is this node's.
	limit, part float64
}

// places are the subscriptions of an account.
type places struct {
	held int
	// missed is how many were refused since the last round, missing the same as others
	// are told it.
	missed, missing int
	// limit is the cluster's, as it was when somebody asked last, and room how many of
	// it are this node's.
	limit, room int
}

// burst is how much a bucket holds, in seconds of its rate.
const burst = 1.0

// fill brings the bucket up to date, for a rate per second.
func (b *bucket) fill(now time.Time, rate float64) {
	most := max(rate*burst, 1)
	if b.at.IsZero() {
		b.left, b.at = most, now
		return
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.left, b.at = b.left+passed.Seconds()*rate, now
	}
	b.left = min(b.left, most)
}

// Spend takes the amounts from every rate that is limited, or from none. The limits
// are those of the whole cluster. When a rate does not suffice it is returned, and
// ok is false.
func (a *Account) Spend(now time.Time, limits, amounts *Rates) (lacking Kind, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used, ok = now, true
	a.look()
	for k := range kinds {
		if limits[k] == 0 || amounts[k] == 0 {
			continue
		}
		b := &a.buckets[k]
		b.wanted += amounts[k]
		b.fill(now, a.part(k, limits[k]))
		if ok && b.left < min(1, amounts[k]) {
			lacking, ok = k, false
		}
	}
	if ok {
		a.charge(limits, amounts, -1)
	}
	return lacking, ok
}

// look takes over what a new round has found. The caller holds the lock.
func (a *Account) look() {
	latest := a.latest.Load()
	if latest == a.round {
		return
	}
	a.round = latest
	for k := range a.buckets {
		a.buckets[k].limit = 0
	}
	a.places.limit = 0
}

// part is this node's part of a limit. The caller holds the lock, and has looked.
func (a *Account) part(k Kind, limit float64) float64 {
	b := &a.buckets[k]
	if b.limit != limit {
		b.limit, b.part = limit, a.round.part(a.subject, k, limit)
	}
	return b.part
}

// charge adds the amounts, times the sign, to the buckets that are limited. The
// caller holds the lock.
func (a *Account) charge(limits, amounts *Rates, sign float64) {
	for k := range kinds {
		if limits[k] != 0 {
			a.buckets[k].left += sign * amounts[k]
		}
	}
}

// Return gives back what was spent in vain. Nobody has used it, yet it stays part of
// the demand.
func (a *Account) Return(limits, amounts *Rates) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.charge(limits, amounts, 1)
}

// Owe takes bytes that cannot be refused any more, such as those of an answer. They
// are paid off before anything else may be spent.
func (a *Account) Owe(now time.Time, limit float64, bytes int) {
	if limit == 0 || bytes == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &a.buckets[Bytes]
	b.wanted += float64(bytes)
	a.look()
	b.fill(now, a.part(Bytes, limit))
	b.left -= float64(bytes)
}

// enter takes a place among the subscriptions, of which the cluster may have as many
// as the limit. known is false when the book has forgotten the account.
func (a *Account) enter(now time.Time, limit int) (ok, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return false, false
	}
	a.used = now
	a.look()
	p := &a.places
	if p.limit != limit {
		p.limit, p.room = limit, a.round.places(a.subject, limit)
	}
	if p.held >= p.room {
		p.missed++
		return false, true
	}
	p.held++
	return true, true
}

// Leave gives a place back.
func (a *Account) Leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.places.held--
}

// idle is how long an account is kept that nobody uses, and indebted how long one
// that has not paid off what it owes.
const (
	idle     = time.Minute
	indebted = time.Hour
)

// retire reports whether the account may be forgotten, and then it is.
func (a *Account) retire(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	unused := now.Sub(a.used)
	if a.places.held > 0 || unused < idle {
		return false
	}
	for k := range a.buckets {
		if a.buckets[k].left < 0 && unused < indebted {
			return false
		}
	}
	a.gone = true
	return true
}
