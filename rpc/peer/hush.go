package peer

import (
	"sync"
	"time"
)

const (
	// hushFor is how long the log is not told a thing again. Who is refused comes
	// again several times a second.
	hushFor = time.Minute
	// maxHushed bounds the things that are remembered.
	maxHushed = 256
)

// hush keeps the log from being told the same again and again. It is safe for
// concurrent use.
type hush struct {
	mu   sync.Mutex
	told map[string]time.Time
}

// news reports whether the log is to be told a thing now.
func (h *hush) news(what string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if at, told := h.told[what]; told && now.Sub(at) < hushFor {
		return false
	}
	if h.told == nil || len(h.told) >= maxHushed {
		h.told = make(map[string]time.Time)
	}
	h.told[what] = now
	return true
}
