package store

import (
	"github.com/tidwall/btree"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// cache is what one partition holds of one cache, under one generation.
type cache struct {
	name       string
	generation uint64
	// forgetAt is when a deleted cache may be forgotten, 0 while it lives.
	forgetAt uint64
	// slot is the cache's place in the machine's agenda while it holds items,
	// or among the tombstones while it is deleted.
	slot int

	// shelf holds the items, boards the leaderboards, nil until there is one.
	shelf
	boards *shelf
	totals

	// evicted counts what gave way since the cache was created. A flush keeps it.
	evicted evicted
}

// shelf is one key space of a cache.
type shelf struct {
	// items finds an item by key: at a million keys a hash table answers seven
	// times faster than the tree. order holds the same items by key and can be
	// frozen; it changes only when an item comes, goes or is copied.
	items map[string]*item
	order *btree.Map[string, *item]
	due   schedule[*item]
}

// totals are what a cache, or all of them, hold.
type totals struct {
	kinds [kinds]int // items by kind
	size  uint64
}

// kinds is one past the last kind of item.
const kinds = storev1.Kind_KIND_SORTED_SET + 1

// sum counts the items of every kind.
func (t *totals) sum() (n int) {
	for _, k := range t.kinds {
		n += k
	}
	return n
}

// account adds an item to the totals, or takes it out of them. What changes an
// item takes it out first and adds it again afterwards.
func (t *totals) account(it *item, sign int) {
	t.kinds[it.kind()] += sign
	if sign > 0 {
		t.size += it.size()
	} else {
		t.size -= it.size()
	}
}

// follow carries over what changed in a part of what is counted here.
func (t *totals) follow(before, after *totals) {
	for k := range t.kinds {
		t.kinds[k] += after.kinds[k] - before.kinds[k]
	}
	t.size += after.size - before.size
}

// treeDegree makes tree nodes of up to 31 items: half the copying of the
// library's default at the first write after a freeze, for the same speed.
const treeDegree = 16

func newCache(name string, generation uint64) *cache {
	c := &cache{name: name, generation: generation}
	c.empty()
	return c
}

func (c *cache) label() string { return c.name }
func (c *cache) place() *int   { return &c.slot }

// empty lets go of every item at once.
func (c *cache) empty() {
	c.shelf, c.boards, c.totals = newShelf(), nil, totals{}
}

func newShelf() shelf {
	return shelf{items: map[string]*item{}, order: btree.NewMap[string, *item](treeDegree)}
}

// space returns the shelf of a key space, nil for one that was never used.
func (c *cache) space(s storev1.Space) *shelf {
	if s == storev1.Space_SPACE_LEADERBOARDS {
		return c.boards
	}
	return &c.shelf
}

// open is space for writing.
func (c *cache) open(s storev1.Space) *shelf {
	if s == storev1.Space_SPACE_LEADERBOARDS && c.boards == nil {
		boards := newShelf()
		c.boards = &boards
	}
	return c.space(s)
}

// next returns the item that expires first, and where it is. Of two that expire
// together one of the first space comes first.
func (c *cache) next() (s *shelf, it *item, ok bool) {
	it, at, ok := c.due.next()
	if c.boards != nil {
		if board, first, waits := c.boards.due.next(); waits && (!ok || first < at) {
			return c.boards, board, true
		}
	}
	return &c.shelf, it, ok
}

// add takes in a new item.
func (s *shelf) add(it *item) {
	s.items[it.key] = it
	s.order.Set(it.key, it)
	s.due.put(it, it.expires)
}

// remove lets go of an item.
func (s *shelf) remove(it *item) {
	delete(s.items, it.key)
	s.order.Delete(it.key)
	s.due.remove(it)
}

// own returns the item that may be written in the given epoch: it, or a copy
// that has taken its place.
func (s *shelf) own(it *item, epoch uint64) *item {
	if it.epoch == epoch {
		return it
	}
	duplicate := *it
	duplicate.epoch = epoch
	s.items[it.key] = &duplicate
	s.order.Set(it.key, &duplicate)
	s.due.replace(it, &duplicate)
	return &duplicate
}
