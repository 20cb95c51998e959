package replica

import "errors"

// The outcomes of a command. They say whether it was executed, which decides
// whether it may be sent again: ErrNotLeader, ErrOverloaded, ErrTooLarge,
// ErrNoSpace and ErrClosed mean that it was not and never will be;
// ErrUnknownOutcome means perhaps. A context that ends while the command is
// still queued is reported as the context's own error and means "not
// executed"; later it is ErrUnknownOutcome wrapping the context's error.
var (
	// ErrNotLeader: this replica does not lead the group, or does not yet: a new
	// leader first catches up with its own term. Ask Group.Leadership for a hint.
	ErrNotLeader = errors.New("not the leader of the group")
	// ErrOverloaded: too many commands, or bytes of commands, wait already.
	ErrOverloaded = errors.New("group is overloaded")
	// ErrUnknownOutcome: the command entered the log of this replica and may or
	// may not be executed. Repeat it only under the same request id.
	ErrUnknownOutcome = errors.New("outcome unknown, the command may have been executed")
	// ErrClosed: the host was closed or stopped by a storage failure.
	ErrClosed = errors.New("replica is closed")
	// ErrTooLarge: the command exceeds MaxCommandBytes.
	ErrTooLarge = errors.New("command is too large")
	// ErrNoSpace: the disk is nearly full, so writes are refused while there is
	// still room to replicate, snapshot and delete.
	ErrNoSpace = errors.New("not enough free disk space")
)

// The reasons why a data directory is refused at start. Nothing is served and
// nothing is deleted when Open returns one of them.
var (
	// ErrDamaged: a file holds bytes that were not written by us, or misses some
	// that were.
	ErrDamaged = errors.New("storage is damaged")
	// ErrStoreLost: a replica that has taken part in its group before is empty.
	// It must not vote again under its old id: it has forgotten its promises.
	ErrStoreLost = errors.New("store lost")
	// ErrDirLocked: another process, or another host in this one, uses the
	// data directory.
	ErrDirLocked = errors.New("data directory is in use")
)
