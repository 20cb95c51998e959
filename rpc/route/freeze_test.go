package route

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A leader is frozen when it has proven that it leads and has not numbered the
// item yet. Another is elected meanwhile and numbers items of its own. What the
// first then numbers comes before them, for everybody: there is one order.
func TestFrozenBetweenProofAndNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		l := newLedger("room")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		var witnesses []*witness
		for _, name := range w.names {
			one := &witness{ledger: l, world: w, home: name}
			witnesses = append(witnesses, one)
			running.Go(func() { one.listen(ctx) })
		}
		old, others := w.settled()
		time.Sleep(time.Second)
		publish := func(p *peer) (value string) {
			for l.publish(ctx, p) != nil { // who cannot see it asks the frozen one first
				time.Sleep(tick)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.sent[len(l.sent)-1].value
		}
		publish(w.peer(old)) // "0"

		w.freeze(old)
		defer w.thaw(old)
		var late error
		running.Go(func() { late = l.publish(ctx, w.peer(old)) }) // "1"
		synctest.Wait()
		for name, _ := w.settled(); name == old; name, _ = w.settled() {
			time.Sleep(tick)
		}
		between := []string{publish(w.peer(others[0])), publish(w.peer("d"))}
		w.thaw(old)
		synctest.Wait()
		if late != nil {
			t.Fatalf("the frozen publish: %v; the story needs it to be numbered", late)
		}
		time.Sleep(5 * time.Second)
		last := publish(w.peer(old))
		time.Sleep(time.Second)

		for _, witness := range witnesses {
			witness.lacksNothing()
			if got, want := witness.has("1"), witness.home == old; got != want {
				t.Errorf("at %s: heard of the frozen publish: %v", witness.home, got)
			}
			if !witness.has(last) {
				t.Errorf("at %s: the last item was not heard", witness.home)
			}
		}
		l.inOrder()
		order := []string{l.value[l.at["0"]], "1", between[0], between[1], last}
		if !slices.IsSortedFunc(order, func(a, b string) int { return l.at[a].Compare(l.at[b]) }) {
			t.Errorf("the order is not that of %v: %v", order, l.at)
		}
		for _, wrong := range l.wrongs {
			t.Error(wrong)
		}
	})
}
