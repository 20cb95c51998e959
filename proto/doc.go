// Package proto holds the words on the wire; the folders below it hold one
// proto package each, with its generated code beside it.
//
// cache, leaderboard, pubsub, control, auth, token, webhook and permission are the
// Momento wire protocol, written down by us from its observable facts. Service and method
// names, field numbers and types are given and must never change; message
// names do not travel and are ours. The test in test/wire compares all of it
// with what an official SDK speaks. store/v1, peer/v1, admin/v1 and cluster/v1
// are our own and versioned: the entries of the Raft log and snapshots, what
// nodes tell each other, what an operator asks, and how a cluster is, which both
// nodes and operators are told.
//
// It must never know any other package of this module. Only the rpc layer and
// test clients speak the public and the peer messages, and only store speaks
// store/v1; met elsewhere, a generated type is a leak.
//
// Generated messages have no locks: whoever holds one may read it from many
// goroutines, or write it from one. Unmarshalled byte fields are the message's
// own copies, not windows into the buffer.
//
// scripts/proto.sh writes the generated code anew, and tells whether what is
// committed is current. The tools it runs are pinned under scripts/tools.
package proto
