package replica

import "io"

// StateMachine is the replicated state of one group, fed from its log. Every
// replica of the group applies the same commands in the same order, so Apply
// must be a pure function of state and arguments: no clock, no randomness, no
// map order.
//
// Apply, Snapshot and Restore are called by one goroutine per group and never
// overlap. Reads come from other goroutines at any time; how they are kept
// apart from Apply is the implementation's own business.
type StateMachine interface {
	// Apply executes the commands of one log entry and returns one result per
	// command, in order. Results of the leader reach the callers of Propose
	// unchanged. Entry indexes ascend with gaps (other entries belong to Raft).
	//
	// A command that cannot be executed yields a result that says so. A panic
	// would repeat on every replica and every restart.
	//
	// The byte slices belong to the log: they must not be modified, and keeping
	// one keeps the whole entry (up to 64 KiB or one large command) in memory.
	Apply(index uint64, commands [][]byte) []any

	// Snapshot freezes the present state, cheaply: no command is applied until
	// it returns. WriteTo of the returned value is called at most once, from
	// another goroutine and beside later Apply calls, whose effects it must not
	// show. If the value is also an io.Closer it is closed when no longer
	// needed, written or not.
	Snapshot() (io.WriterTo, error)

	// Restore replaces the whole state by what a snapshot's WriteTo wrote. On
	// error the replica stops: half a state is never served.
	Restore(r io.Reader) error
}
