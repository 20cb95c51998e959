package replica

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// snapMeta is the meta.json of raft's file store.
type snapMeta struct {
	raft.SnapshotMeta
	CRC []byte
}

// verifySnapshots checks the snapshots below base and describes the newest, nil
// when there is none. Rests of unfinished snapshots do not count.
//
// Raft passes over a snapshot it cannot read and takes an older one. That is
// not for it to decide: a snapshot that is not intact is an error here. The
// data of the newest is read in full, of older ones only what describes them.
func verifySnapshots(base string, group cluster.GroupID) (newest *raft.SnapshotMeta, err error) {
	entries, err := os.ReadDir(snapshotsDir(base))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", group, err)
	}
	var latest *snapMeta
	for _, entry := range entries {
		dir := filepath.Join(snapshotsDir(base), entry.Name())
		if !entry.IsDir() || strings.HasSuffix(entry.Name(), tmpSuffix) {
			continue
		}
		meta, err := verifySnapshotMeta(dir, group)
		if err != nil {
			return nil, damagedSnapshot(group, dir, err)
		}
		if latest == nil || meta.Term > latest.Term || (meta.Term == latest.Term && meta.Index >= latest.Index) {
			latest = meta
		}
	}
	if latest == nil {
		return nil, nil
	}
	dir := filepath.Join(snapshotsDir(base), latest.ID)
	if err := verifySnapshotData(dir, latest.CRC); err != nil {
		return nil, damagedSnapshot(group, dir, err)
	}
	return &latest.SnapshotMeta, nil
}

func damagedSnapshot(group cluster.GroupID, dir string, err error) error {
	return fmt.Errorf("group %s: %w: snapshot: %w (%s)", group, ErrDamaged, err, dir)
}

// verifySnapshotMeta compares what describes a snapshot: the directory's name,
// meta.json and the header of the data.
func verifySnapshotMeta(dir string, group cluster.GroupID) (*snapMeta, error) {
	data, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err != nil {
		return nil, err
	}
	meta := new(snapMeta)
	if err := json.Unmarshal(data, meta); err != nil {
		return nil, fmt.Errorf("meta.json: %w", err)
	}
	name := filepath.Base(dir)
	want := strconv.FormatUint(meta.Term, 10) + "-" + strconv.FormatUint(meta.Index, 10) + "-"
	if meta.ID != name || !strings.HasPrefix(name, want) || meta.Version != raft.SnapshotVersionMax {
		return nil, fmt.Errorf("meta.json describes %q at index %d of term %d in version %d", meta.ID, meta.Index, meta.Term, meta.Version)
	}
	f, err := os.Open(filepath.Join(dir, "state.bin"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != meta.Size {
		return nil, fmt.Errorf("state.bin has %d bytes, %d were written", info.Size(), meta.Size)
	}
	header := make([]byte, snapHeaderLen)
	if _, err := io.ReadFull(f, header); err != nil {
		return nil, fmt.Errorf("state.bin: %w", err)
	}
	if !bytes.Equal(header, encodeSnapHeader(group, &meta.SnapshotMeta)) {
		return nil, errors.New("meta.json does not belong to state.bin")
	}
	return meta, nil
}

func verifySnapshotData(dir string, want []byte) error {
	f, err := os.Open(filepath.Join(dir, "state.bin"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	sum := crc64.New(crc64.MakeTable(crc64.ECMA))
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return errChecksum
	}
	return nil
}

// sweepSnapshots removes the rests of snapshots a crash left unfinished.
func sweepSnapshots(base string) error {
	rests, err := filepath.Glob(filepath.Join(snapshotsDir(base), "*"+tmpSuffix))
	for _, rest := range rests {
		err = errors.Join(err, os.RemoveAll(rest))
	}
	return err
}
