// Package metering counts what is used: requests, deliveries and bytes of every
// cache, by the prefix of the topic and by who holds the credential, and keeps it hour
// by hour for the whole cluster.
//
// # How it travels
//
// Every call, every post of a webhook, and every stream now and then, adds to a Meter, which is memory and
// nothing else. A Writer takes what has come together every few seconds, and when the
// node stops, and adds it to tables in a cache of the system's own (package store): so
// usage is replicated, spread over the groups and survives the loss of nodes like the
// items of clients, and a report asks one place. An addition carries the id of a
// request; one whose outcome is unknown is repeated and counts once. What was counted
// since the last writing is lost with a node that dies, and nothing else is.
//
// # Tables
//
// An hour has a table of caches; a cache has, in each hour in which it was used, one
// of topic prefixes and one of credentials. A call is a part of one row in each of the
// three, so all three have the same sum. They are dictionaries whose fields are names
// and whose values are rows of numbers, and they expire by themselves.
//
// Which hour something belongs to is decided when it is taken from the Meter, by the
// clock of the node: to within a moment as long as the node is on time.
//
// # Bounds
//
// Names are chosen by clients, so a table has a bound and a row for all the others.
// The bound is kept in memory, so that a flood of names costs none, and again in the
// store, for all nodes together.
//
// # What it must never know
//
// Calls, permissions, the wire, where a table lives.
//
// # Concurrency and memory
//
// A Meter may be used by many goroutines, and Count waits for nobody but others that
// count. A Writer's Keep is one goroutine of its caller's; Flush may be called beside
// it. Names handed in are kept.
package metering
