package route

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestHoldWaitsForChangesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHold()
		for range 2 {
			if err := h.enter(); err != nil {
				t.Fatal(err)
			}
		}
		closed := make(chan error, 1)
		go func() { closed <- h.close(t.Context()) }()
		synctest.Wait()
		if err := h.enter(); !errors.Is(err, ErrHeld) || !errors.Is(err, ErrNotExecuted) {
			t.Errorf("a change while it closes: %v", err)
		}
		h.leave()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("it closed before the changes under way were over")
		default:
		}
		h.leave()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := h.enter(); !errors.Is(err, ErrHeld) {
			t.Errorf("a change while it is closed: %v", err)
		}
		h.open()
		if err := h.enter(); err != nil {
			t.Errorf("a change after it opened: %v", err)
		}

		// One change is under way for ever; who wants to close gives up.
		ctx, cancel := context.WithCancel(t.Context())
		go func() { closed <- h.close(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-closed; !errors.Is(err, context.Canceled) {
			t.Errorf("closed with %v", err)
		}
		if err := h.enter(); err != nil {
			t.Errorf("a change after nobody closed it: %v", err)
		}
	})
}

// Nobody changes anything once it is closed, however close to it they came.
func TestHoldMissesNobody(t *testing.T) {
	h := newHold()
	for range 200 {
		var changing atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for h.enter() == nil {
					changing.Add(1)
					changing.Add(-1)
					h.leave()
				}
			})
		}
		if err := h.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := changing.Load(); n != 0 {
			t.Fatalf("%d changes are under way in what is closed", n)
		}
		all.Wait()
		h.open()
	}
}
