// Package steward keeps a node's share of the cluster in order. On every node
// it follows the placement: it makes and starts the replicas that are created
// here. On the node that leads the meta group it also looks after the others:
// it asks every node how it is, judges who lives, and walks the groups to where
// the placement wants them, one step of cluster.Plan at a time.
//
// It must never know what a group holds, how nodes talk (Peers is handed in) or
// how operators ask. It imports cluster and cluster/replica and nothing else of
// ours; the decisions are cluster's, and the steward carries them out.
//
// # What holds
//
//   - Only a node whose changes commit acts: a step is on record before it is
//     asked of a group's leader, so a meta leader that was replaced does nothing.
//   - Whatever ends half way is done again: nothing here remembers across a
//     change of leadership what it had in mind.
//   - Nobody is judged before they could be heard: a new meta leader counts
//     silence from the moment it took office.
//
// # Concurrency and memory
//
// A Steward runs one goroutine that follows, and one that leads or waits to.
// While it leads, each question to a node and each group with steps under way
// has a goroutine of its own, bounded in number by members and groups and in
// time by [Tuning]. All are ended by the context of Run, which waits for them.
// Everything exported may be used by many goroutines.
package steward
