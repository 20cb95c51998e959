// Package usage remembers what a node did in the last hour, in steps of ten
// seconds, and adds up what several nodes did. It is values and one ring of fixed
// size: what the numbers mean, where they come from and who may see them is the
// business of others.
//
// Steps are numbered since the Unix epoch, so the same step of two nodes is the
// same ten seconds as far as their clocks agree.
//
// # What it must never know
//
// The clock (time is an argument), metrics, nodes, the wire.
//
// # Concurrency and memory
//
// A History may be used by many goroutines and keeps some 30 KB. What it returns
// is the caller's.
package usage
