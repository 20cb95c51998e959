package test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// itemsOf are the values of all items that an agent was given, in their order.
func itemsOf(said []harness.Event) (values []string) {
	for _, e := range said {
		if e.Event == "item" {
			values = append(values, e.Value)
		}
	}
	return values
}

// A page goes on listening when the broker is restarted, and when it is killed:
// it comes back by itself, and is told if there may be something that it missed.
// The official SDK would give up for good on any status but OK.
func TestAPageOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	outlive(t, server, harness.Client{Addr: server.Addr, Cache: "story"})
}

// Over HTTP/2 all that the page listens to ends with one connection.
func TestAPageOutlivesTheBrokerOverTLS(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{TLS: harness.NewAuthority(t)})
	server.CreateCache(t, "story")
	outlive(t, server, harness.Client{Addr: server.Addr, Key: server.AdminKey(t), Cache: "story", TLS: server.TLS})
}

func outlive(t *testing.T, server *harness.Server, client harness.Client) {
	page := harness.StartAgent(t, harness.Web, "agent", client)
	page.Tell(t, harness.Order{Do: "subscribe", ID: "busy", Name: "topic"})
	page.Tell(t, harness.Order{Do: "subscribe", ID: "quiet", Name: "silent"})
	page.Await(t, "both subscriptions", func(said []harness.Event) bool { return len(said) == 2 })
	speaker := harness.StartAgent(t, harness.Go, "agent", client)

	var want []string
	for round, end := range []func(testing.TB){server.Stop, server.Kill} {
		before := fmt.Sprintf("before end %d", round)
		want = append(want, before)
		speaker.Tell(t, harness.Order{Do: "publish", ID: "p", Name: "topic", Values: []string{before}})
		page.Await(t, before, func(said []harness.Event) bool { return slices.Contains(itemsOf(said), before) })
		end(t)
		server.Start(t)
		// Whoever is told of the new page is back; an item has to reach it now.
		page.Await(t, "the page's return", func(said []harness.Event) bool { return count(said, "busy", "discontinuity") == round+1 })
		for _, name := range []string{"topic", "silent"} {
			after := fmt.Sprintf("after end %d on %s", round, name)
			want = append(want, after)
			publishUntil(t, speaker, page, name, after)
		}
	}
	if got := firsts(itemsOf(page.Events())); !slices.Equal(got, want) {
		t.Errorf("the page was given %q, want %q", got, want)
	}
	for _, e := range page.Events() {
		if e.Event == "ended" || e.Event == "error" {
			t.Errorf("the page was told %+v", e)
		}
	}
}

// So does one that has no SDK: EventSource comes back by itself, and a WebSocket as
// the documents say. Topics live in memory, so both are told of each new page.
func TestAPageWithoutAnSDKOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	page := harness.StartAgent(t, harness.Web, "listen", harness.Client{Addr: server.Addr, Cache: "story"})
	forms := []string{"events", "socket"}
	var want []string
	say := func(what string) {
		t.Helper()
		want = append(want, what)
		if err := post(t.Context(), server.Addr, what); err != nil {
			t.Fatal(err)
		}
		page.Await(t, what, func(said []harness.Event) bool {
			return !slices.ContainsFunc(forms, func(id string) bool {
				return !slices.Contains(itemsOf(harness.Of(said, "item", id)), what)
			})
		})
	}
	page.Await(t, "both", func(said []harness.Event) bool {
		return count(said, "events", "subscribed") > 0 && count(said, "socket", "subscribed") > 0
	})
	for round, end := range []func(testing.TB){server.Stop, server.Kill} {
		say(fmt.Sprintf("before end %d", round))
		end(t)
		server.Start(t)
		say(fmt.Sprintf("after end %d", round))
	}
	for _, id := range forms {
		if got := itemsOf(harness.Of(page.Events(), "item", id)); !slices.Equal(got, want) {
			t.Errorf("%s: the page was given %q, want %q", id, got, want)
		}
		if n := count(page.Events(), id, "discontinuity"); n != 2 {
			t.Errorf("%s: the page was told of %d discontinuities, want 2", id, n)
		}
	}
	for _, e := range page.Events() {
		if e.Event == "ended" || e.Event == "error" {
			t.Errorf("the page was told %+v", e)
		}
	}
}

// firsts leaves out what was there before.
func firsts(values []string) (first []string) {
	for _, v := range values {
		if !slices.Contains(first, v) {
			first = append(first, v)
		}
	}
	return first
}

func count(said []harness.Event, id, event string) (n int) {
	for _, e := range said {
		if e.ID == id && e.Event == event {
			n++
		}
	}
	return n
}

// publishUntil publishes a value again and again until the page has it: a quiet
// subscription that comes back says nothing about when.
func publishUntil(t *testing.T, speaker, page *harness.Agent, topic, value string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, value, func() (bool, string) {
		if slices.Contains(itemsOf(page.Events()), value) {
			return true, ""
		}
		speaker.Tell(t, harness.Order{Do: "publish", ID: "p", Name: topic, Values: []string{value}})
		return false, fmt.Sprintf("%q", itemsOf(page.Events()))
	})
}
