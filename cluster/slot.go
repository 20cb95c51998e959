package cluster

import "github.com/cespare/xxhash/v2"

// Slots is the number of hash slots. It is part of the on-disk contract: every
// existing cluster has its names spread over exactly this many slots.
const Slots = 4096

// Slot is the place of a name in [0, Slots). Slots are what moves between
// groups should a cluster ever be split; names never move between slots.
type Slot uint16

// SlotOf gives the slot of a topic or an item. A topic and an item of the same
// name in the same cache share a slot on purpose: they share a leader, so a
// chat room's history and its topic can be joined in one step.
//
// The function is a contract with data already on disk and must never change:
// xxHash64 (seed 0) over the cache name, one 0x00 byte and the name, modulo
// [Slots]. Cache names carry no control characters, so the zero byte keeps
// ("ab", "c") and ("a", "bc") apart. It does not allocate and keeps neither
// argument.
func SlotOf(cache string, name []byte) Slot {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(cache)
	_, _ = d.Write(separator)
	_, _ = d.Write(name)
	return Slot(d.Sum64() % Slots)
}

var separator = []byte{0}
