package peer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// Charter is what a node needs to be born: to become, from an empty data
// directory, a member of one cluster for ever. It is a value; its lists are not
// written to.
type Charter struct {
	ClusterID string
	// Groups is the number of data groups.
	Groups int
	// Founders are the first voters of every group, in the order of their names;
	// none for a node that joins.
	Founders []cluster.NodeID
	// Level is the feature level of the cluster.
	Level uint32
	// GossipKey encrypts gossip, in 16, 24 or 32 bytes. It is a secret.
	GossipKey []byte
	// Members are those of the cluster at that moment, by name: the newborn
	// itself, and whom it can turn to.
	Members []cluster.Member
}

// String tells which cluster it is, and never the key.
func (c Charter) String() string {
	return fmt.Sprintf("cluster %s of %d members with %d groups", c.ClusterID, len(c.Members), c.Groups)
}

// GoString is String.
func (c Charter) GoString() string { return c.String() }

// Check requires everything that a birth relies on.
func (c Charter) Check() error {
	if err := (cluster.Settings{ClusterID: c.ClusterID, Groups: c.Groups, Level: c.Level}).Check(); err != nil {
		return err
	}
	switch n := len(c.GossipKey); {
	case n != 16 && n != 24 && n != 32:
		return fmt.Errorf("the gossip key has %d bytes, it must have 16, 24 or 32", n)
	case len(c.Members) == 0 || len(c.Members) > cluster.MaxMembers:
		return fmt.Errorf("%d members, a cluster has 1 to %d", len(c.Members), cluster.MaxMembers)
	}
	stores := make(map[string]cluster.NodeID)
	for i, m := range c.Members {
		if err := m.Check(); err != nil {
			return err
		}
		if i > 0 && c.Members[i-1].Node >= m.Node {
			return errors.New("the members are not in the order of their names, or one is there twice")
		}
		if other, twice := stores[m.Store]; twice {
			return fmt.Errorf("nodes %s and %s run on copies of one data directory", other, m.Node)
		}
		stores[m.Store] = m.Node
	}
	for i, n := range c.Founders {
		if i > 0 && c.Founders[i-1] >= n {
			return errors.New("the founders are not in the order of their names, or one is there twice")
		}
		if _, ok := c.member(n); !ok {
			return fmt.Errorf("founder %.64q is not a member", string(n))
		}
	}
	if n := len(c.Founders); n > 0 && n%2 == 0 {
		return fmt.Errorf("%d founders, they are an odd number", n)
	}
	return nil
}

func (c Charter) member(n cluster.NodeID) (cluster.Member, bool) {
	i := slices.IndexFunc(c.Members, func(m cluster.Member) bool { return m.Node == n })
	if i < 0 {
		return cluster.Member{}, false
	}
	return c.Members[i], true
}

// lists reports whether a node is among the members, by name and store.
func (c Charter) lists(n cluster.NodeID, store string) bool {
	m, ok := c.member(n)
	return ok && m.Store == store
}

func wireCharter(c Charter) *peerv1.Charter {
	wire := &peerv1.Charter{
		ClusterId: c.ClusterID, Groups: uint32(c.Groups), Level: c.Level, GossipKey: c.GossipKey, Members: wireMembers(c.Members),
	}
	for _, n := range c.Founders {
		wire.Founders = append(wire.Founders, string(n))
	}
	return wire
}

// charterOf reads a charter that is complete.
func charterOf(wire *peerv1.Charter) (Charter, error) {
	members, err := membersOf(wire.GetMembers())
	if err != nil {
		return Charter{}, err
	}
	c := Charter{
		ClusterID: wire.GetClusterId(), Groups: int(wire.GetGroups()), Level: wire.GetLevel(), GossipKey: wire.GetGossipKey(), Members: members,
	}
	if len(wire.GetFounders()) > len(members) {
		return Charter{}, fmt.Errorf("%d founders among %d members", len(wire.GetFounders()), len(members))
	}
	for _, n := range wire.GetFounders() {
		c.Founders = append(c.Founders, cluster.NodeID(n))
	}
	return c, c.Check()
}
