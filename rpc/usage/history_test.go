package usage

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// epoch is a moment in the middle of a step.
var epoch = Start(200_000_000).Add(3 * time.Second)

func TestKeepOverAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h History
		var mu sync.Mutex
		var counted Counters
		count := func(c Counters) {
			mu.Lock()
			defer mu.Unlock()
			counted = c
		}
		ctx, cancel := context.WithCancel(t.Context())
		go h.Keep(ctx, func() Counters {
			mu.Lock()
			defer mu.Unlock()
			return counted
		})
		synctest.Wait()
		count(Counters{Operations: 7, Subscriptions: 3})
		time.Sleep(Step) // fake time
		synctest.Wait()
		want := []Sample{{Step: StepOf(time.Now()) - 1, Counters: Counters{Operations: 7, Subscriptions: 3}}}
		if got := h.Samples(time.Now()); !cmp.Equal(got, want) {
			t.Fatalf("after one step: %s", cmp.Diff(want, got))
		}
		count(Counters{Operations: 7, Subscriptions: 2})
		for range 2 * Samples {
			time.Sleep(Step)
		}
		synctest.Wait()
		got := h.Samples(time.Now())
		if len(got) != Samples || got[0].Step != First(time.Now()) || got[Samples-1].Step != StepOf(time.Now())-1 {
			t.Fatalf("after two hours: %d samples from %d to %d", len(got), got[0].Step, got[len(got)-1].Step)
		}
		for i, s := range got {
			if s.Step != got[0].Step+uint64(i) || s.Counters != (Counters{Subscriptions: 2}) {
				t.Fatalf("sample %d: %+v", i, s)
			}
		}
		cancel()
		synctest.Wait()
	})
}

func TestRecord(t *testing.T) {
	at := func(steps int) time.Time { return epoch.Add(time.Duration(steps) * Step) }
	ops := func(n uint64) Counters { return Counters{Operations: n, Subscriptions: n} }
	first := StepOf(epoch)
	sample := func(step int, operations, subscriptions uint64) Sample {
		return Sample{first + uint64(step), Counters{Operations: operations, Subscriptions: subscriptions}}
	}
	type record struct {
		step    int
		counted uint64
	}
	tests := []struct {
		name    string
		records []record
		asked   int
		want    []Sample
	}{
		{"nothing", nil, 0, []Sample{}},
		{"one after the other", []record{{1, 5}, {2, 9}}, 2, []Sample{sample(0, 5, 5), sample(1, 4, 9)}},
		{"late: what was missed is unknown", []record{{1, 5}, {4, 9}}, 4, []Sample{sample(0, 5, 5), sample(3, 4, 9)}},
		{"twice in a step", []record{{1, 5}, {1, 6}}, 1, []Sample{sample(0, 6, 6)}},
		{"the clock is set back", []record{{3, 5}, {2, 9}}, 3, []Sample{sample(1, 4, 9), sample(2, 5, 5)}},
		{"a counter that began anew", []record{{1, 5}, {2, 3}}, 2, []Sample{sample(0, 5, 5), sample(1, 3, 3)}},
		{"the step under way is left out", []record{{1, 5}, {2, 9}}, 1, []Sample{sample(0, 5, 5)}},
		{"an hour later it is forgotten", []record{{1, 5}, {2, 9}}, Samples + 1, []Sample{sample(1, 4, 9)}},
		{"after a long silence", []record{{1, 5}, {Samples + 1, 9}}, Samples + 1, []Sample{sample(Samples, 4, 9)}},
	}
	for _, tt := range tests {
		var h History
		for _, r := range tt.records {
			h.Record(at(r.step), ops(r.counted))
		}
		if got := h.Samples(at(tt.asked)); !cmp.Equal(got, tt.want) {
			t.Errorf("%s: %s", tt.name, cmp.Diff(tt.want, got))
		}
	}
	var h History
	h.Record(time.Unix(0, 0), ops(1))
	if got := h.Samples(time.Unix(0, 0)); len(got) != 0 {
		t.Errorf("without a clock: %v", got)
	}
}

func TestSum(t *testing.T) {
	first := First(epoch)
	c := func(n uint64) Counters { return Counters{n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8} }
	w := Sum(epoch,
		[]Sample{{first, c(100)}, {first + 2, c(200)}},
		[]Sample{{first - 1, c(1)}, {first, c(1000)}, {first + Samples, c(1)}, {^uint64(0), c(1)}},
		nil,
	)
	want := &Window{First: first}
	want.Columns[0] = &Counters{1100, 1102, 1104, 1106, 1108, 1110, 1112, 1114, 1116}
	two := c(200)
	want.Columns[2] = &two
	if !cmp.Equal(w, want) {
		t.Error(cmp.Diff(want, w))
	}
}

// However it is recorded, nothing is counted twice or lost, as long as all of it is
// within the hour.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h History
		var counted Counters
		now := epoch
		for range rapid.IntRange(1, 50).Draw(t, "records") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			counted.Published += uint64(rapid.IntRange(0, 9).Draw(t, "published"))
			h.Record(now, counted)
		}
		var sum uint64
		last := uint64(0)
		for _, s := range h.Samples(now) {
			if s.Step <= last {
				t.Fatalf("step %d after %d", s.Step, last)
			}
			last = s.Step
			sum += s.Published
		}
		if sum != counted.Published {
			t.Fatalf("%d of %d", sum, counted.Published)
		}
	})
}
