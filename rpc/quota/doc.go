// Package quota counts what clients use of what they may use: operations,
// messages and bytes per second, and subscriptions at a time.
//
// An Account is what one subject uses on this node: a cache, an API key, a token,
// or the node itself. It holds no limit. Whoever spends says the limit of that
// moment, so that a limit which is changed holds from the next call on, and a
// limit that is not set costs nothing. Book keeps the accounts, and forgets those
// that were idle for a while.
//
// # Rates
//
// A rate is a token bucket that holds one second's worth. What is larger than the
// bucket is let through when anything is left in it, and paid off later: a limit of
// 1 MiB per second lets a message of 5 MiB pass every five seconds, instead of
// never. So the most that passes in t seconds is limit × (t + 1), and one call more.
//
// # Sharing
//
// A limit holds in the whole cluster, but it is each node that refuses, without
// asking anybody. So every node has a part of each limit that is in use, and the
// parts follow the demand: once a second each node asks all others what was wanted
// there, refused calls included, and divides the limit as all others do (share.go).
// Who wants little gets it, the others get equal parts of the rest, and what nobody
// wants is divided equally. Nodes that come to see demand wait for the next round
// with a fiftieth of their equal part at least.
//
// A node that hears more than half of the members, itself included, divides all of
// the limit among those it hears; the others cannot serve much, being a minority. One
// that hears fewer keeps its equal part and no more. So a limit is never open-ended:
// if links break in the worst way, in which some node still hears each half,
// less than twice the limit is accepted.
//
// # What it must never know
//
// Calls, statuses, connections, how nodes are asked. Time is an argument.
//
// # Concurrency and memory
//
// A Book and its accounts may be used by many goroutines; Book.Share is for one. Run
// returns when its context ends. An account that nobody has used for a minute is
// forgotten unless it holds subscriptions.
package quota
