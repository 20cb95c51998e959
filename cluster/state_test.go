package cluster

import (
	"errors"
	"strings"
	"testing"
)

// trio is a founded cluster of a, b and c with two data groups, all voting.
func trio(t testing.TB) *State {
	s := NewState()
	out := s.Apply(Change{Op: &Found{
		Settings: Settings{ClusterID: "c1", Groups: 2, Level: 1},
		Members:  []Member{leveled("c"), leveled("a"), leveled("b")},
		Voters:   []NodeID{"b", "a", "c"},
	}})
	if out.Err() != nil {
		t.Fatal(out.Err())
	}
	return s
}

func leveled(name string) Member {
	m := member(name)
	m.Level = 2
	return m
}

func digest(b byte) Digest { return Digest{b} }

// Each case begins with a trio that has the tokens 1 (until 1,000 ms) and 2
// (until 2,000 ms), and applies its ops in turn. The last one is judged.
func TestApply(t *testing.T) {
	joiner := leveled("d")
	copied := leveled("d")
	copied.Store = "store-a"
	old := leveled("d")
	old.Level = 0
	moved := leveled("a")
	moved.Boot, moved.PeerAddr = "boot-2", "host.example:1"
	foreign := leveled("a")
	foreign.Store = "other"
	for _, c := range []struct {
		name string
		at   uint64
		ops  []Op
		want string // in the detail of the refusal; "" is done, "same" without effect
	}{
		{"found again", 0, []Op{&Found{}}, "founded already"},
		{"join", 0, []Op{&Join{joiner, digest(1)}}, ""},
		{"join twice", 0, []Op{&Join{joiner, digest(1)}, &Join{joiner, digest(1)}}, "same"},
		{"join twice with another's token", 0, []Op{&Join{joiner, digest(1)}, &Join{leveled("e"), digest(2)}, &Join{joiner, digest(2)}}, "join token is unknown"},
		{"join twice with no token", 0, []Op{&Join{joiner, digest(1)}, &Join{joiner, digest(9)}}, "join token is unknown"},
		{"join twice with a new token", 0, []Op{&Join{joiner, digest(1)}, &Join{joiner, digest(2)}}, ""},
		{"a member asks without a token", 0, []Op{&Join{leveled("a"), digest(9)}}, "join token is unknown"},
		{"a token works once", 0, []Op{&Join{joiner, digest(1)}, &Join{leveled("e"), digest(1)}}, "join token is unknown, used or expired"},
		{"a token expires", 1000, []Op{&Join{joiner, digest(1)}}, "join token is unknown, used or expired"},
		{"a token lives until it expires", 999, []Op{&Join{joiner, digest(1)}}, ""},
		{"an unknown token", 0, []Op{&Join{joiner, digest(9)}}, "join token is unknown, used or expired"},
		{"a refused join spends nothing", 0, []Op{&Join{copied, digest(1)}, &Join{joiner, digest(1)}}, ""},
		{"a token taken back", 0, []Op{&RemoveToken{digest(1)}, &Join{joiner, digest(1)}}, "join token is unknown"},
		{"an unknown token taken back", 0, []Op{&RemoveToken{digest(9)}}, "same"},
		{"a token that is over", 3000, []Op{&AddToken{Token{digest(5), 3000}}}, "expires before it begins"},
		{"the same token", 0, []Op{&AddToken{Token{digest(1), 1000}}}, "same"},
		{"the same token, longer", 0, []Op{&AddToken{Token{digest(1), 5000}}}, "another expiry"},
		{"join with a copied disk", 0, []Op{&Join{copied, digest(1)}}, "is that of node a"},
		{"join with an old program", 0, []Op{&Join{old, digest(1)}}, "upgrade its program"},
		{"join under a taken name", 0, []Op{&Join{foreign, digest(1)}}, "another store"},
		{"join with bad words", 0, []Op{&Join{Member{Node: "../x"}, digest(1)}}, "is not allowed"},
		{"announce", 0, []Op{&Announce{moved}}, ""},
		{"announce the same", 0, []Op{&Announce{leveled("a")}}, "same"},
		{"announce another disk", 0, []Op{&Announce{foreign}}, "another data directory"},
		{"announce a stranger", 0, []Op{&Announce{joiner}}, "no node"},
		{"activate", 0, []Op{&Join{joiner, digest(1)}, &Activate{"d"}}, ""},
		{"activate again", 0, []Op{&Activate{"a"}}, "same"},
		{"activate what drains", 0, []Op{&Drain{Node: "a"}, &Activate{"a"}}, "resume it"},
		{"drain", 0, []Op{&Drain{Node: "a"}}, ""},
		{"drain what joins", 0, []Op{&Join{joiner, digest(1)}, &Drain{Node: "d"}}, "is joining and cannot become draining"},
		{"drain what leaves", 0, []Op{&Drain{"a", true}, &Drain{Node: "a"}}, "is leaving"},
		{"leave after a drain", 0, []Op{&Drain{Node: "a"}, &Drain{"a", true}}, ""},
		{"the last one leaves", 0, []Op{&Drain{"a", true}, &Drain{"b", true}, &Drain{"c", true}}, "last active one"},
		{"resume", 0, []Op{&Drain{"a", true}, &Resume{"a"}}, ""},
		{"resume what does not drain", 0, []Op{&Resume{"a"}}, "same"},
		{"resume what joins", 0, []Op{&Join{joiner, digest(1)}, &Resume{"d"}}, "does not drain"},
		{"remove what did not leave", 0, []Op{&RemoveMember{Node: "a"}}, "has not left"},
		{"remove what still holds", 0, []Op{&Drain{"a", true}, &RemoveMember{Node: "a"}}, "still holds 3 replicas, the first is a/0/1"},
		{"remove by force", 0, []Op{&RemoveMember{"a", true}}, ""},
		{"remove the last one", 0, []Op{&RemoveMember{"a", true}, &RemoveMember{"b", true}, &RemoveMember{"c", true}}, "last active one"},
		{"removed is for ever", 0, []Op{&RemoveMember{"a", true}, &Resume{"a"}}, "removed for ever"},
		{"a removed name", 0, []Op{&RemoveMember{"a", true}, &Join{foreign, digest(1)}}, "removed for ever"},
		{"a removed disk", 0, []Op{&RemoveMember{"a", true}, &Join{copied, digest(1)}}, "was removed"},
		{"replace a store", 0, []Op{&ReplaceStore{"store-a", foreign, digest(1)}}, ""},
		{"replace a store without a token", 0, []Op{&ReplaceStore{"store-a", foreign, digest(7)}}, "token is unknown"},
		{"replace another store", 0, []Op{&ReplaceStore{"store-x", foreign, digest(1)}}, "another one"},
		{"replace it twice", 0, []Op{&ReplaceStore{"store-a", foreign, digest(1)}, &ReplaceStore{"store-a", foreign, digest(1)}}, "same"},
		{"replace it twice without a token", 0, []Op{&ReplaceStore{"store-a", foreign, digest(1)}, &ReplaceStore{"store-a", foreign, digest(7)}}, "token is unknown"},
		{"replace it by itself", 0, []Op{&ReplaceStore{"store-a", leveled("a"), digest(7)}}, "token is unknown"},
		{"the replaced disk", 0, []Op{&ReplaceStore{"store-a", foreign, digest(1)}, &AddToken{Token{digest(2), 5000}}, &Join{copied, digest(2)}}, "was removed"},
		{"raise the level", 0, []Op{&RaiseLevel{2}}, ""},
		{"raise it too far", 0, []Op{&RaiseLevel{3}}, "knows feature level 2 only"},
		{"lower it", 0, []Op{&RaiseLevel{0}}, "same"},
		{"retarget", 0, []Op{&Retarget{[]GroupTarget{{1, Target{Voters: []NodeID{"a"}, Leader: "a"}}}}}, ""},
		{"retarget nowhere", 0, []Op{&Retarget{[]GroupTarget{{1, Target{}}}}}, "no voters"},
		{"retarget a strange group", 0, []Op{&Retarget{[]GroupTarget{{9, Target{Voters: []NodeID{"a"}}}}}}, "no group 9"},
		{"create where there is one", 0, []Op{&CreateReplica{1, "a"}}, "has a replica on node a already"},
		{"create off target", 0, []Op{&Join{joiner, digest(1)}, &CreateReplica{1, "d"}}, "shall not be on node d"},
		{"create after a loss", 0, []Op{&LoseReplica{1, Replica{"a", 1}}, &CreateReplica{1, "a"}}, ""},
		{"begin", 0, []Op{&BeginStep{Step{Kind: StepRemove, Group: 1, Replica: Replica{"a", 1}, Index: 4}}}, ""},
		{"begin without index", 0, []Op{&BeginStep{Step{Kind: StepRemove, Group: 1, Replica: Replica{"a", 1}}}}, "no configuration index"},
		{"begin what is no step on a group", 0, []Op{&BeginStep{Step{Kind: StepCreate, Group: 1, Replica: Replica{"a", 1}, Index: 1}}}, "cannot be under way"},
		{"begin on an old configuration", 0, []Op{
			&Record{1, 7, []Replica{{"a", 1}, {"b", 1}, {"c", 1}}, nil},
			&BeginStep{Step{Kind: StepRemove, Group: 1, Replica: Replica{"a", 1}, Index: 4}},
		}, "which is at 7"},
		{"record", 0, []Op{&Record{1, 7, []Replica{{"a", 1}, {"b", 1}}, []Replica{{"c", 1}}}}, ""},
		{"record an old one", 0, []Op{&Record{1, 7, []Replica{{"a", 1}}, nil}, &Record{1, 6, []Replica{{"a", 1}}, nil}}, "older than 7"},
		{"record a stranger", 0, []Op{&Record{1, 7, []Replica{{"a", 2}}, nil}}, "no replica"},
		{"record nobody", 0, []Op{&Record{1, 7, nil, nil}}, "no voters"},
		{"record one twice", 0, []Op{&Record{1, 7, []Replica{{"a", 1}}, []Replica{{"a", 1}}}}, "twice"},
		{"forget a voter", 0, []Op{&ForgetReplica{1, Replica{"a", 1}}}, "only a retired"},
		{"forget a retired one", 0, []Op{&Record{1, 7, []Replica{{"a", 1}}, nil}, &ForgetReplica{1, Replica{"b", 1}}}, ""},
		{"forget it again", 0, []Op{&Record{1, 7, []Replica{{"a", 1}}, nil}, &ForgetReplica{1, Replica{"b", 1}}, &ForgetReplica{1, Replica{"b", 1}}}, "same"},
		{"retire a voter", 0, []Op{&RetireReplica{1, Replica{"a", 1}}}, "only a created"},
		{"lose a stranger", 0, []Op{&LoseReplica{1, Replica{"a", 9}}}, "no such replica"},
		{"lose it twice", 0, []Op{&LoseReplica{1, Replica{"a", 1}}, &LoseReplica{1, Replica{"a", 1}}}, "same"},
		{"nothing", 0, []Op{nil}, "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := trio(t)
			s.Apply(Change{Op: &AddToken{Token{digest(2), 2000}}})
			s.Apply(Change{Op: &AddToken{Token{digest(1), 1000}}})
			var out Outcome
			var before uint64
			for _, op := range c.ops {
				before = s.Version()
				out = s.Apply(Change{Expect: before, AtMs: c.at, Op: op})
			}
			switch {
			case c.want == "same":
				if out.Err() != nil || s.Version() != before {
					t.Errorf("%+v, version %d after %d", out, s.Version(), before)
				}
			case c.want == "":
				if out.Err() != nil || s.Version() != before+1 || out.Version != before+1 {
					t.Errorf("%+v, version %d after %d", out, s.Version(), before)
				}
			case !errors.Is(out.Err(), ErrRefused) || !strings.Contains(out.Detail, c.want) || s.Version() != before:
				t.Errorf("%+v, it should say %q", out, c.want)
			}
			restored := NewState()
			if err := restored.Restore(s.Snapshot()); err != nil || !restored.Equal(s) {
				t.Errorf("restored: %v", err)
			}
		})
	}
}

func TestFoundRefuses(t *testing.T) {
	good := func() *Found {
		return &Found{Settings: Settings{ClusterID: "c", Groups: 1}, Members: []Member{member("a"), member("b")}, Voters: []NodeID{"a"}}
	}
	for want, spoil := range map[string]func(*Found){
		"data groups":           func(f *Found) { f.Settings.Groups = 65 },
		"cluster id":            func(f *Found) { f.Settings.ClusterID = "" },
		"no voters":             func(f *Found) { f.Voters = nil },
		"odd number":            func(f *Found) { f.Voters = []NodeID{"a", "b"} },
		"not among the members": func(f *Found) { f.Voters = []NodeID{"c"} },
		"is that of node a":     func(f *Found) { f.Members[1].Store = "store-a" },
		"another store":         func(f *Found) { f.Members[1] = f.Members[0] },
		"at most":               func(f *Found) { f.Members = make([]Member, MaxMembers+1) },
	} {
		found := good()
		spoil(found)
		s := NewState()
		if out := s.Apply(Change{Op: found}); out.Status != Refused || !strings.Contains(out.Detail, want) || s.Founded() {
			t.Errorf("%+v, it should say %q", out, want)
		}
	}
	if out := NewState().Apply(Change{Op: &Resume{"a"}}); out.Status != Refused {
		t.Errorf("before it is founded: %+v", out)
	}
	if out := NewState().Apply(Change{Op: good()}); out.Err() != nil {
		t.Error(out.Err())
	}
}

func TestApplyCompares(t *testing.T) {
	s := trio(t)
	if out := s.Apply(Change{Expect: s.Version() + 1, Op: &Resume{"a"}}); !errors.Is(out.Err(), ErrConflict) || out.Version != s.Version() {
		t.Errorf("a version to come: %+v", out)
	}
	if out := s.Apply(Change{Op: &Drain{Node: "a"}}); out.Status != Refused || !strings.Contains(out.Detail, "must name the version") {
		t.Errorf("a planned change for no version: %+v", out)
	}
	if out := s.Apply(Change{AtMs: MaxAtMs + 1, Op: &RaiseLevel{2}}); out.Status != Refused {
		t.Errorf("a mad clock: %+v", out)
	}
}

// What was handed out before a change is the same after it.
func TestStateHandsOutWhatLasts(t *testing.T) {
	s := trio(t)
	placement, members := s.Placement(), s.Members()
	before, _ := placement.Group(1)
	for _, op := range []Op{
		&LoseReplica{1, Replica{"a", 1}}, &CreateReplica{1, "a"}, &Drain{Node: "b"},
		&Record{1, 9, []Replica{{"b", 1}}, []Replica{{"a", 2}}}, &RemoveMember{"c", true},
	} {
		if out := s.Apply(Change{Expect: s.Version(), Op: op}); out.Err() != nil {
			t.Fatal(out.Err())
		}
	}
	after, _ := placement.Group(1)
	if len(after.Voters) != 3 || len(after.Lost) != 0 || after.Next != before.Next || len(members) != 3 || members[1].State != Active {
		t.Errorf("it became %+v and %v", after, members)
	}
	now, _ := s.Placement().Group(1)
	if len(now.Voters) != 1 || len(now.Retired) != 1 || now.Next != 3 || s.Placement().Version() <= placement.Version() {
		t.Errorf("the record is %+v", now)
	}
}

func TestCreatedNumbersAreNew(t *testing.T) {
	s := trio(t)
	for want := uint64(2); want < 10; want++ {
		for _, n := range s.Placement().Of("a") {
			if n.Group == 1 && n.Role != RoleRetired {
				s.Apply(Change{Op: &LoseReplica{1, n.Replica}})
			}
		}
		out := s.Apply(Change{Expect: s.Version(), Op: &CreateReplica{1, "a"}})
		if out.Replica != (Replica{"a", want}) {
			t.Fatalf("%+v, want number %d", out, want)
		}
		s.Apply(Change{Expect: s.Version(), Op: &RetireReplica{1, out.Replica}})
		s.Apply(Change{Op: &ForgetReplica{1, out.Replica}})
	}
}

func TestPlacementLookups(t *testing.T) {
	p := trio(t).Placement()
	if got := p.Of("b"); len(got) != 3 || got[2] != (Holding{2, Replica{"b", 1}, RoleVoter}) {
		t.Errorf("Of(b) = %v", got)
	}
	if _, ok := p.Group(3); ok || p.Groups() != 2 || p.Leader(3) != "" {
		t.Error("there is a group 3")
	}
	g, _ := p.Group(1)
	if g.Moving() || g.RoleOf(Replica{"c", 1}) != RoleVoter || g.RoleOf(Replica{"c", 2}) != 0 {
		t.Errorf("%+v", g)
	}
}
