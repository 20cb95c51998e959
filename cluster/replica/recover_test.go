package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Two of three nodes are lost. The third goes on alone under a new number with
// everything it knew, and the lost ones, should they come back, are strangers.
func TestLostMajorityIsRecovered(t *testing.T) {
	c := newTrio(t)
	for i := range 60 { // more than a snapshot
		c.proposeAnywhere(t, fmt.Sprint("line ", i))
	}
	leader := c.leader(t)
	want := leader.journal(1).all()
	name := leader.Node()
	dir := c.dirs[name]
	if _, err := Survey(dir); !errors.Is(err, ErrDirLocked) {
		t.Errorf("a survey of a running node: %v", err)
	}
	for _, n := range c.names {
		c.node(n).close(t)
	}
	list, err := Survey(dir)
	if err != nil || len(list) != 2 {
		t.Fatalf("survey: %+v, %v", list, err)
	}
	before := list[1]
	if before.Group != 1 || before.Number != 1 || before.LastIndex < 60 || before.LastTerm < 2 || len(before.Configurations) != 1 || len(before.Configurations[0].Voters) != 3 {
		t.Errorf("survey: %+v", before)
	}
	recovery := func(voters ...cluster.Replica) error {
		return RecoverGroup(Recovery{Dir: dir, Group: 1, Voters: voters, StateMachine: new(journal)})
	}
	alone := cluster.Replica{Node: name, Number: 7}
	for what, voters := range map[string][]cluster.Replica{
		"nobody":       nil,
		"others":       {{Node: "n9", Number: 7}},
		"the old self": {{Node: name, Number: 1}},
		"no number":    {alone, {Node: "n9"}},
	} {
		if err := recovery(voters...); err == nil {
			t.Errorf("recovered with %s", what)
		}
	}
	// The rest of an attempt that crashed is in nobody's way.
	rest := filepath.Join(replicaDir(dir, replicaRecord{Group: 1, Number: 7}), "rest")
	if err := errors.Join(os.MkdirAll(filepath.Dir(rest), 0o700), os.WriteFile(rest, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := recovery(alone); err != nil {
		t.Fatal(err)
	}
	if err := recovery(alone); !errors.Is(err, ErrRetired) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := os.Stat(rest); err == nil {
		t.Error("the rest of another attempt is still there")
	}
	for range 2 {
		c.start(t, name)
		g := c.node(name).lead(t, 1)
		now := g.Configuration()
		if now.Index < before.LastIndex || !reflect.DeepEqual(now.Voters, []cluster.Replica{alone}) {
			t.Errorf("it goes on with %+v", now)
		}
		if got := c.node(name).journal(1).all(); !slices.Equal(got, want) {
			t.Errorf("it knows %d lines, want %d", len(got), len(want))
		}
		want = append(want, "on and on")
		propose(t, g, "on and on")
		if len(want) < 62 {
			c.node(name).close(t)
		}
	}
	if got := c.node(name).Replicas(); !slices.Contains(got, LocalReplica{1, 1, StateRemoved}) || !slices.Contains(got, LocalReplica{1, 7, StateStarted}) {
		t.Errorf("the books say %v", got)
	}
	if err := c.node(name).Purge(1, 1); err != nil {
		t.Error(err)
	}
}

func TestSurveyNamesTheDamaged(t *testing.T) {
	dir := t.TempDir()
	if _, err := Survey(dir); err == nil {
		t.Error("an empty directory was surveyed")
	}
	n := open(t, singleNode(dir))
	n.lead(t, 1)
	n.close(t)
	if err := os.RemoveAll(replicaDir(dir, replicaRecord{Group: 0, Number: 1})); err != nil {
		t.Fatal(err)
	}
	list, err := Survey(dir)
	if !errors.Is(err, ErrStoreLost) || len(list) != 1 || list[0].Group != 1 {
		t.Errorf("survey: %+v, %v", list, err)
	}
}

// Whose directory it is may change as long as somebody has it locked: nothing of
// it is believed, not even that it is damaged. A directory without a node stays
// as it was.
func TestIdentityIsReadUnderTheLock(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadIdentity(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading whose an empty directory is: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("an empty directory holds %v, %v after it was asked", left, err)
	}
	lock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifestName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIdentity(dir); !errors.Is(err, ErrDirLocked) {
		t.Errorf("reading what another may be writing: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a refusal leaves the directory unlocked
		if _, err := ReadIdentity(dir); !errors.Is(err, ErrDamaged) || errors.Is(err, ErrDirLocked) {
			t.Errorf("reading a damaged identity: %v", err)
		}
	}
}
