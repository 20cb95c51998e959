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
	// Trust is the secrets by which the nodes know each other.
	Trust cluster.Trust
	// Members are those of the cluster at that moment, by name: the newborn
	// itself, and whom it can turn to.
	Members []cluster.Member
}

// String tells which cluster it is, and none of its secrets.
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
	if err := c.Trust.Check(); err != nil {
		return err
	}
	switch {
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
		ClusterId: c.ClusterID, Groups: uint32(c.Groups), Level: c.Level, Members: wireMembers(c.Members), Trust: wireTrust(c.Trust),
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
	trust, err := trustOf(wire.GetTrust())
	if err != nil {
		return Charter{}, err
	}
	c := Charter{ClusterID: wire.GetClusterId(), Groups: int(wire.GetGroups()), Level: wire.GetLevel(), Members: members, Trust: trust}
	if len(wire.GetFounders()) > len(members) {
		return Charter{}, fmt.Errorf("%d founders among %d members", len(wire.GetFounders()), len(members))
	}
	for _, n := range wire.GetFounders() {
		c.Founders = append(c.Founders, cluster.NodeID(n))
	}
	return c, c.Check()
}

func wireTrust(t cluster.Trust) *peerv1.Trust {
	wire := &peerv1.Trust{Serial: t.Serial, Stage: string(t.Stage), GossipKeys: t.GossipKeys}
	for _, a := range t.Authorities {
		wire.Authorities = append(wire.Authorities, &peerv1.Trust_Authority{Certificate: a.Certificate, Key: a.Key})
	}
	return wire
}

// trustOf reads a trust that can be adopted.
func trustOf(wire *peerv1.Trust) (cluster.Trust, error) {
	t := cluster.Trust{Serial: wire.GetSerial(), Stage: cluster.Stage(wire.GetStage()), GossipKeys: wire.GetGossipKeys()}
	for _, a := range wire.GetAuthorities() {
		t.Authorities = append(t.Authorities, cluster.Authority{Certificate: a.GetCertificate(), Key: a.GetKey()})
	}
	return t, t.Check()
}
