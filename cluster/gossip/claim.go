package gossip

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/hashicorp/memberlist"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// maxClaim is what memberlist allows a node to say of itself, in bytes; it
	// panics above that.
	maxClaim = memberlist.MetaMaxSize
	// MaxVersionLen bounds the version of a Claim, in bytes.
	MaxVersionLen = 32
)

// Claim is what a node says of itself. Nothing proves it: whoever holds the
// secret can claim anything in anybody's name. It is well-formed and bounded,
// no more. The names of its fields on the wire are frozen, for nodes of several
// versions read each other's; fields that a node does not know it steps over.
type Claim struct {
	// Store is the random id of the data directory, Boot that of the process:
	// 1 to 64 letters, digits, '-', '_' and '.'.
	Store string `json:"s"`
	Boot  string `json:"b"`
	// PeerAddr is host:port of the listener for other nodes, ClientAddr of that
	// for clients.
	PeerAddr   string `json:"p"`
	ClientAddr string `json:"c"`
	// Version is the program's version, for people: printable ASCII of at most
	// MaxVersionLen bytes.
	Version string `json:"v,omitempty"`
	// Level is the newest feature level that the node's program understands.
	Level uint32 `json:"l,omitempty"`
}

// check requires every field to be well-formed, by the rules for members on
// record; what they ask of the peer address holds for the client address too.
func (c Claim) check(node cluster.NodeID, at netip.AddrPort) error {
	if len(c.Version) > MaxVersionLen {
		return fmt.Errorf("gossip: the version has %d bytes, at most %d are allowed", len(c.Version), MaxVersionLen)
	}
	for i := range len(c.Version) {
		if b := c.Version[i]; b < ' ' || b > '~' {
			return fmt.Errorf("gossip: byte %d of the version is not printable ASCII", i)
		}
	}
	ip := at.Addr()
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || at.Port() == 0 {
		return fmt.Errorf("gossip: nobody can be reached at %s", at)
	}
	var errs []error
	for _, addr := range []string{c.PeerAddr, c.ClientAddr} {
		errs = append(errs, cluster.Member{
			Node: node, Store: c.Store, Boot: c.Boot, PeerAddr: addr, GossipAddr: at.String(),
			Level: c.Level, State: cluster.Joining,
		}.Check())
	}
	return errors.Join(errs...)
}

// encode gives the bytes that carry the claim.
func (c Claim) encode() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if len(b) > maxClaim {
		return nil, fmt.Errorf("gossip: the claim takes %d bytes, at most %d are allowed: use shorter addresses or ids", len(b), maxClaim)
	}
	return b, nil
}

// decodeClaim reads what encode wrote, or a stranger. It does not keep b.
func decodeClaim(b []byte) (Claim, error) {
	var c Claim
	if len(b) > maxClaim {
		return c, fmt.Errorf("gossip: a claim of %d bytes, at most %d are allowed", len(b), maxClaim)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return Claim{}, fmt.Errorf("gossip: malformed claim: %w", err)
	}
	return c, nil
}
