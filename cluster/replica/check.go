package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// keyCurrentTerm is where raft keeps its term in the stable store.
const keyCurrentTerm = "CurrentTerm"

// logFile is what verifyLogFile found in the file of one group.
type logFile struct {
	first, last uint64 // bounds of the log, both 0 when it is empty
	tail        uint64 // how far the log once reached, by its tail record
	hasTail     bool
	lastTerm    uint64
	sizes       []uint32 // size of each record from first on
	stable      map[string][]byte
	// configurations are the configuration entries, in their order.
	configurations []*loggedConfiguration
}

func (l *logFile) empty() bool { return l.last == 0 }

// blank reports whether no raft ever ran on the file: the first thing it does
// is to store its term.
func (l *logFile) blank() bool { return l.empty() && l.tail == 0 && len(l.stable) == 0 }

// verifyLogFile reads the whole file of a group without changing it and
// requires: an intact page structure, records without a hole between the first
// and the last, every seal good, terms that never fall, a log that reaches as
// far as its tail record says, and a stored term that is not behind the log.
// The one thing left to the caller is whether the log reaches back far enough,
// which depends on the snapshot.
func verifyLogFile(path string, group cluster.GroupID) (found logFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return logFile{}, fmt.Errorf("group %s: %w", group, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return logFile{}, fmt.Errorf("group %s: %w", group, err)
	}
	v := logVerifier{group: group}
	if err := walkPages(f, info.Size(), v.record); err != nil {
		return logFile{}, fmt.Errorf("group %s: %w: %w (%s)", group, ErrDamaged, err, path)
	}
	if err := v.finish(); err != nil {
		return logFile{}, fmt.Errorf("group %s: %w: %w (%s)", group, ErrDamaged, err, path)
	}
	return v.found, nil
}

// logVerifier takes the records of a file one by one.
type logVerifier struct {
	group cluster.GroupID
	found logFile
}

func (v *logVerifier) record(bucket string, key, value []byte) error {
	switch {
	case bucket == "logs" && len(key) == 8:
		return v.logRecord(binary.BigEndian.Uint64(key), value)
	case bucket == "conf" && string(key) == string(stableKey) && v.found.stable == nil:
		stable, err := openStable(v.group, value)
		if err != nil {
			return fmt.Errorf("the record of term and vote: %w", err)
		}
		v.found.stable = stable
		return nil
	default:
		return fmt.Errorf("bucket %q has an unknown key of %d bytes", bucket, len(key))
	}
}

func (v *logVerifier) logRecord(index uint64, value []byte) error {
	var entry raft.Log
	if err := decodeRecord(value, &entry); err != nil {
		return fmt.Errorf("log record %d: %w", index, err)
	}
	if err := openLog(v.group, index, &entry); err != nil {
		return fmt.Errorf("log record %d: %w", index, err)
	}
	if index == tailIndex {
		tail, err := tailOf(&entry)
		v.found.tail, v.found.hasTail = tail, true
		return err
	}
	switch {
	case index == 0:
		return errors.New("log record 0: logs count from 1")
	case v.found.last != 0 && index != v.found.last+1:
		return fmt.Errorf("log record %d is missing, %d follows %d", v.found.last+1, index, v.found.last)
	case entry.Term < v.found.lastTerm:
		return fmt.Errorf("log record %d: its term %d is behind term %d of the record before", index, entry.Term, v.found.lastTerm)
	}
	if v.found.first == 0 {
		v.found.first = index
	}
	c, err := configurationOf(&entry)
	if err != nil {
		return fmt.Errorf("log record %d: %w", index, err)
	}
	if c != nil {
		v.found.configurations = append(v.found.configurations, c)
	}
	v.found.last, v.found.lastTerm = index, entry.Term
	v.found.sizes = append(v.found.sizes, recordSize(&entry))
	return nil
}

func (v *logVerifier) finish() error {
	found := &v.found
	switch {
	case !found.hasTail:
		return fmt.Errorf("the record that marks the end of the log, after %d, is missing", found.last)
	case found.stable == nil:
		return errors.New("the record of term and vote is missing")
	case found.empty():
		return nil
	}
	term, ok := found.stable[keyCurrentTerm]
	switch {
	case !ok || len(term) != 8:
		return errors.New("the record of term and vote holds no term")
	case binary.BigEndian.Uint64(term) < found.lastTerm:
		return fmt.Errorf("the stored term %d is behind term %d of log record %d", binary.BigEndian.Uint64(term), found.lastTerm, found.last)
	}
	return nil
}

// verifyReach requires that log and snapshot together hold everything: no hole
// between them, and nothing missing at the end.
func (l *logFile) verifyReach(snapshot uint64) error {
	switch {
	case !l.empty() && snapshot < l.first-1:
		return fmt.Errorf("log records %d to %d are missing: the snapshot ends at %d, the log begins at %d", snapshot+1, l.first-1, snapshot, l.first)
	case max(l.last, snapshot) < l.tail:
		return fmt.Errorf("log records %d to %d are missing at the end", max(l.last, snapshot)+1, l.tail)
	}
	return nil
}

// decodeRecord decodes what raft-boltdb encoded. The decoder panics on some
// damaged input.
func decodeRecord(value []byte, entry *raft.Log) (err error) {
	defer catchFault(&err)()
	decoder := codec.NewDecoderBytes(value, &codec.MsgpackHandle{})
	if err := decoder.Decode(entry); err != nil {
		return fmt.Errorf("it cannot be decoded: %w", err)
	}
	if n := decoder.NumBytesRead(); n != len(value) {
		return fmt.Errorf("%d of its %d bytes have no meaning", len(value)-n, len(value))
	}
	return nil
}

// recordSize estimates the bytes a log entry takes on disk.
func recordSize(entry *raft.Log) uint32 {
	const overhead = 96 // field names, numbers, seal, page entry
	return uint32(min(len(entry.Data)+len(entry.Extensions)+overhead, math.MaxUint32))
}
