package cluster

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew; only a new format may do so")

// everyChange is one change of each kind, with every field set.
func everyChange() map[string]Change {
	m := leveled("a")
	m.Zone, m.State, m.Leaving = "z1", Draining, true
	r := Replica{"a", 7}
	changes := map[string]Change{
		"found":          {Op: &Found{Settings{"c1", 2, 1}, []Member{m}, []NodeID{"a"}}},
		"join":           {Op: &Join{m, digest(0xab)}},
		"announce":       {Op: &Announce{m}},
		"activate":       {Op: &Activate{"a"}},
		"drain":          {Op: &Drain{"a", true}},
		"resume":         {Op: &Resume{"a"}},
		"remove-member":  {Op: &RemoveMember{"a", true}},
		"replace-store":  {Op: &ReplaceStore{"old", m, digest(0xab)}},
		"add-token":      {Op: &AddToken{Token{digest(0xab), 1000}}},
		"remove-token":   {Op: &RemoveToken{digest(0xab)}},
		"raise-level":    {Op: &RaiseLevel{3}},
		"retarget":       {Op: &Retarget{[]GroupTarget{{1, Target{[]NodeID{"a"}, []NodeID{"b"}, "a"}}}}},
		"create-replica": {Op: &CreateReplica{1, "a"}},
		"begin-step":     {Op: &BeginStep{Step{Kind: StepTransfer, Group: 1, Replica: r, To: Replica{"b", 8}, Index: 9}}},
		"record":         {Op: &Record{1, 9, []Replica{r}, []Replica{{"b", 8}}}},
		"retire-replica": {Op: &RetireReplica{1, r}},
		"forget-replica": {Op: &ForgetReplica{1, r}},
		"lose-replica":   {Op: &LoseReplica{1, r}},
		"entrust":        {Op: &Entrust{someTrust()}},
		"rotate":         {Op: &Rotate{gossipKey(2), &Authority{[]byte("certificate 2"), []byte("key 2")}}},
		"turn":           {Op: &Turn{7}},
		"recover-group":  {Expect: 5, Op: &RecoverGroup{Record{Group: 1, Index: 8, Voters: []Replica{r}}}},
	}
	for kind, c := range changes {
		c.Expect, c.AtMs = 5, 6
		changes[kind] = c
	}
	return changes
}

// golden compares with a file on disk in every cluster of this format.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("%s is frozen:\n got %s\nwant %s", path, got, want)
	}
}

func TestChangesAreFrozen(t *testing.T) {
	changes := everyChange()
	for kind := range ops {
		c, ok := changes[kind]
		if !ok {
			t.Errorf("a change %q is not tested", kind)
			continue
		}
		data, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "change-"+kind+".json", data)
		back, err := DecodeChange(data)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := back.Encode(); err != nil || string(again) != string(data) {
			t.Errorf("%q came back as %s, %v", kind, again, err)
		}
	}
}

// A change that was decided on a view names it, all others need not.
func TestPlannedChangesNameAVersion(t *testing.T) {
	free := []string{"announce", "join", "resume", "add-token", "remove-token", "raise-level", "forget-replica", "lose-replica", "found", "entrust", "rotate", "turn"}
	for kind, c := range everyChange() {
		c.Expect = 0
		out := trio(t).Apply(c)
		if got := strings.Contains(out.Detail, "must name the version"); got == slices.Contains(free, kind) {
			t.Errorf("%q without a version: %+v", kind, out)
		}
	}
}

// full is a state in which every field of the snapshot is set.
func full(t testing.TB) *State {
	s := trio(t)
	for _, op := range []Op{
		&AddToken{Token{digest(1), 9000}}, &AddToken{Token{digest(2), 9000}}, &Join{leveled("d"), digest(1)},
		&LoseReplica{1, Replica{"a", 1}}, &CreateReplica{1, "a"}, &CreateReplica{1, "a"},
		&Record{2, 9, []Replica{{"a", 1}}, []Replica{{"b", 1}}},
		&Retarget{[]GroupTarget{{2, Target{[]NodeID{"a"}, []NodeID{"b"}, "a"}}}},
		&BeginStep{Step{Kind: StepRemove, Group: 2, Replica: Replica{"b", 1}, Index: 9}},
		&RemoveMember{"d", true}, &Drain{"b", true},
		&Entrust{someTrust()}, &Rotate{gossipKey(2), &Authority{[]byte("certificate 2"), []byte("key 2")}},
	} {
		s.Apply(Change{Expect: s.Version(), AtMs: 1234, Op: op})
	}
	return s
}

func TestSnapshotIsFrozen(t *testing.T) {
	golden(t, "snapshot-empty.json", NewState().Snapshot())
	s := full(t)
	golden(t, "snapshot.json", s.Snapshot())
	data, err := os.ReadFile(filepath.Join("testdata", "golden", "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	restored := NewState()
	if err := restored.Restore(data); err != nil || !restored.Equal(s) {
		t.Errorf("restored: %v", err)
	}
	if err := restored.Restore(NewState().Snapshot()); err != nil || restored.Founded() {
		t.Errorf("restored to nothing: %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := everyChange()["record"].Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data string
		want error
	}{
		"nothing":            {"", ErrDamaged},
		"no object":          {"null", ErrDamaged},
		"another object":     {"{}", ErrDamaged},
		"bytes left over":    {string(good) + "{}", ErrDamaged},
		"a cut":              {string(good[:len(good)-1]), ErrDamaged},
		"an unknown field":   {strings.Replace(string(good), `"expect"`, `"expcet"`, 1), ErrDamaged},
		"an unknown inner":   {strings.Replace(string(good), `"index"`, `"indxe"`, 1), ErrDamaged},
		"an op of no object": {`{"format":1,"kind":"drain","op":null}`, ErrDamaged},
		"an unknown kind":    {strings.Replace(string(good), `"record"`, `"rewind"`, 1), ErrFormat},
		"a newer format":     {strings.Replace(string(good), `"format":1`, `"format":2,"new":1`, 1), ErrFormat},
		"too much":           {string(good) + strings.Repeat(" ", MaxChangeBytes), ErrDamaged},
	} {
		if _, err := DecodeChange([]byte(c.data)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := full(t)
	good := string(s.Snapshot())
	for name, c := range map[string]struct {
		old, new string
		want     error
	}{
		"a newer format":          {`"format":1`, `"format":2`, ErrFormat},
		"an unknown field":        {`"clock_ms"`, `"clock"`, ErrDamaged},
		"members out of order":    {`{"node":"b"`, `{"node":"z"`, ErrDamaged},
		"a bad name":              {`{"node":"b"`, `{"node":"-"`, ErrDamaged},
		"a buried member":         {`"store":"store-d"`, `"store":"store-a"`, ErrDamaged},
		"a number to come":        {`"number":2`, `"number":99`, ErrDamaged},
		"a number twice":          {`"number":2`, `"number":1`, ErrDamaged},
		"a missing group":         {`"groups":2`, `"groups":3`, ErrDamaged},
		"a group out of place":    {`"group":1,`, `"group":2,`, ErrDamaged},
		"a future placement":      {`"placement_version":`, `"placement_version":9`, ErrDamaged},
		"a strange step":          {`"kind":"remove"`, `"kind":"explode"`, ErrDamaged},
		"a leader without a vote": {`"leader":"a"`, `"leader":"b"`, ErrDamaged},
		"a trust of nothing":      {`"serial":2`, `"serial":0`, ErrDamaged},
		"a strange stage":         {`"stage":"spreading"`, `"stage":"resting"`, ErrDamaged},
		"settled on two":          {`"stage":"spreading",`, ``, ErrDamaged},
		"spent by nobody known":   {`"spent":[{"digest":"01`, `"spent":[{"digset":"01`, ErrDamaged},
		"a removed member":        {`"state":"active"`, `"state":"removed"`, ErrDamaged},
	} {
		data := strings.Replace(good, c.old, c.new, 1)
		if data == good {
			t.Fatalf("%s: there is no %s in %s", name, c.old, good)
		}
		if err := s.Restore([]byte(data)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if string(s.Snapshot()) != good {
			t.Fatalf("%s: the state changed", name)
		}
	}
}

// What can be decoded can be encoded, and applying it never panics nor leaves
// a state that cannot be restored.
func FuzzDecodeChange(f *testing.F) {
	for _, c := range everyChange() {
		c.Expect = 0
		data, err := c.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeChange(data)
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil {
			return // decoding accepts a little more than fits
		}
		if _, err := DecodeChange(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		for _, s := range []*State{NewState(), full(t)} {
			c.Expect = s.Version()
			s.Apply(c)
			if err := NewState().Restore(s.Snapshot()); err != nil {
				t.Fatalf("after %s: %v", again, err)
			}
			if s.Founded() {
				Plan(s.View(nil, nil))
			}
		}
	})
}

// A snapshot that is accepted comes back as it was, and can be worked with.
func FuzzRestore(f *testing.F) {
	f.Add(NewState().Snapshot())
	f.Add(trio(f).Snapshot())
	f.Add(full(f).Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewState()
		if s.Restore(data) != nil {
			return
		}
		again := NewState()
		if err := again.Restore(s.Snapshot()); err != nil || !again.Equal(s) {
			t.Fatalf("restored: %v", err)
		}
		if s.Founded() {
			Plan(s.View(nil, nil))
		}
	})
}
