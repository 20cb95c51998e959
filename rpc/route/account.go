package route

import (
	"sync"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/route/memory"
)

// account is one budget as far as this node may use it.
type account struct {
	cache string // empty for a node's
	node  cluster.NodeID

	mu      sync.Mutex
	room    int64 // what writes may still take
	pending int64 // taken by writes under way
	before  int64 // pending when the count began that is under way, or was last
	since   int64 // taken since then

	budget  atomic.Uint64
	most    atomic.Int64 // more could never be taken
	wanted  atomic.Int64 // what a write waits for that did not get it
	spare   atomic.Int64 // less room than this is to be made up for
	dry     atomic.Bool  // nothing gives way
	pressed atomic.Bool  // the node has hardly any memory left

	// Guarded by purse.mu.

	share memory.Share // by the last count
	turn  memory.Turn
	due   uint64 // what this node is to free, of a node's budget
}

// spare is the part of what this node could use up of a budget that is less than it
// wants to have left. It is half of what is kept free.
const spare = 40

// begin notes that a count begins. What is under way now may be in it or not, and so
// may what is taken from now on: settle believes that none of it is.
func (a *account) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.before, a.since = a.pending, 0
}

// take takes bytes, if there are so many.
func (a *account) take(bytes int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.room < bytes {
		return false
	}
	a.room -= bytes
	a.since += bytes
	a.pending += bytes
	return true
}

// end says that what was taken was applied, or will not be.
func (a *account) end(bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending -= bytes
}

// low reports whether the account should be made up for.
func (a *account) low() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.room < a.spare.Load() && !a.dry.Load()
}

// settle ends a count.
func (a *account) settle(share memory.Share) {
	share.Wanted = uint64(max(a.wanted.Load(), 0))
	a.share = share
	a.budget.Store(share.Budget)
	a.most.Store(share.Most())
	a.spare.Store(share.Most() / spare)
	a.mu.Lock()
	a.room = share.Room() - a.before - a.since
	a.mu.Unlock()
	if !share.Excess() {
		a.dry.Store(false)
	}
}
