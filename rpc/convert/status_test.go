package convert

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	clusterv1 "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

// full is a status in which no field is zero.
func full() steward.Status {
	a, b := cluster.Replica{Node: "a", Number: 1}, cluster.Replica{Node: "b", Number: 7}
	return steward.Status{
		Leading: true, Term: 3, At: time.UnixMilli(1_700_000_000_123),
		Settings: cluster.Settings{ClusterID: "c1", Groups: 4, Level: 2}, Version: 90, PlacementVersion: 88,
		Nodes: []steward.NodeStatus{{
			Member: cluster.Member{
				Node: "a", Store: "s", Boot: "t", PeerAddr: "a:1", GossipAddr: "[::1]:2", Zone: "z", Level: 2, State: cluster.Draining, Leaving: true,
			},
			Health: cluster.Live, Heard: time.UnixMilli(1_700_000_000_100), Note: "strange", Replicas: 5, Retired: 6, Leaders: 7,
		}},
		Groups: []steward.GroupStatus{{
			Group: 4, Leader: a, Term: 9, Index: 10, Applied: 11, Last: 12,
			Replicas: []steward.ReplicaStatus{{Replica: b, Role: cluster.RoleLearner, Lost: true, Answered: true, Progress: cluster.CaughtUp, Applied: 13, Lag: 14}},
			Target:   cluster.Target{Voters: []cluster.NodeID{"a", "b"}, Learners: []cluster.NodeID{"c"}, Leader: "b"},
			Moving:   true, Pinned: true,
			Step: &cluster.Step{Kind: cluster.StepTransfer, Group: 4, Replica: a, To: b, Node: "c", Index: 15},
		}},
		Held:     []cluster.Hold{{Group: 4, Why: "too much at once"}},
		Rotation: steward.Rotation{Serial: 5, Stage: cluster.Switching, Authority: true, Waiting: []cluster.NodeID{"b"}},
	}
}

// zeros names the exported fields of v that are zero, so that one that is added
// is not forgotten here.
func zeros(v reflect.Value, path string) (list []string) {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return zeros(v.Elem(), path)
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				list = append(list, zeros(v.Field(i), path+"."+f.Name)...)
			}
		}
		return list
	case v.Kind() == reflect.Slice && v.Len() > 0:
		return zeros(v.Index(0), path+"[0]")
	}
	if v.IsZero() {
		return []string{path}
	}
	return nil
}

func TestStatusCrossesWhole(t *testing.T) {
	st := full()
	if missing := zeros(reflect.ValueOf(st), "Status"); missing != nil {
		t.Fatalf("the example says nothing of %v", missing)
	}
	for name, want := range map[string]steward.Status{"full": st, "empty": {}, "of a follower": {Version: 1, Nodes: st.Nodes, Groups: []steward.GroupStatus{{Group: 1}}}} {
		raw, err := proto.Marshal(Status(want))
		if err != nil {
			t.Fatal(err)
		}
		var wire clusterv1.Status
		if err := proto.Unmarshal(raw, &wire); err != nil {
			t.Fatal(err)
		}
		if got, err := StatusOf(&wire); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v came as %+v, %v", name, want, got, err)
		}
	}
}

func TestEveryWordCrosses(t *testing.T) {
	for _, h := range []cluster.Health{cluster.Suspect, cluster.Live, cluster.Down} {
		for _, r := range []cluster.Role{cluster.RoleCreated, cluster.RoleLearner, cluster.RoleVoter, cluster.RoleRetired} {
			for _, p := range []cluster.Progress{cluster.Behind, cluster.Near, cluster.CaughtUp} {
				st := full()
				st.Nodes[0].Health, st.Groups[0].Replicas[0].Role, st.Groups[0].Replicas[0].Progress = h, r, p
				if got, err := StatusOf(Status(st)); err != nil || !reflect.DeepEqual(got, st) {
					t.Errorf("%v, %v, %v came as %+v, %v", h, r, p, got, err)
				}
			}
		}
	}
}

// What is long is cut before it is sent, so that it is never refused.
func TestLongStatusIsCut(t *testing.T) {
	st := full()
	st.Nodes[0].Note = strings.Repeat("é", maxText) + "\xff"
	st.Held = make([]cluster.Hold, 2*maxHeld)
	wire := Status(st)
	if _, err := proto.Marshal(wire); err != nil {
		t.Fatal(err)
	}
	got, err := StatusOf(wire)
	if err != nil || len(got.Held) != maxHeld || len(got.Nodes[0].Note) > maxText || !strings.HasPrefix(got.Nodes[0].Note, "éé") {
		t.Errorf("%d held, a note of %d bytes, %v", len(got.Held), len(got.Nodes[0].Note), err)
	}
}

func TestWhatIsNoStatus(t *testing.T) {
	for name, spoil := range map[string]func(*clusterv1.Status){
		"too many nodes":       func(w *clusterv1.Status) { w.Nodes = make([]*clusterv1.Node, cluster.MaxMembers+1) },
		"too many groups":      func(w *clusterv1.Status) { w.Groups = make([]*clusterv1.Group, maxGroups+1) },
		"too many data groups": func(w *clusterv1.Status) { w.DataGroups = cluster.MaxGroups + 1 },
		"too much held":        func(w *clusterv1.Status) { w.Held = make([]*clusterv1.Hold, maxHeld+1) },
		"too many waited for":  func(w *clusterv1.Status) { w.Rotation.Waiting = make([]string, cluster.MaxMembers+1) },
		"waiting for nobody":   func(w *clusterv1.Status) { w.Rotation.Waiting[0] = "" },
		"a node of no name":    func(w *clusterv1.Status) { w.Nodes[0].Node = "a/b" },
		"a node of no state":   func(w *clusterv1.Status) { w.Nodes[0].State = "dancing" },
		"no such group":        func(w *clusterv1.Status) { w.Groups[0].Group = cluster.MaxGroups + 1 },
		"too many replicas":    func(w *clusterv1.Status) { w.Groups[0].Replicas = make([]*clusterv1.GroupReplica, maxReplicas+1) },
		"a leader of no name":  func(w *clusterv1.Status) { w.Groups[0].Leader.Node = "" },
		"a replica of no name": func(w *clusterv1.Status) { w.Groups[0].Replicas[0].Replica.Node = "-" },
		"a voter of no name":   func(w *clusterv1.Status) { w.Groups[0].Target.Voters[0] = "" },
		"too many voters":      func(w *clusterv1.Status) { w.Groups[0].Target.Voters = make([]string, cluster.MaxMembers+1) },
		"a step of no name":    func(w *clusterv1.Status) { w.Groups[0].Step.To.Node = strings.Repeat("x", 100) },
	} {
		wire := Status(full())
		spoil(wire)
		if got, err := StatusOf(wire); err == nil {
			t.Errorf("%s: taken for %+v", name, got)
		}
	}
	if _, err := StatusOf(nil); err != nil {
		t.Errorf("an empty message: %v", err)
	}
}
