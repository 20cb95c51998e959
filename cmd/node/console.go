package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/rpc/console"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// desk is this node as its console asks it.
type desk struct{ n *Node }

var _ console.Broker = desk{}

// newConsole makes the console, whose questions wait for Run.
func (n *Node) newConsole() (*console.Console, error) {
	return console.New(console.Config{
		Version: n.config.Version, Node: string(n.host.Node()), Cluster: n.host.ClusterID(), Gate: n.doors.gate, Broker: desk{n},
	})
}

// Status implements console.Broker.
func (d desk) Status(ctx context.Context) (steward.Status, error) {
	if d.n.steward == nil {
		return d.alone(), nil
	}
	return office(d).Status(ctx)
}

// alone is the status of a node that is a cluster of its own.
func (d desk) alone() steward.Status {
	self := cluster.Member{Node: d.n.host.Node(), Store: d.n.host.StoreID(), Boot: d.n.boot, State: cluster.Active}
	node := steward.NodeStatus{Member: self, Health: cluster.Live, Heard: time.Now()}
	st := steward.Status{Leading: true, At: node.Heard, Settings: cluster.Settings{ClusterID: d.n.host.ClusterID()}}
	for _, g := range d.n.host.Groups() {
		s := g.Stats()
		group := steward.GroupStatus{Group: s.Group, Term: s.Term, Applied: s.Applied, Last: s.LastIndex}
		for _, voter := range g.Configuration().Voters {
			replica := cluster.Replica{Node: voter.Node, Number: voter.Number}
			if s.Leading {
				group.Leader = replica
				node.Leaders++
			}
			node.Replicas++
			group.Replicas = append(group.Replicas, steward.ReplicaStatus{
				Replica: replica, Role: cluster.RoleVoter, Answered: true, Progress: cluster.CaughtUp, Applied: s.Applied,
			})
		}
		st.Groups = append(st.Groups, group)
	}
	st.Nodes = []steward.NodeStatus{node}
	return st
}

// Versions implements console.Broker.
func (d desk) Versions() map[string]string {
	versions := map[string]string{string(d.n.host.Node()): d.n.config.Version}
	if mesh := d.n.links.mesh.Load(); mesh != nil {
		for _, p := range mesh.Peers() {
			versions[string(p.Node)] = p.Version
		}
	}
	return versions
}

// Look implements console.Broker.
func (d desk) Look(cache, topic string) console.Topic {
	g, leader, here, known := d.n.router.Look(cache, topic)
	return console.Topic{
		Group: g, Leader: string(leader), Known: known, Page: here.Last.Page, Sequence: here.Last.Sequence,
		Subscriptions: here.Subscriptions,
	}
}

// Nodes implements console.Broker.
func (d desk) Nodes() []string {
	names := []string{string(d.n.host.Node())}
	d.n.local.Read(func(s *cluster.State) {
		for _, m := range s.Members() {
			if m.Node != d.n.host.Node() {
				names = append(names, string(m.Node))
			}
		}
	})
	slices.Sort(names)
	return names
}

// Usage implements console.Broker.
func (d desk) Usage(ctx context.Context, node string) ([]usage.Sample, error) {
	if node == string(d.n.host.Node()) {
		return d.n.lastHour(), nil
	}
	if d.n.links.pool == nil { // it was started without a way to the others on record
		return nil, fmt.Errorf("%w: this node has no way to others", route.ErrNotExecuted)
	}
	return d.n.links.pool.Client(cluster.NodeID(node)).Usage(ctx)
}

// lastHour is what this node did.
func (n *Node) lastHour() []usage.Sample { return n.used.Samples(time.Now()) }
