package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// asked counts questions that begin at different times.
type asked struct {
	Credentials
	at    sync.Map // times.Time
	total atomic.Int64
}

func (a *asked) CatchUp(context.Context) error {
	a.total.Add(1)
	a.at.Store(time.Now(), true)
	return nil
}

// A flood of credentials with unknown keys asks the rest of the cluster twenty times a
// second, however large it is, and a caller waits for that no longer than a moment.
func TestInquiriesArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(asked)
		q := &inquiry{credentials: source}
		var callers sync.WaitGroup
		for range 10_000 { // in a second
			time.Sleep(100 * time.Microsecond)
			callers.Go(func() {
				start := time.Now()
				if err := q.catchUp(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > inquiryPause {
					t.Errorf("a caller waited for %v", took)
				}
			})
		}
		callers.Wait()
		times := 0
		source.at.Range(func(any, any) bool { times++; return true })
		if times > 25 {
			t.Errorf("it was asked at %d times within a second, want 20 or so", times)
		}
		if source.total.Load() != 10_000 || q.waiting != 0 {
			t.Errorf("%d asked, %d wait", source.total.Load(), q.waiting)
		}
	})
}

// The first question is asked at once, and those that wait are few.
func TestInquiriesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &inquiry{credentials: new(asked)}
		start := time.Now()
		if err := q.catchUp(t.Context()); err != nil || time.Since(start) > 0 {
			t.Errorf("the first caller waited for %v, %v", time.Since(start), err)
		}
		var callers sync.WaitGroup
		var refused atomic.Int64
		for range maxInquiries + 100 {
			callers.Go(func() {
				if errors.Is(q.catchUp(t.Context()), errNotAsked) {
					refused.Add(1)
				}
			})
		}
		callers.Wait()
		if n := refused.Load(); n != 100 {
			t.Errorf("%d were refused, want 100", n)
		}
	})
}
