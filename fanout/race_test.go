//go:build race

package fanout

// manyTopics is smaller under the race detector, whose own bookkeeping for a million locks takes a quarter of a minute.
const manyTopics = 100_000

// strayAllocations is how many allocations a round over ten topics may make. The race detector empties pools at random.
const strayAllocations = 12
