package test

import (
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Every promise that one node keeps to the official SDKs is kept by three,
// whichever of them a client talks to: the clients of a program are spread over
// the nodes, publishers and subscribers apart, and the Node.js client of caches
// asks another node with every call.
func TestClusterSDKsWithoutCredential(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	runSDKs(t, harness.Client{Addr: c.Addr(), Cache: "story"}, "topics", "lists")
}

// Keys and tokens that one node made are good at all others.
func TestClusterSDKsWithCredentials(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].Secure(t)
	c.Nodes[1].CreateCache(t, "story")
	runTokens(t, harness.Client{Addr: c.Addr(), Key: c.Nodes[2].AdminKey(t), Cache: "story"})
}
