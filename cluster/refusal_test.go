package cluster

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// Each case asks about a cluster of so many nodes at rest, after doing to it
// what it says.
func TestRefusals(t *testing.T) {
	everything := []GroupID{0, 1, 2}
	for _, c := range []struct {
		name   string
		nodes  int
		ask    func(w *world) error
		why    string // empty: granted
		groups []GroupID
	}{
		{"drain of the only node", 1, func(w *world) error {
			return CheckDrain(w.view(), voterOf(w))
		}, "would lose their majority", everything},
		{"drain of the voter of two", 2, func(w *world) error {
			return CheckDrain(w.view(), voterOf(w))
		}, "would lose their majority", everything},
		{"drain of the learner of two", 2, func(w *world) error {
			return CheckDrain(w.view(), learnerOf(w))
		}, "", nil},
		{"drain of one of three", 3, func(w *world) error {
			return CheckDrain(w.view(), voterOf(w))
		}, "", nil},
		{"drain again", 3, func(w *world) error {
			n := voterOf(w)
			w.must(w.state.Version(), &Drain{Node: n})
			return CheckDrain(w.view(), n)
		}, "", nil},
		{"drain of a second of three", 3, func(w *world) error {
			w.must(w.state.Version(), &Drain{Node: voterOf(w)})
			return CheckDrain(w.view(), other(w, voterOf(w)))
		}, "would lose their majority", everything},
		{"drain of one of three while another is down", 3, func(w *world) error {
			w.crash(voterOf(w))
			return CheckDrain(w.view(), other(w, voterOf(w)))
		}, "would lose their majority", everything},
		{"drain of one of three while a replica lags", 3, func(w *world) error {
			n, lagging := voterOf(w), other(w, voterOf(w))
			for r := range w.groups[2].near {
				if r.Node == lagging {
					w.groups[2].near[r] = Near
				}
			}
			w.groups[2].leader = replicaOn(w, 2, n)
			return CheckDrain(w.view(), n)
		}, "would lose their majority", []GroupID{2}},
		{"drain while a group is unknown", 3, func(w *world) error {
			v := w.view()
			delete(v.Observed, 1)
			return CheckDrain(v, voterOf(w))
		}, "no leader of groups", []GroupID{1}},
		{"drain of a stranger", 3, func(w *world) error {
			return CheckDrain(w.view(), "stranger")
		}, "not a member", nil},
		{"drain of a joining node", 3, func(w *world) error {
			n := w.join()
			return CheckDrain(w.view(), n)
		}, "is joining", nil},

		{"leave of the last node", 1, func(w *world) error {
			return CheckLeave(w.view(), voterOf(w), true)
		}, "no active and live node remains", everything},
		{"leave of one of three", 3, func(w *world) error {
			return CheckLeave(w.view(), voterOf(w), false)
		}, "2 active and live nodes would remain", everything},
		{"leave of one of three, told to", 3, func(w *world) error {
			return CheckLeave(w.view(), voterOf(w), true)
		}, "", nil},
		{"leave of one of four", 4, func(w *world) error {
			return CheckLeave(w.view(), voterOf(w), false)
		}, "", nil},
		{"leave while another is only suspect", 4, func(w *world) error {
			w.nodes[other(w, voterOf(w))].doubted = true
			return CheckLeave(w.view(), voterOf(w), false)
		}, "2 active and live nodes would remain", nil},
		{"leave while groups stand still", 5, func(w *world) error {
			v := w.view()
			delete(v.Observed, 0)
			return CheckLeave(v, v.Placement.groups[0].Voters[0].Node, false)
		}, "no leader of groups", []GroupID{0}},

		{"forced removal of a live node", 4, func(w *world) error {
			return CheckRemove(w.view(), voterOf(w), false)
		}, "it is live", nil},
		{"forced removal of a suspect node", 4, func(w *world) error {
			n := voterOf(w)
			w.crash(n)
			return CheckRemove(w.view(), n, false)
		}, "it is suspect", nil},
		{"forced removal of a down node", 4, func(w *world) error {
			n := downed(w, voterOf(w))
			return CheckRemove(w.view(), n, false)
		}, "", nil},
		{"forced removal of one of three", 3, func(w *world) error {
			n := downed(w, voterOf(w))
			return CheckRemove(w.view(), n, false)
		}, "2 active and live nodes would remain", everything},
		{"forced removal of one of three, told to", 3, func(w *world) error {
			n := downed(w, voterOf(w))
			return CheckRemove(w.view(), n, true)
		}, "", nil},
		{"forced removal of the voter of two", 2, func(w *world) error {
			n := downed(w, voterOf(w))
			return CheckRemove(w.view(), n, true)
		}, "no leader of groups", everything},
		{"forced removal of a joining node", 1, func(w *world) error {
			n := w.join()
			return CheckRemove(w.view(), n, false)
		}, "", nil},

		{"new store for a live node", 3, func(w *world) error {
			return CheckReplaceStore(w.view(), voterOf(w))
		}, "is live", nil},
		{"new store for a stopped node", 3, func(w *world) error {
			n := voterOf(w)
			w.crash(n)
			return CheckReplaceStore(w.view(), n)
		}, "", nil},
		{"new store for the only voter", 2, func(w *world) error {
			n := voterOf(w)
			w.crash(n)
			return CheckReplaceStore(w.view(), n)
		}, "no leader of groups", everything},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.ask(grown(t, 2, c.nodes))
			if c.why == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var refusal *Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("the answer is %v, not a refusal", err)
			}
			if !strings.Contains(err.Error(), c.why) {
				t.Errorf("the refusal reads %q, it should say %q", err, c.why)
			}
			if c.groups != nil && !slices.Equal(refusal.Groups, c.groups) {
				t.Errorf("the refusal names groups %v, not %v", refusal.Groups, c.groups)
			}
		})
	}
}

func TestRefusalReads(t *testing.T) {
	r := &Refusal{What: "leave", Node: "a", Why: "no", Groups: []GroupID{0, 7}}
	if got, want := r.Error(), "cluster: leave of node a refused: no (groups meta, 7)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// voterOf is a node that votes in group 1; of up to three nodes it votes in
// every group.
func voterOf(w *world) NodeID { return w.state.Placement().groups[1].Voters[0].Node }

func learnerOf(w *world) NodeID { return w.state.Placement().groups[1].Learners[0].Node }

func other(w *world, n NodeID) NodeID {
	for _, m := range w.state.Members() {
		if m.Node != n {
			return m.Node
		}
	}
	panic("no other node")
}

func downed(w *world, n NodeID) NodeID {
	w.crash(n)
	w.nodes[n].down = true
	return n
}

func replicaOn(w *world, g GroupID, n NodeID) Replica {
	for r := range w.groups[g].voters {
		if r.Node == n {
			return r
		}
	}
	panic("no replica there")
}
