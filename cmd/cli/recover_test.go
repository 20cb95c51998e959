package cli

import (
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cmd/recovery"
)

func TestRecoveryIsShownFirst(t *testing.T) {
	on := func(name string, term, index uint64) recovery.Copy {
		return recovery.Copy{Node: recovery.Node{Name: cluster.NodeID(name), Dir: "/srv/" + name}, Survivor: replica.Survivor{LastTerm: term, LastIndex: index}}
	}
	voters := []cluster.Replica{{Node: "a", Number: 1}, {Node: "b", Number: 1}, {Node: "c", Number: 2}}
	report := newRecoveryReport(&recovery.Plan{ClusterID: "c1", Groups: []recovery.Group{
		{Group: 0, Copies: []recovery.Copy{on("b", 5, 120), on("a", 5, 90)}, Voters: voters, Lost: true},
		{Group: 12, Copies: []recovery.Copy{on("a", 2, 7)}, Voters: voters[:1]},
	}})
	var text strings.Builder
	report.write(&text)
	want := `Cluster c1. A copy is shown with the term and index of its last entry.

GROUP   VOTERS   MAJORITY   COPIES           BRING BACK FROM
meta    a,b,c    lost       b 5/120, a 5/90  b
12      a        kept       a 2/7            -
`
	if squeeze(text.String()) != squeeze(want) {
		t.Errorf("got:\n%s\nwant:\n%s", text.String(), want)
	}
	if report.Groups[0].From != "b" || report.Groups[1].From != "" || report.Groups[0].Copies[1] != (recoveryCopyRow{"a", "/srv/a", 5, 90}) {
		t.Errorf("in JSON: %+v", report)
	}
}

// squeeze makes the width of columns of no matter.
func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestRecoverUsage(t *testing.T) {
	empty := t.TempDir()
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"cluster|recover":                              {ExitUsage, "--dead is missing"},
		"cluster|recover|--dead|a|" + empty:            {ExitFailure, "holds no node"},
		"cluster|recover|--dead|a/b|" + empty:          {ExitFailure, "node name"},
		"cluster|recover|--dead|a|--data-dir|" + empty: {ExitFailure, "holds no node"},
	} {
		if got := (invocation{}).run(t, strings.Split(args, "|")...); got.code != want.code || !strings.Contains(got.stderr, want.text) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
