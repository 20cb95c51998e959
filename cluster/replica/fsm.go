package replica

import (
	"bufio"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// fsm feeds a StateMachine from raft. Its methods run on raft's apply
// goroutine, applied is read by anyone.
type fsm struct {
	group   cluster.GroupID
	machine StateMachine
	stop    *failStop
	roster  *roster
	applied atomic.Uint64 // index of the last entry whose effects are visible
}

var _ raft.BatchingFSM = (*fsm)(nil)

// Apply implements raft.FSM.
func (f *fsm) Apply(entry *raft.Log) any { return f.ApplyBatch([]*raft.Log{entry})[0] }

// ApplyBatch implements raft.BatchingFSM. The answer to a command entry is the
// []any of its results; other entries have none.
func (f *fsm) ApplyBatch(entries []*raft.Log) []any {
	answers := make([]any, len(entries))
	for i, entry := range entries {
		if entry.Type == raft.LogConfiguration && f.stop.err() == nil {
			f.roster.commit(entry.Index)
			f.applied.Store(entry.Index)
		}
		if entry.Type != raft.LogCommand {
			continue
		}
		results, err := f.apply(entry)
		if err != nil {
			// Never skip an entry: later ones build on it.
			return answers
		}
		answers[i] = results
	}
	return answers
}

func (f *fsm) apply(entry *raft.Log) ([]any, error) {
	if err := f.stop.err(); err != nil {
		return nil, err
	}
	commands, err := decodeEntry(entry.Data)
	if err != nil {
		return nil, f.stop.trip(fmt.Errorf("group %s: log record %d was stored intact but cannot be understood, was it written by a newer version? %w", f.group, entry.Index, err))
	}
	results := f.machine.Apply(entry.Index, commands)
	if len(results) != len(commands) {
		return nil, f.stop.trip(fmt.Errorf("group %s: the state machine gave %d results for %d commands of log record %d", f.group, len(results), len(commands), entry.Index))
	}
	f.applied.Store(entry.Index)
	return results, nil
}

// Snapshot implements raft.FSM.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.stop.err(); err != nil {
		return nil, err
	}
	state, err := f.machine.Snapshot()
	if err != nil {
		return nil, err
	}
	return frozen{state}, nil
}

// Restore implements raft.FSM. Raft would go on with an older snapshot after an
// error, over a state machine in pieces, so an error stops the group.
func (f *fsm) Restore(r io.ReadCloser) error {
	index, err := readSnapHeader(r, f.group)
	if err == nil {
		err = f.machine.Restore(r)
	}
	if err != nil {
		return f.stop.trip(fmt.Errorf("group %s: restoring a snapshot: %w", f.group, err))
	}
	f.applied.Store(index)
	return nil
}

// frozen is a state on its way into a snapshot.
type frozen struct{ state io.WriterTo }

// Persist implements raft.FSMSnapshot; raft closes or cancels the sink.
func (s frozen) Persist(sink raft.SnapshotSink) error {
	headed, ok := sink.(headedSink)
	if !ok {
		return fmt.Errorf("replica: snapshot sink %T knows no header", sink)
	}
	w := bufio.NewWriterSize(sink, 256<<10)
	if _, err := w.Write(headed.header()); err != nil {
		return err
	}
	if _, err := s.state.WriteTo(w); err != nil {
		return err
	}
	return w.Flush()
}

// Release implements raft.FSMSnapshot.
func (s frozen) Release() {
	if c, ok := s.state.(io.Closer); ok {
		_ = c.Close()
	}
}
