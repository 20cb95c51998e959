// Package convert holds the likeness on the wire of values that more than one
// door shows: how a cluster is, which nodes tell each other and any node tells
// an operator; and what was used, in the JSON of HTTP and of commands.
//
// It must never know a service, a connection or who asks. It translates, and
// decides nothing. Whatever it makes of a message is well-formed and bounded, or
// an error; what it makes of a value shares no memory with it.
//
// It holds no state, so everything may be used by many goroutines.
package convert
