package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/route/nodetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// fleet is some nodes with their groups and directories, and nothing else.
type fleet struct {
	t     *testing.T
	id    string
	wires replica.Network
	dirs  map[cluster.NodeID]string
	hosts map[cluster.NodeID]*replica.Host
}

func newFleet(t *testing.T, id string, names ...cluster.NodeID) *fleet {
	f := &fleet{t: t, id: id, wires: nodetest.NewWires(), dirs: map[cluster.NodeID]string{}, hosts: map[cluster.NodeID]*replica.Host{}}
	for _, n := range names {
		f.dirs[n] = filepath.Join(t.TempDir(), string(n))
		f.open(n, names)
	}
	t.Cleanup(f.stop)
	return f
}

// open starts a node. Its machines are the real ones.
func (f *fleet) open(name cluster.NodeID, founders []cluster.NodeID) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h, err := replica.Open(ctx, replica.Config{
		Dir: f.dirs[name], Node: name, ClusterID: f.id, DataGroups: 2, Founders: founders, Network: f.wires, StateMachine: route.Machine,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.hosts[name] = h
}

func (f *fleet) stop() {
	for _, h := range f.hosts {
		_ = h.Close(context.Background())
	}
	clear(f.hosts)
}

// propose commits a change of the cluster's state on whoever leads. It is proposed again
// when nobody knows what became of it, so it may be made twice.
func (f *fleet) propose(change cluster.Change) (out cluster.Outcome, perhapsTwice bool) {
	f.t.Helper()
	data, err := change.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-look.C {
		for _, h := range f.hosts {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			result, err := h.Group(cluster.MetaGroup).Propose(ctx, data)
			cancel()
			if err == nil {
				return result.(cluster.Outcome), perhapsTwice
			}
			perhapsTwice = perhapsTwice || !errors.Is(err, replica.ErrNotLeader)
		}
	}
	f.t.Fatal("nobody leads the meta group")
	return cluster.Outcome{}, false
}

func (f *fleet) found(names ...cluster.NodeID) {
	op := &cluster.Found{Settings: cluster.Settings{ClusterID: f.id, Groups: 2}, Voters: names}
	for i, n := range names {
		op.Members = append(op.Members, cluster.Member{
			Node: n, Store: f.hosts[n].StoreID(), Boot: "boot", PeerAddr: fmt.Sprintf("%s:%d", n, i+1), GossipAddr: fmt.Sprintf("%s:%d", n, i+1),
		})
	}
	if out, perhapsTwice := f.propose(cluster.Change{Op: op}); out.Err() != nil && !perhapsTwice {
		f.t.Fatal(out.Err())
	}
}

// One of three survives. It is made the whole cluster and knows what it knew.
func TestLoneSurvivor(t *testing.T) {
	f := newFleet(t, "lone", "a", "b", "c")
	f.found("a", "b", "c")
	added, _ := f.propose(cluster.Change{Op: &cluster.AddToken{Token: cluster.Token{Digest: cluster.Digest{1}, ExpiresMs: 1 << 41}}})
	if _, err := Look([]string{f.dirs["a"]}, []string{"b", "c"}); !errors.Is(err, replica.ErrDirLocked) || !strings.Contains(err.Error(), "stop the node first") {
		t.Errorf("a node that runs: %v", err)
	}
	f.stop()
	best := slices.MaxFunc([]cluster.NodeID{"a", "b", "c"}, func(x, y cluster.NodeID) int { return f.knows(x) - f.knows(y) })
	dead := slices.DeleteFunc([]string{"a", "b", "c"}, func(n string) bool { return n == string(best) })
	p, err := Look([]string{f.dirs[best]}, dead)
	if err != nil || len(p.Groups) != 3 || len(p.Lost()) != 3 || p.ClusterID != "lone" || p.Damaged != nil || len(p.Groups[0].Voters) != 3 {
		t.Fatalf("planned %+v, %v", p, err)
	}
	if err := p.Recover(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Look([]string{f.dirs[best]}, dead); !errors.Is(err, ErrNothingLost) {
		t.Errorf("the second time: %v", err)
	}
	f.open(best, nil)
	// The same token again changes nothing: it is there.
	if out, _ := f.propose(cluster.Change{Op: &cluster.AddToken{Token: cluster.Token{Digest: cluster.Digest{1}, ExpiresMs: 1 << 41}}}); out.Err() != nil || out.Version != added.Version {
		t.Errorf("it went on with %+v, before it was at %d", out, added.Version)
	}
	for _, g := range f.hosts[best].Groups() {
		if conf := g.Configuration(); len(conf.Voters) != 1 || conf.Voters[0].Node != best || cluster.RecoveryEpoch(conf.Voters[0].Number) != 1 {
			t.Errorf("group %s went on with %+v", g.ID(), conf)
		}
	}
}

// knows tells how much of the meta group a stopped node has.
func (f *fleet) knows(n cluster.NodeID) int {
	f.t.Helper()
	list, err := replica.Survey(f.dirs[n])
	if err != nil {
		f.t.Fatal(err)
	}
	return int(list[0].LastTerm<<32 | list[0].LastIndex)
}

// What cannot be said well is not planned.
func TestWhatIsNotPlanned(t *testing.T) {
	f := newFleet(t, "fleet", "a", "b", "c")
	f.found("a", "b", "c")
	other := newFleet(t, "other", "z")
	other.found("z")
	f.stop()
	other.stop()
	a, b, c, z := f.dirs["a"], f.dirs["b"], f.dirs["c"], other.dirs["z"]
	for name, test := range map[string]struct {
		dirs []string
		dead []string
		want string
	}{
		"nobody is dead":               {[]string{a}, nil, "no group has lost"},
		"one of three":                 {[]string{a, b}, []string{"c"}, "no group has lost"},
		"one of three, one unseen":     {[]string{a}, []string{"c"}, "no group has lost"},
		"a dead one is there":          {[]string{a, b}, []string{"b", "c"}, "is no dead one"},
		"two clusters":                 {[]string{a, z}, []string{"b", "c"}, "belongs to cluster"},
		"a node twice":                 {[]string{a, a}, []string{"b", "c"}, "second data directory"},
		"no name":                      {[]string{a}, []string{"b/c"}, "node name"},
		"no node":                      {[]string{t.TempDir()}, []string{"b"}, "holds no node"},
		"strangers are dead, all live": {[]string{a, b, c}, []string{"y"}, "no group has lost"},
	} {
		if p, err := Look(test.dirs, test.dead); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: planned %+v, %v", name, p, err)
		}
	}
}

// A survivor that may know more must be looked at.
func TestAllSurvivorsAreWanted(t *testing.T) {
	names := []cluster.NodeID{"a", "b", "c", "d", "e"}
	f := newFleet(t, "five", names...)
	f.found(names...)
	f.stop()
	dead := []string{"c", "d", "e"}
	if p, err := Look([]string{f.dirs["a"]}, dead); err == nil || !strings.Contains(err.Error(), "node b may know more") {
		t.Errorf("planned without one: %+v, %v", p, err)
	}
	p, err := Look([]string{f.dirs["a"], f.dirs["b"]}, dead)
	if err != nil || len(p.Lost()) != 3 {
		t.Fatalf("planned %+v, %v", p, err)
	}
	for _, g := range p.Lost() {
		if len(g.Copies) == 2 && (g.Copies[0].LastTerm < g.Copies[1].LastTerm || g.Copies[0].LastTerm == g.Copies[1].LastTerm && g.Copies[0].LastIndex < g.Copies[1].LastIndex) {
			t.Errorf("group %s is brought back from the one that knows less: %+v", g.Group, g.Copies)
		}
	}
}

// What cannot be used is named, and what is missing.
func TestDamagedCopies(t *testing.T) {
	f := newFleet(t, "damaged", "a", "b", "c")
	f.found("a", "b", "c")
	f.stop()
	lost, err := filepath.Glob(filepath.Join(f.dirs["a"], "groups", "1-*"))
	if err != nil || len(lost) != 1 {
		t.Fatalf("the replica of group 1 is at %v, %v", lost, err)
	}
	if err := os.RemoveAll(lost[0]); err != nil {
		t.Fatal(err)
	}
	p, err := Look([]string{f.dirs["a"]}, []string{"b", "c"})
	if err != nil || !errors.Is(p.Damaged, replica.ErrStoreLost) || !slices.Equal(p.Missing, []cluster.GroupID{1}) || len(p.Lost()) != 2 {
		t.Errorf("planned %+v, %v", p, err)
	}
}
