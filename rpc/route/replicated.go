package route

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// group is what is asked of a Raft group here; *replica.Group is one.
type group interface {
	// Propose commits a command and returns its result.
	Propose(ctx context.Context, command []byte) (any, error)
	// ConfirmTelling returns once local reads see everything acknowledged before. It
	// calls late when that takes long.
	ConfirmTelling(ctx context.Context, late func(context.Context)) error
	// ID is the number of the group.
	ID() cluster.GroupID
	// Leadership tells who leads the group, and announces when that changes.
	Leadership() (replica.Leadership, <-chan struct{})
	// Progress tells how far this replica is.
	Progress() replica.Progress
}

// machine is one of the store's state machines: C are its commands, R its
// results, S its frozen state.
type machine[C, R any, S io.WriterTo] interface {
	Apply(C) R
	Snapshot() S
	Restore(io.Reader) error
}

// bound is a machine's tie to its group. It is made before anything is asked of
// the machine, and never changed.
type bound struct {
	group group
	// reign ends when who leads the group changes.
	reign atomic.Pointer[context.Context]
}

func (b *bound) bind(g group) {
	b.group = g
	ctx := context.Background()
	b.reign.Store(&ctx)
}

// follow tells every change of the group's leadership until the group is done,
// the present one first.
func (b *bound) follow(done <-chan struct{}, tell func(replica.Leadership)) {
	for {
		now, changed := b.group.Leadership()
		reign, end := context.WithCancel(context.Background())
		b.reign.Store(&reign)
		tell(now)
		select {
		case <-changed:
			end()
		case <-done:
			end()
			tell(replica.Leadership{Term: now.Term})
			return
		}
	}
}

// replicated joins a machine with the Raft group whose log feeds it. It is the
// group's replica.StateMachine.
type replicated[C, R any, S io.WriterTo, M machine[C, R, S]] struct {
	bound
	decode func([]byte) (C, error)
	// witness is told of every command that is applied; nil for nobody.
	witness func(C)

	mu      sync.RWMutex // commands write, reads read
	machine M
}

// Apply executes the commands of one log entry.
func (r *replicated[C, R, S, M]) Apply(_ uint64, commands [][]byte) []any {
	decoded := make([]C, len(commands))
	for i, encoded := range commands {
		command, err := r.decode(encoded)
		if err != nil {
			// The record's checksum was good, so a newer version wrote it. To skip
			// it would part this replica from the others; the host stops the node.
			panic(fmt.Errorf("route: a command of the log cannot be read: %w", err))
		}
		decoded[i] = command
	}
	results := make([]any, len(commands))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, command := range decoded {
		results[i] = r.machine.Apply(command)
		if r.witness != nil {
			r.witness(command)
		}
	}
	return results
}

// Snapshot freezes the machine.
func (r *replicated[C, R, S, M]) Snapshot() (io.WriterTo, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Snapshot(), nil
}

// Restore replaces the machine's state.
func (r *replicated[C, R, S, M]) Restore(from io.Reader) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Restore(from)
}

// propose commits an encoded command and returns what it did.
func (r *replicated[C, R, S, M]) propose(ctx context.Context, encoded []byte) (R, error) {
	result, err := r.group.Propose(ctx, encoded)
	if err != nil {
		var none R
		return none, refused(r.group, err)
	}
	return result.(R), nil
}
