package route

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route/memory"
	"github.com/mayfly-broker/mayfly/store"
)

const (
	// relieveEvery is how often the accounts are looked at although nobody asks.
	relieveEvery = 250 * time.Millisecond

	// evictItems and evictBytes bound one Evict, by the number of items and by the
	// bytes of their keys, and evictRounds how many a group proposes before all is
	// counted anew.
	evictItems  = 256
	evictBytes  = 256 << 10
	evictRounds = 8
	// sampleItems is how many items are picked while nothing can be applied.
	sampleItems = 256
	// weighItems is how many items of a cache are looked at to see how old they are,
	// and weighCaches of how many caches.
	weighItems  = 16
	weighCaches = 64

	// largePart of a budget is more than one item may take and give way although it
	// is in use.
	largePart = 4
)

// relief is what a group is to free.
type relief struct {
	caches map[string]uint64 // bytes by cache that exceeds its budget
	node   uint64            // bytes of any cache
	large  uint64            // see memory.Choice
}

// relieve frees memory in the groups led here until every account has what it
// should have in reserve, or nothing gives way any more. It begins when nobody else is
// at it any more.
func (l *Local) relieve(ctx context.Context) {
	l.relieving.Lock()
	defer l.relieving.Unlock()
	for l.memory.pause(ctx) {
		plan, short := l.memory.plan()
		if len(plan) == 0 {
			return
		}
		var freed atomic.Uint64
		var all sync.WaitGroup
		for g, p := range l.led {
			if need, ok := plan[g]; ok {
				all.Go(func() {
					n, err := l.relieveGroup(ctx, p, need)
					freed.Add(n)
					l.later(ctx, g, "items that should give way are still there", err)
				})
			}
		}
		all.Wait()
		if freed.Load() == 0 {
			for _, a := range short {
				a.dry.Store(true)
			}
			l.memory.counted.rise() // those who wait shall not
			return
		}
	}
}

// pause waits until the last count is not so recent that another one would be
// wasted, and reports whether to go on.
func (m *purse) pause(ctx context.Context) bool {
	m.mu.Lock()
	left := recent - time.Since(m.at)
	m.mu.Unlock()
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// plan counts, and says what each group led here is to free, and which accounts are
// short of room.
func (m *purse) plan() (plan map[cluster.GroupID]*relief, short []*account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	caches, held := m.countLocked()
	plan = map[cluster.GroupID]*relief{}
	need := func(g cluster.GroupID) *relief {
		if plan[g] == nil {
			plan[g] = &relief{caches: map[string]uint64{}, large: ^uint64(0)}
		}
		return plan[g]
	}
	now := m.now.Load()
	for i, record := range caches {
		a := now.caches[record.GetName()]
		due := a.turn.Due(a.share, m.at)
		if a.wanted.Store(0); due == 0 {
			continue
		}
		short = append(short, a)
		for g := range held {
			if h := &held[g]; h.led && h.caches[i] > 0 {
				r := need(cluster.GroupID(g))
				r.caches[a.cache] = part(due, h.caches[i], a.share.Mine)
				r.large = min(r.large, a.share.Budget/largePart)
			}
		}
	}
	for _, a := range m.nodes {
		a.due = a.turn.Due(a.share, m.at)
		if a.wanted.Store(0); a.due > 0 {
			short = append(short, a)
		}
	}
	for g := range held {
		for _, a := range now.groups[g] {
			if a.due > 0 && held[g].led && held[g].bytes > 0 {
				r := need(cluster.GroupID(g))
				r.node = max(r.node, part(a.due, held[g].bytes, a.share.Mine))
				r.large = min(r.large, a.share.Budget/largePart)
			}
		}
	}
	return plan, short
}

// part is what a group with so much of mine is to free of what is due.
func part(due, held, mine uint64) uint64 {
	return memory.Share{Budget: 0, Total: max(mine, 1), Mine: held}.Part(due)
}

// relieveGroup frees what a group is to free: first what has expired, then of the
// caches over their budgets, then of all.
func (l *Local) relieveGroup(ctx context.Context, p *partition, need *relief) (freed uint64, err error) {
	maps.DeleteFunc(p.pools, func(cache string, _ *memory.Pool) bool {
		_, ok := l.meta.Load().cache(cache)
		return !ok
	})
	before := p.bytes()
	if err := p.sweep(ctx); err != nil {
		return 0, err
	}
	if after := p.bytes(); after < before {
		// Whose it was is not known; it is counted, and looked at again.
		return before - after, nil
	}
	for cache, bytes := range need.caches {
		n, err := l.evict(ctx, p, cache, bytes, need.large)
		freed += n
		if err != nil {
			return freed, err
		}
	}
	if freed >= need.node {
		return freed, nil
	}
	for cache, bytes := range l.spread(p, need.node-freed) {
		n, err := l.evict(ctx, p, cache, bytes, need.large)
		freed += n
		if err != nil {
			return freed, err
		}
	}
	return freed, nil
}

// adds is at most how many bytes a command would add now to what the group holds.
func (p *partition) adds(c *storev1.Command) int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return int64(p.machine.Growth(c, p.clock.milliseconds()))
}

func (p *partition) bytes() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.machine.Bytes()
}

// evictable returns the kinds of items of a cache that may give way, as bits.
func evictable(l *storev1.CacheLimits) uint32 {
	if l.GetEviction() == storev1.Eviction_EVICTION_OFF {
		return 0
	}
	return ^l.GetKeptKinds()
}

// spread divides an amount among the caches of a group: much from those that hold
// much and whose items were not used for long.
func (l *Local) spread(p *partition, bytes uint64) map[string]uint64 {
	p.mu.RLock()
	held := p.machine.Caches()
	p.mu.RUnlock()
	held = slices.DeleteFunc(held, func(h store.Held) bool {
		record, ok := l.meta.Load().cache(h.Cache)
		return !ok || h.Of(evictable(record.GetLimits())) == 0
	})
	if len(held) > weighCaches {
		rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		slices.SortStableFunc(held[:], func(a, b store.Held) int { return int(min(b.Bytes>>20, 1<<30)) - int(min(a.Bytes>>20, 1<<30)) })
		held = held[:weighCaches]
	}
	weights, sum := make([]float64, len(held)), 0.0
	for i, h := range held {
		record, ok := l.meta.Load().cache(h.Cache)
		if !ok { // since
			continue
		}
		idle := uint64(0)
		sample := p.pick(record, weighItems)
		for _, c := range sample {
			idle += min(p.use(record, c, p.clock.milliseconds()).Idle, maxIdle)
		}
		weights[i] = float64(h.Bytes) * float64(1000+idle/uint64(max(len(sample), 1)))
		sum += weights[i]
	}
	parts := map[string]uint64{}
	for i, h := range held {
		if w := weights[i] / max(sum, 1); w > 0.01 {
			parts[h.Cache] = uint64(w*float64(bytes)) + 1
		}
	}
	return parts
}

// maxIdle is the most that an item's idleness counts between caches, a day in
// milliseconds: what was never seen is not infinitely old.
const maxIdle = 24 * 60 * 60 * 1000

// pick picks about n items of a cache that may give way.
func (p *partition) pick(record *storev1.CacheRecord, n int) (picked []store.Candidate) {
	kinds := evictable(record.GetLimits())
	for wanted := n; wanted > 0; wanted -= sampleItems {
		p.mu.RLock()
		picked = p.machine.Sample(record.GetName(), record.GetGeneration(), kinds, min(wanted, sampleItems), rand.Uint64(), picked)
		p.mu.RUnlock()
	}
	return picked
}

func (p *partition) use(record *storev1.CacheRecord, c store.Candidate, at uint64) memory.Use {
	return p.uses.Seen(memory.IDOf(record.GetGeneration(), int32(c.Space), []byte(c.Key)), at)
}

// evict frees so many bytes of a cache in a group, or as many as give way within
// some rounds, and says how many it was.
func (l *Local) evict(ctx context.Context, p *partition, cache string, bytes, large uint64) (freed uint64, err error) {
	record, ok := l.meta.Load().cache(cache)
	if !ok {
		return 0, nil
	}
	pool := p.pools[cache]
	if pool == nil {
		pool = new(memory.Pool)
		p.pools[cache] = pool
	}
	for range evictRounds {
		if freed >= bytes {
			break
		}
		p.mu.RLock()
		held := p.machine.Cache(cache)
		pool.Keep(func(kept []store.Candidate) []store.Candidate {
			return p.machine.Remaining(cache, record.GetGeneration(), evictable(record.GetLimits()), kept)
		})
		p.mu.RUnlock()
		most := int(min((bytes-freed)*uint64(held.Items)/max(held.Bytes, 1)+1, evictItems))
		at := p.clock.milliseconds()
		chosen := pool.Choose(p.pick(record, memory.Picks(most)), memory.Choice{
			Use:    func(c store.Candidate) memory.Use { return p.use(record, c, at) },
			Seldom: record.GetLimits().GetEviction() == storev1.Eviction_EVICTION_LFU,
			Bytes:  bytes - freed, Most: most, Large: large,
		})
		n, err := l.drop(ctx, p, record, chosen)
		freed += n
		if err != nil || n == 0 {
			return freed, err
		}
	}
	return freed, nil
}

// drop has items evicted, and says how many bytes that freed.
func (l *Local) drop(ctx context.Context, p *partition, record *storev1.CacheRecord, chosen []store.Candidate) (freed uint64, err error) {
	var items uint64
	for _, space := range []storev1.Space{storev1.Space_SPACE_ITEMS, storev1.Space_SPACE_LEADERBOARDS} {
		var keys [][]byte
		size := 0
		for _, c := range chosen {
			if c.Space == space && size < evictBytes {
				keys = append(keys, []byte(c.Key))
				size += len(c.Key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		result, err := p.apply(ctx, &storev1.Command{
			Cache: record.GetName(), Generation: record.GetGeneration(), Space: space,
			Op: &storev1.Command_Evict{Evict: &storev1.Evict{Keys: keys, Kinds: evictable(record.GetLimits())}},
		})
		if err != nil {
			return freed, err
		}
		items += result.GetEvicted().GetItems()
		freed += result.GetEvicted().GetBytes()
	}
	l.memory.losses.evicted(record.GetName(), items, freed)
	return freed, nil
}
