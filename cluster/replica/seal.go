package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// bbolt guards only its two meta pages, so every record carries a checksum of
// its own. It covers the group and the index too: an intact record in the
// wrong place is as bad as a damaged one.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errChecksum = errors.New("its checksum does not match")

const (
	sealVersion = 1
	// sealLen is what sealing adds to a record: the version and a CRC-32C.
	sealLen = 1 + crc32.Size
	// tailIndex is the key of the tail record. Raft never reaches it, and as the
	// greatest key it shares the page that every append rewrites anyway.
	tailIndex = math.MaxUint64
)

// sealLog returns a copy of the entry whose Extensions end with its seal. Data
// is shared with the original.
func sealLog(group cluster.GroupID, entry *raft.Log) *raft.Log {
	sealed := *entry
	sealed.Extensions = make([]byte, 0, len(entry.Extensions)+sealLen)
	sealed.Extensions = append(sealed.Extensions, entry.Extensions...)
	sealed.Extensions = append(sealed.Extensions, sealVersion)
	sealed.Extensions = binary.BigEndian.AppendUint32(sealed.Extensions, logSum(group, entry))
	return &sealed
}

// openLog verifies a sealed entry read for the given index and removes the seal.
func openLog(group cluster.GroupID, index uint64, entry *raft.Log) error {
	if entry.Index != index {
		return fmt.Errorf("it is the record of index %d", entry.Index)
	}
	n := len(entry.Extensions) - sealLen
	if n < 0 || entry.Extensions[n] != sealVersion {
		return errors.New("it carries no checksum known to this program")
	}
	want := binary.BigEndian.Uint32(entry.Extensions[n+1:])
	entry.Extensions = entry.Extensions[:n:n]
	if n == 0 {
		entry.Extensions = nil
	}
	if logSum(group, entry) != want {
		return errChecksum
	}
	return nil
}

// logSum covers everything of an entry that has a meaning; AppendedAt is only
// ever shown in metrics.
func logSum(group cluster.GroupID, entry *raft.Log) uint32 {
	head := make([]byte, 0, 64)
	head = append(head, 'L')
	head = binary.BigEndian.AppendUint32(head, uint32(group))
	head = binary.BigEndian.AppendUint64(head, entry.Index)
	head = binary.BigEndian.AppendUint64(head, entry.Term)
	head = append(head, byte(entry.Type))
	head = binary.BigEndian.AppendUint64(head, uint64(len(entry.Data)))
	sum := crc32.Update(0, castagnoli, head)
	sum = crc32.Update(sum, castagnoli, entry.Data)
	return crc32.Update(sum, castagnoli, entry.Extensions)
}

// tailRecord says how far the log reaches. It is written in the same
// transaction as the entries, so a log that lost its end is noticed.
func tailRecord(last uint64) *raft.Log {
	return &raft.Log{Index: tailIndex, Data: binary.BigEndian.AppendUint64(nil, last)}
}

func tailOf(entry *raft.Log) (last uint64, err error) {
	if len(entry.Data) != 8 {
		return 0, fmt.Errorf("it has %d bytes, 8 were written", len(entry.Data))
	}
	return binary.BigEndian.Uint64(entry.Data), nil
}

// Term and vote live in one record: they are lost together, which is noticed,
// or not at all.

// sealStable encodes all values of a stable store.
func sealStable(group cluster.GroupID, values map[string][]byte) []byte {
	buf := []byte{sealVersion}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		buf = binary.AppendUvarint(buf, uint64(len(key)))
		buf = append(buf, key...)
		buf = binary.AppendUvarint(buf, uint64(len(values[key])))
		buf = append(buf, values[key]...)
	}
	return binary.BigEndian.AppendUint32(buf, stableSum(group, buf))
}

// openStable is the inverse of sealStable; the values are copies.
func openStable(group cluster.GroupID, record []byte) (map[string][]byte, error) {
	n := len(record) - crc32.Size
	if n < 1 || record[0] != sealVersion {
		return nil, errors.New("it carries no checksum known to this program")
	}
	if stableSum(group, record[:n]) != binary.BigEndian.Uint32(record[n:]) {
		return nil, errChecksum
	}
	values := make(map[string][]byte)
	for rest := record[1:n]; len(rest) > 0; {
		var key, value []byte
		var ok bool
		if key, rest, ok = cutPrefixed(rest); ok {
			value, rest, ok = cutPrefixed(rest)
		}
		if !ok {
			return nil, errors.New("its lengths do not add up")
		}
		values[string(key)] = slices.Clone(value)
	}
	return values, nil
}

func stableSum(group cluster.GroupID, record []byte) uint32 {
	head := binary.BigEndian.AppendUint32([]byte{'S'}, uint32(group))
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, record)
}

func cutPrefixed(b []byte) (value, rest []byte, ok bool) {
	size, n := uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}
