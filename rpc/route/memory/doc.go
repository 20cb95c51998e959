// Package memory decides which items give way when memory is used up, and how much
// each leader may add to what it holds. It is arithmetic over what others tell it:
// a Table remembers roughly when each item of a partition was used, a Pool chooses
// among items that were picked at random, and a Share divides what is left of a
// budget among those who may write.
//
// # How close to the least recently used
//
// Nothing keeps items in the order of their use: that would cost memory for each
// and a lock for every read. Items are picked at random instead, and of those the
// ones give way that were not used for longest, an eighth of the pick at most. What
// was picked and is nearly as old is kept for the next time. So what gives way is
// nearly always among the oldest eighth of all items.
//
// When an item was used is remembered in eight bytes, in one of four places that
// follow from a hash of its name, in steps of 4 ms: with the spare ones 10 to 20
// bytes an item. If there is no place left the item that was used least recently
// loses its own, and is as good as never used from then on: it would have given way
// next. The table belongs to one process: whoever becomes the leader knows of the
// writes that it has applied as a follower, and learns of reads from then on.
//
// # What it must never know
//
// Raft, commands, who leads what, where the numbers come from, the time.
//
// # Concurrency and memory
//
// A Table may be used by many goroutines, without a lock. A Pool belongs to one. A
// Share is a value.
package memory
