package replica

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

// joiner configures a node that belongs to a cluster it did not found.
func joiner(dir string, name cluster.NodeID) Config {
	return Config{Dir: dir, Node: name, ClusterID: "trio", DataGroups: 1, tuning: quick()}
}

// A node that founds nothing holds nothing, and a replica it is told to start
// waits to be added and says that it does not lead.
func TestReplicaThatFoundsNothingWaits(t *testing.T) {
	cfg := joiner(t.TempDir(), "n2")
	for life := range 3 {
		cfg.FoundAlone = life > 0 // too late: this is no birth
		n := open(t, cfg)
		if life == 0 {
			if len(n.Groups()) != 0 || n.Group(1) != nil || n.Topology().Groups() != 1 {
				t.Fatalf("born with %d groups", len(n.Groups()))
			}
			if err := n.StartReplica(timeout(t), 1, 1); err != nil {
				t.Fatal(err)
			}
		}
		g := n.Group(1)
		if n.Group(0) != nil || g == nil || !reflect.DeepEqual(n.Groups(), []*Group{g}) {
			t.Fatalf("life %d: groups %v", life, n.Groups())
		}
		if _, err := g.Propose(timeout(t), nil); !errors.Is(err, ErrNotLeader) {
			t.Errorf("Propose: %v", err)
		}
		if err := g.Confirm(timeout(t)); !errors.Is(err, ErrNotLeader) {
			t.Errorf("Confirm: %v", err)
		}
		if c := g.Configuration(); !reflect.DeepEqual(c, Configuration{}) {
			t.Errorf("it knows %+v", c)
		}
		n.close(t)
	}
}

// Numbers are used once, whatever happens to the replica and its node.
func TestNumbersAreUsedOnce(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			n := open(t, joiner(dir, "n2"))
			life := func() {
				if dir != "" {
					n.close(t)
					n = open(t, joiner(dir, "n2"))
				}
			}
			start := func(number uint64, want error) {
				t.Helper()
				if err := n.StartReplica(timeout(t), 1, number); !errors.Is(err, want) {
					t.Errorf("starting number %d: %v, want %v", number, err, want)
				}
			}
			books := func(want ...LocalReplica) {
				t.Helper()
				if got := n.Replicas(); !reflect.DeepEqual(got, want) {
					t.Errorf("the books say %v, want %v", got, want)
				}
			}
			do := func(err error) {
				t.Helper()
				if err != nil {
					t.Error(err)
				}
			}
			start(4, nil)
			start(4, nil) // it may be repeated
			start(5, ErrHeld)
			if err := n.Purge(1, 4); err == nil {
				t.Error("a living replica was purged")
			}
			old := n.Group(1)
			books(LocalReplica{1, 4, StateStarted})
			life()
			if dir == "" {
				do(n.RemoveReplica(timeout(t), 1, 4))
				<-old.Done()
			} else {
				do(n.RemoveReplica(timeout(t), 1, 4))
			}
			do(n.RemoveReplica(timeout(t), 1, 4))
			if n.Group(1) != nil {
				t.Error("the removed replica is still there")
			}
			if _, err := old.Propose(timeout(t), nil); !errors.Is(err, ErrClosed) {
				t.Errorf("a command to a removed replica: %v", err)
			}
			life()
			start(4, ErrRetired)
			start(3, ErrRetired)
			start(6, nil)
			do(n.RemoveReplica(timeout(t), 1, 6))
			do(n.RemoveReplica(timeout(t), 1, 9)) // was never here
			start(8, ErrRetired)
			start(9, ErrRetired)
			books(LocalReplica{1, 4, StateRemoved}, LocalReplica{1, 6, StateRemoved}, LocalReplica{1, 9, StatePurged})
			for _, number := range []uint64{4, 4, 6, 9, 77} {
				do(n.Purge(1, number))
			}
			books(LocalReplica{1, 9, StatePurged})
			life()
			start(9, ErrRetired)
			start(10, nil)
			if dir != "" {
				entries, err := os.ReadDir(groupsDir(dir))
				if err != nil || len(entries) != 1 || entries[0].Name() != "1-10" {
					t.Errorf("left on disk: %v, %v", entries, err)
				}
			}
			for _, c := range []struct {
				group  cluster.GroupID
				number uint64
			}{{2, 1}, {1, 0}} {
				if n.StartReplica(timeout(t), c.group, c.number) == nil || n.RemoveReplica(timeout(t), c.group, c.number) == nil || n.Purge(c.group, c.number) == nil {
					t.Errorf("replica %d of group %s was accepted", c.number, c.group)
				}
			}
			n.close(t)
			start(11, ErrClosed)
		})
	}
}

// A replica whose files vanish after it took part must not come back.
func TestReplicaWithoutItsDiskStaysAway(t *testing.T) {
	cfg := joiner(t.TempDir(), "n2")
	n := open(t, cfg)
	if err := n.StartReplica(timeout(t), 1, 5); err != nil {
		t.Fatal(err)
	}
	n.close(t)
	if err := os.RemoveAll(groupsDir(cfg.Dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(cfg); !errors.Is(err, ErrStoreLost) {
		t.Errorf("Open: %v", err)
	}
}

// A crash at any step of starting a replica leaves what can be started again.
func TestStartIsResumedAfterACrash(t *testing.T) {
	for name, state := range map[string]State{"before the record": StateCreated, "after it": StateStarted} {
		t.Run(name, func(t *testing.T) {
			cfg := joiner(t.TempDir(), "n2")
			n := open(t, cfg)
			record := replicaRecord{Group: 1, Number: 3, State: StateCreated}
			if err := n.record(n.identity.Replicas.with(record)); err != nil {
				t.Fatal(err)
			}
			g, err := n.openGroup(record, evidence{})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.store.close(); err != nil {
				t.Fatal(err)
			}
			record.State = state
			if err := n.record(n.identity.Replicas.with(record)); err != nil {
				t.Fatal(err)
			}
			n.close(t)
			n = open(t, cfg)
			if n.Group(1) == nil {
				t.Error("the replica was not started")
			}
		})
	}
}

func TestManifestIsChecked(t *testing.T) {
	dir := t.TempDir()
	open(t, singleNode(dir)).close(t)
	m, err := loadOrCreateManifest(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string]records{
		"an unknown state": {{1, 1, "asleep"}},
		"no such group":    {{2, 1, StateStarted}},
		"number 0":         {{1, 0, StateStarted}},
		"twice":            {{1, 1, StateStarted}, {1, 1, StateStarted}},
		"two living":       {{1, 1, StateStarted}, {1, 2, StateCreated}},
		"no order":         {{1, 1, StateStarted}, {0, 1, StateCreated}},
	} {
		m.Replicas = list
		if err := m.save(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := tryOpen(singleNode(dir)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The name of a node is decided at birth.
func TestNameIsDecidedAtBirth(t *testing.T) {
	dir := t.TempDir()
	n := open(t, Config{Dir: dir, NodeHint: "old-host", FoundAlone: true, DataGroups: 1})
	propose(t, n.lead(t, 1), "mine")
	n.close(t)
	n = open(t, Config{Dir: dir, NodeHint: "new host!", FoundAlone: true})
	if n.Node() != "old-host" {
		t.Errorf("the node is now called %s", n.Node())
	}
	propose(t, n.lead(t, 1), "still mine")
	n.close(t)
	for name, cfg := range map[string]Config{
		"bad hint":          {NodeHint: "new host!", FoundAlone: true},
		"no cluster":        {Node: "n1", DataGroups: 1},
		"no groups":         {Node: "n1", ClusterID: "c"},
		"trio without id":   {Node: "n1", Founders: trioNames, DataGroups: 1},
		"others, no id":     {Node: "n9", Founders: trioNames, DataGroups: 1},
		"alone and a trio":  {Node: "n1", FoundAlone: true, Founders: trioNames, ClusterID: "c"},
		"a founder twice":   {Node: "n1", Founders: []cluster.NodeID{"n1", "n2", "n1"}, ClusterID: "c"},
		"another name":      {Dir: dir, Node: "n1"},
		"another name hint": {Dir: dir, Node: "new-host", NodeHint: "old-host"},
	} {
		if n, err := tryOpen(cfg); err == nil {
			t.Errorf("%s was accepted", name)
			n.close(t)
		}
	}
	made := open(t, Config{FoundAlone: true, DataGroups: 1})
	if !strings.HasPrefix(string(made.Node()), "node-") {
		t.Errorf("made up the name %q", made.Node())
	}
}
