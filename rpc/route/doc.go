// Package route decides where a request belongs and takes it there: it is the
// one floor on which the pillars meet. A Router finds the group of a key and
// hands the request to the group's leader; on this node that is Local, which
// owns the partitions' machines, the topics and the catalog.
//
// It must never know slices of lists, wire formats, tokens' texts or how Raft
// elects. It translates nothing: commands and queries pass through it unread,
// except for what addresses them (cache, generation, key, time, request id).
//
// Everything exported may be used by many goroutines. Messages and command
// values handed in are only read; the caller must not change them afterwards.
package route
