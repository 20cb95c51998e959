package store

// This file is the only place where items come, change and go; it keeps the
// totals and the agenda in step with them.

// find returns the live item of the target, nil when there is none. An expired
// one is freed on the way.
func (m *Machine) find(t target) *item {
	it := t.shelf.items[string(t.key)]
	if it == nil {
		return nil
	}
	if it.expires <= m.clock {
		m.remove(t, it)
		return nil
	}
	return it
}

// create adds an item that the fill function completes.
func (m *Machine) create(t target, ttl uint64, fill func(it *item)) {
	it := &item{key: string(t.key), expires: m.clock + ttl, epoch: m.epoch}
	fill(it)
	m.add(t, it)
}

// add takes in a new item.
func (m *Machine) add(t target, it *item) {
	m.tracked(t.cache, func() {
		t.shelf.add(it)
		t.cache.account(it, 1)
	})
}

// edit changes an existing item. Whatever of it a snapshot shares is copied
// first.
func (m *Machine) edit(t target, it *item, change func(it *item)) {
	m.tracked(t.cache, func() {
		it = t.shelf.own(it, m.epoch)
		t.cache.account(it, -1)
		if it.held != nil {
			it.held = it.held.owned(m.epoch)
		}
		change(it)
		t.cache.account(it, 1)
		t.shelf.due.put(it, it.expires)
	})
}

// remove frees an item.
func (m *Machine) remove(t target, it *item) {
	m.tracked(t.cache, func() {
		t.shelf.remove(it)
		t.cache.account(it, -1)
	})
}

// drop frees everything a cache holds, in constant time.
func (m *Machine) drop(c *cache) {
	m.tracked(c, c.empty)
}

// tracked carries a change of one cache over to the totals and the agenda.
func (m *Machine) tracked(c *cache, change func()) {
	before := c.totals
	change()
	m.follow(&before, &c.totals)
	if _, first, ok := c.next(); ok {
		m.agenda.put(c, first.expires)
	} else {
		m.agenda.remove(c)
	}
}

// sweep frees items that have expired, the earliest first, and of those that
// expired together by cache, space and key. It frees at most limit of them.
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
		s, it, _ := c.next()
		m.remove(target{cache: c, shelf: s}, it)
		swept++
	}
	return sweptOf(swept)
}
