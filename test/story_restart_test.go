package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Whatever ends the broker, what it had acknowledged is there afterwards,
// subscribers come back by themselves, and nothing that is published after the
// restart is lost to them.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*harness.Server, testing.TB){
		"stopped by an operator": (*harness.Server).Stop,
		"killed":                 (*harness.Server).Kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.Start(t, harness.Options{})
			server.CreateCache(t, "story")
			client := harness.Client{Addr: server.Addr, Cache: "story"}
			agents := map[string]*harness.Agent{
				"node": harness.StartAgent(t, harness.NodeJS, "agent", client),
				"go":   harness.StartAgent(t, harness.Go, "agent", client),
			}
			for _, a := range agents {
				subscribed(t, a, "room")
			}
			history := numbered("message", 40)
			ordered(t, agents["node"], harness.Order{Do: "push", ID: "history", Name: "room", Values: history[:20]})
			ordered(t, agents["go"], harness.Order{Do: "push", ID: "history", Name: "room", Values: history[20:]})
			ordered(t, agents["node"], harness.Order{Do: "publish", ID: "before", Name: "room", Values: numbered("before-node", 20)})
			ordered(t, agents["go"], harness.Order{Do: "publish", ID: "before", Name: "room", Values: numbered("before-go", 20)})
			for _, a := range agents {
				a.Await(t, "every item before the restart", has("room", append(numbered("before-node", 20), numbered("before-go", 20)...)))
			}

			end(server, t)
			server.Start(t)

			// At once, when no subscriber can have come back yet.
			after := numbered("after", 50)
			publish(t, server, "room", after)
			for _, a := range agents {
				a.Await(t, "every item after the restart", has("room", after))
			}
			// The speakers come back too; what they were refused meanwhile was
			// not promised, what was acknowledged was.
			for who, a := range agents {
				acked := speakAgain(t, a, who)
				for _, listener := range agents {
					listener.Await(t, "what "+who+" said", has("room", acked))
				}
			}
			for who, a := range agents {
				for _, said := range []string{"before-node", "before-go", "after"} {
					onceAndInOrder(t, who, a.Events(), said)
				}
				a.Tell(t, harness.Order{Do: "fetch", ID: "history", Name: "room"})
				a.Await(t, "the history", func(events []harness.Event) bool {
					return len(harness.Of(events, "fetched", "history")) > 0
				})
				if got := harness.Of(a.Events(), "fetched", "history")[0].Values; !slices.Equal(got, history) {
					t.Errorf("%s: the history after the restart is %q, want %q", who, got, history)
				}
			}
		})
	}
}

// A Node.js subscriber that has heard nothing yet loses nothing either, once
// its first five seconds have passed and it knows where the topic stands.
func TestRestartOfASilentTopic(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	a := harness.StartAgent(t, harness.NodeJS, "agent", harness.Client{Addr: server.Addr, Cache: "story"})
	subscribed(t, a, "silent")
	a.Await(t, "the word of where the topic stands", func(events []harness.Event) bool {
		return len(harness.Of(events, "discontinuity", "silent")) > 0
	})
	server.Stop(t)
	server.Start(t)
	publish(t, server, "silent", []string{"first words"})
	a.Await(t, "the first words", has("silent", []string{"first words"}))
}

// subscribed waits until the agent listens to the topic; the subscription has
// the topic's name.
func subscribed(t *testing.T, a *harness.Agent, topic string) {
	t.Helper()
	a.Tell(t, harness.Order{Do: "subscribe", ID: topic, Name: topic})
	a.Await(t, "the subscription to "+topic, func(events []harness.Event) bool {
		return len(harness.Of(events, "subscribed", topic)) > 0
	})
}

// ordered gives an order and waits until every value was acknowledged.
func ordered(t *testing.T, a *harness.Agent, o harness.Order) {
	t.Helper()
	before := len(harness.Of(a.Events(), "acked", o.ID))
	a.Tell(t, o)
	a.Await(t, "the answers to "+o.Do+" "+o.ID, func(events []harness.Event) bool {
		if refused := harness.Of(events, "refused", o.ID); len(refused) > 0 {
			t.Fatalf("%s %s: %s", o.Do, refused[0].Value, refused[0].Error)
		}
		return len(harness.Of(events, "acked", o.ID)) == before+len(o.Values)
	})
}

// speakAgain lets the agent publish new values until one is acknowledged, and
// then ten more, and returns those that were acknowledged.
func speakAgain(t *testing.T, a *harness.Agent, who string) []string {
	t.Helper()
	for attempt := range 1000 {
		id := fmt.Sprintf("again-%s-%d", who, attempt)
		a.Tell(t, harness.Order{Do: "publish", ID: id, Name: "room", Values: numbered(id, 10)})
		a.Await(t, "ten answers", func(events []harness.Event) bool {
			return len(harness.Of(events, "acked", id))+len(harness.Of(events, "refused", id)) == 10
		})
		var acked []string
		for _, e := range harness.Of(a.Events(), "acked", id) {
			acked = append(acked, e.Value)
		}
		if len(acked) > 0 {
			return acked
		}
	}
	t.Fatalf("%s was never heard again", who)
	return nil
}

// publish publishes from a connection of its own and waits for each answer.
func publish(t *testing.T, server *harness.Server, topic string, values []string) {
	t.Helper()
	client := pubsubpb.NewPubsubClient(server.Conn(t))
	ctx, cancel := context.WithTimeout(server.Context(t), harness.Patience)
	defer cancel()
	for _, value := range values {
		if _, err := client.Publish(ctx, text("story", topic, value), grpc.WaitForReady(true)); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
}

func text(cache, topic, value string) *pubsubpb.PublishRequest {
	return &pubsubpb.PublishRequest{
		CacheName: cache, Topic: topic,
		Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: value}},
	}
}

// has reports whether all values arrived on the subscription.
func has(id string, values []string) func([]harness.Event) bool {
	return func(events []harness.Event) bool {
		seen := make(map[string]bool)
		for _, e := range harness.Of(events, "item", id) {
			seen[e.Value] = true
		}
		return !slices.ContainsFunc(values, func(v string) bool { return !seen[v] })
	}
}

// onceAndInOrder demands that of the items whose text begins like that none
// came twice and none before its predecessor.
func onceAndInOrder(t *testing.T, who string, events []harness.Event, prefix string) {
	t.Helper()
	last := ""
	for _, e := range harness.Of(events, "item", "") {
		if !strings.HasPrefix(e.Value, prefix+"-") {
			continue
		}
		if e.Value <= last {
			t.Errorf("%s: %q came after %q", who, e.Value, last)
		}
		last = e.Value
	}
}

// numbered makes n texts whose order as texts is that of their numbers.
func numbered(prefix string, n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("%s-%06d", prefix, i)
	}
	return texts
}
