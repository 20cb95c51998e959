package test

import (
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// What is published on any node is heard on every other, in one order; and what
// a node says while nobody hears it is heard when the network is whole again.
func TestPublishAnywhereHearEverywhere(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	var listeners []*listener
	for _, n := range c.Nodes {
		listeners = append(listeners, newListener(t, n.Server, "news"))
	}
	for i, n := range c.Nodes {
		publish(t, n.Server, "news", numbered(n.Name, 10*(i+1)))
	}
	for _, l := range listeners {
		for i, n := range c.Nodes {
			l.expect(t, numbered(n.Name, 10*(i+1))...)
		}
	}
}
