package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// storage is everything one replica remembers.
type storage struct {
	log       *logbook
	stable    raft.StableStore
	snapshots snapshotStore
	close     func() error
}

// replicaDir is where the files of a replica live.
func replicaDir(dir string, r replicaRecord) string {
	return filepath.Join(groupsDir(dir), fmt.Sprintf("%d-%d", r.Group, r.Number))
}

const logFileName = "log.db"

// openMemory makes a storage that ends with the process.
func openMemory(self string, group cluster.GroupID, cfg Config) *storage {
	store := raft.NewInmemStore()
	log := newLogbook(memStore{store}, self, logFile{}, cfg.Limits)
	return &storage{
		log:       log,
		stable:    store,
		snapshots: &memSnapshots{group: group, alone: cfg.Network == nil, closed: log.roster.snapshotted},
		close:     func() error { return nil },
	}
}

// evidence is what inspect found of a replica.
type evidence struct {
	exists   bool // there is a log file
	log      logFile
	snapshot *raft.SnapshotMeta // the newest, nil for none
}

// reach is the last index the newest snapshot contains, 0 for none.
func (e evidence) reach() uint64 {
	if e.snapshot == nil {
		return 0
	}
	return e.snapshot.Index
}

// inspect checks the files of a replica and changes nothing.
func inspect(dir string, record replicaRecord) (evidence, error) {
	base := replicaDir(dir, record)
	path := filepath.Join(base, logFileName)
	switch _, err := os.Stat(path); {
	case err == nil:
	case !errors.Is(err, os.ErrNotExist):
		return evidence{}, fmt.Errorf("group %s: %w", record.Group, err)
	case record.State != StateCreated:
		return evidence{}, lostStore(record, path)
	default:
		return evidence{}, nil
	}
	log, err := verifyLogFile(path, record.Group)
	if err != nil {
		return evidence{}, err
	}
	snapshot, err := verifySnapshots(base, record.Group)
	if err != nil {
		return evidence{}, err
	}
	found := evidence{exists: true, log: log, snapshot: snapshot}
	if err := log.verifyReach(found.reach()); err != nil {
		return evidence{}, fmt.Errorf("group %s: %w: %w (%s)", record.Group, ErrDamaged, err, path)
	}
	if record.State != StateCreated && log.blank() && snapshot == nil {
		return evidence{}, lostStore(record, path)
	}
	return found, nil
}

// openDisk opens the files that inspect found, and makes them for a replica
// that was never started. Nothing of a replica that was is ever replaced.
func openDisk(cfg Config, self string, record replicaRecord, found evidence, stop *failStop, room func() error, log raftLog) (*storage, error) {
	dir := replicaDir(cfg.Dir, record)
	path := filepath.Join(dir, logFileName)
	if err := createIfNew(path, record, &found); err != nil {
		return nil, fmt.Errorf("group %s: creating %s: %w", record.Group, path, err)
	}
	if err := sweepSnapshots(dir); err != nil {
		return nil, fmt.Errorf("group %s: removing unfinished snapshots: %w", record.Group, err)
	}
	disk, err := openDiskStore(path, record.Group, found.log, stop)
	if err != nil {
		return nil, err
	}
	book := newLogbook(disk, self, found.log, cfg.Limits)
	snapshots, err := openDiskSnapshots(dir, record.Group, found.snapshot, stop, room, book.roster.snapshotted, log.Named("snapshot"))
	if err != nil {
		return nil, errors.Join(err, disk.close())
	}
	s := &storage{
		log:       book,
		stable:    disk,
		snapshots: snapshots,
		close:     disk.close,
	}
	if !found.log.empty() && found.reach() > found.log.last {
		// A leader's snapshot was installed, the crash came before the log that
		// it replaces was dropped.
		if err := s.log.DeleteRange(found.log.first, found.log.last); err != nil {
			return nil, errors.Join(err, disk.close())
		}
	}
	return s, nil
}

// createIfNew makes the log file of a replica that never ran. If there is one
// without a log, a crash came between the two writes of founding; it starts
// over.
func createIfNew(path string, record replicaRecord, found *evidence) error {
	if found.exists && (record.State != StateCreated || !found.log.empty() || found.log.blank()) {
		return nil
	}
	if err := MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	found.exists, found.log = true, logFile{hasTail: true, stable: map[string][]byte{}}
	return createDiskFile(path, record.Group)
}

func lostStore(record replicaRecord, path string) error {
	return fmt.Errorf("group %s: %w: replica number %d took part in the group before, but its log is gone; "+
		"it forgot what it acknowledged and must not come back: restore the data directory, or remove the node and join it anew with an empty one (%s)",
		record.Group, ErrStoreLost, record.Number, path)
}

// begin prepares a replica that never ran. It stores a term, so that from now on
// an empty file means a lost one, and a founder writes the first configuration
// into the empty log.
func (s *storage) begin(founders []cluster.NodeID, record replicaRecord, settings *raft.Config) error {
	if _, last, _ := s.log.size(); last != 0 {
		return nil
	}
	if len(founders) == 0 || record.Number != cluster.FirstReplica {
		return s.stable.SetUint64([]byte(keyCurrentTerm), 0)
	}
	var servers []raft.Server
	for _, founder := range founders {
		id := cluster.Replica{Node: founder, Number: cluster.FirstReplica}.ID(record.Group)
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	// The transport is only asked for encodings that older protocols need.
	err := raft.BootstrapCluster(settings, s.log, s.stable, s.snapshots, nil, raft.Configuration{Servers: servers})
	if err != nil {
		return fmt.Errorf("group %s: founding it: %w", record.Group, err)
	}
	return nil
}
