package store

import "github.com/tidwall/btree"

// cache is what one partition holds of one cache, under one generation.
type cache struct {
	name       string
	generation uint64
	// forgetAt is when a deleted cache may be forgotten, 0 while it lives.
	forgetAt uint64
	// slot is the cache's place in the machine's agenda while it holds items,
	// or among the tombstones while it is deleted.
	slot int

	// items finds an item by key: at a million keys a hash table answers seven
	// times faster than the tree. order holds the same items by key and can be
	// frozen; it changes only when an item comes, goes or is copied.
	items map[string]*item
	order *btree.Map[string, *item]
	due   schedule[*item]

	lists int
	size  uint64
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
	c.items, c.order = map[string]*item{}, btree.NewMap[string, *item](treeDegree)
	c.due = schedule[*item]{}
	c.lists, c.size = 0, 0
}

// add takes in a new item.
func (c *cache) add(it *item) {
	c.items[it.key] = it
	c.order.Set(it.key, it)
	c.due.put(it, it.expires)
	c.account(it, 1)
}

// remove lets go of an item.
func (c *cache) remove(it *item) {
	delete(c.items, it.key)
	c.order.Delete(it.key)
	c.due.remove(it)
	c.account(it, -1)
}

// account adds an item to the totals, or takes it out of them. What changes an
// item takes it out first and adds it again afterwards.
func (c *cache) account(it *item, sign int) {
	if it.list != nil {
		c.lists += sign
	}
	if sign > 0 {
		c.size += it.size()
	} else {
		c.size -= it.size()
	}
}

// own returns the item that may be written in the given epoch: it, or a copy
// that has taken its place.
func (c *cache) own(it *item, epoch uint64) *item {
	if it.epoch == epoch {
		return it
	}
	duplicate := *it
	duplicate.epoch = epoch
	c.items[it.key] = &duplicate
	c.order.Set(it.key, &duplicate)
	c.due.replace(it, &duplicate)
	return &duplicate
}
