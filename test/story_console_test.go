package test

import (
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// A person clicks through every page of the console, first of a broker that is
// open to everybody on the machine, then of the same one after its first key. Each
// page is compared with what the command line says, and none may complain.
func TestConsole(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	for _, program := range []string{"console", "console-pages"} {
		t.Run(program, func(t *testing.T) {
			harness.RunChecks(t, harness.Pages, program, harness.Client{Addr: server.Addr, Cache: "story"})
		})
	}
	key := server.Secure(t)
	t.Run("console-key", func(t *testing.T) {
		harness.RunChecks(t, harness.Pages, "console-key", harness.Client{Addr: server.Addr, Key: key, Cache: "story"})
	})
}

// The console of a cluster shows its nodes, groups and leaders.
func TestConsoleOfCluster(t *testing.T) {
	t.Parallel()
	b := foundBrokers(t, "a", "b", "c")
	b.nodes["b"].CLI(t, "", "cache", "create", "chat").OK(t)
	harness.RunChecks(t, harness.Pages, "console-cluster", harness.Client{Addr: b.nodes["a"].Addr, Cache: "chat"})
}

// The tap goes on listening when the broker is restarted. It says that the
// connection was lost, and that something may be missing.
func TestConsoleTapOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	tap := harness.StartAgent(t, harness.Pages, "console-tap", harness.Client{Addr: server.Addr, Cache: "story"})
	tap.Tell(t, harness.Order{Do: "subscribe", ID: "tap", Name: "topic"})
	tap.Await(t, "the tap to be live", func(said []harness.Event) bool { return count(said, "tap", "subscribed") == 1 })
	publish := func(value string) {
		t.Helper()
		server.CLI(t, "", "topic", "publish", "story", "topic", value).OK(t)
		tap.Await(t, value, func(said []harness.Event) bool {
			items := itemsOf(said)
			return len(items) > 0 && items[len(items)-1] == value
		})
	}
	publish("before")
	server.Kill(t)
	tap.Await(t, "the loss to be said", func(said []harness.Event) bool { return count(said, "tap", "lost") == 1 })
	server.Start(t)
	tap.Await(t, "the tap to be live again", func(said []harness.Event) bool {
		return count(said, "tap", "subscribed") == 2 && count(said, "tap", "discontinuity") > 0
	})
	publish("after")
	tap.Tell(t, harness.Order{Do: "quit"})
	tap.Ends(t, 0)
	for _, e := range harness.Of(tap.Events(), "discontinuity", "tap") {
		if !strings.HasPrefix(e.Value, "Discontinuity: a new page begins") {
			t.Errorf("the tap said %q", e.Value)
		}
	}
}
