package route

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route/memory"
)

// purse keeps account of the memory that items take: of each cache that has a
// budget, in the whole cluster, and of each node. Writes that make something grow
// take what they need from the accounts; when one is nearly empty, items give way
// (relieve.go). It is safe for concurrent use.
//
// What a group holds is read from its replica here, or, where there is none, as its
// leader told it within the last second. Leaders do not ask each other before they
// write: each has its share of what is left (memory.Share).
type purse struct {
	local  *Local
	self   cluster.NodeID
	budget uint64 // for all items on this node, 0 for none

	now     atomic.Pointer[accounts] // never nil
	pressed atomic.Bool              // this process has hardly any memory left
	// squeezed is what the budget is less for now: the items take more than they count.
	squeezed atomic.Uint64
	wanting  chan struct{} // holds one when somebody wants room that is not there
	counted  tide          // rises when the accounts were counted anew

	mu      sync.Mutex // held while counting; over what follows
	at      time.Time  // of the last count
	heard   map[cluster.NodeID]heardMemory
	budgets budgets
	kept    map[string]*account // by cache
	nodes   map[cluster.NodeID]*account

	losses losses
}

// accounts are all there are, found by what a write is about. They are replaced as
// a whole.
type accounts struct {
	caches map[string]*account
	groups [cluster.MaxGroups + 1][]*account // of the nodes that hold the group
}

func newPurse(l *Local, self cluster.NodeID, budget uint64) *purse {
	m := &purse{
		local: l, self: self, budget: budget, wanting: make(chan struct{}, 1),
		heard: map[cluster.NodeID]heardMemory{}, kept: map[string]*account{}, nodes: map[cluster.NodeID]*account{},
	}
	m.losses.logger = l.logger
	m.now.Store(new(accounts))
	return m
}

// budgets are the caches that have a budget, as of a revision of the catalog.
type budgets struct {
	known    bool
	meta     *meta
	revision uint64
	caches   []*storev1.CacheRecord
}

// budgeted returns the caches that have a budget. Caller holds mu.
func (m *purse) budgeted() []*storev1.CacheRecord {
	current := m.local.meta.Load()
	current.mu.RLock()
	defer current.mu.RUnlock()
	catalog := current.machine.catalog
	if b := &m.budgets; !b.known || b.meta != current || b.revision != catalog.Revision() {
		*b = budgets{known: true, meta: current, revision: catalog.Revision()}
		for _, record := range catalog.Caches() {
			if record.GetLimits().GetMaxMemory() > 0 {
				b.caches = append(b.caches, record)
			}
		}
	}
	return m.budgets.caches
}

// holding is what a group holds.
type holding struct {
	known, led bool
	bytes      uint64
	caches     []uint64 // by place in the list of budgeted caches
}

// recent is how old a count may be for a write that finds no room: many writes find
// none at the same moment.
const recent = 2 * time.Millisecond

// recount counts unless somebody just has.
func (m *purse) recount() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.at) >= recent {
		m.countLocked()
	}
}

// count brings all accounts up to date.
func (m *purse) count() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.countLocked()
}

func (m *purse) countLocked() (caches []*storev1.CacheRecord, held []holding) {
	m.at = time.Now()
	caches = m.budgeted()
	if m.budget == 0 && len(caches) == 0 && len(m.heard) == 0 {
		m.now.Store(new(accounts))
		return nil, nil
	}
	for _, a := range m.kept {
		a.begin()
	}
	for _, a := range m.nodes {
		a.begin()
	}
	held = m.holdings(caches)
	next := &accounts{caches: make(map[string]*account, len(caches))}
	for i, record := range caches {
		a := m.kept[record.GetName()]
		if a == nil {
			a = &account{cache: record.GetName()}
			m.kept[a.cache] = a
		}
		share := memory.Share{Budget: record.GetLimits().GetMaxMemory()}
		for g := range held {
			if h := &held[g]; h.known {
				share.Add(h.caches[i], h.led)
			}
		}
		a.settle(share)
		next.caches[a.cache] = a
	}
	for name := range m.kept {
		if next.caches[name] == nil {
			delete(m.kept, name)
		}
	}
	m.countNodes(held, next)
	m.now.Store(next)
	m.counted.rise()
	return caches, held
}

// countNodes counts what each node holds, by the record of who holds which group.
func (m *purse) countNodes(held []holding, next *accounts) {
	shares := map[cluster.NodeID]*memory.Share{}
	add := func(node cluster.NodeID, g cluster.GroupID) {
		budget := m.heard[node].Budget
		if node == m.self {
			budget = m.allowance()
		}
		if budget == 0 {
			return
		}
		share := shares[node]
		if share == nil {
			share = &memory.Share{Budget: budget}
			shares[node] = share
		}
		if h := &held[g]; h.known {
			share.Add(h.bytes, h.led)
			if h.led {
				next.groups[g] = append(next.groups[g], m.node(node))
			}
		}
	}
	for g := range m.local.data {
		add(m.self, g)
	}
	m.local.Read(func(s *cluster.State) {
		if !s.Founded() {
			return
		}
		for group := range s.Placement().All() {
			if group.Group == cluster.MetaGroup {
				continue
			}
			for replica := range group.All() {
				if replica.Node != m.self {
					add(replica.Node, group.Group)
				}
			}
		}
	})
	for node, share := range shares {
		a := m.node(node)
		a.pressed.Store(node != m.self && m.heard[node].pressed(m.at))
		a.settle(*share)
	}
}

// allowance is what all items on this node may take now, 0 for no bound.
func (m *purse) allowance() uint64 {
	if m.budget == 0 {
		return 0
	}
	return max(m.budget-min(m.squeezed.Load(), m.budget), 1)
}

// node returns the account of a node. Caller holds mu.
func (m *purse) node(node cluster.NodeID) *account {
	a := m.nodes[node]
	if a == nil {
		a = &account{node: node}
		m.nodes[node] = a
	}
	return a
}

// holdings returns what is known of each group. Caller holds mu.
func (m *purse) holdings(caches []*storev1.CacheRecord) []holding {
	held := make([]holding, cluster.MaxGroups+1)
	amounts := make([]uint64, len(held)*len(caches))
	terms := make([]uint64, len(held))
	for g := range held {
		held[g].caches = amounts[g*len(caches) : (g+1)*len(caches)]
	}
	places := make(map[string]int, len(caches))
	if len(m.heard) > 0 {
		for i, record := range caches {
			places[record.GetName()] = i
		}
	}
	for _, report := range m.heard {
		for _, told := range report.Groups {
			if g := int(told.Group); g < len(held) && told.Term >= terms[g] {
				terms[g] = told.Term
				held[g].known, held[g].bytes = true, told.Bytes
				clear(held[g].caches) // of an earlier term
				for _, c := range told.Caches {
					if i, budgeted := places[c.Cache]; budgeted {
						held[g].caches[i] = c.Bytes
					}
				}
			}
		}
	}
	for g, p := range m.local.data {
		leadership, _ := p.group.Leadership()
		h := &held[g]
		h.known, h.led = true, leadership.Leading
		p.mu.RLock()
		h.bytes = p.machine.Bytes()
		for i, record := range caches {
			h.caches[i] = p.machine.Cache(record.GetName()).Bytes
		}
		items := p.machine.Stats().Items
		p.mu.RUnlock()
		p.uses.Fit(items)
	}
	return held
}

// Pressed tells what Press noted last.
func (l *Local) Pressed() bool { return l.memory.pressed.Load() }

// Squeeze has some items give way although the budget of this node is not used up:
// they take more memory than they count, or something else does. Relax takes it back.
func (l *Local) Squeeze() {
	held, budget := l.MemoryUse()
	if budget > 0 {
		l.memory.squeezed.Store(budget - min(held/100*95, budget))
		l.memory.wake()
	}
}

// relax is how many times Relax takes back a Squeeze of the whole budget.
const relax = 1000

// Relax takes back a little of what Squeeze took away: the process has memory.
func (l *Local) Relax() {
	m := l.memory
	if less := m.squeezed.Load(); less > 0 {
		m.squeezed.Store(less - min(less, m.budget/relax))
	}
}

// Press notes whether this process has hardly any memory left. Writes that make
// something grow are refused as long as it has.
func (l *Local) Press(pressed bool) { l.memory.pressed.Store(pressed) }
