package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Every snapshot begins with a header that repeats what raft keeps beside it
// in meta.json: that file has no checksum, and a flipped digit of its index
// would apply commands twice. The header travels to followers with the data.
//
//	"mfsn" | version | group u32 | index u64 | term u64 |
//	configuration index u64 | CRC-32C of the configuration | CRC-32C of the header
const (
	snapMagic     = "mfsn"
	snapVersion   = 1
	snapHeaderLen = 4 + 1 + 4 + 8 + 8 + 8 + 4 + 4
)

var errSnapHeader = errors.New("its header is not that of a snapshot of this group")

// encodeSnapHeader makes the header for a snapshot described by meta.
func encodeSnapHeader(group cluster.GroupID, meta *raft.SnapshotMeta) []byte {
	conf := raft.EncodeConfiguration(meta.Configuration)
	h := make([]byte, 0, snapHeaderLen)
	h = append(h, snapMagic...)
	h = append(h, snapVersion)
	h = binary.BigEndian.AppendUint32(h, uint32(group))
	h = binary.BigEndian.AppendUint64(h, meta.Index)
	h = binary.BigEndian.AppendUint64(h, meta.Term)
	h = binary.BigEndian.AppendUint64(h, meta.ConfigurationIndex)
	h = binary.BigEndian.AppendUint32(h, crc32.Checksum(conf, castagnoli))
	return binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// readSnapHeader takes the header off a snapshot and tells its index.
func readSnapHeader(r io.Reader, group cluster.GroupID) (index uint64, err error) {
	var h [snapHeaderLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, fmt.Errorf("its header cannot be read: %w", err)
	}
	sum := binary.BigEndian.Uint32(h[snapHeaderLen-4:])
	if sum != crc32.Checksum(h[:snapHeaderLen-4], castagnoli) || string(h[:4]) != snapMagic ||
		cluster.GroupID(binary.BigEndian.Uint32(h[5:])) != group {
		return 0, errSnapHeader
	}
	if h[4] != snapVersion {
		return 0, fmt.Errorf("its version is %d, this program knows version %d", h[4], snapVersion)
	}
	return binary.BigEndian.Uint64(h[9:]), nil
}
