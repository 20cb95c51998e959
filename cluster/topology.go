package cluster

import (
	"fmt"
	"iter"
)

const (
	// DefaultGroups is the number of data groups of a new cluster. Measured on
	// three nodes sharing two cores: 16 groups idle at about 5 % of a core per
	// node, 128 hold elections while idle (design.md section 8).
	DefaultGroups = 16
	// MaxGroups bounds the number of data groups of a cluster.
	MaxGroups = 64
)

// Topology maps slots to data groups. It is fixed when a cluster is born and
// recorded in every data directory; two topologies are equal when they have
// the same number of groups. Make one with [NewTopology]: the zero value has
// no data groups and must not be asked for one.
type Topology struct {
	groups uint32
}

// NewTopology makes the topology of a cluster with the given number of data
// groups, 1 to [MaxGroups].
func NewTopology(groups int) (Topology, error) {
	if groups < 1 || groups > MaxGroups {
		return Topology{}, fmt.Errorf("cluster: %d data groups asked for, a cluster has 1 to %d", groups, MaxGroups)
	}
	return Topology{groups: uint32(groups)}, nil
}

// Groups is the number of data groups, without the meta group.
func (t Topology) Groups() int { return int(t.groups) }

// All yields every group of the cluster, [MetaGroup] first.
func (t Topology) All() iter.Seq[GroupID] {
	return func(yield func(GroupID) bool) {
		for g := MetaGroup; uint32(g) <= t.groups; g++ {
			if !yield(g) {
				return
			}
		}
	}
}

// GroupOf gives the data group that owns a slot. Groups own contiguous ranges
// of slots in ascending order whose sizes differ by at most one. Like [SlotOf]
// the mapping is a contract with data on disk. Slots of Slots and above are
// never made by SlotOf; they are folded back into range.
func (t Topology) GroupOf(s Slot) GroupID {
	return 1 + GroupID(uint32(s%Slots)*t.groups/Slots)
}

// Contains reports whether the group exists in this topology.
func (t Topology) Contains(g GroupID) bool { return uint32(g) <= t.groups }
