package route

import (
	"cmp"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/store"
)

// MemoryReport is what a node tells the others of the memory of its items.
type MemoryReport struct {
	// Budget is what all items on the node may take now, in bytes; 0 for no bound. It
	// is less than what they may take at most where something else takes the memory.
	Budget uint64
	// Pressed: the process has hardly any memory left.
	Pressed bool
	// Groups are those that the node leads.
	Groups []GroupMemory
}

// GroupMemory is what one group holds, by the count of its leader of that term.
type GroupMemory struct {
	Group cluster.GroupID
	Term  uint64
	// Bytes is the size of all items.
	Bytes uint64
	// Caches are those that have a budget, or all of them.
	Caches []store.Held
}

// MemoryReport tells of the groups that this node leads: of the caches that have a
// budget, or of all caches.
func (l *Local) MemoryReport(all bool) MemoryReport {
	m := l.memory
	m.mu.Lock()
	caches := m.budgeted()
	m.mu.Unlock()
	report := MemoryReport{Budget: m.allowance(), Pressed: m.pressed.Load()}
	for g, p := range l.data {
		now, _ := p.group.Leadership()
		if !now.Leading {
			continue
		}
		group := GroupMemory{Group: g, Term: now.Term}
		p.mu.RLock()
		group.Bytes = p.machine.Bytes()
		if all {
			group.Caches = p.machine.Caches()
		} else {
			for _, record := range caches {
				group.Caches = append(group.Caches, p.machine.Cache(record.GetName()))
			}
		}
		p.mu.RUnlock()
		report.Groups = append(report.Groups, group)
	}
	return report
}

// heardMemory is what another node told last, and when it was heard.
type heardMemory struct {
	MemoryReport
	at time.Time
}

// pressedLife is how long a node that said so is believed to have hardly any memory
// left. One that was ended for it says nothing else, and what it held is free: the
// others serve without it.
const pressedLife = 5 * time.Second

// pressed reports whether the node is to be taken for one that has hardly any memory left.
func (h heardMemory) pressed(now time.Time) bool { return h.Pressed && now.Sub(h.at) < pressedLife }

// HearMemory takes in what another node told of its groups' memory.
func (l *Local) HearMemory(node cluster.NodeID, report MemoryReport) {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	l.memory.heard[node] = heardMemory{report, time.Now()}
}

// ForgetMemory forgets what a node told that is no member any more.
func (l *Local) ForgetMemory(node cluster.NodeID) {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	delete(l.memory.heard, node)
	delete(l.memory.nodes, node)
}

// CacheBudget is a cache that has a budget.
type CacheBudget struct {
	// Budget is that of the cache, and Led what it holds in the groups that this
	// node leads, in bytes.
	Budget, Led uint64
}

// BudgetedCaches returns the caches that have a budget, by name.
func (l *Local) BudgetedCaches() map[string]CacheBudget {
	m := l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]CacheBudget{}
	for _, record := range m.budgeted() {
		c := CacheBudget{Budget: record.GetLimits().GetMaxMemory()}
		if a := m.kept[record.GetName()]; a != nil {
			c.Led = a.share.Mine
		}
		all[record.GetName()] = c
	}
	return all
}

// CacheMemory is what one cache holds in the groups that this node knows.
type CacheMemory struct {
	// Items and Bytes are what it holds now.
	Items, Bytes uint64
	// EvictedItems and EvictedBytes are what gave way since it was created.
	EvictedItems, EvictedBytes uint64
}

func (c *CacheMemory) add(h store.Held) {
	c.Items += uint64(h.Items)
	c.Bytes += h.Bytes
	c.EvictedItems += h.EvictedItems
	c.EvictedBytes += h.EvictedBytes
}

// CacheMemory returns what the caches hold, by name: in the groups that have a
// replica here, by that, and in the others as the reports say.
func (l *Local) CacheMemory(reports []MemoryReport) map[string]CacheMemory {
	total := map[string]CacheMemory{}
	add := func(held []store.Held) {
		for _, h := range held {
			c := total[h.Cache]
			c.add(h)
			total[h.Cache] = c
		}
	}
	seen := map[cluster.GroupID]GroupMemory{}
	for _, report := range reports {
		for _, g := range report.Groups {
			if other, twice := seen[g.Group]; !twice || cmp.Less(other.Term, g.Term) {
				seen[g.Group] = g
			}
		}
	}
	for g, p := range l.data {
		delete(seen, g)
		p.mu.RLock()
		held := p.machine.Caches()
		p.mu.RUnlock()
		add(held)
	}
	for _, g := range seen {
		add(g.Caches)
	}
	return total
}
