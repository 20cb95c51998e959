package metrics

import (
	"maps"
	"slices"
)

var (
	memoryHeld    = describe("mayfly_memory_items_bytes", "Size of all items with a replica on this node.")
	memoryBudget  = describe("mayfly_memory_items_budget_bytes", "What all items on this node may take; absent if there is no bound.")
	memoryPressed = describe("mayfly_memory_pressed", "1 while the process has hardly any memory left and refuses writes that take more.")

	cacheHeld     = describe("mayfly_cache_led_bytes", "Size of the items of a cache with a budget, in the groups that this node leads.", "cache")
	cacheBudget   = describe("mayfly_cache_budget_bytes", "What all items of a cache may take in the whole cluster.", "cache")
	evictedItems  = describe("mayfly_cache_evicted_items_total", "Items that gave way for want of memory, by decision of this node.", "cache")
	evictedBytes  = describe("mayfly_cache_evicted_bytes_total", "Size of those items.", "cache")
	refusedWrites = describe("mayfly_cache_refused_writes_total", "Writes that this node refused for want of memory.", "cache")
)

// maxCaches is how many caches are shown.
const maxCaches = 100

func (out readings) memory(m Memory) {
	out.gauge(memoryHeld, float64(m.Held))
	if m.Budget > 0 {
		out.gauge(memoryBudget, float64(m.Budget))
	}
	pressed := 0.0
	if m.Pressed {
		pressed = 1
	}
	out.gauge(memoryPressed, pressed)
	names := slices.Sorted(maps.Keys(m.Caches))
	for _, name := range names[:min(len(names), maxCaches)] {
		c := m.Caches[name]
		if c.Budget > 0 {
			out.gauge(cacheBudget, float64(c.Budget), name)
			out.gauge(cacheHeld, float64(c.Led), name)
		}
		out.counter(evictedItems, c.EvictedItems, name)
		out.counter(evictedBytes, c.EvictedBytes, name)
		out.counter(refusedWrites, c.RefusedWrites, name)
	}
}
