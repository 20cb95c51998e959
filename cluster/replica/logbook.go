package replica

import (
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// recentEntries bounds the newest entries kept in memory for followers, who read them
// within milliseconds, beside their bytes (Limits.RecentBytes): hashicorp's LogCache
// counts entries only, and 512 entries can be 3 GiB.
const recentEntries = 512

// logStore is what a logbook writes to: a diskStore, or memory.
type logStore interface {
	GetLog(index uint64, entry *raft.Log) error
	StoreLogs(entries []*raft.Log) error
	DeleteRange(first, last uint64) error
	// deleteSuffix removes the entries keep+1 to last, the end of the log.
	deleteSuffix(keep, last uint64) error
}

// logbook is the log store raft talks to. It knows the bounds and the size of
// the log without asking the file, keeps the log free of holes, remembers the
// newest entries while there are followers to read them, and sees every
// configuration before it takes effect.
type logbook struct {
	store  logStore
	roster *roster

	// grown rings when the log exceeds limit bytes.
	grown chan struct{}
	limit int64

	mu     sync.RWMutex
	first  uint64
	last   uint64
	bytes  int64
	sizes  []uint32 // of the records first..last
	recent recentLog
}

var (
	_ raft.LogStore          = (*logbook)(nil)
	_ raft.MonotonicLogStore = (*logbook)(nil)
)

func newLogbook(store logStore, self string, found logFile, limits Limits) *logbook {
	b := &logbook{
		store: store, roster: newRoster(self), grown: make(chan struct{}, 1), limit: limits.LogBytes,
		first: found.first, last: found.last, sizes: found.sizes, recent: recentLog{most: limits.RecentBytes},
	}
	for _, size := range found.sizes {
		b.bytes += int64(size)
	}
	for _, c := range found.configurations {
		b.roster.entered(c.index, c.conf)
	}
	return b
}

// IsMonotonic tells raft that holes are not allowed: it then drops the whole
// log when a leader's snapshot replaces it.
func (b *logbook) IsMonotonic() bool { return true }

// FirstIndex implements raft.LogStore.
func (b *logbook) FirstIndex() (uint64, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.first, nil
}

// LastIndex implements raft.LogStore.
func (b *logbook) LastIndex() (uint64, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.last, nil
}

// GetLog implements raft.LogStore.
func (b *logbook) GetLog(index uint64, entry *raft.Log) error {
	b.mu.RLock()
	first, last, cached := b.first, b.last, b.recent.get(index)
	b.mu.RUnlock()
	switch {
	case index < first || index > last || last == 0:
		return raft.ErrLogNotFound
	case cached != nil:
		*entry = *cached
		return nil
	default:
		return b.store.GetLog(index, entry)
	}
}

// StoreLog implements raft.LogStore.
func (b *logbook) StoreLog(entry *raft.Log) error { return b.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore. It is called by raft's main loop only.
func (b *logbook) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	b.mu.RLock()
	last := b.last
	b.mu.RUnlock()
	for _, entry := range entries {
		if last != 0 && entry.Index != last+1 {
			return fmt.Errorf("replica: log record %d was to be written where %d belongs", entry.Index, last+1)
		}
		last = entry.Index
		if entry.Type == raft.LogConfiguration {
			b.roster.entered(entry.Index, raft.DecodeConfiguration(entry.Data))
		}
	}
	if err := b.store.StoreLogs(entries); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == 0 {
		b.first = entries[0].Index
	}
	keep := b.roster.peers()
	for _, entry := range entries {
		size := recordSize(entry)
		b.last = entry.Index
		b.bytes += int64(size)
		b.sizes = append(b.sizes, size)
		if keep {
			b.recent.add(entry, size)
		}
	}
	if b.bytes > b.limit {
		ring(b.grown)
	}
	return nil
}

// DeleteRange implements raft.LogStore. Raft deletes a prefix after a snapshot,
// a suffix when a new leader knows better, and everything when a leader's
// snapshot replaces the log.
func (b *logbook) DeleteRange(from, to uint64) error {
	b.mu.RLock()
	first, last := b.first, b.last
	b.mu.RUnlock()
	from, to = max(from, first), min(to, last)
	if last == 0 || from > to {
		return nil
	}
	switch {
	case from == first && to < last:
		if err := b.store.DeleteRange(from, to); err != nil {
			return err
		}
	case to == last:
		b.roster.cut(from - 1)
		if err := b.store.deleteSuffix(from-1, last); err != nil {
			return err
		}
	default:
		return fmt.Errorf("replica: deleting log records %d to %d would leave a hole in %d to %d", from, to, first, last)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(from, to)
	return nil
}

// forget takes a deleted prefix or suffix out of the books. Caller holds mu.
// Entries may have been appended since a prefix was chosen.
func (b *logbook) forget(from, to uint64) {
	gone := b.sizes[from-b.first : to-b.first+1]
	for _, size := range gone {
		b.bytes -= int64(size)
	}
	b.recent.drop(from, to)
	switch {
	case from == b.first && to == b.last:
		b.first, b.last, b.sizes = 0, 0, nil
	case from == b.first:
		b.first = to + 1
		b.sizes = append([]uint32(nil), b.sizes[len(gone):]...)
	default:
		b.last = from - 1
		b.sizes = b.sizes[:from-b.first]
	}
}

// size tells the bounds of the log and the bytes of its records.
func (b *logbook) size() (first, last uint64, bytes int64) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.first, b.last, b.bytes
}

// newestWithin counts the newest entries, at least one, whose records fit into
// the given bytes.
func (b *logbook) newestWithin(bytes int64) uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	n := uint64(0)
	for i := len(b.sizes) - 1; i >= 0 && bytes >= int64(b.sizes[i]); i-- {
		bytes -= int64(b.sizes[i])
		n++
	}
	return max(n, 1)
}

// ring rings a bell of capacity one; a bell that still rings is enough.
func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// recentLog is a ring of the newest entries, bounded in number and bytes.
type recentLog struct {
	entries [recentEntries]*raft.Log
	most    int64  // bytes
	oldest  uint64 // 0 when empty
	newest  uint64
	bytes   int64
}

func (r *recentLog) get(index uint64) *raft.Log {
	if r.oldest == 0 || index < r.oldest || index > r.newest {
		return nil
	}
	return r.entries[index%recentEntries]
}

func (r *recentLog) add(entry *raft.Log, size uint32) {
	if r.oldest != 0 && entry.Index != r.newest+1 {
		r.drop(r.oldest, r.newest)
	}
	if r.oldest == 0 {
		r.oldest = entry.Index
	}
	r.newest = entry.Index
	if r.newest-r.oldest >= recentEntries {
		r.dropOldest()
	}
	own := *entry // the entry itself is part of raft's future
	r.entries[entry.Index%recentEntries] = &own
	for r.bytes += int64(size); r.bytes > r.most && r.oldest != 0; {
		r.dropOldest()
	}
}

func (r *recentLog) dropOldest() {
	slot := &r.entries[r.oldest%recentEntries]
	r.bytes -= int64(recordSize(*slot))
	*slot = nil
	if r.oldest++; r.oldest > r.newest {
		r.oldest, r.newest = 0, 0
	}
}

// drop forgets a prefix, a suffix or all of the ring.
func (r *recentLog) drop(from, to uint64) {
	if r.oldest == 0 || from > r.newest || to < r.oldest {
		return
	}
	if from <= r.oldest {
		for r.oldest != 0 && r.oldest <= to {
			r.dropOldest()
		}
		return
	}
	for ; r.newest >= from; r.newest-- {
		slot := &r.entries[r.newest%recentEntries]
		r.bytes -= int64(recordSize(*slot))
		*slot = nil
	}
}

// memStore adapts raft's own in-memory store.
type memStore struct{ *raft.InmemStore }

// StoreLogs implements raft.LogStore. It keeps copies: the entries it is given
// are parts of raft's futures, which would stay with them, results included.
func (m memStore) StoreLogs(entries []*raft.Log) error {
	own := make([]*raft.Log, len(entries))
	for i, entry := range entries {
		own[i] = new(raft.Log)
		*own[i] = *entry
	}
	return m.InmemStore.StoreLogs(own)
}

func (m memStore) deleteSuffix(keep, last uint64) error { return m.DeleteRange(keep+1, last) }
