package store

// Held is what one partition holds of a cache.
type Held struct {
	Cache      string
	Generation uint64
	// Items counts what is in it, and Bytes what that takes by the size formula
	// (see Stats), expired items included until they are swept.
	Items int
	Bytes uint64
	// EvictedItems and EvictedBytes count what gave way since the cache was
	// created.
	EvictedItems, EvictedBytes uint64

	kinds [kinds]int
}

// Of counts the items of the kinds whose bits, 1 << Kind, are set.
func (h *Held) Of(kinds uint32) int {
	t := totals{kinds: h.kinds}
	return t.of(kinds)
}

func (c *cache) held() Held {
	return Held{
		Cache: c.name, Generation: c.generation, Items: c.sum(), Bytes: c.size,
		EvictedItems: c.evicted.items, EvictedBytes: c.evicted.bytes, kinds: c.kinds,
	}
}

// Items counts what one generation of a cache holds, expired items included until they
// are swept; of another generation that is nothing.
func (m *Machine) Items(cache string, generation uint64) int {
	c, ok := m.caches.Get(cache)
	if !ok || c.forgetAt != 0 || c.generation != generation {
		return 0
	}
	return c.sum()
}

// Caches returns the live caches this partition has heard of, by name. Those
// that the catalog no longer knows are to be retired.
func (m *Machine) Caches() []Held {
	all := make([]Held, 0, m.caches.Len()-m.graves.len())
	m.caches.Scan(func(_ string, c *cache) bool {
		if c.forgetAt == 0 {
			all = append(all, c.held())
		}
		return true
	})
	return all
}

// Cache returns what is held of one cache, nothing if it is not known here.
func (m *Machine) Cache(name string) Held {
	c, known := m.caches.Get(name)
	if !known || c.forgetAt != 0 {
		return Held{Cache: name}
	}
	return c.held()
}

// Bytes is the size of all items; see Stats.
func (m *Machine) Bytes() uint64 { return m.size }
