package memory

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/mayfly-broker/mayfly/store"
)

const (
	// pickiness is how many items are looked at for each that gives way.
	pickiness = 8
	// poolSize is how many of those that are nearly as old are kept.
	poolSize = 64
	// hot is how long an item must not have been used to give way although it is
	// large, in milliseconds.
	hot = 60_000
)

// Picks is how many items should be picked for a Choose of so many.
func Picks(most int) int { return pickiness * most }

// Pool holds the items that were nearly chosen, of one cache in one partition. The
// zero value is ready.
type Pool struct{ kept []store.Candidate }

// Keep replaces what is kept by what remains of it, as still tells: an
// item may be gone, or something else may have its name. The slice it gets is still's to
// reuse.
func (p *Pool) Keep(still func(kept []store.Candidate) []store.Candidate) {
	p.kept = still(p.kept)
}

// Choice says what a Choose wants.
type Choice struct {
	// Use tells what is remembered of an item.
	Use func(store.Candidate) Use
	// Seldom chooses by how often items are used, and otherwise it counts when they
	// were used last.
	Seldom bool
	// Bytes is how much is to be freed, and Most how many items may go at once.
	Bytes uint64
	Most  int
	// Large is a size in bytes above which an item that is in use stays: it would
	// take all that there is with it.
	Large uint64
}

// weighed is an item with what speaks for its going.
type weighed struct {
	store.Candidate
	Use
	luck uint64 // chooses among those that are alike
}

// Choose returns those of the items picked, and of those kept from before, that
// should go: the worst, as many as are needed, but an eighth of them at most. It
// changes picked. What is kept should be looked at again before; see Keep.
func (p *Pool) Choose(picked []store.Candidate, c Choice) []store.Candidate {
	all := make([]weighed, 0, len(picked)+len(p.kept))
	for _, items := range [][]store.Candidate{p.kept, picked} {
		for _, item := range items {
			use := c.Use(item)
			if item.Bytes <= c.Large || use.Idle >= hot {
				all = append(all, weighed{item, use, maphash.String(seed, item.Key)})
			}
		}
	}
	p.kept = p.kept[:0]
	slices.SortFunc(all, c.compare)
	all = slices.CompactFunc(all, func(a, b weighed) bool { return a.Space == b.Space && a.Key == b.Key })
	if len(all) == 0 {
		return nil
	}
	most := min(c.Most, max(len(all)/pickiness, 1))
	var freed uint64
	chosen := picked[:0]
	for _, w := range all[:most] {
		if freed >= c.Bytes {
			break
		}
		freed += w.Bytes
		chosen = append(chosen, w.Candidate)
	}
	for _, w := range all[len(chosen):min(len(all), len(chosen)+poolSize)] {
		p.kept = append(p.kept, w.Candidate)
	}
	return chosen
}

// compare puts the item first that should go first. Equal items stand together.
func (c Choice) compare(a, b weighed) int {
	seldom := 0
	if c.Seldom {
		seldom = cmp.Compare(a.Count, b.Count)
	}
	return cmp.Or(seldom, cmp.Compare(b.Idle, a.Idle), cmp.Compare(a.luck, b.luck), cmp.Compare(a.Space, b.Space), cmp.Compare(a.Key, b.Key))
}
