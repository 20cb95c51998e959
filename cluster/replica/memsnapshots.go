package replica

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// memSnapshots keeps the last complete snapshot in memory. Raft's own in-memory
// store shows a snapshot while it is still being written.
type memSnapshots struct {
	group cluster.GroupID
	// alone: there is no other replica that could ask for a snapshot, nor a next
	// start. The log is trimmed behind each as ever, but its bytes are let go.
	alone bool
	// closed is told of every snapshot that is complete.
	closed func(*raft.SnapshotMeta)

	mu     sync.Mutex
	latest *memSink
}

func (m *memSnapshots) newest() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest == nil {
		return 0
	}
	return m.latest.meta.Index
}

// Create implements raft.SnapshotStore.
func (m *memSnapshots) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration, confIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	meta := raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d", term, index), Index: index, Term: term,
		Configuration: conf, ConfigurationIndex: confIndex,
	}
	return &memSink{store: m, meta: meta}, nil
}

// List implements raft.SnapshotStore.
func (m *memSnapshots) List() ([]*raft.SnapshotMeta, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest == nil {
		return nil, nil
	}
	meta := m.latest.meta
	return []*raft.SnapshotMeta{&meta}, nil
}

// Open implements raft.SnapshotStore.
func (m *memSnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest == nil || m.latest.meta.ID != id {
		return nil, nil, fmt.Errorf("replica: snapshot %q was replaced", id)
	}
	meta := m.latest.meta
	return &meta, io.NopCloser(bytes.NewReader(m.latest.data.Bytes())), nil
}

// memSink is a snapshot being written, and after Close an immutable one.
type memSink struct {
	store *memSnapshots
	meta  raft.SnapshotMeta
	data  bytes.Buffer
}

func (s *memSink) header() []byte { return encodeSnapHeader(s.store.group, &s.meta) }

// ID implements raft.SnapshotSink.
func (s *memSink) ID() string { return s.meta.ID }

// Write implements io.Writer.
func (s *memSink) Write(p []byte) (int, error) {
	if s.store.alone {
		return len(p), nil
	}
	return s.data.Write(p)
}

// Close shows the snapshot.
func (s *memSink) Close() error {
	s.meta.Size = int64(s.data.Len())
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.latest = s
	s.store.closed(&s.meta)
	return nil
}

// Cancel forgets the snapshot.
func (s *memSink) Cancel() error { return nil }
