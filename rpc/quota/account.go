package quota

import (
	"sync"
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
	share *share

	mu      sync.Mutex
	buckets [kinds]bucket
	places  places
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
	// part is this node's part of the limit; 0 as long as no round has found one.
	part float64
}

// places are the subscriptions of an account.
type places struct {
	held   int
	missed int // refused since the last round
	// room is how many this node may have of limit, as the last round found; limit
	// is 0 before.
	room, limit int
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
	for k := range kinds {
		if limits[k] == 0 || amounts[k] == 0 {
			continue
		}
		b := &a.buckets[k]
		b.wanted += amounts[k]
		b.fill(now, limits[k]*a.part(b))
		if ok && b.left < min(1, amounts[k]) {
			lacking, ok = k, false
		}
	}
	if ok {
		a.charge(limits, amounts, -1)
	}
	return lacking, ok
}

// part is this node's part of a limit.
func (a *Account) part(b *bucket) float64 {
	if b.part > 0 {
		return b.part
	}
	return a.share.equal()
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
	b.fill(now, limit*a.part(b))
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
	p := &a.places
	room := p.room
	if p.limit != limit { // it was changed since, or is new
		room = a.share.equalOf(limit)
	}
	if p.held >= room {
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
