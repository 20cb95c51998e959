// Package cluster holds the vocabulary of placement as pure values: which
// nodes exist by name, which slot a topic or an item falls into, and which
// Raft group owns a slot.
//
// It must never know what lives inside a slot (topics, lists, commands), how
// a group agrees (that is cluster/replica), or who seems alive right now. It
// imports the standard library and the hash function, starts no goroutine,
// reads no clock and does no IO.
//
// Every value is immutable after construction and safe for concurrent use.
// No function keeps the memory of its arguments.
package cluster
