package memory

import "time"

const (
	// patience is how long a leader leaves to the others what is theirs to free:
	// longer than it takes them to notice, and this one to hear of it.
	patience = 1500 * time.Millisecond
	// shortPatience is the same while a write waits: long enough for those who lead
	// groups that are kept here as well.
	shortPatience = 300 * time.Millisecond
)

// Turn tells a leader what is its to free of an excess. The zero value waits for
// nobody. It is for one goroutine.
type Turn struct{ waits time.Time } // since when others should free something; zero for nothing

// Due is how many bytes this leader should free as of now: what it holds above an even
// share. Whoever notices first so frees no more than others who come later, and all
// shares together are what may be held. Those who do not free theirs in time leave it to
// all, by what they hold.
func (d *Turn) Due(s Share, now time.Time) uint64 {
	// The others know nothing of who waits here, so room for that is made here alone.
	calm, wait := s, patience
	if calm.Wanted = 0; s.Wanted > 0 {
		wait = shortPatience
	}
	missing := calm.missing()
	own := s.missing() - missing
	due := min(missing, above(s.Mine, calm.even()))
	switch {
	case due == missing:
		d.waits = time.Time{}
	case d.waits.IsZero():
		d.waits = now
	case now.Sub(d.waits) > wait:
		d.waits = now
		due = max(due, s.Part(missing))
	}
	return min(own+due, s.Mine)
}

// above is how much a is more than b.
func above(a, b uint64) uint64 { return a - min(a, b) }
