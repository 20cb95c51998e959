package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
func openMemory(self string, group cluster.GroupID, limits Limits) *storage {
	store := raft.NewInmemStore()
	return &storage{
		log:       newLogbook(memStore{store}, self, logFile{}, limits.LogBytes),
		stable:    store,
		snapshots: &memSnapshots{group: group},
		close:     func() error { return nil },
	}
}

// openDisk checks and opens the files of a replica, making them first if the
// replica was never started. Nothing of a replica that was is ever replaced.
func openDisk(cfg Config, self string, record replicaRecord, stop *failStop, room func() error, log raftLog) (*storage, error) {
	dir := replicaDir(cfg.Dir, record)
	path := filepath.Join(dir, logFileName)
	found, err := prepareLogFile(path, record)
	if err != nil {
		return nil, err
	}
	newest, err := verifySnapshots(dir, record.Group)
	if err != nil {
		return nil, err
	}
	if err := found.verifyReach(newest); err != nil {
		return nil, fmt.Errorf("group %s: %w: %w (%s)", record.Group, ErrDamaged, err, path)
	}
	if record.State == replicaStarted && found.blank() && newest == 0 {
		return nil, lostStore(record, path)
	}
	disk, err := openDiskStore(path, record.Group, found, stop)
	if err != nil {
		return nil, err
	}
	snapshots, err := openDiskSnapshots(dir, record.Group, newest, stop, room, log.Named("snapshot"))
	if err != nil {
		return nil, errors.Join(err, disk.close())
	}
	s := &storage{
		log:       newLogbook(disk, self, found, cfg.Limits.LogBytes),
		stable:    disk,
		snapshots: snapshots,
		close:     disk.close,
	}
	if !found.empty() && newest > found.last {
		// A leader's snapshot was installed, the crash came before the log that
		// it replaces was dropped.
		if err := s.log.DeleteRange(found.first, found.last); err != nil {
			return nil, errors.Join(err, disk.close())
		}
	}
	return s, nil
}

// prepareLogFile makes sure that the file of a replica exists and is intact.
func prepareLogFile(path string, record replicaRecord) (logFile, error) {
	_, err := os.Stat(path)
	switch {
	case err == nil:
	case !errors.Is(err, os.ErrNotExist):
		return logFile{}, fmt.Errorf("group %s: %w", record.Group, err)
	case record.State != replicaCreated:
		return logFile{}, lostStore(record, path)
	default:
		if err := mkdirSynced(filepath.Dir(path)); err != nil {
			return logFile{}, fmt.Errorf("group %s: %w", record.Group, err)
		}
		if err := createDiskFile(path, record.Group); err != nil {
			return logFile{}, fmt.Errorf("group %s: creating %s: %w", record.Group, path, err)
		}
	}
	found, err := verifyLogFile(path, record.Group)
	if err == nil && record.State == replicaCreated && found.empty() && !found.blank() {
		// A crash between the two writes of founding. The replica never ran, so
		// it starts over.
		if err := createDiskFile(path, record.Group); err != nil {
			return logFile{}, fmt.Errorf("group %s: creating %s: %w", record.Group, path, err)
		}
		return verifyLogFile(path, record.Group)
	}
	return found, err
}

func lostStore(record replicaRecord, path string) error {
	return fmt.Errorf("group %s: %w: replica number %d took part in the group before, but its log is gone; "+
		"it forgot what it acknowledged and must not come back: restore the data directory, or remove the node and join it anew with an empty one (%s)",
		record.Group, ErrStoreLost, record.Number, path)
}

// found writes the first configuration into an empty log, if this node is a
// founder of the cluster.
func (s *storage) found(cfg Config, node cluster.NodeID, group cluster.GroupID, settings *raft.Config) error {
	if _, last, _ := s.log.size(); last != 0 || !slices.Contains(cfg.Founders, node) {
		return nil
	}
	var servers []raft.Server
	for _, founder := range cfg.Founders {
		id := replicaID(founder, group, firstReplica)
		servers = append(servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	// The transport is only asked for encodings that older protocols need.
	err := raft.BootstrapCluster(settings, s.log, s.stable, s.snapshots, nil, raft.Configuration{Servers: servers})
	if err != nil {
		return fmt.Errorf("group %s: founding it: %w", group, err)
	}
	return nil
}
