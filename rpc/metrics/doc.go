// Package metrics shows the numbers of a node to Prometheus. Below it everybody
// counts in plain integers and knows nothing of metrics; this package reads those
// when it is asked, and is the only one that knows the library.
//
// Names follow the practice of the field: mayfly_, base units, _total for what
// only grows. Every label has few values, known in advance: services, methods,
// codes, groups, the two protocols. A topic, a key, a token or an address never is
// one: they are secrets of some caller, and there is no end of them. A cache is one
// only where memory is short: for those that were given a budget, and those that lost
// something, a hundred at most.
//
// # What it must never know
//
// Who may read the metrics, over which port, and what any of the numbers is good
// for.
//
// # Concurrency and memory
//
// Everything may be used by many goroutines; nothing runs between two readings.
// A call costs some 100 ns to count and no memory after the first of its kind.
package metrics
