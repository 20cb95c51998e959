// Package store is the replicated memory of Mayfly as a pure function of its
// log: a [Machine] holds the items of one partition, a [Catalog] holds what
// the whole cluster agrees on about caches, webhooks and credentials, and what
// operators did.
//
// Both change only through Apply. The same commands in the same order give
// the same results and byte-identical snapshots on every replica, so nothing
// in here reads a clock, draws a random number, starts a goroutine, does IO of
// its own, depends on map order or logs. Time arrives in the commands and
// never runs backwards: a machine's clock is the latest time it was told, and
// an item is gone when its expiry is not after that clock. What goes wrong is
// a status in the result, never a panic, for a panic here would be replayed on
// every replica.
//
// # What it must never know
//
// Raft, nodes, topics, gRPC, who may do what. The only package of this house
// it imports is the generated vocabulary, proto/store/v1.
//
// # Caches and generations
//
// The catalog gives a cache a new generation whenever it is created, flushed
// or deleted, from one counter that only grows. Every command names the
// generation its sender knows. A partition that hears of a higher generation
// empties the cache on the spot, a lower one is refused as stale; so a flush
// takes effect everywhere without all partitions having to agree on a moment.
//
// # Collections
//
// Beside a scalar an item may hold a list, a dictionary, a set or a sorted set;
// one that loses its last element is gone. Lists are chunks on a spine. The
// others are counted trees (tree.go) in the order of their elements' bytes, a
// sorted set also by score, so that answers and snapshots have an order that all
// replicas share, and ranks, ranges and random choices cost the logarithm of the
// size. What is chosen at random follows from a seed in the command or query.
//
// A cache has two key spaces: items, and leaderboards, which are sorted sets whose
// members are ids. A union whose sources may live in other partitions arrives
// with those joined already; only the set that it replaces is read here.
//
// # Concurrency
//
// The caller owns the lock. Apply, Snapshot and Restore need it exclusively.
// Any number of views and other reads may run together. The snapshot a machine
// hands out is frozen: its WriteTo runs without any lock, beside everything
// else.
//
// # Memory ownership
//
// Values are immutable. Apply keeps the byte slices of its command, results
// share the stored bytes and may be remembered and handed out again: nobody
// may write to a command after it was applied, nor to a result at any time.
//
// Freezing shares structure instead of copying it. Everything that changes
// carries the epoch it was made in; taking a snapshot begins a new epoch, and
// the first write to something older copies it: the one item, the nodes of the
// ordered tree on the way to it, of a long list its spine and the one chunk that
// is touched, and of a dictionary, set or sorted set the nodes on the way to the
// one element. An item's place in the expiry schedule is the only
// field that is written in place, and no snapshot reads it.
package store
