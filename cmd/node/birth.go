package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/gossip"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// CharterFile is the file of the data directory that holds how the node came to
// be. Only its owner may read it: it holds the secret that gossip is encrypted
// with.
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
	// Founders are the first voters of every group, if this node is among those
	// who found the cluster.
	Founders []cluster.NodeID `json:"founders,omitempty"`
	// Members are those known at birth, this node among them.
	Members []cluster.Member `json:"members,omitempty"`
	// Secret encrypts gossip.
	Secret []byte `json:"gossip_secret,omitempty"`
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
	c, err := readCharter(n.config.DataDir)
	if err != nil {
		return err
	}
	born, err := replica.Born(n.config.DataDir)
	if err != nil {
		return err
	}
	n.charter = c
	switch {
	case born:
		return nil
	case c.decided() && n.config.Name != "" && n.config.Name != string(c.Node):
		return fmt.Errorf("%s belongs to node %q, not to %q", n.config.DataDir, c.Node, n.config.Name)
	case c.decided():
		return nil
	}
	if c.Store == "" {
		c.Node = cluster.NodeID(n.config.name())
		c.Store = rand.Text()
	}
	if err := n.decide(ctx); err != nil {
		return err
	}
	return writeCharter(n.config.DataDir, c)
}

// decide makes a node that is being born a member of a cluster: of one of its
// own, of one that it founds with others, or of one that is there.
func (n *Node) decide(context.Context) error {
	c := n.charter
	c.ClusterID = rand.Text()
	c.Groups = n.config.DataGroups
	if c.Groups == 0 {
		c.Groups = cluster.DefaultGroups
	}
	c.Founders = []cluster.NodeID{c.Node}
	c.Secret = make([]byte, gossip.SecretBytes)
	_, _ = rand.Read(c.Secret) // never fails
	if !n.config.alone() {
		c.Members = []cluster.Member{n.self()}
	}
	return nil
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
func readCharter(dir string) (*charter, error) {
	c := new(charter)
	if dir == "" {
		return c, nil
	}
	data, err := os.ReadFile(filepath.Join(dir, CharterFile))
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err == nil {
		err = json.Unmarshal(data, c)
	}
	if err != nil {
		return nil, fmt.Errorf("how this node came to be: %s: %w", CharterFile, err)
	}
	return c, nil
}

func writeCharter(dir string, c *charter) error {
	if dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(dir, CharterFile), append(data, '\n'))
}

// writeDurably replaces a file that only its owner may read, and returns when
// the disk has it.
func writeDurably(path string, data []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
