package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/bench/load"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		numbers []float64
		want    float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 100}, 3.5},
	} {
		if got := median(test.numbers); got != test.want {
			t.Errorf("%v: got %v, want %v", test.numbers, got, test.want)
		}
	}
}

// The ratio is that of neighbouring rounds: a machine that was twice as slow
// for one round of both changes nothing, which medians of each would not see.
func TestRatioIsOfRounds(t *testing.T) {
	costing := func(seconds ...float64) (samples []sample) {
		for _, s := range seconds {
			samples = append(samples, sample{Report: load.Report{Operations: 1e6}, CPU: time.Duration(s * float64(time.Second))})
		}
		return samples
	}
	f := fleet{{Name: "ours"}, {Name: "theirs"}}
	samples := [][]sample{costing(3, 6, 30), costing(2, 4, 20)}
	if got := ratioTo(f, samples, 0, "theirs"); got != 1.5 {
		t.Errorf("got %v, want 1.5", got)
	}
	if got := ratioTo(f, samples, 1, "theirs"); got != 0 {
		t.Errorf("to itself: got %v, want none", got)
	}
	if got := ratioTo(f, [][]sample{nil, nil}, 0, "theirs"); got != 0 {
		t.Errorf("without rounds: got %v, want none", got)
	}
}

func TestVerdicts(t *testing.T) {
	var r result
	r.judge("a", "theirs", "ours", 1.7, 1.7)
	r.judge("b", "theirs", "ours", 1.71, 1.7)
	r.judge("c", "theirs", "ours", 0, 1.7)
	for i, want := range []bool{true, false, false} {
		if r.Verdicts[i].Met != want {
			t.Errorf("%+v: want met %v", r.Verdicts[i], want)
		}
	}
	var out bytes.Buffer
	r.print(&out)
	for _, want := range []string{"met      1.70 of 1.7  a,", "NOT MET  1.71 of 1.7  b,", "NOT MET  - of 1.7  c,"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in\n%s", want, out.String())
		}
	}
}

func TestTableLinesUp(t *testing.T) {
	var out bytes.Buffer
	table{
		Title: "T", Columns: []string{"call", "server", "CPU"}, Note: "N",
		Rows: [][]string{{"get", "µ", "1.0"}, {"fetch", "mayfly", "failed"}},
	}.print(&out)
	const want = `
T

  call   server     CPU
  get    µ          1.0
  fetch  mayfly  failed

  N
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 999.4: "999", 999.5: "1,000", 1234567: "1,234,567"} {
		if got := number(f); got != want {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		98_765: "99µs", 1_234_567: "1.23ms", 45_678_901: "45.7ms", 1_234_567_890: "1.2346s",
	} {
		if got := brief(d); got != want {
			t.Errorf("%d: got %s, want %s", d, got, want)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, bad := range [][]string{
		{"-only", "fanout,speed"}, {"-rounds", "0"}, {"-seconds", "-1"}, {"-deliveries", "0"}, {"fanout"}, {"-no-such-flag"},
	} {
		if _, err := parseSettings(bad, io.Discard); err == nil {
			t.Errorf("%v: got no error", bad)
		}
	}
	s, err := parseSettings([]string{"-only", "memory,fanout", "-short"}, io.Discard)
	if err != nil || !s.wants("fanout") || s.wants("unary") || s.rounds > 3 {
		t.Errorf("got %+v, %v", s, err)
	}
}
