// Package admit decides whose call is served next when a node has more to do than
// it can do at once, so that one client that asks for very much takes nothing from
// another that asks for little.
//
// # Lanes
//
// A Lane serves a bounded number of calls at a time. As long as there is room a call
// passes at the cost of two atomic additions. When there is none it waits, and who is
// next is decided by who asks, not by how much is asked: groups of callers, such as
// all who hold tokens of one API key, take turns by their weights, and within a group
// its members do. A large call counts as several. Whoever has waited for Patience is
// refused, and so is whoever comes when the queue is full and its group has the most
// of it. Calls that must not wait behind others, such as those of operators, have a
// lane of their own.
//
// # How many at a time
//
// That is the lane's maker's to say. What is served at the same time is in each
// other's way, so one more call takes about as long as all that are under way need
// together. Too few leave a node idle that waits for disks or other nodes: writes are
// gathered, and many of them cost hardly more than one.
//
// # What it must never know
//
// What a call is, who callers are, connections.
//
// # Concurrency and memory
//
// A Lane may be used by many goroutines and starts none. A caller that waits costs a
// goroutine of its own and some 200 bytes; Queue bounds how many there are.
package admit
