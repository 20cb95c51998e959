package steward

import (
	"context"
	"slices"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

// A lone node with data grows to three and five nodes, and one leaves, while
// clients write. Nothing acknowledged is lost.
func TestGrowAndLeaveUnderLoad(t *testing.T) {
	t.Parallel()
	f := found(t, []cluster.NodeID{"n1"})
	load := f.load()
	load.more(50)
	f.join("n2")
	f.join("n3")
	st := f.settled("n1", "n2", "n3")
	for _, g := range st.Groups {
		if len(g.Target.Voters) != 3 {
			t.Errorf("group %s shall have the voters %v", g.Group, g.Target.Voters)
		}
	}
	for _, n := range st.Nodes {
		if n.Leaders > (fleetGroups+1+2)/3+1 || n.Replicas != fleetGroups+1 {
			t.Errorf("%s leads %d groups and has %d replicas", n.Node, n.Leaders, n.Replicas)
		}
	}
	load.more(50)
	f.join("n4")
	f.join("n5")
	st = f.settled("n1", "n2", "n3", "n4", "n5")
	if meta := st.Groups[0]; len(meta.Target.Voters) != 5 {
		t.Errorf("the meta group has the voters %v", meta.Target.Voters)
	}
	for _, n := range st.Nodes {
		if n.Replicas < 2 {
			t.Errorf("%s has %d replicas of %d data groups", n.Node, n.Replicas-1, fleetGroups)
		}
	}
	load.more(50)
	f.granted("the leave", func(ctx context.Context, s *Steward) error { return s.Leave(ctx, "n1", false) })
	f.settled("n2", "n3", "n4", "n5")
	if left := f.node("n1").host.Load().Groups(); len(left) != 0 {
		t.Errorf("the node that left still has %d replicas", len(left))
	}
	f.kill("n1")
	load.more(50)
	load.end()
	for _, g := range f.settled("n2", "n3", "n4", "n5").Groups[1:] {
		if len(g.Replicas) != 3 || slices.ContainsFunc(g.Replicas, func(r ReplicaStatus) bool { return !r.Answered || r.Role != cluster.RoleVoter }) {
			t.Errorf("group %s ended with %+v", g.Group, g.Replicas)
		}
	}
	// Whoever follows a group at the end was told of every replica it started.
	for _, n := range f.all() {
		for _, g := range n.host.Load().Groups() {
			if n.member.Node != "n1" && !slices.Contains(n.started, g.Replica()) {
				t.Errorf("%s was not told that %s was started: %v", n.member.Node, g.Replica(), n.started)
			}
		}
	}
}
