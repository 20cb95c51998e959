package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"github.com/mayfly-broker/mayfly/cluster"
)

var stableKey = []byte("stable")

// diskStore is the log and stable store of one group: raft-boltdb underneath, a
// seal on every record, and no life after the first error.
type diskStore struct {
	bolt  *raftboltdb.BoltStore
	group cluster.GroupID
	path  string
	stop  *failStop

	mu     sync.Mutex
	stable map[string][]byte // what the stable record holds
}

var (
	_ raft.LogStore    = (*diskStore)(nil)
	_ raft.StableStore = (*diskStore)(nil)
)

// createDiskFile makes an empty store at path, replacing what is there. It
// appears under its name only when complete, so a crash leaves nothing that
// looks damaged, and it holds a tail record and a stable record from the
// beginning, so a file that lacks one has lost it.
func createDiskFile(path string, group cluster.GroupID) error {
	tmp := path + tmpSuffix
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	bolt, err := openBolt(tmp)
	if err != nil {
		return err
	}
	err = errors.Join(
		bolt.StoreLog(sealLog(group, tailRecord(0))),
		bolt.Set(stableKey, sealStable(group, nil)),
		bolt.Close(),
	)
	if err != nil {
		return err
	}
	return renameSynced(tmp, path)
}

// openDiskStore opens a file that verifyLogFile found intact.
func openDiskStore(path string, group cluster.GroupID, found logFile, stop *failStop) (s *diskStore, err error) {
	defer catchFault(&err)()
	bolt, err := openBolt(path)
	if err != nil {
		return nil, fmt.Errorf("group %s: opening %s: %w", group, path, err)
	}
	return &diskStore{bolt: bolt, group: group, path: path, stop: stop, stable: maps.Clone(found.stable)}, nil
}

func openBolt(path string) (*raftboltdb.BoltStore, error) {
	return raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout:      time.Second,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
		},
	})
}

func (s *diskStore) close() error { return s.bolt.Close() }

// FirstIndex and LastIndex are answered by the logbook in front, which knows
// the bounds since the start-up check; the file's own greatest key is the tail
// record.

// FirstIndex implements raft.LogStore.
func (s *diskStore) FirstIndex() (uint64, error) {
	return 0, errors.New("replica: the bounds of a log are known to its logbook")
}

// LastIndex implements raft.LogStore.
func (s *diskStore) LastIndex() (uint64, error) { return s.FirstIndex() }

// GetLog implements raft.LogStore. An entry that was trimmed is no failure.
func (s *diskStore) GetLog(index uint64, entry *raft.Log) error {
	err := s.guard(func() error {
		if err := s.bolt.GetLog(index, entry); err != nil {
			return err
		}
		return openLog(s.group, index, entry)
	})
	if err == nil || errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	return s.stop.trip(fmt.Errorf("group %s: log record %d is damaged or unreadable: %w (%s)", s.group, index, err, s.path))
}

// StoreLog implements raft.LogStore.
func (s *diskStore) StoreLog(entry *raft.Log) error { return s.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore. Entries and tail record are one
// transaction, fsynced before it returns.
func (s *diskStore) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	first, last := entries[0].Index, entries[len(entries)-1].Index
	sealed := make([]*raft.Log, 0, len(entries)+1)
	for _, entry := range entries {
		sealed = append(sealed, sealLog(s.group, entry))
	}
	sealed = append(sealed, sealLog(s.group, tailRecord(last)))
	if err := s.guard(func() error { return s.bolt.StoreLogs(sealed) }); err != nil {
		return s.stop.trip(fmt.Errorf("group %s: writing log records %d to %d: %w (%s)", s.group, first, last, err, s.path))
	}
	return nil
}

// DeleteRange implements raft.LogStore for a prefix of the log.
func (s *diskStore) DeleteRange(first, last uint64) error {
	if err := s.guard(func() error { return s.bolt.DeleteRange(first, last) }); err != nil {
		return s.stop.trip(fmt.Errorf("group %s: deleting log records %d to %d: %w (%s)", s.group, first, last, err, s.path))
	}
	return nil
}

// deleteSuffix removes the entries after keep. The tail record moves first: a
// crash between the two transactions leaves entries beyond the tail, which is
// as if nothing had been deleted.
func (s *diskStore) deleteSuffix(keep, last uint64) error {
	err := s.guard(func() error {
		return s.bolt.StoreLog(sealLog(s.group, tailRecord(keep)))
	})
	if err != nil {
		return s.stop.trip(fmt.Errorf("group %s: moving the end of the log to %d: %w (%s)", s.group, keep, err, s.path))
	}
	return s.DeleteRange(keep+1, last)
}

// Get implements raft.StableStore.
func (s *diskStore) Get(key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.stable[string(key)]
	if !ok {
		return nil, raftboltdb.ErrKeyNotFound // raft compares the text
	}
	return value, nil
}

// GetUint64 implements raft.StableStore.
func (s *diskStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("stable value %q has %d bytes, 8 were written", key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// SetUint64 implements raft.StableStore.
func (s *diskStore) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// Set implements raft.StableStore. After a failure it does not return:
// hashicorp/raft panics when a term cannot be saved, and a vote it could not
// save must not be sent. So should Fatal return, the calling goroutine, which
// is raft's main loop, ends here and the replica takes part in nothing more.
func (s *diskStore) Set(key, value []byte) error {
	if err := s.set(key, value); err != nil {
		_ = s.stop.trip(fmt.Errorf("group %s: writing %s: %w (%s)", s.group, key, err, s.path))
		runtime.Goexit()
	}
	return nil
}

func (s *diskStore) set(key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.stable)
	next[string(key)] = append([]byte(nil), value...)
	if err := s.guard(func() error { return s.bolt.Set(stableKey, sealStable(s.group, next)) }); err != nil {
		return err
	}
	s.stable = next
	return nil
}

// guard runs one operation on the file, unless the group has stopped. bbolt
// reads through a memory map and asserts by panicking; both must end as an
// error that names the group.
func (s *diskStore) guard(op func() error) (err error) {
	if err := s.stop.err(); err != nil {
		return err
	}
	defer catchFault(&err)()
	return op()
}

// catchFault turns a panic of the deferring function, or a page fault on a
// mapped file that lost its disk, into an error. Use it as
// defer catchFault(&err)().
func catchFault(err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			*err = fmt.Errorf("reading the file failed: %v", r)
		}
	}
}
