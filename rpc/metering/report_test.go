package metering

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	s, m := newShelf(), newMeter(Bounds{Prefixes: 2, Holders: 10})
	w := NewWriter(WriterConfig{Meter: m, Store: s}, noon)
	for _, subject := range []Subject{read("b", "", "u"), read("a", "x-", "u"), read("a", "y-", "v"), read("a", "z-", "v"), read("", "", "w")} {
		m.Count(subject, oneRead)
		_ = flush(w, noon)
	}
	_ = flush(w, noon.Add(2*time.Hour))
	m.Count(read("a", "x-", "u"), oneRead)
	_ = flush(w, noon)

	wantLines(t, "by cache", show(reportOf(t, s, ByCache).Rows), "  1", "a  4", "b  1")
	wantLines(t, "by prefix", show(reportOf(t, s, ByPrefix).Rows), "  1", "a x- 2", "a y- 1", "a (other) 1", "b  1")
	wantLines(t, "by token", show(reportOf(t, s, ByHolder).Rows), " token:u 3", " token:v 2", " token:w 1")
	wantLines(t, "by hour", show(reportOf(t, s, ByHour).Rows), "12h   5", "14h   1")

	in, _ := RangeOf(noon, noon.Add(time.Hour))
	in.Only, in.Cache = true, "a"
	for by, want := range map[By][]string{
		ByCache: {"12h a  3"}, ByHour: {"12h a  3"}, ByPrefix: {"12h a (other) 1", "12h a x- 1", "12h a y- 1"}, ByHolder: {"12h a token:u 1", "12h a token:v 2"},
	} {
		var rows []Row
		if err := NewReader(s).Hourly(t.Context(), in, by, func(more []Row) error { rows = append(rows, more...); return nil }); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(rows, func(a, b Row) int { return slices.Compare([]string{a.Name}, []string{b.Name}) })
		wantLines(t, fmt.Sprint("the hour of noon, by ", by), show(rows), want...)
	}
	in.Cache = "" // what was refused before its cache was found
	if report, err := NewReader(s).Report(t.Context(), in, ByCache); err != nil || report.Total.Reads != 1 {
		t.Errorf("of no cache: %+v, %v", report, err)
	}
	stop := errors.New("enough")
	if err := NewReader(s).Hourly(t.Context(), in, ByCache, func([]Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("ended with %v", err)
	}
}

func TestRangeOf(t *testing.T) {
	for _, test := range []struct {
		since, until time.Time
		hours        Hour // 0: refused
	}{
		{noon, noon.Add(time.Hour), 1},
		{noon.Add(59 * time.Minute), noon.Add(61 * time.Minute), 2},
		{noon, noon.Add(time.Nanosecond), 1},
		{noon, noon, 0},
		{noon, noon.Add(-time.Hour), 0},
		{noon.Add(30 * time.Minute), noon.Add(30 * time.Minute), 0},
		{noon.Add(30 * time.Minute), noon.Add(20 * time.Minute), 0},
		{time.Unix(-1, 0), noon, 0},
		{noon, noon.Add(1000 * 24 * time.Hour), MaxHours},
		{noon, noon.Add(1000*24*time.Hour + 1), 0},
		{noon, time.Unix(1<<60, 0), 0},
		{time.Unix(1<<32*3600-7200, 0), time.Unix(1<<32*3600-1, 0), 0},
	} {
		r, err := RangeOf(test.since, test.until)
		if (err == nil) != (test.hours > 0) || r.End-r.First != test.hours || err != nil && !errors.Is(err, ErrRange) {
			t.Errorf("from %v to %v: %d hours, %v, want %d", test.since, test.until, r.End-r.First, err, test.hours)
		}
	}
}

func TestMonths(t *testing.T) {
	var r Report
	for _, at := range []time.Time{
		time.Date(2026, 10, 31, 23, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 30, 23, 0, 0, 0, time.UTC), time.Date(2027, 11, 1, 0, 0, 0, 0, time.UTC),
	} {
		r.month(HourOf(at)).Add(oneRead)
	}
	var got []string
	for _, m := range r.Months {
		got = append(got, fmt.Sprint(m.Start.Format("2006-01 "), m.Reads))
	}
	wantLines(t, "months", got, "2026-10 1", "2026-11 2", "2027-11 1")
}

func TestPrices(t *testing.T) {
	used := &Counts{Reads: 3_000_000, Publishes: 1_000_000, Deliveries: 2_000_000, Units: 10_000_000, BytesIn: 1e9, BytesOut: 6e9}
	example := ExamplePrices()
	for name, test := range map[string]struct {
		prices Prices
		want   float64
	}{
		"nothing":           {Prices{}, 0},
		"exact bytes":       {Prices{PerGB: 0.5}, 3.5},
		"within the free":   {Prices{PerGB: 0.5, FreeGB: 7}, 0},
		"beyond the free":   {Prices{PerGB: 0.5, FreeGB: 5}, 1},
		"the example":       {example, (10.24 - 5) * 0.5},
		"units":             {Prices{PerMillionUnits: 0.2, FreeMillionUnits: 4}, 1.2},
		"calls and items":   {Prices{PerMillionRequests: 1, PerMillionDeliveries: 10}, 24},
		"everything at one": {Prices{PerGB: 1, PerMillionUnits: 1, PerMillionRequests: 1, PerMillionDeliveries: 1}, 23},
	} {
		if got := test.prices.Cost(used); got < test.want-1e-9 || got > test.want+1e-9 {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if err := example.Validate(); err != nil || !example.Example {
		t.Error(err)
	}
	for _, bad := range []Prices{{PerGB: -1}, {FreeGB: 1e13}, {PerMillionRequests: -0.1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is good", bad)
		}
	}
}
