package hook

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Tuning bounds what deliveries may cost. A zero field means its default.
type Tuning struct {
	// Workers is how many attempts are under way at a time, to all receivers.
	Workers int
	// Events and Bytes are how much of one webhook's topic is taken out of the
	// topic's log and waits here. What does not fit stays in the log, within the
	// log's own bounds.
	Events int
	Bytes  int
	// TotalBytes bounds what waits for all webhooks together.
	TotalBytes int
	// Retries is how many attempts after the first one webhook may have under way
	// at a time, beside the one first attempt.
	Retries int
	// Rate is how many attempts a second one webhook gets, with bursts of one
	// second's worth.
	Rate int
	// Attempts is how often an event is tried, and Age how long after it was taken.
	Attempts int
	Age      time.Duration
	// Pause lies between the first attempt of an event and the second; it doubles
	// from there on, up to MaxPause.
	Pause, MaxPause time.Duration
	// MaxRest bounds the pause that a whole webhook makes after failures in a row.
	MaxRest time.Duration
}

// DefaultTuning tries an event for two minutes at most, in which a receiver may
// restart. A receiver that fails is asked every five seconds until it does not.
func DefaultTuning() Tuning {
	return Tuning{
		Workers:    64,
		Events:     256,
		Bytes:      4 << 20,
		TotalBytes: 64 << 20,
		Retries:    3,
		Rate:       50,
		Attempts:   8,
		Age:        2 * time.Minute,
		Pause:      500 * time.Millisecond,
		MaxPause:   30 * time.Second,
		MaxRest:    5 * time.Second,
	}
}

func (t Tuning) withDefaults() Tuning {
	d := DefaultTuning()
	t.Workers = cmp.Or(t.Workers, d.Workers)
	t.Events = cmp.Or(t.Events, d.Events)
	t.Bytes = cmp.Or(t.Bytes, d.Bytes)
	t.TotalBytes = cmp.Or(t.TotalBytes, d.TotalBytes)
	t.Retries = cmp.Or(t.Retries, d.Retries)
	t.Rate = cmp.Or(t.Rate, d.Rate)
	t.Attempts = cmp.Or(t.Attempts, d.Attempts)
	t.Age = cmp.Or(t.Age, d.Age)
	t.Pause = cmp.Or(t.Pause, d.Pause)
	t.MaxPause = cmp.Or(t.MaxPause, d.MaxPause)
	t.MaxRest = cmp.Or(t.MaxRest, d.MaxRest)
	return t
}

// backOff is the pause after that many failures: the double of the one before, of
// which a random half is left out, so that what failed together does not come
// back together.
func (t *Tuning) backOff(failures int, most time.Duration) time.Duration {
	pause := t.Pause
	for range failures - 1 {
		if pause *= 2; pause >= most {
			break
		}
	}
	pause = min(pause, most)
	return pause/2 + rand.N(pause/2+1)
}
