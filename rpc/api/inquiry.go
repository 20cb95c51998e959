package api

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Bounds on what credentials of unknown keys may cost. Anybody can make one up.
const (
	// inquiryPause is the time between two questions to the rest of the cluster
	// about keys: all who ask meanwhile share the next one. A key is good on every
	// node within that time and a round trip.
	inquiryPause = 50 * time.Millisecond
	// maxInquiries is how many callers wait for an answer at a time. More are told at
	// once what this node knows.
	maxInquiries = 1024
)

// inquiry asks the rest of the cluster whether there are keys that this node has not
// heard of, for many callers at a time.
type inquiry struct {
	credentials Credentials

	mu      sync.Mutex
	next    time.Time // when the next question may be asked
	waiting int
}

// errNotAsked: too many ask.
var errNotAsked = errors.New("too many ask for unknown keys")

// catchUp is Credentials.CatchUp, seldom and for many.
func (q *inquiry) catchUp(ctx context.Context) error {
	pause, ok := q.enter(time.Now())
	if !ok {
		return errNotAsked
	}
	defer q.leave()
	if err := wait(ctx, pause); err != nil {
		return err
	}
	return q.credentials.CatchUp(ctx)
}

// enter says when the caller may ask. Those that come before it have waited the
// same time and ask at once, which Credentials makes one question of.
func (q *inquiry) enter(now time.Time) (pause time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting >= maxInquiries {
		return 0, false
	}
	q.waiting++
	if now.Before(q.next) {
		return q.next.Sub(now), true
	}
	q.next = now.Add(inquiryPause)
	return 0, true
}

func (q *inquiry) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting--
}
