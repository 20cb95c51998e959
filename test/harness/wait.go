package harness

import (
	"context"
	"testing"
	"time"
)

// Patience is how long a story waits for something that normally takes a
// moment, on a machine that is busy with other things.
const Patience = 30 * time.Second

// Bounded is the context of a test for calls and streams that are to end long
// before: a broker that hangs fails its story instead of the whole run.
func Bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*Patience)
	t.Cleanup(cancel)
	return ctx
}

// poll is the pause between two looks at a condition.
const poll = 20 * time.Millisecond

// Eventually returns as soon as the condition holds and fails the test when it
// does not within the deadline. The condition says what it saw, for the
// failure message.
func Eventually(t testing.TB, within time.Duration, what string, condition func() (ok bool, saw string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		ok, saw := condition()
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s; at last: %s", within, what, saw)
		case <-tick.C:
		}
	}
}

// metricsTime bounds one reading of a node's metrics; a node that cannot answer
// within it is as good as frozen.
const metricsTime = 2 * time.Second
