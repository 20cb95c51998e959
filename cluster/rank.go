package cluster

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// affinity is how much a group likes a node: xxHash64 (seed 0) over the group
// number as four big-endian bytes and the node name. It is frozen: another
// function would ask every cluster to move.
func affinity(g GroupID, n NodeID) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(binary.BigEndian.AppendUint32(nil, uint32(g)))
	_, _ = d.WriteString(string(n))
	return d.Sum64()
}

// byAffinity orders nodes for a group, the most liked first.
func byAffinity(g GroupID, a, b NodeID) int {
	return cmp.Or(cmp.Compare(affinity(g, b), affinity(g, a)), compareNodes(a, b))
}

func compareNodes(a, b NodeID) int { return strings.Compare(string(a), string(b)) }
