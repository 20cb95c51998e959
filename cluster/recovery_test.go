package cluster

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestNumbersOfRecoveries(t *testing.T) {
	for highest, want := range map[uint64]uint64{0: 1 << 20, 1: 1 << 20, 1<<20 - 1: 1 << 20, 1 << 20: 2 << 20, 1<<20 + 7: 2 << 20, 9<<20 + 1: 10 << 20} {
		got := RecoveryNumber(highest)
		if got != want || got <= highest || RecoveryEpoch(got) != RecoveryEpoch(highest)+1 || RecoveryEpoch(got+5) != RecoveryEpoch(got) {
			t.Errorf("after %d comes %d, want %d", highest, got, want)
		}
	}
}

// reborn is a cluster of three, of which one brought a group back alone.
func reborn(t *testing.T) (*State, Replica) {
	w := grown(t, 2, 3)
	s := w.state
	alone := Replica{w.state.Members()[0].Node, RecoveryNumber(3)}
	return s, alone
}

func observedAlone(r Replica, index uint64) Observed {
	return Observed{Leader: r, Index: index, Replicas: []ObservedReplica{{Replica: r, Voter: true, Progress: CaughtUp}}}
}

func TestRecoveryIsPutOnRecord(t *testing.T) {
	s, alone := reborn(t)
	before, _ := s.Placement().Group(1)
	if len(before.Voters) != 3 || before.Index < 2 {
		t.Fatalf("it begins with %+v", before)
	}
	// An older index than that on record, as of one that had fallen behind.
	view := s.View(map[GroupID]Observed{1: observedAlone(alone, 1)}, map[NodeID]Health{alone.Node: Live})
	agenda := Plan(view)
	i := slices.IndexFunc(agenda.Steps, func(step Step) bool { return step.Kind == StepRecover })
	if i < 0 || !strings.Contains(agenda.Steps[i].String(), "may be missing") {
		t.Fatalf("planned %v", agenda.Steps)
	}
	if out := s.Apply(Change{Expect: s.Version(), Op: agenda.Steps[i].Change()}); out.Err() != nil {
		t.Fatal(out.Err())
	}
	after, _ := s.Placement().Group(1)
	if !reflect.DeepEqual(after.Voters, []Replica{alone}) || after.Index != 1 || after.Next != alone.Number+1 || !slices.Equal(after.Retired, before.Voters) || !after.Target.Equal(before.Target) {
		t.Errorf("on record is %+v", after)
	}
	view = s.View(map[GroupID]Observed{1: observedAlone(alone, 1)}, map[NodeID]Health{alone.Node: Live})
	for _, step := range Plan(view).Steps {
		if step.Kind == StepRecover {
			t.Errorf("planned again: %s", step)
		}
	}
	var copied State
	if err := copied.Restore(s.Snapshot()); err != nil || !copied.Equal(s) {
		t.Errorf("the record does not survive a snapshot: %v", err)
	}
}

func TestWhatIsNoRecovery(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Record, Replica)
		want   string
	}{
		"no such group":      {func(r *Record, _ Replica) { r.Group = 9 }, "no group 9"},
		"nothing new":        {func(r *Record, a Replica) { r.Voters = []Replica{{a.Node, 1}} }, "was not brought back"},
		"nobody":             {func(r *Record, _ Replica) { r.Voters = nil }, "no voters"},
		"no index":           {func(r *Record, _ Replica) { r.Index = 0 }, "no voters"},
		"a stranger":         {func(r *Record, a Replica) { r.Voters = []Replica{{"stranger", a.Number}} }, "there is no node"},
		"no name":            {func(r *Record, a Replica) { r.Voters = []Replica{{"", a.Number}} }, "node name"},
		"a number too large": {func(r *Record, a Replica) { r.Voters = []Replica{{a.Node, maxNumber}} }, "used up"},
		"twice":              {func(r *Record, a Replica) { r.Learners = []Replica{a} }, "twice or out of order"},
		"out of order":       {func(r *Record, a Replica) { r.Voters = []Replica{{a.Node, a.Number + 1}, a} }, "twice or out of order"},
	} {
		s, alone := reborn(t)
		record := Record{Group: 1, Index: 5, Voters: []Replica{alone}}
		test.change(&record, alone)
		before := s.Snapshot()
		out := s.Apply(Change{Expect: s.Version(), Op: &RecoverGroup{record}})
		if out.Status != Refused || !strings.Contains(out.Detail, test.want) || string(before) != string(s.Snapshot()) {
			t.Errorf("%s: %+v", name, out)
		}
	}
	s, alone := reborn(t)
	if out := s.Apply(Change{Op: &RecoverGroup{Record{Group: 1, Index: 5, Voters: []Replica{alone}}}}); out.Status != Refused {
		t.Errorf("on any state: %+v", out)
	}
}

// What leads under an unknown number on a node that was removed is nobody.
func TestRecoveryOfARemovedNodeIsNone(t *testing.T) {
	s, alone := reborn(t)
	alone.Node = "stranger"
	view := s.View(map[GroupID]Observed{1: observedAlone(alone, 50)}, nil)
	for _, step := range Plan(view).Steps {
		if step.Kind == StepRecover {
			t.Errorf("planned %s", step)
		}
	}
}
