package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mayfly-broker/mayfly/cluster"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
	"github.com/mayfly-broker/mayfly/test/bench/load"
	"github.com/mayfly-broker/mayfly/test/bench/proc"
)

const (
	// nodesOfCluster is how many nodes the cluster under test has, so each group
	// has as many replicas.
	nodesOfCluster = 3
	// settlePatience bounds how long a cluster may take until every group has
	// the leader it should have and all replicas have caught up.
	settlePatience = 60 * time.Second
	// askTime bounds one question to a node.
	askTime = 5 * time.Second
)

// node is one node of the cluster under test. It keeps its addresses and its
// data when it is killed and started again.
type node struct {
	*server
	args []string
}

// nodes are the cluster under test.
type nodes []*node

// found starts nodes that found a cluster together, and waits until it has
// settled. A failed found leaves nothing behind.
func (b *bench) found() (nodes, error) {
	var all nodes
	var seeds []string
	for i := range nodesOfCluster {
		n, peer, err := b.place(fmt.Sprint("n", i+1))
		if err != nil {
			return nil, err
		}
		all, seeds = append(all, n), append(seeds, peer)
	}
	for _, n := range all {
		n.args = append(n.args, "--bootstrap-expect", fmt.Sprint(len(all)), "--join", strings.Join(seeds, ","))
		if err := b.startNode(n); err != nil {
			all.stop()
			return nil, err
		}
	}
	if _, err := b.settled(all); err != nil {
		all.stop()
		return nil, err
	}
	return all, nil
}

// place prepares a node and returns the address of its peer port too.
func (b *bench) place(name string) (n *node, peer string, err error) {
	addrs := make([]string, 3)
	for i := range addrs {
		if addrs[i], err = proc.FreeAddr(); err != nil {
			return nil, "", err
		}
	}
	dir, err := os.MkdirTemp(b.dir, name+"-*")
	if err != nil {
		return nil, "", err
	}
	n = &node{server: &server{Name: name, system: load.Mayfly, addr: addrs[0]}}
	n.args = []string{"server", "--node-name", name, "--data-dir", dir, "--listen", addrs[0],
		"--peer-listen", addrs[1], "--gossip-listen", addrs[2], "--create-caches", load.Cache}
	return n, addrs[1], nil
}

// startNode starts a node for the first time or again.
func (b *bench) startNode(n *node) error {
	s, err := b.start(n.Name, load.Mayfly, n.addr, b.mayfly, n.args...)
	if err == nil {
		n.server = s
	}
	return err
}

// stop ends the nodes that have been started and waits for their end.
func (all nodes) stop() {
	for _, n := range all {
		if n.Child != nil {
			n.Stop()
		}
	}
}

// as is the cluster as a server of this name whose clients talk to the node.
func (all nodes) as(name string, n *node) *server {
	s := &server{Child: n.Child, Name: name, system: load.Mayfly, addr: n.addr}
	for _, other := range all {
		if other != n {
			s.mates = append(s.mates, other.Child)
		}
	}
	return s
}

// leaders are the names of the nodes that lead, by group.
type leaders map[cluster.GroupID]string

// settled waits until every group is led by the node that should lead it and
// no replica lacks anything, and returns who leads.
func (b *bench) settled(all nodes) (leaders, error) {
	ctx, cancel := context.WithTimeout(b.ctx, settlePatience)
	defer cancel()
	poll := time.NewTicker(200 * time.Millisecond)
	defer poll.Stop()
	why := "no node has answered"
	for {
		for _, n := range all {
			status, err := n.status(ctx)
			if err != nil {
				why = err.Error()
				continue
			}
			if why = unsettled(status); why == "" {
				return leadersOf(status), nil
			}
			break
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("the cluster has not settled: %s: %w", why, context.Cause(ctx))
		}
	}
}

// status asks the node how the cluster is.
func (n *node) status(ctx context.Context) (*clusterpb.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	conn, err := grpc.NewClient(n.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	answer, err := adminpb.NewAdminClient(conn).ClusterStatus(ctx, &adminpb.ClusterStatusRequest{})
	return answer.GetStatus(), err
}

// unsettled says what a cluster still lacks, nothing when that is nothing.
func unsettled(status *clusterpb.Status) string {
	if !status.GetLeading() || len(status.GetGroups()) < 2 {
		return "its first nodes do not know their cluster"
	}
	for _, g := range status.GetGroups() {
		leader, target := g.GetLeader().GetNode(), g.GetTarget().GetLeader()
		switch {
		case leader == "" || target != "" && target != leader:
			return fmt.Sprintf("group %d is led by %q, not by %q", g.GetGroup(), leader, target)
		case g.GetMoving() || len(g.GetReplicas()) != nodesOfCluster:
			return fmt.Sprintf("group %d moves", g.GetGroup())
		}
		for _, r := range g.GetReplicas() {
			if !r.GetAnswered() || r.GetProgress() != clusterpb.Progress_PROGRESS_CAUGHT_UP {
				return fmt.Sprintf("the replica of group %d on %s lags", g.GetGroup(), r.GetReplica().GetNode())
			}
		}
	}
	return ""
}

func leadersOf(status *clusterpb.Status) leaders {
	l := make(leaders)
	for _, g := range status.GetGroups() {
		l[cluster.GroupID(g.GetGroup())] = g.GetLeader().GetNode()
	}
	return l
}

// names returns n names that begin with the prefix and belong to groups which
// the node leads. It fails when the node leads none.
func (l leaders) names(leader *node, prefix string, n int) ([]string, error) {
	topology, err := cluster.NewTopology(len(l) - 1)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := 0; len(names) < n; i++ {
		name := fmt.Sprint(prefix, "-", i)
		if l[topology.GroupOf(cluster.SlotOf(load.Cache, []byte(name)))] == leader.Name {
			names = append(names, name)
		}
		if i == 1000*n {
			return nil, fmt.Errorf("%s leads no group", leader.Name)
		}
	}
	return names, nil
}
