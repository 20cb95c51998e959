// Package store is the replicated memory of Mayfly as a pure function of its
// log: a [Machine] holds the items of one partition, a [Catalog] holds what
// the whole cluster agrees on about caches and credentials.
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
// ordered tree on the way to it, and of a long list its spine and the one
// chunk that is touched. An item's place in the expiry schedule is the only
// field that is written in place, and no snapshot reads it.
package store
