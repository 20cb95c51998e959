//go:build !race

package fanout

// manyTopics is how many topics the test of memory uses once.
const manyTopics = 1_000_000
