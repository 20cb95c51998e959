// Package route decides where a request belongs and takes it there: it is the
// one floor on which the pillars meet. A Router finds the group of a key and
// hands the request to the group's leader; on this node that is Local, which
// owns the partitions' machines, the topics and the catalog.
//
// It must never know slices of lists, wire formats, tokens' texts or how Raft
// elects. It translates nothing: commands and queries pass through it unread,
// except for what addresses them (cache, generation, key, time, request id).
//
// # One order of a topic
//
// Publish proves that this node leads, and then numbers the item. A process may
// stand still between the two (a signal, a suspended machine) while another node
// is elected and numbers items; the first one then numbers its own all the same.
// No lock and no lease closes that gap, since a process can be stopped after every
// check; it does no harm, for three reasons.
//
//   - A position begins with a page, and a page with the leader's term. What the
//     old leader gives out is below everything of the new one, whenever it does
//     so, and no position is given out twice. A node that has seen a page takes
//     nothing from below it (package fanout), and a node that a new leader has
//     asked (Local.Survey) takes nothing from the one before, even of topics it
//     has never seen. So whoever hears the late item hears it before the items of
//     the new leader, and the others are told that the page has changed, as they
//     are when an item dies with its leader.
//   - Only a publish that was under way before the pause can be that late. A proof
//     asks the voters after the publish has come, so one that comes after the pause
//     is refused. The late publish and those that the new leader answered meanwhile
//     overlap, and no order of publishers who waited for each other is turned round.
//   - Its publisher is told that it was accepted, which is true: readers at the old
//     leader's node hear it, and so does everybody who resumes from it or whose next
//     leader asks that node. An item is promised to be numbered, not to outlive the
//     node that numbered it.
//
// # Readers whose leader is out of reach
//
// Mirrors hold one stream to each node that leads something that is read here. A
// stream that opens proves nothing: over a connection that is half dead, or with a
// process that is stopped, requests leave and no answer comes. So a group counts as
// linked once the other node has said something about it, and readers who wait for
// that in vain are sent to look for another node, as if there were no stream. A
// connection that dies later is noticed by its keepalive (package peer).
//
// Everything exported may be used by many goroutines. Messages and command
// values handed in are only read; the caller must not change them afterwards.
package route
