package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// A cluster is upgraded node by node, so for a while programs of three releases are
// one cluster: the one under test, one that speaks the next version of the peer
// protocol too, and one that speaks the one after. Each writes, leads and listens.
// One that speaks nothing the others know is refused, whoever calls, and both sides
// say what each of them speaks.
func TestNodesOfThreeReleases(t *testing.T) {
	t.Parallel()
	next, last, stranger := harness.Speaking(t, "1-2"), harness.Speaking(t, "1-3"), harness.Speaking(t, "4-9")
	c := harness.StartCluster(t, harness.ClusterOptions{Programs: []string{"", next, last}})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	name := c.NameIn(group, "story", "room")
	var witnesses []*witness
	for _, n := range c.Nodes {
		witnesses = append(witnesses, newWitness(t, n, name))
	}
	l := startLoad(t, name, 1, c.Nodes, witnesses...)
	for i, n := range c.Nodes {
		if c.Leader(t, group) != n {
			c.Nodes[(i+1)%len(c.Nodes)].CLI(t, "", "node", "transfer-leader", fmt.Sprint(group), n.Name).OK(t)
		}
		if leader := c.Leader(t, group); leader != n {
			t.Errorf("%s leads, want %s", leader.Name, n.Name)
		}
		for _, through := range c.Nodes {
			l.flows(t, harness.Patience, 10, through)
		}
	}

	changed, others := c.Nodes[2], c.Nodes[:2]
	changed.Stop(t)
	changed.RunAs(stranger)
	changed.Launch(t)
	refuses(t, changed, others[0], "1 to 1")
	refuses(t, changed, others[1], "1 to 2")
	refuses(t, others[0], changed, "4 to 9")
	l.flows(t, harness.Patience, 10, others...)
	changed.Kill(t)
	changed.RunAs(last)
	changed.Start(t)
	l.flows(t, harness.Patience, 10, changed)
	l.finish()

	l.agreed(t, c, witnesses...)
}

// refuses waits until a node has said in its log that another one called that
// speaks those versions of the peer protocol, and the other one that it was refused.
func refuses(t *testing.T, node, caller *harness.Node, versions string) {
	t.Helper()
	why := "the caller speaks versions " + versions + " of the peer protocol, this node "
	for _, side := range []struct {
		at   *harness.Node
		says []string
	}{
		{node, []string{`"a node was refused"`, `"caller":"` + caller.Name + `"`, why}},
		{caller, []string{"refused by the other node", why}},
	} {
		harness.Eventually(t, harness.Patience, side.at.Name+" to tell of the refusal", func() (bool, string) {
			for line := range strings.Lines(side.at.Log(t)) {
				if containsAll(line, side.says) {
					return true, ""
				}
			}
			return false, fmt.Sprintf("no line says %q", side.says)
		})
	}
}

func containsAll(line string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(line, word) {
			return false
		}
	}
	return true
}
