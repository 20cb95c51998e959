package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxMembers bounds the members of a cluster, without the removed ones. The
	// placement is proven balanced for 3 to 30 nodes; the bound is for memory.
	MaxMembers = 128
	// MaxTombstones is the number of removed nodes and stores from which on no
	// new ones are let in.
	MaxTombstones = 16_384
	// maxIDLen bounds store, boot and cluster ids in bytes; ours have 26.
	maxIDLen = 64
	// maxAddrLen is a DNS name of 253 bytes, a colon and a port.
	maxAddrLen = 259
)

// MemberState is where a member stands in its life. The zero value is no state.
type MemberState string

const (
	// Joining: registered, not yet following the meta group.
	Joining MemberState = "joining"
	// Active: may hold replicas and lead.
	Active MemberState = "active"
	// Draining: gives its leaderships away and takes nothing new. A member that
	// leaves gives its replicas away as well, see Member.Leaving.
	Draining MemberState = "draining"
	// Removed is for ever: only a tombstone remains.
	Removed MemberState = "removed"
)

// transitions are the legal next states of each state.
var transitions = map[MemberState][]MemberState{
	Joining:  {Active, Removed},
	Active:   {Draining, Removed},
	Draining: {Active, Removed},
	Removed:  {},
}

// CanBecome reports whether a member in state s may be given the next state.
func (s MemberState) CanBecome(next MemberState) bool {
	return slices.Contains(transitions[s], next)
}

// Member is one node as the cluster knows it. The State says
// which of its fields may change and how.
type Member struct {
	Node NodeID `json:"node"`
	// Store is the random id of the data directory. Another store under the same
	// name is another disk, whose replicas are not the old ones.
	Store string `json:"store"`
	// Boot is the random id of the running process.
	Boot string `json:"boot"`
	// PeerAddr and GossipAddr are host:port, as other nodes dial them.
	PeerAddr   string `json:"peer_addr"`
	GossipAddr string `json:"gossip_addr"`
	// Zone is what fails together with this node: a rack, a room. Empty shares
	// its fate with nobody.
	Zone string `json:"zone,omitempty"`
	// Level is the newest feature level the node's program understands.
	Level uint32      `json:"level"`
	State MemberState `json:"state"`
	// Leaving: the node drains, its replicas move away, then it is removed.
	Leaving bool `json:"leaving,omitempty"`
}

// Tombstone remembers a member that was removed, or, without a node, a store
// that was given up.
type Tombstone struct {
	Node  NodeID `json:"node,omitempty"`
	Store string `json:"store"`
}

// Check requires every field to be well-formed and bounded. It is the gate for
// what another node says of itself.
func (m Member) Check() error {
	if _, err := ParseNodeID(string(m.Node)); err != nil {
		return err
	}
	if _, known := transitions[m.State]; !known {
		return fmt.Errorf("cluster: member %s is in no known state, it must be joining, active, draining or removed", m.Node)
	}
	if m.Leaving && m.State != Draining {
		return fmt.Errorf("cluster: member %s is %s and leaving, only a draining member leaves", m.Node, m.State)
	}
	return errors.Join(
		checkID("store id", m.Store),
		checkID("boot id", m.Boot),
		checkAddr("peer address", m.PeerAddr),
		checkAddr("gossip address", m.GossipAddr),
		checkZone(m.Zone),
	)
}

// checkID requires 1 to maxIDLen letters, digits, '-', '_' or '.', so that the
// id is safe in files and logs.
func checkID(what, id string) error {
	if id == "" || len(id) > maxIDLen {
		return fmt.Errorf("cluster: the %s has %d bytes, it must have 1 to %d", what, len(id), maxIDLen)
	}
	for i := range len(id) {
		if !nodeIDByte(id[i], i == 0) {
			return fmt.Errorf("cluster: byte %d of the %s is not allowed, use letters, digits, '-', '_' and '.', starting with a letter or digit", i, what)
		}
	}
	return nil
}

func checkZone(zone string) error {
	if zone == "" {
		return nil
	}
	return checkID("zone", zone)
}

// checkAddr requires host:port with a numeric port, where host is a name, an
// IPv4 address or an IPv6 address in brackets. Whether it exists is not known.
func checkAddr(what, addr string) error {
	if len(addr) > maxAddrLen {
		return fmt.Errorf("cluster: the %s has %d bytes, at most %d are allowed", what, len(addr), maxAddrLen)
	}
	colon := strings.LastIndexByte(addr, ':')
	if colon < 1 {
		return fmt.Errorf("cluster: the %s %q is not host:port", what, addr)
	}
	host, port := addr[:colon], addr[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
		return fmt.Errorf("cluster: the port of the %s %q must be a number from 1 to 65535", what, addr)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if ip, err := netip.ParseAddr(inner); !closed || err != nil || !ip.Is6() {
			return fmt.Errorf("cluster: the host of the %s %q is not an IPv6 address", what, addr)
		}
		return nil
	}
	for i := range len(host) {
		if !nodeIDByte(host[i], i == 0) {
			return fmt.Errorf("cluster: byte %d of the %s %q is not allowed in a host name", i, what, addr)
		}
	}
	return nil
}
