package node

import (
	"context"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	measured "github.com/mayfly-broker/mayfly/rpc/metrics"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// How the memory of a node is divided. The rest is for what nobody counts: answers on
// their way, snapshots being written, and what the collector has not taken yet.
const (
	// itemsPart of it is for items, all replicas counted: half.
	itemsPart = 2
	// An eighth each is the most for the items of topics, for requests being served,
	// for messages on their way with answers that are not read, for commands in the queues of the groups, and for logs that are kept in memory.
	otherPart = 8
	// A thirty-second is for what followers have yet to read of the logs on disk.
	recentPart = 32
	// leastMemory is what a node needs to do anything.
	leastMemory = 64 << 20

	// crowdedAt is the part of the memory, in percent, that live data must reach for
	// items to give way although they have not used up theirs: connections and buffers
	// take what they take, however little there is.
	crowdedAt = 75
	// pressedAt and relaxedAt are those that it must reach for growing writes to be
	// refused, and leave for them to be taken.
	pressedAt, relaxedAt = 85, 80
	// lookEvery is how often that is looked at, and collectEvery how often garbage is
	// collected on purpose while it is crowded: where writes are refused hardly any is
	// made.
	lookEvery    = 100 * time.Millisecond
	collectEvery = time.Second

	// tellMemoryEvery is how often nodes ask each other, and tellMemoryTime how long
	// they wait for the answer.
	tellMemoryEvery = time.Second
	tellMemoryTime  = 800 * time.Millisecond
)

// share is a part of the node's memory, and no more than what there would be without
// a bound.
func (c Config) share(part, most int64) int64 {
	if c.Memory == 0 {
		return most
	}
	return min(c.Memory/part, most)
}

// itemsBudget is what all items may take, 0 for no bound.
func (c Config) itemsBudget() uint64 { return uint64(c.Memory / itemsPart) }

// topicsBudget bounds the items of topics.
func (c Config) topicsBudget() int64 { return c.share(otherPart, fanout.DefaultTotalBytes) }

// groupLimits bounds what each group keeps in memory.
func (c Config) groupLimits(groups int) replica.Limits {
	each := int64(groups + 1) // with that of the catalog
	limits := replica.Limits{
		QueuedBytes: int(c.share(otherPart, 64<<20)),
		RecentBytes: c.share(recentPart*each, 4<<20),
	}
	if c.DataDir == "" {
		limits.LogBytes = max(c.share(otherPart*each, 64<<20), 1<<20)
	}
	return limits
}

// liveMetrics are what the runtime holds that no collection would free.
var liveMetrics = []string{
	"/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes", "/memory/classes/os-stacks:bytes",
	"/memory/classes/metadata/mcache/inuse:bytes", "/memory/classes/metadata/mspan/inuse:bytes", "/memory/classes/metadata/other:bytes",
}

// live sums up liveMetrics.
func live(samples []metrics.Sample) (bytes uint64) {
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			bytes += s.Value.Uint64()
		}
	}
	return bytes
}

// watchMemory has writes refused while the process has hardly any memory left, until
// ctx ends. The budget of the items should see to it that this never happens.
func (n *Node) watchMemory(ctx context.Context) {
	limit := uint64(n.config.Memory)
	if set := debug.SetMemoryLimit(-1); set != math.MaxInt64 {
		limit = min(limit, uint64(set))
	}
	samples := make([]metrics.Sample, len(liveMetrics))
	for i, name := range liveMetrics {
		samples[i].Name = name
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	pressed, collected := false, time.Time{}
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		held := live(samples)
		switch {
		case held >= limit/100*pressedAt && !pressed:
			pressed = true
			n.logger.Warn("this node has hardly any memory left; it refuses writes that would take more, and frees items",
				slog.Uint64("live_bytes", held), slog.Uint64("max_memory", limit))
		case held < limit/100*relaxedAt && pressed:
			pressed = false
			n.logger.Info("this node has memory again", slog.Uint64("live_bytes", held))
		}
		n.local.Press(pressed)
		switch crowded := held >= limit/100*crowdedAt; {
		case !crowded:
			n.local.Relax()
		case time.Since(collected) >= collectEvery:
			n.local.Squeeze()
			runtime.GC()
			collected = time.Now()
		}
	}
}

// tellMemory asks the other members what the items of their groups take, until ctx
// ends: who leads must know how much is left of what they share.
func (n *Node) tellMemory(ctx context.Context) {
	tick := time.NewTicker(tellMemoryEvery)
	defer tick.Stop()
	known := map[cluster.NodeID]bool{}
	for {
		reports := n.askMemory(ctx, false)
		for node, report := range reports {
			known[node] = true
			n.local.HearMemory(node, report)
		}
		members := map[cluster.NodeID]bool{}
		for _, node := range n.others() {
			members[node] = true
		}
		for node := range known {
			if !members[node] {
				n.local.ForgetMemory(node)
				delete(known, node)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// others lists the other members.
func (n *Node) others() (nodes []cluster.NodeID) {
	n.local.Read(func(s *cluster.State) {
		for _, m := range s.Members() {
			if m.Node != n.host.Node() {
				nodes = append(nodes, m.Node)
			}
		}
	})
	return nodes
}

// askMemory asks all other members at once. Those that do not answer soon are left
// out.
func (n *Node) askMemory(ctx context.Context, allCaches bool) map[cluster.NodeID]route.MemoryReport {
	if n.links.pool == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tellMemoryTime)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	reports := map[cluster.NodeID]route.MemoryReport{}
	for _, node := range n.others() {
		all.Go(func() {
			report, err := n.links.pool.Client(node).Memory(ctx, allCaches)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			reports[node] = report
		})
	}
	all.Wait()
	return reports
}

// larder is what is told about the memory of caches.
type larder struct{ n *Node }

// CacheMemory implements api.Memory. What groups hold that have no replica here is
// asked of their leaders; it is left out while they do not answer.
func (l larder) CacheMemory(ctx context.Context) map[string]route.CacheMemory {
	var reports []route.MemoryReport
	if l.n.members() > 1 {
		for _, report := range l.n.askMemory(ctx, true) {
			reports = append(reports, report)
		}
	}
	return l.n.local.CacheMemory(reports)
}

// memoryNumbers are what the metrics show.
func (n *Node) memoryNumbers() measured.Memory {
	held, budget := n.local.MemoryUse()
	m := measured.Memory{Held: held, Budget: budget, Pressed: n.local.Pressed(), Caches: map[string]measured.CacheMemory{}}
	for name, lost := range n.local.Losses() {
		m.Caches[name] = measured.CacheMemory{EvictedItems: lost.EvictedItems, EvictedBytes: lost.EvictedBytes, RefusedWrites: lost.RefusedWrites}
	}
	for name, held := range n.local.BudgetedCaches() {
		c := m.Caches[name]
		c.Led, c.Budget = held.Led, held.Budget
		m.Caches[name] = c
	}
	return m
}
