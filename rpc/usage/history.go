package usage

import (
	"sync"
	"time"
)

// Step is the time that one Sample covers, and Samples how many are kept: an hour.
const (
	Step    = 10 * time.Second
	Samples = 360
)

// Counters is what a node has counted since it started, or, in a Sample, within a
// step.
type Counters struct {
	// Operations are calls that ended, Errors those of them that failed.
	Operations, Errors uint64
	// BytesIn and BytesOut went through the client port, as they were on the wire.
	BytesIn, BytesOut uint64
	// Hits and Misses are questions about items that were there, or not.
	Hits, Misses uint64
	// Published are items that topics led by the node numbered, Delivered those
	// that its clients' subscriptions took.
	Published, Delivered uint64
	// Subscriptions is how many clients' subscriptions there are. It goes up and
	// down, and is never subtracted.
	Subscriptions uint64
}

// since is what was counted after the earlier one. A counter that went back has
// begun anew.
func (c Counters) since(earlier Counters) Counters {
	less := func(now, then uint64) uint64 {
		if now < then {
			return now
		}
		return now - then
	}
	return Counters{
		Operations: less(c.Operations, earlier.Operations), Errors: less(c.Errors, earlier.Errors),
		BytesIn: less(c.BytesIn, earlier.BytesIn), BytesOut: less(c.BytesOut, earlier.BytesOut),
		Hits: less(c.Hits, earlier.Hits), Misses: less(c.Misses, earlier.Misses),
		Published: less(c.Published, earlier.Published), Delivered: less(c.Delivered, earlier.Delivered),
		Subscriptions: c.Subscriptions,
	}
}

// plus adds up two nodes, or two parts of one step.
func (c Counters) plus(d Counters) Counters {
	return Counters{
		Operations: c.Operations + d.Operations, Errors: c.Errors + d.Errors,
		BytesIn: c.BytesIn + d.BytesIn, BytesOut: c.BytesOut + d.BytesOut,
		Hits: c.Hits + d.Hits, Misses: c.Misses + d.Misses,
		Published: c.Published + d.Published, Delivered: c.Delivered + d.Delivered,
		Subscriptions: c.Subscriptions + d.Subscriptions,
	}
}

// Sample is what was counted within one step.
type Sample struct {
	// Step is the number of the step since the Unix epoch.
	Step uint64
	Counters
}

// StepOf is the number of the step that a time lies in.
func StepOf(t time.Time) uint64 { return uint64(max(0, t.UnixMilli())) / uint64(Step.Milliseconds()) }

// Start is when a step begins.
func Start(step uint64) time.Time { return time.UnixMilli(int64(step) * Step.Milliseconds()) }

// History is the last hour of one node.
type History struct {
	mu   sync.Mutex
	ring [Samples]Sample // by step; Step 0 is never in use
	last Counters
}

// Record takes what was counted until now. It is to be called at the end of every
// step, and belongs to the one that has just ended: called late, it leaves those
// that were missed unknown; called again within a step, it adds to the same.
func (h *History) Record(now time.Time, counted Counters) {
	step := StepOf(now)
	if step <= 1 {
		return // no clock
	}
	step--
	h.mu.Lock()
	defer h.mu.Unlock()
	sample := Sample{Step: step, Counters: counted.since(h.last)}
	h.last = counted
	if slot := &h.ring[step%Samples]; slot.Step == step {
		sum := slot.plus(sample.Counters)
		sum.Subscriptions = sample.Subscriptions
		slot.Counters = sum
	} else {
		*slot = sample
	}
}

// Samples returns what is known of the last hour, oldest first. The step under way
// is not part of it.
func (h *History) Samples(now time.Time) []Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := make([]Sample, 0, Samples)
	for step := First(now); step < StepOf(now); step++ {
		if s := h.ring[step%Samples]; s.Step == step && step > 0 {
			known = append(known, s)
		}
	}
	return known
}

// First is the oldest step of the hour that ends with the step before now.
func First(now time.Time) uint64 {
	step := StepOf(now)
	return step - min(step, Samples)
}

// Window is an hour as a table: by step from First on, nil where nothing is known.
type Window struct {
	First   uint64
	Columns [Samples]*Counters
}

// Sum adds up the samples of nodes over the hour that ends before now. A step that
// only some nodes know is the sum of those; samples of other times are left out.
func Sum(now time.Time, nodes ...[]Sample) *Window {
	w := &Window{First: First(now)}
	for _, samples := range nodes {
		for _, s := range samples {
			if s.Step < w.First || s.Step-w.First >= Samples {
				continue
			}
			column := &w.Columns[s.Step-w.First]
			if *column == nil {
				*column = &Counters{}
			}
			**column = (*column).plus(s.Counters)
		}
	}
	return w
}
