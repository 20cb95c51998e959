// Package house holds the tests of the architecture: who may import whom, that
// every folder says its job, and what the pure pillars must not touch. It
// knows the rules and nothing of what the packages do.
package house
