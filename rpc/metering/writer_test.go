package metering

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/rpc/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What is counted is in the store within a step, in its own hour, and the end of the
// writing loses nothing.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at midnight of the year 2000
		s, m := newShelf(), newMeter(DefaultBounds())
		var pending atomic.Int32
		time.Sleep(11*time.Hour + 59*time.Minute + 50*time.Second)
		w := NewWriter(WriterConfig{Meter: m, Store: s, Gather: func() {
			for range pending.Swap(0) {
				m.Count(read("c", "stream", "u"), oneRead)
			}
		}}, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Keep(ctx); close(ended) }()
		day := func() []string {
			in, _ := RangeOf(time.Now().Add(-20*time.Hour), time.Now().Add(time.Hour))
			report, err := NewReader(s).Report(t.Context(), in, ByHour)
			if err != nil {
				t.Fatal(err)
			}
			return show(report.Rows)
		}
		time.Sleep(5 * time.Second) // 11:59:55
		m.Count(read("c", "a", "u"), oneRead)
		pending.Store(2)
		time.Sleep(5*time.Second + time.Millisecond) // noon
		synctest.Wait()
		wantLines(t, "at noon", day(), "11h   3")
		m.Count(read("c", "a", "u"), oneRead)
		time.Sleep(DefaultEvery)
		synctest.Wait()
		wantLines(t, "after noon", day(), "11h   3", "12h   1")
		writes := s.applied
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.applied != writes {
			t.Errorf("%d times written what is nothing", s.applied-writes)
		}
		m.Count(read("c", "a", "u"), oneRead)
		cancel()
		<-ended
		if left := w.Flush(t.Context()); left != 0 {
			t.Errorf("%d rows are left", left)
		}
		wantLines(t, "at the end", day(), "11h   3", "12h   1", "13h   1")
	})
}

// What was not written is written later, in the hour it belongs to; what nobody knows
// of is never written twice; and what the store refuses is not tried for ever.
func TestWritesThatFail(t *testing.T) {
	s, m := newShelf(), newMeter(DefaultBounds())
	w := NewWriter(WriterConfig{Meter: m, Store: s}, noon)
	counted := func(want time.Time) {
		t.Helper()
		if got := w.Counted(); !got.Equal(want) {
			t.Errorf("counted up to %v, want %v", got, want)
		}
	}
	counted(noon)
	_ = flush(w, noon.Add(time.Minute)) // of nothing
	counted(noon.Add(time.Minute))
	s.fail(route.ErrNotExecuted)
	m.Count(read("c", "a", "u"), oneRead)
	if left := flush(w, noon.Add(time.Hour)); left != 3 {
		t.Errorf("%d rows are left, want 3", left)
	}
	counted(noon.Add(time.Minute))
	m.Count(read("c", "a", "u"), oneRead)
	m.Count(read("c", "b", "u"), oneRead)
	_ = flush(w, noon.Add(time.Hour))
	counted(noon.Add(time.Minute))
	s.fail(nil)
	if left := flush(w, noon); left != 0 {
		t.Errorf("%d rows are left", left)
	}
	counted(noon)
	wantLines(t, "hours", show(reportOf(t, s, ByHour).Rows), "12h   1", "13h   2")

	s.swallow = true
	m.Count(read("c", "a", "u"), oneRead)
	_, s.swallow = flush(w, noon), false
	if left := flush(w, noon); left != 0 {
		t.Errorf("%d rows are left", left)
	}
	if got := reportOf(t, s, ByCache).Total.Reads; got != 4 {
		t.Errorf("there are %d, want 4", got)
	}
	s.fail(fmt.Errorf("%w: for good", errors.ErrUnsupported))
	m.Count(read("c", "a", "u"), oneRead)
	if left := flush(w, noon); left != 3 {
		t.Errorf("%d rows are left", left)
	}
}

// Whatever is counted, written at whatever moments and refused now and then, the
// store has all of it in the end, and no more names than a table may have.
func TestStoredIsWhatWasCounted(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bounds := Bounds{Prefixes: rapid.IntRange(1, 3).Draw(rt, "prefixes"), Holders: rapid.IntRange(1, 3).Draw(rt, "holders")}
		s := newShelf()
		var nodes []*Writer
		for range 2 { // each knows its own bounds only
			nodes = append(nodes, NewWriter(WriterConfig{Meter: newMeter(bounds), Store: s}, noon))
		}
		name := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e"})
		var want Counts
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			w := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				s.fail(route.ErrNotExecuted)
				_ = flush(w, noon)
				s.fail(nil)
			case 1:
				_ = flush(w, noon.Add(time.Duration(rapid.IntRange(0, 2).Draw(rt, "hour"))*time.Hour))
			default:
				used := Counts{Writes: 1, BytesIn: rapid.Uint64Range(0, 99).Draw(rt, "bytes")}
				w.config.Meter.Count(read(name.Draw(rt, "cache"), name.Draw(rt, "prefix"), name.Draw(rt, "token")), &used)
				want.Add(&used)
			}
		}
		for _, w := range nodes {
			if left := flush(w, noon); left != 0 {
				rt.Fatalf("%d rows are left", left)
			}
		}
		for by, most := range map[By]int{ByCache: 6, ByHour: 3, ByPrefix: 6 * (bounds.Prefixes + 1) * 3, ByHolder: 7} {
			report := reportOf(t, s, by)
			if report.Total != want {
				rt.Fatalf("by %d: %+v, want %+v", by, report.Total, want)
			}
			if len(report.Rows) > most {
				rt.Fatalf("by %d: %d rows, the most are %d", by, len(report.Rows), most)
			}
		}
		in, _ := RangeOf(noon, noon.Add(3*time.Hour))
		err := NewReader(s).Hourly(t.Context(), in, ByPrefix, func(rows []Row) error {
			names := map[string]int{}
			for _, r := range rows {
				if !r.Other {
					names[r.Cache]++
				}
				if names[r.Cache] > bounds.Prefixes {
					rt.Fatalf("%q has more than %d prefixes in an hour", r.Cache, bounds.Prefixes)
				}
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}
