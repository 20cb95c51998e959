package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// snapshotsKept is how many snapshots a group keeps. The older one helps only
// while the log still reaches back to it.
const snapshotsKept = 2

// snapshotStore is raft's snapshot store that also tells the newest index.
type snapshotStore interface {
	raft.SnapshotStore
	newest() uint64
}

// headedSink is a sink that knows the header its snapshot must begin with.
type headedSink interface {
	header() []byte
}

// diskSnapshots keeps snapshots in files: raft's own store, plus the header, a
// look at the free space before, and a clean directory after a failure.
type diskSnapshots struct {
	files *raft.FileSnapshotStore
	dir   string // the directory with one directory per snapshot
	group cluster.GroupID
	stop  *failStop
	room  func() error // refuses when the disk is nearly full
	index atomic.Uint64
	// closed is told of every snapshot that is complete.
	closed func(*raft.SnapshotMeta)
}

// openDiskSnapshots opens the snapshots below dir, which verifySnapshots found
// intact, and tells closed of the newest as of all later ones.
func openDiskSnapshots(dir string, group cluster.GroupID, newest *raft.SnapshotMeta, stop *failStop, room func() error, closed func(*raft.SnapshotMeta), log hclog.Logger) (*diskSnapshots, error) {
	files, err := raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, log)
	if err != nil {
		return nil, fmt.Errorf("group %s: opening the snapshots in %s: %w", group, dir, err)
	}
	s := &diskSnapshots{files: files, dir: snapshotsDir(dir), group: group, stop: stop, room: room, closed: closed}
	if newest != nil {
		s.index.Store(newest.Index)
		closed(newest)
	}
	return s, nil
}

// snapshotsDir is where raft's file store puts snapshots below its base.
func snapshotsDir(base string) string { return filepath.Join(base, "snapshots") }

func (s *diskSnapshots) newest() uint64 { return s.index.Load() }

// Create implements raft.SnapshotStore.
func (s *diskSnapshots) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration, confIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	if err := s.room(); err != nil {
		return nil, err
	}
	if err := s.stop.err(); err != nil {
		return nil, err
	}
	sink, err := s.files.Create(version, index, term, conf, confIndex, trans)
	if err != nil {
		return nil, err
	}
	meta := &raft.SnapshotMeta{Index: index, Term: term, Configuration: conf, ConfigurationIndex: confIndex}
	return &diskSink{SnapshotSink: sink, store: s, meta: meta, want: encodeSnapHeader(s.group, meta)}, nil
}

// List implements raft.SnapshotStore.
func (s *diskSnapshots) List() ([]*raft.SnapshotMeta, error) { return s.files.List() }

// Open implements raft.SnapshotStore. The whole file is read and compared with
// its checksum first. A snapshot that was replaced meanwhile is no failure.
func (s *diskSnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := s.files.Open(id)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		err = s.stop.trip(fmt.Errorf("group %s: %w: snapshot: %w (%s)", s.group, ErrDamaged, err, filepath.Join(s.dir, id)))
	}
	return meta, r, err
}

// diskSink writes one snapshot, ours or a leader's.
type diskSink struct {
	raft.SnapshotSink
	store *diskSnapshots
	meta  *raft.SnapshotMeta
	want  []byte
	head  []byte // the first bytes written
}

func (s *diskSink) header() []byte { return s.want }

// Write implements io.Writer.
func (s *diskSink) Write(p []byte) (int, error) {
	if missing := snapHeaderLen - len(s.head); missing > 0 {
		s.head = append(s.head, p[:min(missing, len(p))]...)
	}
	return s.SnapshotSink.Write(p)
}

// Close makes the snapshot durable and visible, if it is the announced one.
func (s *diskSink) Close() error {
	if !bytes.Equal(s.head, s.want) {
		return errors.Join(errSnapHeader, s.Cancel())
	}
	if err := s.SnapshotSink.Close(); err != nil {
		return errors.Join(err, s.sweep())
	}
	s.store.index.Store(s.meta.Index)
	s.store.closed(s.meta)
	return nil
}

// Cancel gives the snapshot up. Raft's own sink leaves its directory behind
// when the disk is full.
func (s *diskSink) Cancel() error {
	return errors.Join(s.SnapshotSink.Cancel(), s.sweep())
}

func (s *diskSink) sweep() error {
	return os.RemoveAll(filepath.Join(s.store.dir, s.ID()+tmpSuffix))
}
