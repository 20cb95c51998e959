package route

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// leap is how far the wall clock may run ahead of elapsed time before it
	// is distrusted: NTP corrects by less in one step.
	leap = 5 * time.Second
	// settled is how long a wall clock must keep a new course before it is
	// believed after a leap. A suspended machine is right at once and waits in
	// vain for a minute; a clock set a year ahead by mistake has a minute to be
	// put right before everything expires.
	settled = time.Minute
)

// clock gives the time that leaders stamp commands with: the wall clock, but
// never backwards, and never a leap ahead on the wall clock's word alone,
// since an item expired by mistake is gone for ever. It is safe for concurrent
// use.
type clock struct {
	read   func() (wall time.Time, elapsed time.Duration)
	logger *slog.Logger

	mu      sync.Mutex
	last    time.Time     // what was given last
	elapsed time.Duration // when that was
	leapt   bool          // the wall clock is ahead and not believed
	leapAt  time.Duration // since when
	ahead   time.Duration // by how much
}

// systemClock reads this machine's wall clock and, beside it, how long the
// process has been running, which no one can set.
func systemClock() func() (time.Time, time.Duration) {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		now := time.Now()
		return now, now.Sub(start)
	}
}

// pacedClock is systemClock with time that passes pace times as fast from now on, for
// tests that do not want to wait until something expires.
func pacedClock(pace float64) func() (time.Time, time.Duration) {
	start := time.Now()
	return func() (time.Time, time.Duration) {
		elapsed := time.Duration(float64(time.Since(start)) * pace)
		return start.Add(elapsed), elapsed
	}
}

func newClock(read func() (time.Time, time.Duration), logger *slog.Logger) *clock {
	wall, elapsed := read()
	return &clock{read: read, logger: logger, last: wall.Round(0), elapsed: elapsed}
}

// now returns the time. Two calls never see it run backwards.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed := c.read()
	wall = wall.Round(0) // without it Sub would compare monotonic readings
	steady := c.last.Add(max(elapsed-c.elapsed, 0))
	ahead := wall.Sub(steady)
	switch {
	case ahead <= leap:
		c.leapt = false
		if ahead > 0 {
			steady = wall
		}
	case !c.leapt || (ahead-c.ahead).Abs() > leap:
		c.leapt, c.leapAt, c.ahead = true, elapsed, ahead
		c.logger.Warn("the wall clock leapt ahead; counting on by elapsed time until it has settled",
			slog.Duration("ahead", ahead), slog.Duration("settled_after", settled))
	case elapsed-c.leapAt >= settled:
		c.logger.Warn("the wall clock kept its new course and is followed again", slog.Duration("ahead", ahead))
		c.leapt = false
		steady = wall
	}
	c.last, c.elapsed = steady, elapsed
	return steady
}

// milliseconds is now in the unit of commands: milliseconds since the Unix
// epoch.
func (c *clock) milliseconds() uint64 { return uint64(max(c.now().UnixMilli(), 0)) }
