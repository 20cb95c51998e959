package route

import (
	"log/slog"
	"testing"
	"time"
)

// A wall clock that can be set wrong, over a monotonic clock that cannot.
func TestClock(t *testing.T) {
	type step struct {
		pass  time.Duration // elapsed since the step before
		error time.Duration // what the wall clock is wrong by
		want  time.Duration // since the start
	}
	for name, steps := range map[string][]step{
		"follows the wall clock":         {{pass: time.Second, want: time.Second}, {pass: time.Hour, want: time.Hour + time.Second}},
		"accepts a small step ahead":     {{pass: time.Second, error: 4 * time.Second, want: 5 * time.Second}},
		"never runs backwards":           {{pass: 10 * time.Second, want: 10 * time.Second}, {pass: time.Second, error: -time.Hour, want: 11 * time.Second}},
		"distrusts a leap":               {{pass: time.Second, error: time.Hour, want: time.Second}, {pass: time.Second, error: time.Hour, want: 2 * time.Second}},
		"a leap taken back does no harm": {{pass: time.Second, error: time.Hour, want: time.Second}, {pass: time.Second, want: 2 * time.Second}},
		"believes a leap that lasts": {
			{pass: time.Second, error: time.Hour, want: time.Second},
			{pass: settled, error: time.Hour, want: time.Hour + time.Second + settled},
		},
		"a second leap starts the wait anew": {
			{pass: time.Second, error: time.Hour, want: time.Second},
			{pass: settled, error: 2 * time.Hour, want: time.Second + settled},
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(1_700_000_000, 0)
			var elapsed, wrong time.Duration
			c := newClock(func() (time.Time, time.Duration) {
				return start.Add(elapsed + wrong), elapsed
			}, slog.New(slog.DiscardHandler))
			for i, s := range steps {
				elapsed += s.pass
				wrong = s.error
				if got := c.now().Sub(start); got != s.want {
					t.Fatalf("step %d: %v after the start, want %v", i, got, s.want)
				}
			}
		})
	}
}
