// Package cluster holds membership and placement as pure values: which nodes
// exist, which slot a topic or an item falls into, which Raft group owns a
// slot, where the replicas of a group are, where they shall be, and the next
// steps from the one to the other.
//
// It must never know what lives inside a slot (topics, lists, commands), how
// a group agrees (that is cluster/replica), or find out who is alive: what was
// seen is handed in. It imports the standard library and the hash function,
// starts no goroutine, reads no clock and does no IO.
//
// # How it fits together
//
// [State] is what the meta group agrees on: members, tombstones, join tokens,
// settings and the [Placement]. It changes only by [Change] values in the meta
// group's log. [Assign] says where every group shall be, starting from where
// it is; [Plan] compares that, the record and what the groups' leaders report
// ([Observed]) and gives the next [Step] values. The table on record is the
// truth, not the hash.
//
// The meta leader drives, in rounds:
//
//  1. Take State.View and State.Version at one moment, with fresh observations.
//  2. Plan. For each step in order: commit Step.Change with Change.Expect set to
//     the version, which from then on is Outcome.Version; then, if the kind is
//     OnGroup, ask the group's leader, with Step.Index as the precondition on
//     its configuration. A StepRelease is asked of the replica's node first and
//     its change committed after.
//  3. On any conflict, refusal or failure drop the rest of that group's steps;
//     begin again.
//
// A node follows the placement: it makes and starts the replicas that are
// created for it, after stopping (not deleting) an older one of the same group
// that is lost. It deletes only when a StepRelease asks it to.
//
// A meta leader that was replaced cannot commit, so it cannot act; a request
// of its that was on the way meets a configuration with another index. Plan
// remembers nothing, so its successor goes on where it stopped.
//
// What an operator asks for goes through a check on a view first ([CheckDrain],
// [CheckLeave], [CheckRemove], [CheckReplaceStore]), which refuses with a
// [Refusal] that names the groups; the change then carries the version the
// check looked at.
//
// # What holds
//
//   - A step on a group is planned only if before and after it a majority of
//     the group's voters is live and caught up.
//   - A replica id is never used twice. Data is deleted only when the record has
//     the replica retired and the group's own leader does not know it.
//   - Without zones no node has more than max(⌈mean⌉, ⌊1.1·mean⌋) replicas of
//     data groups once moves are done; with zones as far as zones allow.
//   - A node that is only suspected loses nothing, and is given nothing.
//
// # Frozen contracts
//
// The hashes of names ([SlotOf]) and of nodes (affinity), the slots, and the
// encodings of changes and snapshots are on disk in every cluster. They may be
// added to, under a new format or kind, and never change their meaning.
//
// # Concurrency and memory
//
// Values are immutable after construction and safe for concurrent use, except
// State, whose caller owns the lock. Lists inside of them are shared and must
// not be written to. No function keeps the memory of its arguments, except
// NewPlacement.
package cluster
