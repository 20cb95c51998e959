package store

// This file is the only place where items come, change and go; it keeps the
// totals and the agenda in step with them.

// find returns the live item of the target, nil when there is none. An expired
// one is freed on the way.
func (m *Machine) find(t target) *item {
	it := t.cache.items[string(t.key)]
	if it == nil {
		return nil
	}
	if it.expires <= m.clock {
		m.remove(t.cache, it)
		return nil
	}
	return it
}

// findList is find for an operation on lists; it is false when the item is
// something else.
func (m *Machine) findList(t target) (*item, bool) {
	it := m.find(t)
	return it, it == nil || it.list != nil
}

// create adds an item that the fill function completes.
func (m *Machine) create(t target, ttl uint64, fill func(it *item)) {
	it := &item{key: string(t.key), expires: m.clock + ttl, epoch: m.epoch}
	fill(it)
	m.tracked(t.cache, func() { t.cache.add(it) })
}

// edit changes an existing item, which must still hold something afterwards.
// Whatever of it a snapshot shares is copied first.
func (m *Machine) edit(t target, it *item, change func(it *item)) {
	c := t.cache
	m.tracked(c, func() {
		it = c.own(it, m.epoch)
		c.account(it, -1)
		if it.list != nil {
			it.list = it.list.own(m.epoch)
		}
		change(it)
		c.account(it, 1)
		c.due.put(it, it.expires)
	})
}

// remove frees an item.
func (m *Machine) remove(c *cache, it *item) {
	m.tracked(c, func() { c.remove(it) })
}

// drop frees everything a cache holds, in constant time.
func (m *Machine) drop(c *cache) {
	m.tracked(c, c.empty)
}

// tracked carries a change of one cache over to the totals and the agenda.
func (m *Machine) tracked(c *cache, change func()) {
	items, lists, size := len(c.items), c.lists, c.size
	change()
	m.items += len(c.items) - items
	m.lists += c.lists - lists
	m.size += c.size - size
	if _, at, ok := c.due.next(); ok {
		m.agenda.put(c, at)
	} else {
		m.agenda.remove(c)
	}
}

// sweep frees items that have expired, the earliest first, and of those that
// expired together by cache and key. It frees at most limit of them.
func (m *Machine) sweep(limit uint32) *Result {
	if limit == 0 {
		return invalid(badSweep)
	}
	var swept uint32
	for swept < limit {
		c, at, ok := m.agenda.next()
		if !ok || at > m.clock {
			break
		}
		it, _, _ := c.due.next()
		m.remove(c, it)
		swept++
	}
	return sweptOf(swept)
}
