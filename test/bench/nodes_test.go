package main

import (
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
	clusterpb "github.com/mayfly-broker/mayfly/proto/cluster/v1"
	"github.com/mayfly-broker/mayfly/test/bench/load"
)

func TestNamesAreLedByTheNode(t *testing.T) {
	led := leaders{0: "n2", 1: "n1", 2: "n2", 3: "n1", 4: "n2"}
	topology, err := cluster.NewTopology(4)
	if err != nil {
		t.Fatal(err)
	}
	n1 := &node{server: &server{Name: "n1"}}
	names, err := led.names(n1, "list", 50)
	if err != nil || len(names) != 50 {
		t.Fatalf("got %d names, %v; want 50", len(names), err)
	}
	seen := make(map[cluster.GroupID]bool)
	for _, name := range names {
		seen[topology.GroupOf(cluster.SlotOf(load.Cache, []byte(name)))] = true
	}
	if len(seen) != 2 || !seen[1] || !seen[3] {
		t.Errorf("the names are in groups %v, want 1 and 3", seen)
	}
	if names, err := led.names(&node{server: &server{Name: "n3"}}, "list", 1); err == nil {
		t.Errorf("a node that leads nothing: got %v, want an error", names)
	}
}

func TestUnsettled(t *testing.T) {
	for name, test := range map[string]struct {
		spoil   func(*clusterpb.Status)
		settled bool
	}{
		"whole":               {func(*clusterpb.Status) {}, true},
		"a copy of it":        {func(s *clusterpb.Status) { s.Leading = false }, false},
		"no leader":           {func(s *clusterpb.Status) { s.Groups[1].Leader = nil }, false},
		"another leader":      {func(s *clusterpb.Status) { s.Groups[1].Leader.Node = "n2" }, false},
		"a move":              {func(s *clusterpb.Status) { s.Groups[1].Moving = true }, false},
		"a replica too few":   {func(s *clusterpb.Status) { s.Groups[1].Replicas = s.Groups[1].Replicas[1:] }, false},
		"a replica is silent": {func(s *clusterpb.Status) { s.Groups[1].Replicas[2].Answered = false }, false},
		"a replica is behind": {func(s *clusterpb.Status) {
			s.Groups[1].Replicas[2].Progress = clusterpb.Progress_PROGRESS_NEAR
		}, false},
	} {
		s := &clusterpb.Status{Leading: true}
		for range 2 {
			g := &clusterpb.Group{Leader: &clusterpb.Replica{Node: "n1"}, Target: &clusterpb.Target{Leader: "n1"}}
			for range nodesOfCluster {
				g.Replicas = append(g.Replicas, &clusterpb.GroupReplica{Answered: true, Progress: clusterpb.Progress_PROGRESS_CAUGHT_UP})
			}
			s.Groups = append(s.Groups, g)
		}
		test.spoil(s)
		if why := unsettled(s); (why == "") != test.settled {
			t.Errorf("%s: got %q", name, why)
		}
	}
}
