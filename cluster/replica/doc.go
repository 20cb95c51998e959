// Package replica keeps the Raft groups of one node: it is the only importer
// of hashicorp/raft, and beyond it there are bytes, indexes and outcomes.
//
// A [Host] owns a data directory (or memory) and all groups of the node. A
// [Group] takes commands ([Group.Propose]) and read fences ([Group.Confirm]);
// a [StateMachine], implemented elsewhere, applies committed commands. The
// package must never know what a command means, what a list or a topic is,
// nor which name belongs to which group.
//
// # Durability
//
// A command is answered after a majority has it on disk, fsynced. Storage is
// fail-stop: after the first storage error or bad checksum nothing is retried,
// [Config.Fatal] is called once (by default the process ends), because after a
// failed fsync neither memory nor disk can be trusted. At start every byte in
// use is verified before anything is served: see check.go for what is checked
// and why bbolt's own checks are not enough. Nothing is ever deleted to get
// past damage.
//
// # Replicas and configurations
//
// The replicas of a node are written in its identity file before anything is
// done in their name, and start from it without asking anybody. A node that
// founded its cluster was born with one of every group; any other gets them one
// by one ([Host.StartReplica]), waits until the group's leader adds them, and
// gives them up for ever ([Host.RemoveReplica], [Host.Purge]). A number is used
// once per group and node: a replica that forgot what it promised must not be
// taken for the one that promised.
//
// A leader changes its group by [Group.AddLearner], [Group.Promote],
// [Group.Demote], [Group.Remove] and [Group.TransferLeadership]. Every change of
// the configuration names the index of the one it was decided on and fails with
// [ErrConflict] on another. When a change is due is decided elsewhere.
//
// # Reads
//
// [Group.Confirm] is the only way to a linearizable read. It never uses
// VerifyLeader, which was stale in our tests. With one voter it costs a few
// atomic loads. With several, a majority of them is asked for their terms, in
// one round for all reads that wait and one call per node for all groups
// ([Config.Terms], [Host.Terms]); where that proves nothing, a log barrier does.
//
// # Leadership of a lone voter
//
// hashicorp/raft waits one to two heartbeat timeouts before a follower stands
// for election, so that a living leader is not disturbed. A replica that is
// the only voter of its configuration has no leader to wait for: nobody else
// can be elected without its own vote. For it alone the wait is cut short (see
// Group.hasten), which takes a node with 17 groups from two seconds to a few
// milliseconds. Nothing else about the election changes: term and vote are
// still persisted first.
//
// # Concurrency and memory
//
// Host and Group are safe for concurrent use. Each group has its own
// goroutines, all waited for by [Host.Close] or [Host.RemoveReplica]; those that
// ask other nodes for terms belong to the Host. StateMachine methods are called
// by one goroutine per group, except that a snapshot's WriteTo runs beside
// later Apply calls. The bytes passed to Propose belong to the caller again
// once it returns, whatever it returns; the bytes handed to Apply belong to
// the log and must not be modified.
package replica
