package faults

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// A node with data grows to three and five while clients use it, and shrinks
// again to one, which is none of those that were there at first. No write that
// was acknowledged is lost on the way.
func TestGrowAndShrink(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Nodes: 1, Groups: groups, Args: []string{"--heartbeat", Heartbeat.String()}})
	var doors Doors
	doors.Open(t, c.Nodes...)
	OpenCache(t, &doors, cache)
	history := NewHistory()
	ledger := &Ledger{Doors: &doors, Cache: cache, Seed: 1, Writers: 4, Pause: 30 * time.Millisecond, History: history}
	load := &Load{Doors: &doors, Cache: cache, Seed: 1, Clients: 4, Pause: 40 * time.Millisecond, History: history}

	using, rest := context.WithCancel(t.Context())
	var users sync.WaitGroup
	defer users.Wait()
	defer rest()
	users.Go(func() { ledger.Write(using) })
	users.Go(func() { load.Run(using) })
	growAndShrink(t, c, &doors)
	rest()
	users.Wait()

	last := doors.All()
	if len(last) != 1 {
		t.Fatalf("%d nodes are left, want 1", len(last))
	}
	for _, p := range ledger.Audit(t.Context(), last[0]) {
		t.Error(p)
	}
	verdict := Check(slices.DeleteFunc(slices.Clone(history.Ops()), func(op Op) bool { return strings.HasPrefix(op.Key, "ledger") }))
	for _, w := range verdict.Wrong {
		t.Errorf("no order of the %d calls on %s explains their answers", len(w.Ops), w.Key)
	}
	t.Logf("%d calls, longest time without a write %v", len(history.Ops()), longestStill(history.Ops()).Round(time.Millisecond))
}

// growAndShrink takes a cluster from one node to three, to five, to three and to
// one.
func growAndShrink(t *testing.T, c *harness.Cluster, doors *Doors) {
	began := time.Now()
	say := func(n *harness.Node, what string) {
		t.Logf("%s has %s after %v", n.Name, what, time.Since(began).Round(time.Millisecond))
	}
	for _, size := range []int{3, 5} {
		for len(c.Up()) < size {
			n := c.Join(t)
			doors.Open(t, n)
			say(n, "joined")
		}
		awaitPlaced(t, c, size)
	}
	for i, n := range c.Nodes[:4] {
		doors.Close(n) // as a balancer is told before a node goes
		order := []string{"node", "leave", n.Name}
		if i >= 2 {
			order = append(order, "--fewer")
		}
		c.Nodes[4].CLI(t, "", order...).OK(t)
		if code, output := n.Exits(t); code != 0 {
			t.Errorf("%s left and ended with code %d\n%s", n.Name, code, output)
		}
		say(n, "left")
	}
}

// awaitPlaced waits until so many nodes are well, and every group has three voters
// and does not move.
func awaitPlaced(t *testing.T, c *harness.Cluster, nodes int) {
	t.Helper()
	harness.Eventually(t, 4*harness.Patience, "replicas in their places", func() (bool, string) {
		ran := c.Up()[0].CLI(t, "", "cluster", "status", "-o", "json")
		return ran.Code == 0 && placed(ran.Stdout, nodes), ran.Stdout + ran.Stderr
	})
}

// placed reports whether the JSON form of `mayfly cluster status` tells of so many
// nodes that are well, of three voters in every group, and of none that moves.
func placed(status string, nodes int) bool {
	var s struct {
		Nodes []struct {
			State  string `json:"state"`
			Health string `json:"health"`
		} `json:"nodes"`
		Groups []struct {
			Moving   bool `json:"moving"`
			Replicas []struct {
				Role string `json:"role"`
			} `json:"replicas"`
		} `json:"groups"`
	}
	if json.Unmarshal([]byte(status), &s) != nil || len(s.Groups) != groups+1 {
		return false
	}
	for _, n := range s.Nodes {
		if n.State == "active" && n.Health == "live" {
			nodes--
		}
	}
	for _, g := range s.Groups {
		voters := 0
		for _, r := range g.Replicas {
			if r.Role == "voter" {
				voters++
			}
		}
		if g.Moving || voters < 3 {
			return false
		}
	}
	return nodes == 0
}
