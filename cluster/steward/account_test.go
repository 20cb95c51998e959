package steward

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// lone opens a node in memory that founded its cluster, or holds nothing.
func lone(t *testing.T, founds bool) *replica.Host {
	t.Helper()
	host, err := replica.Open(t.Context(), replica.Config{
		Node: "n1", ClusterID: "fleet", DataGroups: 2, FoundAlone: founds,
		StateMachine: func(cluster.GroupID) replica.StateMachine { return new(journal) },
		Fatal:        func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := host.WaitLeaders(t.Context()); err != nil {
		t.Fatal(err)
	}
	return host
}

func TestAccount(t *testing.T) {
	host := lone(t, true)
	report := Account(host, "boot-1")
	if report.Node != "n1" || report.Store != host.StoreID() || report.Boot != "boot-1" || len(report.Replicas) != 3 {
		t.Fatalf("reported %+v", report)
	}
	for i, r := range report.Replicas {
		want := &replica.Configuration{Index: 1, Committed: true, Voters: []cluster.Replica{{Node: "n1", Number: 1}}, Learners: []cluster.Replica{}}
		if r.Group != cluster.GroupID(i) || r.Number != 1 || !r.Progress.Leading || !reflect.DeepEqual(r.Configuration, want) {
			t.Errorf("replica %d: %+v with %+v", i, r, r.Configuration)
		}
	}
	if report := Account(lone(t, false), "b"); len(report.Replicas) != 0 {
		t.Errorf("an empty node reports %+v", report)
	}
}

func TestPerformRefusesWhatIsNotDue(t *testing.T) {
	host := lone(t, true)
	self, other := cluster.Replica{Node: "n1", Number: 1}, cluster.Replica{Node: "n2", Number: 2}
	for name, c := range map[string]struct {
		step cluster.Step
		want error
	}{
		"a group that is elsewhere":    {cluster.Step{Kind: cluster.StepPromote, Group: 9, Replica: other, Index: 1}, replica.ErrNotLeader},
		"a step on the record":         {cluster.Step{Kind: cluster.StepCreate, Group: 1, Node: "n2"}, replica.ErrRefused},
		"nonsense":                     {cluster.Step{Kind: "dance", Group: 1}, replica.ErrRefused},
		"an addition, decided before":  {cluster.Step{Kind: cluster.StepAddLearner, Group: 1, Replica: other, Index: 9}, replica.ErrConflict},
		"a promotion of a stranger":    {cluster.Step{Kind: cluster.StepPromote, Group: 1, Replica: other, Index: 1}, replica.ErrRefused},
		"a demotion of the only voter": {cluster.Step{Kind: cluster.StepDemote, Group: 1, Replica: self, Index: 1}, replica.ErrRefused},
		"a removal of the only voter":  {cluster.Step{Kind: cluster.StepRemove, Group: 1, Replica: self, Index: 1}, replica.ErrRefused},
		"a transfer from another":      {cluster.Step{Kind: cluster.StepTransfer, Group: 1, Replica: other, To: self, Index: 1}, replica.ErrNotLeader},
		"a transfer, decided before":   {cluster.Step{Kind: cluster.StepTransfer, Group: 1, Replica: self, To: other, Index: 9}, replica.ErrConflict},
		"a transfer to a stranger":     {cluster.Step{Kind: cluster.StepTransfer, Group: 1, Replica: self, To: other, Index: 1}, replica.ErrRefused},
	} {
		if _, err := Perform(t.Context(), host, c.step); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	index, err := Perform(t.Context(), host, cluster.Step{Kind: cluster.StepAddLearner, Group: 1, Replica: other, Index: 1})
	if err != nil || index != host.Group(1).Configuration().Index || index <= 1 {
		t.Errorf("an addition: index %d, %v", index, err)
	}
}

func TestReleaseDeletesForGood(t *testing.T) {
	host := lone(t, true)
	if err := Release(t.Context(), host, replica.Ref{Group: 1, Number: 1}); !errors.Is(err, replica.ErrRefused) {
		t.Errorf("releasing a leader: %v", err)
	}
	if !host.Group(1).IsLeader() {
		t.Fatal("it was stopped")
	}
	empty := lone(t, false)
	if err := empty.StartReplica(t.Context(), 1, 4); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []replica.Ref{{Group: 1, Number: 4}, {Group: 1, Number: 4}, {Group: 2, Number: 7}} {
		if err := Release(t.Context(), empty, ref); err != nil {
			t.Errorf("releasing %v: %v", ref, err)
		}
		if err := empty.StartReplica(t.Context(), ref.Group, ref.Number); !errors.Is(err, replica.ErrRetired) {
			t.Errorf("starting %v afterwards: %v", ref, err)
		}
	}
	if err := Release(t.Context(), empty, replica.Ref{Group: 9, Number: 1}); err == nil {
		t.Error("a group that does not exist was released")
	}
}

// written is a record that only tests write.
type written struct{ *record }

func (written) Leading() (uint64, bool, <-chan struct{}) { return 0, false, nil }

// follows makes a steward of an empty node whose record says that the node is a
// member, and what else the changes say.
func follows(t *testing.T, changes ...cluster.Op) (*Steward, *replica.Host, *[]string) {
	t.Helper()
	host := lone(t, false)
	rec := newRecord(func() *replica.Host { return nil })
	started := new([]string)
	s, err := New(Config{
		Host: host, Self: "n1", Boot: "boot", Record: written{rec}, Peers: peers{}, Tuning: quick,
		Started: func(g *replica.Group) { *started = append(*started, g.Replica()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	member := func(name cluster.NodeID, store string) cluster.Member {
		return cluster.Member{Node: name, Store: store, Boot: "boot", PeerAddr: "a:1", GossipAddr: "a:2"}
	}
	write(t, rec, &cluster.Found{
		Settings: cluster.Settings{ClusterID: "fleet", Groups: 2}, Voters: []cluster.NodeID{"n2"},
		Members: []cluster.Member{member("n1", host.StoreID()), member("n2", "store-2")},
	})
	var targets []cluster.GroupTarget
	for g := range cluster.GroupID(3) {
		targets = append(targets, cluster.GroupTarget{Group: g, Target: cluster.Target{Voters: []cluster.NodeID{"n2"}, Learners: []cluster.NodeID{"n1"}}})
	}
	write(t, rec, &cluster.Retarget{Targets: targets})
	write(t, rec, changes...)
	return s, host, started
}

func write(t *testing.T, rec *record, changes ...cluster.Op) {
	t.Helper()
	for _, op := range changes {
		rec.update(func() {
			c := cluster.Change{Expect: rec.state.Version(), Op: op}
			if _, founds := op.(*cluster.Found); founds {
				c.Expect = 0
			}
			if out := rec.state.Apply(c); out.Err() != nil {
				t.Fatalf("%T: %v", op, out.Err())
			}
		})
	}
}

func (s *Steward) recordOf(t *testing.T) *record {
	t.Helper()
	return s.cfg.Record.(written).record
}

func TestFollow(t *testing.T) {
	create := func(g cluster.GroupID) cluster.Op { return &cluster.CreateReplica{Group: g, Node: "n1"} }
	two, mine := cluster.Replica{Node: "n2", Number: 1}, cluster.Replica{Node: "n1", Number: 2}
	s, host, started := follows(t, create(1), create(2))
	write(t, s.recordOf(t), &cluster.Record{Group: 2, Index: 5, Voters: []cluster.Replica{two}, Learners: []cluster.Replica{mine}})
	for range 3 {
		s.follower.follow(t.Context())
	}
	slices.Sort(*started)
	if want := []string{"n1/1/2", "n1/2/2"}; !slices.Equal(*started, want) || len(host.Groups()) != 2 {
		t.Fatalf("started %v, want %v once", *started, want)
	}
	// A lost one is stopped and kept, and its successor takes its place.
	write(t, s.recordOf(t), &cluster.LoseReplica{Group: 2, Replica: mine})
	if s.follower.follow(t.Context()); host.Group(2).Number() != 2 {
		t.Fatal("a lost replica was stopped before there was another")
	}
	write(t, s.recordOf(t), create(2))
	s.follower.follow(t.Context())
	if g := host.Group(2); g == nil || g.Number() != 3 {
		t.Fatalf("the successor does not run: %v", g)
	}
	if !slices.Contains(host.Replicas(), replica.LocalReplica{Group: 2, Number: 2, State: replica.StateRemoved}) {
		t.Errorf("the books say %v", host.Replicas())
	}
}

// A voter that does not run here is not made anew, whatever the reason.
func TestFollowMakesNoVoters(t *testing.T) {
	s, host, _ := follows(t, &cluster.CreateReplica{Group: 1, Node: "n1"})
	write(t, s.recordOf(t), &cluster.Record{Group: 1, Index: 5, Voters: []cluster.Replica{{Node: "n1", Number: 2}, {Node: "n2", Number: 1}}})
	if s.follower.follow(t.Context()); len(host.Groups()) != 0 {
		t.Errorf("%v runs", host.Groups())
	}
}

// On a disk that is not the one on record nothing is made.
func TestFollowOnAnotherDisk(t *testing.T) {
	s, host, _ := follows(t, &cluster.CreateReplica{Group: 1, Node: "n1"})
	write(t, s.recordOf(t),
		&cluster.AddToken{Token: cluster.Token{Digest: cluster.Digest{1}, ExpiresMs: 1 << 40}},
		&cluster.ReplaceStore{
			Old: host.StoreID(), Token: cluster.Digest{1},
			Member: cluster.Member{Node: "n1", Store: "another", Boot: "boot", PeerAddr: "a:1", GossipAddr: "a:2"},
		})
	if s.follower.follow(t.Context()); len(host.Groups()) != 0 {
		t.Errorf("%v runs", host.Groups())
	}
}

// What does not start is tried again after growing pauses, and not at all when
// that is of no use.
func TestFollowRetries(t *testing.T) {
	s, host, started := follows(t, &cluster.CreateReplica{Group: 1, Node: "n1"}, &cluster.CreateReplica{Group: 2, Node: "n1"})
	held, retired := replica.Ref{Group: 1, Number: 2}, replica.Ref{Group: 2, Number: 2}
	if err := host.StartReplica(t.Context(), 1, 1); err != nil { // nobody knows why it is there
		t.Fatal(err)
	}
	if err := Release(t.Context(), host, retired); err != nil {
		t.Fatal(err)
	}
	pause := time.Duration(0)
	for range 20 {
		wait := s.follower.follow(t.Context())
		fail := s.follower.failed[held]
		if fail.pause < pause || fail.pause > lastRetry || fail.over || wait > fail.pause || wait > followEvery {
			t.Fatalf("after a pause of %v: %+v, look again in %v", pause, fail, wait)
		}
		if s.follower.follow(t.Context()); s.follower.failed[held] != fail {
			t.Fatal("it was tried again before the pause was over")
		}
		pause, fail.next = fail.pause, time.Time{}
		s.follower.failed[held] = fail
	}
	if pause != lastRetry {
		t.Errorf("pauses end at %v", pause)
	}
	if !s.follower.failed[retired].over {
		t.Error("a number that was used up is tried again")
	}
	if err := host.RemoveReplica(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	if s.follower.follow(t.Context()); !slices.Equal(*started, []string{"n1/1/2"}) || len(s.follower.failed) != 1 {
		t.Errorf("started %v, failed %v", *started, s.follower.failed)
	}
}

// Orders of the meta leader are carried out unless the record here knows better.
func TestOrders(t *testing.T) {
	s, host, started := follows(t, &cluster.CreateReplica{Group: 1, Node: "n1"}, &cluster.CreateReplica{Group: 2, Node: "n1"})
	ref := replica.Ref{Group: 1, Number: 2}
	for range 2 {
		if err := s.Start(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(*started, []string{"n1/1/2"}) {
		t.Errorf("started %v", *started)
	}
	if err := s.Release(t.Context(), ref); !errors.Is(err, replica.ErrRefused) || host.Group(1) == nil {
		t.Errorf("releasing what is in use: %v", err)
	}
	released := make(chan error)
	go func() { released <- s.Release(t.Context(), ref) }() // waits for the record
	write(t, s.recordOf(t), &cluster.RetireReplica{Group: 1, Replica: cluster.Replica{Node: "n1", Number: 2}})
	if err := <-released; err != nil || host.Group(1) != nil {
		t.Errorf("releasing what is retired: %v", err)
	}
	if err := s.Start(t.Context(), ref); !errors.Is(err, replica.ErrRefused) {
		t.Errorf("starting what is retired: %v", err)
	}
}
