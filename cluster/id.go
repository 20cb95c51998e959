package cluster

import (
	"fmt"
	"strconv"
)

// MaxNodeIDLen bounds a node name in bytes. Names become part of replica ids,
// file contents and TLS subject names, where 63 is the limit of a DNS label.
const MaxNodeIDLen = 63

// NodeID names one node of a cluster. It is chosen once, recorded in the data
// directory and never given to another node afterwards.
type NodeID string

// ParseNodeID checks a node name: 1 to [MaxNodeIDLen] ASCII letters, digits,
// '-', '_' or '.', beginning with a letter or a digit. The rule keeps the name
// safe inside replica ids (which use '/'), file names and logs.
func ParseNodeID(s string) (NodeID, error) {
	if s == "" || len(s) > MaxNodeIDLen {
		return "", fmt.Errorf("cluster: node name has %d bytes, it must have 1 to %d", len(s), MaxNodeIDLen)
	}
	for i := range len(s) {
		if !nodeIDByte(s[i], i == 0) {
			return "", fmt.Errorf("cluster: node name %q: byte %d is not allowed, use letters, digits, '-', '_' and '.', starting with a letter or digit", s, i)
		}
	}
	return NodeID(s), nil
}

func nodeIDByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	case c == '-' || c == '_' || c == '.':
		return !first
	default:
		return false
	}
}

// GroupID numbers a Raft group of the cluster: [MetaGroup] holds the cluster's
// own state, data groups count from 1.
type GroupID uint32

// MetaGroup is the group that agrees on members, placement, caches and keys.
const MetaGroup GroupID = 0

// String gives the decimal number, as it appears in replica ids and logs.
func (g GroupID) String() string { return strconv.FormatUint(uint64(g), 10) }

// Name is what people call the group: its number, and "meta" for [MetaGroup].
func (g GroupID) Name() string {
	if g == MetaGroup {
		return "meta"
	}
	return g.String()
}
