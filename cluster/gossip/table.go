package gossip

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// maxPeers bounds the table: the members of a cluster, and as many that are
	// gone or on their way in.
	maxPeers = 2 * cluster.MaxMembers
	// maxConflicts bounds the names with two claimants.
	maxConflicts = 32
	// conflictMemory is how long after it was last seen a conflict is told. Full
	// exchanges of state, which show it again, come every 30 s or so.
	conflictMemory = 2 * time.Minute
)

// Peer is another node as gossip knows it.
type Peer struct {
	Node cluster.NodeID
	// Addr is where it gossips.
	Addr netip.AddrPort
	// Claim is what it says of itself.
	Claim
	// Alive: it answered of late, to this node or to others. If not, gossip has
	// given it up: it died, is cut off or stopped, left, or somebody says so.
	Alive bool
	// Since is when, by this node's clock, Alive or Boot became what it is.
	Since time.Time
}

// Conflict is a name that two nodes use at the same time, or one that moved
// before the others gave up its old address.
type Conflict struct {
	Node cluster.NodeID
	// Held is the address that this node believes in, for its own name its own;
	// Other is the newcomer's.
	Held, Other netip.AddrPort
	// Last is when it was last seen.
	Last time.Time
}

// table holds what was heard, as copies. Its lock is taken inside memberlist's,
// so nothing that could need that one is called under it.
type table struct {
	self    cluster.NodeID
	changed chan struct{} // has room for one ring

	mu        sync.Mutex
	peers     map[cluster.NodeID]Peer
	conflicts map[cluster.NodeID]Conflict
}

func newTable(self cluster.NodeID) *table {
	return &table{
		self:      self,
		changed:   make(chan struct{}, 1),
		peers:     make(map[cluster.NodeID]Peer),
		conflicts: make(map[cluster.NodeID]Conflict),
	}
}

func (t *table) ring() {
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// hasRoom tells whether node is known or may become known.
func (t *table) hasRoom(node cluster.NodeID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, known := t.peers[node]
	return known || node == t.self || len(t.peers) < maxPeers
}

// heard records a node that is alive, with p.Since the moment it was heard.
func (t *table) heard(p Peer) {
	if p.Node == t.self {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old, known := t.peers[p.Node]
	if known && old.Alive && old.Boot == p.Boot {
		p.Since = old.Since
	}
	if p == old {
		return
	}
	t.peers[p.Node] = p
	t.ring()
}

// lost records that memberlist gave a node up.
func (t *table) lost(node cluster.NodeID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, known := t.peers[node]
	if !known || !p.Alive {
		return
	}
	p.Alive, p.Since = false, now
	t.peers[node] = p
	t.ring()
}

// conflict records two claimants of a name and tells whether it is news.
func (t *table) conflict(c Conflict) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, known := t.conflicts[c.Node]
	if !known && len(t.conflicts) >= maxConflicts {
		return false
	}
	t.conflicts[c.Node] = c
	if known && old.Other == c.Other {
		return false
	}
	t.ring()
	return true
}

// forget drops who has been gone, and conflicts not seen, for long enough.
func (t *table) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := len(t.peers) + len(t.conflicts)
	maps.DeleteFunc(t.peers, func(_ cluster.NodeID, p Peer) bool {
		return !p.Alive && now.Sub(p.Since) >= deadMemory
	})
	maps.DeleteFunc(t.conflicts, func(_ cluster.NodeID, c Conflict) bool {
		return now.Sub(c.Last) >= conflictMemory
	})
	if len(t.peers)+len(t.conflicts) != before {
		t.ring()
	}
}

func (t *table) listPeers() []Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.peers), func(a, b Peer) int {
		return strings.Compare(string(a.Node), string(b.Node))
	})
}

func (t *table) listConflicts() []Conflict {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Values(t.conflicts), func(a, b Conflict) int {
		return strings.Compare(string(a.Node), string(b.Node))
	})
}
