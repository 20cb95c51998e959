package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/peer"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// CharterFile is the file of the data directory that holds how the node came to
// be. Only its owner may read it: it holds the secrets by which the nodes of the
// cluster know each other.
const CharterFile = "charter.json"

// featureLevel is the newest feature level that this program understands. It
// rises by one with every kind of command that older programs cannot read.
const featureLevel = 1

// charter is how a node came to be. It is decided once, and written down before
// anything is done in its name, so that a node that is cut off at birth comes to
// be the same one at the next start.
type charter struct {
	Node      cluster.NodeID `json:"node"`
	Store     string         `json:"store"`
	ClusterID string         `json:"cluster_id,omitempty"`
	Groups    int            `json:"data_groups,omitempty"`
	Level     uint32         `json:"level,omitempty"`
	// Founders are the first voters of every group of a cluster that this node
	// founded, alone or with others; none for one that it joined.
	Founders []cluster.NodeID `json:"founders,omitempty"`
	// Members are those known at birth, this node among them.
	Members []cluster.Member `json:"members,omitempty"`
	// Trust is the secrets by which the nodes know each other, as this node has
	// adopted them.
	Trust cluster.Trust `json:"trust,omitzero"`
	// Left: the node has left the cluster, and holds nothing any more.
	Left bool `json:"left,omitempty"`
}

// decided reports whether the node knows its cluster. Before that a charter
// holds only who it is when it asks to be let into one.
func (c *charter) decided() bool { return c.ClusterID != "" }

// member finds a node that was a member when this one was born.
func (c *charter) member(n cluster.NodeID) (cluster.Member, bool) {
	for _, m := range c.Members {
		if m.Node == n {
			return m, true
		}
	}
	return cluster.Member{}, false
}

// settle decides, or reads, how this node came to be.
func (n *Node) settle(ctx context.Context) error {
	if err := moveOver(n.config.DataDir); err != nil {
		return fmt.Errorf("moving to another cluster: %w", err)
	}
	c, err := readCharter(n.config.DataDir, CharterFile)
	if err != nil {
		return err
	}
	born, err := replica.Born(n.config.DataDir)
	if err != nil {
		return err
	}
	n.charter = c
	switch {
	case c.Left:
		return fmt.Errorf("this node has left its cluster, for ever; empty %s to use the machine anew, under another node name where the cluster is the same", n.config.DataDir)
	case born:
		n.noteToken()
		return nil
	case c.decided() && n.config.Name != "" && n.config.Name != string(c.Node):
		return fmt.Errorf("%s belongs to node %q, not to %q", n.config.DataDir, c.Node, n.config.Name)
	case c.decided():
		return nil
	}
	if c.Store == "" {
		c.Store = rand.Text()
	}
	// A name that was made up stays: others may know the store under it.
	c.Node = cmp.Or(cluster.NodeID(n.config.Name), c.Node, cluster.NodeID(n.config.name()))
	// Others will know the store before this node is born, so it is kept first.
	if err := writeCharter(n.config.DataDir, CharterFile, c); err != nil {
		return err
	}
	if err := n.decide(ctx); err != nil {
		return err
	}
	return writeCharter(n.config.DataDir, CharterFile, c)
}

// noteToken warns of a join token that is not used, since the node is a member of
// another cluster: whoever gave it believes that the node joins.
func (n *Node) noteToken() {
	token, err := peer.ParseToken(n.config.JoinToken)
	if err != nil || token.ClusterID == n.charter.ClusterID {
		return // there is none, or it was for this cluster
	}
	n.logger.Warn("the join token is of another cluster and is not used: this node has data and stays in its own cluster; "+
		"to join with this machine, empty its data directory or use `mayfly node join` while it runs",
		slog.String("data_dir", n.config.DataDir), slog.String("cluster", n.charter.ClusterID), slog.String("token_of", token.ClusterID))
}

// decide makes a node that is being born a member of a cluster: of one of its
// own, of one that it founds with others, or of one that is there.
func (n *Node) decide(ctx context.Context) error {
	switch {
	case n.config.BootstrapExpect > 1:
		n.logger.Info("waiting for the others to found a cluster with", slog.Int("expect", n.config.BootstrapExpect), slog.Any("seeds", n.config.Join))
		charter, err := n.convene(ctx)
		if err != nil {
			return fmt.Errorf("founding a cluster of %d nodes: %w", n.config.BootstrapExpect, err)
		}
		n.charter.take(charter)
	case len(n.config.Join) > 0 && n.config.JoinToken == "":
		return errors.New("this node has no data yet, and joining a cluster takes a token: " +
			"make one on a member with `mayfly cluster join-token` and add --join-token; " +
			"or found a new cluster with --bootstrap-expect; " +
			"if this node lost its disk, see `mayfly node replace`")
	case len(n.config.Join) > 0:
		n.logger.Info("asking to be let into the cluster", slog.Any("seeds", n.config.Join))
		charter, err := peer.Join(ctx, peer.JoinConfig{Seeds: n.config.Join, Token: n.config.JoinToken, Self: n.self(), Replace: n.config.Replace, Logger: n.logger})
		if err != nil {
			return fmt.Errorf("joining the cluster: %w", err)
		}
		n.charter.take(charter)
	default:
		charter, err := decideAlone(n.config, n.charter.Node)
		if err != nil {
			return err
		}
		n.charter.take(charter)
		if !n.config.alone() {
			n.charter.Members = []cluster.Member{n.self()}
		}
	}
	return nil
}

// decideAlone makes up a cluster of one.
func decideAlone(config Config, node cluster.NodeID) (peer.Charter, error) {
	first, err := trust.NewTrust()
	return peer.Charter{
		ClusterID: rand.Text(), Groups: config.groups(), Level: featureLevel,
		Founders: []cluster.NodeID{node}, Trust: first,
	}, err
}

// take notes what was decided.
func (c *charter) take(p peer.Charter) {
	c.ClusterID, c.Groups, c.Level, c.Founders, c.Members, c.Trust = p.ClusterID, p.Groups, p.Level, p.Founders, p.Members, p.Trust
}

// complete fills in what the charter of a node lacks that was born alone, or
// before there were charters: it founded its cluster, and is in it.
func (n *Node) complete(clusterID string) {
	c := n.charter
	if !c.decided() {
		c.ClusterID, c.Founders = clusterID, []cluster.NodeID{c.Node}
	}
	if !n.config.alone() && len(c.Founders) == 1 && len(c.Members) == 0 {
		c.Members = []cluster.Member{n.self()}
	}
}

// told is the charter for those who founded the cluster with this node and have
// not heard of it.
func (n *Node) told() (peer.Charter, bool) {
	c := n.charter
	return peer.Charter{
		ClusterID: c.ClusterID, Groups: c.Groups, Founders: c.Founders, Level: c.Level, Members: c.Members, Trust: n.links.wallet.Trust(),
	}, len(c.Founders) > 0 && len(c.Members) > 1
}

// Admit implements peer.Doorkeeper: a new node is let in by the cluster, and told
// what it needs to be born.
func (n *Node) Admit(ctx context.Context, digest cluster.Digest, member cluster.Member, replace bool) (charter peer.Charter, err error) {
	if !n.links.known.Load() { // the port was open before there was anybody to ask
		return charter, fmt.Errorf("%w: this node is starting", route.ErrNotExecuted)
	}
	err = office{n}.ask(ctx, func(ctx context.Context, at peer.Office) error {
		settings, members, err := at.Admit(ctx, digest, member, replace)
		charter = peer.Charter{
			ClusterID: settings.ClusterID, Groups: settings.Groups, Level: settings.Level, Members: members, Trust: n.links.wallet.Trust(),
		}
		return err
	})
	return charter, err
}

// self is this node as it introduces itself.
func (n *Node) self() cluster.Member {
	return cluster.Member{
		Node: n.charter.Node, Store: n.charter.Store, Boot: n.boot,
		PeerAddr: n.links.peerAddr, GossipAddr: n.links.gossipAddr,
		Zone: n.config.Zone, Level: featureLevel, State: cluster.Active,
	}
}

// readCharter returns an empty charter where there is none.
func readCharter(dir, name string) (*charter, error) {
	c := new(charter)
	if dir == "" {
		return c, nil
	}
	data, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	if err != nil {
		return nil, fmt.Errorf("how this node came to be: %s: %w", name, err)
	}
	return c, nil
}

func writeCharter(dir, name string, c *charter) error {
	if dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := replica.MakeDir(dir); err != nil {
		return err
	}
	return replica.WriteFile(filepath.Join(dir, name), append(data, '\n'))
}
