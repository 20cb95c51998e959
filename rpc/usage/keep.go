package usage

import (
	"context"
	"time"
)

// Keep records what count returns at the end of every step, until ctx is done.
func (h *History) Keep(ctx context.Context, count func() Counters) {
	h.begin(count())
	for {
		now := time.Now()
		end := time.NewTimer(Start(StepOf(now) + 1).Sub(now))
		select {
		case <-end.C:
			h.Record(time.Now(), count())
		case <-ctx.Done():
			end.Stop()
			return
		}
	}
}

// begin sets what the first record is compared with.
func (h *History) begin(counted Counters) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = counted
}
