package store

// adopt returns the cache under the given generation: it is created when it is
// unknown, and emptied when the generation is newer than the one known. It
// returns nil when the generation is older, or was deleted.
//
// Adopting happens before the operation is looked at. That changes nothing for
// a command that is then refused, for an empty cache refuses nothing.
func (m *Machine) adopt(name string, generation uint64) *cache {
	c, known := m.caches.Get(name)
	switch {
	case !known:
		c = newCache(name, generation)
		m.caches.Set(name, c)
	case generation < c.generation, generation == c.generation && c.forgetAt != 0:
		return nil
	case generation > c.generation:
		m.renew(c, generation)
	}
	return c
}

// renew empties a cache and lets it live on under a newer generation.
func (m *Machine) renew(c *cache, generation uint64) {
	if c.forgetAt != 0 {
		m.graves.remove(c)
		c.forgetAt = 0
	}
	m.drop(c)
	c.generation = generation
}

// retire makes the given generation the oldest that may live. A deleted cache
// leaves a tombstone, so that a late command cannot bring it back.
func (m *Machine) retire(name string, generation uint64, deleted bool) *Result {
	switch {
	case !validName(name):
		return invalid(badName)
	case generation == 0:
		return invalid(badGeneration)
	}
	if c, known := m.caches.Get(name); known && deleted && c.forgetAt != 0 && c.generation == generation {
		return done
	}
	c := m.adopt(name, generation)
	if c == nil {
		return stale
	}
	if deleted {
		m.bury(c)
	}
	return done
}

// bury turns a live cache into a tombstone.
func (m *Machine) bury(c *cache) {
	m.drop(c)
	c.evicted = evicted{}
	c.forgetAt = m.clock + TombstoneMs
	m.graves.put(c, c.forgetAt)
	if m.graves.len() > MaxTombstones {
		oldest, _, _ := m.graves.next()
		m.forget(oldest)
	}
}

// forget ends the memory of a deleted cache.
func (m *Machine) forget(c *cache) {
	m.graves.remove(c)
	m.caches.Delete(c.name)
}
