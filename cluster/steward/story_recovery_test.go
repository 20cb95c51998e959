package steward

import (
	"context"
	"slices"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Two of three nodes are lost for good. The third is brought back alone, the
// record follows, the dead are removed, and the cluster grows again.
func TestLostMajorityIsBroughtBack(t *testing.T) {
	t.Parallel()
	f := found(t, trio)
	f.settled(trio...)
	load := f.load()
	load.more(20)
	load.rest()
	load.kept() // so that the survivor has all of it
	survivor := f.node("n2")
	for _, name := range trio {
		f.kill(name)
	}
	list, err := replica.Survey(survivor.dir)
	if err != nil || len(list) != fleetGroups+1 {
		t.Fatalf("survey: %v, %v", list, err)
	}
	for _, s := range list {
		var machine replica.StateMachine = new(journal)
		if s.Group == cluster.MetaGroup {
			machine = newRecord(nil).begin()
		}
		alone := cluster.Replica{Node: "n2", Number: cluster.RecoveryNumber(s.Number)}
		if err := replica.RecoverGroup(replica.Recovery{Dir: survivor.dir, Group: s.Group, Voters: []cluster.Replica{alone}, StateMachine: machine}); err != nil {
			t.Fatal(err)
		}
	}
	f.start("n2", survivor.dir, nil)
	f.until("the record follows", func() bool {
		st, ok := f.status()
		return ok && !slices.ContainsFunc(st.Groups, func(g GroupStatus) bool {
			return g.Leader.Node != "n2" || cluster.RecoveryEpoch(g.Leader.Number) != 1 || !slices.ContainsFunc(g.Replicas, func(r ReplicaStatus) bool { return r.Replica == g.Leader && r.Role == cluster.RoleVoter })
		})
	})
	for _, dead := range []cluster.NodeID{"n1", "n3"} {
		f.granted("the removal of "+string(dead), func(ctx context.Context, s *Steward) error { return s.Remove(ctx, dead, true, true) })
	}
	f.settled("n2")
	for _, name := range []cluster.NodeID{"n4", "n5"} {
		f.join(name)
	}
	f.settled("n2", "n4", "n5")
	load.kept()
	for g := cluster.GroupID(1); g <= fleetGroups; g++ {
		leader, _ := f.node("n2").host.Load().Group(g).Leadership()
		if _, err := f.node(leader.Leader).host.Load().Group(g).Propose(t.Context(), []byte("and on")); err != nil {
			t.Errorf("group %s does not go on: %v", g, err)
		}
	}
}

// Two of five survive, and each knows most of some groups. What the other one
// holds of a group that was brought back is given up and made anew.
func TestTwoSurvivorsAreBroughtBack(t *testing.T) {
	t.Parallel()
	names := []cluster.NodeID{"n1", "n2", "n3", "n4", "n5"}
	f := found(t, names)
	f.settled(names...)
	load := f.load()
	load.more(20)
	load.rest()
	load.kept()
	survivors := covering(t, f.settled(names...))
	dirs := make(map[cluster.NodeID]string)
	for _, name := range names {
		dirs[name] = f.kill(name).dir
	}
	best := make(map[cluster.GroupID]replica.Survivor)
	from := make(map[cluster.GroupID]cluster.NodeID)
	for _, name := range survivors {
		list, err := replica.Survey(dirs[name])
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			if old, ok := best[s.Group]; !ok || s.LastTerm > old.LastTerm || s.LastTerm == old.LastTerm && s.LastIndex > old.LastIndex {
				best[s.Group], from[s.Group] = s, name
			}
		}
	}
	recovered := 0
	for g, s := range best {
		voters := s.Configurations[len(s.Configurations)-1].Voters
		alive := slices.DeleteFunc(slices.Clone(voters), func(r cluster.Replica) bool { return !slices.Contains(survivors, r.Node) })
		if len(alive) > len(voters)/2 {
			continue
		}
		var machine replica.StateMachine = new(journal)
		if g == cluster.MetaGroup {
			machine = newRecord(nil).begin()
		}
		alone := cluster.Replica{Node: from[g], Number: cluster.RecoveryNumber(s.Number)}
		if err := replica.RecoverGroup(replica.Recovery{Dir: dirs[from[g]], Group: g, Voters: []cluster.Replica{alone}, StateMachine: machine}); err != nil {
			t.Fatal(err)
		}
		recovered++
	}
	for _, name := range survivors {
		f.start(name, dirs[name], nil)
	}
	for _, dead := range names {
		if !slices.Contains(survivors, dead) {
			f.granted("the removal of "+string(dead), func(ctx context.Context, s *Steward) error { return s.Remove(ctx, dead, true, true) })
		}
	}
	f.settled(survivors...)
	f.join("n6")
	f.settled(append(survivors, "n6")...)
	load.kept()
	t.Logf("%d groups were brought back", recovered)
}

// covering picks two nodes that hold something of every group.
func covering(t *testing.T, st Status) []cluster.NodeID {
	for i, a := range st.Nodes {
		for _, b := range st.Nodes[i+1:] {
			if !slices.ContainsFunc(st.Groups, func(g GroupStatus) bool { return !g.Target.Has(a.Node) && !g.Target.Has(b.Node) }) {
				return []cluster.NodeID{a.Node, b.Node}
			}
		}
	}
	t.Fatal("no two nodes hold something of every group")
	return nil
}
