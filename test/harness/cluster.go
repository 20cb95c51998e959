package harness

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Cluster is several brokers that form one. They run as processes of their own
// and talk to each other over a Network. It belongs to the test that made it,
// which may share it with its subtests.
type Cluster struct {
	// Nodes are in the order in which they came, also those that were stopped.
	Nodes []*Node

	groups  int
	args    []string
	acme    *ACME
	network *Network
}

// Node is one broker of a cluster.
type Node struct {
	*Server
	// Name is its name in the cluster.
	Name string

	peer string   // its peer port, as it listens
	born []string // its flags without those about how it came into the cluster
}

// ClusterOptions say what a cluster is like.
type ClusterOptions struct {
	// Nodes is how many found it; 3 when it is 0.
	Nodes int
	// Groups is the number of data groups; 4 when it is 0, which is enough for
	// every node to lead and little enough for a busy machine.
	Groups int
	// Args are flags added for every node.
	Args []string
	// ACME has the nodes order their certificate from this server.
	ACME *ACME
	// Programs are what the founders run, in order; where there is none, or an
	// empty one, the broker under test.
	Programs []string
}

// StartCluster founds a cluster and waits until every node of it serves.
func StartCluster(t testing.TB, o ClusterOptions) *Cluster {
	t.Helper()
	c := &Cluster{groups: o.Groups, args: o.Args, acme: o.ACME, network: newNetwork(t)}
	if c.groups == 0 {
		c.groups = 4
	}
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	for i := range o.Nodes {
		n := c.place(t)
		if i < len(o.Programs) && o.Programs[i] != "" {
			n.RunAs(o.Programs[i])
		}
	}
	birth := []string{"--data-groups", strconv.Itoa(c.groups)}
	if o.Nodes > 1 { // one alone waits for nobody
		birth = append(birth, "--bootstrap-expect", strconv.Itoa(o.Nodes), "--join", c.Seeds())
	}
	for _, n := range c.Nodes {
		n.args = append(n.args, birth...)
		n.Launch(t)
	}
	for _, n := range c.Nodes {
		n.AwaitServing(t)
	}
	return c
}

// place prepares the next node, which has no way into the cluster yet.
func (c *Cluster) place(t testing.TB) *Node {
	t.Helper()
	n := &Node{Name: fmt.Sprint("n", len(c.Nodes)+1), peer: FreeAddr(t)}
	gossip := FreeAddr(t)
	c.network.connect(t, n.Name, n.peer, gossip)
	n.Server = New(t, Options{Name: n.Name, ACME: c.acme, Args: append([]string{
		"--node-name", n.Name, "--peer-listen", n.peer, "--gossip-listen", gossip, "--advertise", wireHost,
	}, c.args...)})
	n.born = n.args
	c.Nodes = append(c.Nodes, n)
	return n
}

// Peer is where the node listens for others, beside the network.
func (n *Node) Peer() string { return n.peer }

// Seeds are the peer addresses of all nodes as the others see them.
func (c *Cluster) Seeds() string {
	seeds := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		seeds[i] = outside(n.peer)
	}
	return strings.Join(seeds, ",")
}

// Join starts one more node, which joins the cluster with a token that a member
// made, and waits until it serves.
func (c *Cluster) Join(t testing.TB) *Node {
	t.Helper()
	token, seeds := c.JoinToken(t), c.Seeds()
	n := c.place(t)
	n.args = append(n.args, "--join", seeds, "--join-token", token)
	n.Start(t)
	return n
}

// LoseDisk removes all that a node which does not run has stored.
func (n *Node) LoseDisk(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(n.DataDir); err != nil {
		t.Fatal(err)
	}
}

// JoinWith has a node that does not run come into the cluster with these flags
// when it is started next, in place of those it came with.
func (c *Cluster) JoinWith(n *Node, flags ...string) {
	n.args = slices.Concat(n.born, []string{"--join", c.Seeds()}, flags)
}

// Replacement is a new token with which a node whose disk was lost may come back.
func (c *Cluster) Replacement(t testing.TB, n *Node) string {
	t.Helper()
	return token(t, c.Up()[0], "node", "replace", n.Name)
}

// JoinToken is a new token with which one node may join.
func (c *Cluster) JoinToken(t testing.TB) string {
	t.Helper()
	return token(t, c.Up()[0], "cluster", "join-token")
}

// token runs a command that makes one.
func token(t testing.TB, at *Node, command ...string) string {
	t.Helper()
	var ticket struct {
		Token string `json:"token"`
	}
	at.CLI(t, "", append(command, "-o", "json")...).JSON(t, &ticket)
	return ticket.Token
}

// Up are the nodes that run and are not frozen.
func (c *Cluster) Up() (up []*Node) {
	for _, n := range c.Nodes {
		if n.Up() {
			up = append(up, n)
		}
	}
	return up
}

// Addr are the client ports of all nodes, for a Client.
func (c *Cluster) Addr() string {
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Addr
	}
	return strings.Join(addrs, ",")
}

// Except are the nodes of a cluster but these.
func (c *Cluster) Except(some ...*Node) []*Node {
	return slices.DeleteFunc(slices.Clone(c.Nodes), func(n *Node) bool { return slices.Contains(some, n) })
}

// Cut loses what one node says to another from now on; it may still hear it.
func (c *Cluster) Cut(from, to *Node) {
	c.network.change(func(cut map[wire]bool) { cut[wire{from.Name, to.Name}] = true })
}

// Part cuts all wires between the nodes of one side and all others.
func (c *Cluster) Part(side ...*Node) {
	c.network.change(func(cut map[wire]bool) {
		for _, a := range side {
			for _, b := range c.Except(side...) {
				cut[wire{a.Name, b.Name}], cut[wire{b.Name, a.Name}] = true, true
			}
		}
	})
}

// Mend makes all wires whole.
func (c *Cluster) Mend() {
	c.network.change(func(cut map[wire]bool) { clear(cut) })
}
