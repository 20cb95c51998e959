package route

import (
	"log/slog"
	"sync"
	"time"
)

// Losses are what a cache lost to the want of memory, as far as this node decided
// it, since it started.
type Losses struct {
	// EvictedItems and EvictedBytes gave way.
	EvictedItems, EvictedBytes uint64
	// RefusedWrites found no memory.
	RefusedWrites uint64
}

// tellEvery is how often the log is told of the losses of a cache.
const tellEvery = time.Minute

// maxLosses bounds the caches whose losses are remembered; there are no more at a
// time.
const maxLosses = 10_000

// losses counts what caches lost, and tells the log now and then. It is safe for
// concurrent use.
type losses struct {
	logger *slog.Logger

	mu     sync.Mutex
	caches map[string]*lossesOf
}

type lossesOf struct {
	Losses
	told   Losses // what the log knows
	toldAt time.Time
}

func (l *losses) evicted(cache string, items, bytes uint64) {
	if items > 0 {
		l.note(cache, func(n *Losses) { n.EvictedItems += items; n.EvictedBytes += bytes })
	}
}

func (l *losses) refused(cache string) { l.note(cache, func(n *Losses) { n.RefusedWrites++ }) }

func (l *losses) note(cache string, count func(*Losses)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.caches[cache]
	if of == nil {
		if l.caches == nil || len(l.caches) >= maxLosses {
			l.caches = map[string]*lossesOf{}
		}
		of = new(lossesOf)
		l.caches[cache] = of
	}
	count(&of.Losses)
	if now := time.Now(); now.Sub(of.toldAt) >= tellEvery {
		l.logger.Warn("memory is used up: items of this cache give way or writes are refused; see `mayfly cache describe`",
			slog.String("cache", cache), slog.Uint64("evicted_items", of.EvictedItems-of.told.EvictedItems),
			slog.Uint64("evicted_bytes", of.EvictedBytes-of.told.EvictedBytes), slog.Uint64("refused_writes", of.RefusedWrites-of.told.RefusedWrites))
		of.told, of.toldAt = of.Losses, now
	}
}

// Losses returns what the caches lost by this node's decision, by name.
func (l *Local) Losses() map[string]Losses {
	m := &l.memory.losses
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]Losses, len(m.caches))
	for name, of := range m.caches {
		all[name] = of.Losses
	}
	return all
}

// MemoryUse tells what all items on this node take, by its replicas, and what they
// may take, 0 for no bound; in bytes.
func (l *Local) MemoryUse() (held, budget uint64) {
	for _, p := range l.data {
		held += p.bytes()
	}
	return held, l.memory.budget
}
