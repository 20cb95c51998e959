package store

// Held names one generation of a cache.
type Held struct {
	Cache      string
	Generation uint64
	// Items counts what is in it, expired items included until they are swept.
	Items int
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
	m.caches.Scan(func(name string, c *cache) bool {
		if c.forgetAt == 0 {
			all = append(all, Held{Cache: name, Generation: c.generation, Items: c.sum()})
		}
		return true
	})
	return all
}
