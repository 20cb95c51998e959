package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// A node whose disk was lost is somebody else to the cluster: under its name it is
// let in neither as the founder it was nor as a new node, and told what to do.
// `mayfly node replace` brings it back, and the others give it all it had.
func TestNodeThatLostItsDisk(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	name := c.NameIn(group, "story", "room")
	l := startLoad(t, name, 1, c.Nodes)
	l.flows(t, harness.Patience, 50)
	lost := c.Leader(t, group)
	lost.Kill(t)
	lost.LoseDisk(t)
	l.flows(t, harness.Patience, 50, c.Except(lost)...)
	l.finish()

	refused(t, lost, "cluster already", "join-token", "mayfly node replace")
	c.JoinWith(lost)
	refused(t, lost, "token", "mayfly node replace")
	c.JoinWith(lost, "--join-token", c.JoinToken(t))
	refused(t, lost, "there is a node "+lost.Name+" already, with another store", "mayfly node replace")

	missed(t, c.Except(lost)[0], lost)
	c.JoinWith(lost, "--join-token", c.Replacement(t, lost), "--replace")
	lost.Start(t)
	harness.Eventually(t, 2*harness.Patience, "full replicas on "+lost.Name, func() (bool, string) {
		status := lost.Status(t)
		for _, g := range status.GetGroups() {
			if !full(g, lost.Name) {
				return false, fmt.Sprint(g)
			}
		}
		return true, ""
	})
	l.holds(t, lost)

	// One of the others may go now, as before.
	gone := c.Except(lost)[0]
	gone.Kill(t)
	l.back(t, takeOver, lost)
	l.holds(t, lost)
}

// refused starts a node that the cluster must not let in, and demands that it ends
// by itself with these words.
func refused(t *testing.T, n *harness.Node, words ...string) {
	t.Helper()
	if n.StartOrExit(t) {
		t.Fatalf("%s was let in", n.Name)
	}
	code, output := n.Exits(t)
	if code != 1 {
		t.Errorf("%s ended with code %d, want 1", n.Name, code)
	}
	for _, word := range words {
		if !strings.Contains(output, word) {
			t.Errorf("%s does not say %q:\n%s", n.Name, word, output)
		}
	}
}

// missed waits until the cluster has noticed that a node is gone.
func missed(t *testing.T, at, gone *harness.Node) {
	t.Helper()
	harness.Eventually(t, harness.Patience, gone.Name+" to be missed", func() (bool, string) {
		nodes := at.Status(t).GetNodes()
		i := slices.IndexFunc(nodes, func(n *clusterpb.Node) bool { return n.GetNode() == gone.Name })
		return i >= 0 && nodes[i].GetHealth() != clusterpb.Health_HEALTH_LIVE, fmt.Sprint(nodes)
	})
}

// full reports whether a group has a voter on the node that holds everything.
func full(g *clusterpb.Group, node string) bool {
	return slices.ContainsFunc(g.GetReplicas(), func(r *clusterpb.GroupReplica) bool {
		return r.GetReplica().GetNode() == node && r.GetRole() == clusterpb.Role_ROLE_VOTER && r.GetAnswered() && !r.GetLost() && r.GetLag() == 0
	})
}
