// Package faults hurts a cluster while clients use it, and then judges from what
// the clients saw whether every promise was kept.
//
//	history, client, load   calls on scalars and lists, and what came of them
//	model, linear           is there an order of the calls that explains all answers?
//	ledger                  lists and counters that last a whole round: what was
//	                        acknowledged is there once, at the end and in order
//	publish, subscribe      topics, with readers on every node who resume as SDKs do
//	topic_check             one order for all, no duplicate, no silent gap
//	plan, nemesis           what is done to the nodes, from a seed
//	round                   all of it together, and what is left of a failed one
//
// A seed fixes what is done to the nodes, when, and what each client wants. It
// does not fix how the machine runs the processes, so a seed that failed once may
// have to be repeated a few times.
//
// The package must never know how the broker works: it judges answers and
// streams by what the protocol promises. Whoever adds a rule adds the broken
// history that the rule finds to the tests, which need no broker.
//
// A round belongs to one test. Its clients are goroutines that end with the
// context they were given, and Round waits for all of them; what they record is
// safe for concurrent use and is judged when they have ended.
package faults
