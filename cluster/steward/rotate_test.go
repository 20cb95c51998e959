package steward

import (
	"slices"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Who is waited for in a rotation: with the key of gossip alone nobody who does not
// answer, with the authority of certificates everybody.
func TestWhoIsWaitedFor(t *testing.T) {
	tuning, err := Tuning{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	member := func(n cluster.NodeID) cluster.Member { return cluster.Member{Node: n, Store: "store of " + string(n)} }
	alive := func(n cluster.NodeID, trust uint64) life {
		return life{store: "store of " + string(n), since: ago(time.Hour), heard: ago(time.Second), trust: trust}
	}
	asleep := alive("c", 4)
	asleep.heard = ago(2 * tuning.SuspectAfter)
	fresh := life{store: "store of c", since: ago(time.Second)}
	replaced := alive("c", 5)
	replaced.store = "another"
	for name, test := range map[string]struct {
		third  life
		strict bool
		want   []cluster.NodeID
	}{
		"done":                               {alive("c", 5), false, nil},
		"behind":                             {alive("c", 4), false, []cluster.NodeID{"c"}},
		"silent for long":                    {asleep, false, nil},
		"silent for long, authority":         {asleep, true, []cluster.NodeID{"c"}},
		"not heard yet":                      {fresh, false, []cluster.NodeID{"c"}},
		"with another data directory by now": {replaced, false, []cluster.NodeID{"c"}},
	} {
		v := &verdict{at: now, nodes: map[cluster.NodeID]life{"a": alive("a", 5), "b": alive("b", 6), "c": test.third}}
		trust := cluster.Trust{Serial: 5, Stage: cluster.Spreading, Authorities: make([]cluster.Authority, 1)}
		if test.strict {
			trust.Authorities = make([]cluster.Authority, 2)
		}
		got := v.rotation(trust, []cluster.Member{member("a"), member("b"), member("c")}, tuning)
		if !slices.Equal(got.Waiting, test.want) || got.Serial != 5 || got.Stage != cluster.Spreading || got.Authority != test.strict {
			t.Errorf("%s: %+v, want %v", name, got, test.want)
		}
	}
	if got := (&verdict{}).rotation(cluster.Trust{Serial: 5, Stage: cluster.Spreading}, []cluster.Member{member("a")}, tuning); got.Waiting != nil {
		t.Errorf("nobody has asked: %+v", got)
	}
}
