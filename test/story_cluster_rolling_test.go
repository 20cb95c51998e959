package test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Every node of a cluster is restarted, one after the other, while a program that
// reaches them through a balancer makes calls and listens. Nobody tells the
// balancer what is going on but the nodes themselves, on /readyz. No call fails
// that may be repeated, and what the program does not hear is announced to it.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Args: []string{"--stop-grace", "3s"}})
	c.Nodes[0].CreateCache(t, "story")
	balancer := c.Balance(t)
	program := harness.StartAgent(t, harness.NodeJS, "idempotent", harness.Client{Addr: balancer.Addr, Cache: "story"})
	program.Await(t, "its subscription", func(events []harness.Event) bool { return len(harness.Of(events, "subscribed", "room")) > 0 })

	said := 0
	say := func(n *harness.Node) {
		for range 20 {
			publish(t, n.Server, "room", []string{fmt.Sprintf("%05d", said)})
			said++
		}
	}
	say(c.Nodes[0])
	for i, n := range c.Nodes {
		n.Stop(t)
		say(c.Nodes[(i+1)%len(c.Nodes)])
		n.Start(t)
		say(n)
	}
	last := fmt.Sprintf("%05d", said-1)
	program.Await(t, "the last item", has("room", []string{last}))
	program.CloseInput(t)
	program.Await(t, "the end of its calls", func(events []harness.Event) bool { return len(harness.Of(events, "finished", "")) > 0 })

	if lost := balancer.Lost(); lost > 0 {
		t.Errorf("%d connections were taken to a closed port", lost)
	}
	events := program.Events()
	for _, kind := range []string{"refused", "error", "ended"} {
		for _, e := range harness.Of(events, kind, "") {
			t.Errorf("%s %s: %s", e.ID, kind, e.Error)
		}
	}
	calls := harness.Of(events, "finished", "")[0].Sequence
	t.Logf("%d calls, %d items, %d discontinuities", calls, len(harness.Of(events, "item", "room")), len(harness.Of(events, "discontinuity", "room")))
	if calls < 100 {
		t.Errorf("%d calls are too few to prove anything", calls)
	}
	explained(t, events)
}

// explained demands that items that were said one after the other are heard so,
// or with a discontinuity where some are missing.
func explained(t *testing.T, events []harness.Event) {
	t.Helper()
	next, gap := 0, false
	for _, e := range events {
		switch e.Event {
		case "discontinuity":
			gap = true
		case "item":
			number, err := strconv.Atoi(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			if number < next || number > next && !gap {
				t.Errorf("item %d was heard where %d was to come, announced: %v", number, next, gap)
			}
			next, gap = number+1, false
		}
	}
}
