//go:build !race

package fanout

// manyTopics is how many topics the test of memory uses once.
const manyTopics = 1_000_000

// strayAllocations is how many allocations a round over ten topics may make: fewer than this.
const strayAllocations = 1
