package test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// talk are people on pages of one browser: see test/browser/pages/talk.mjs.
type talk struct{ *harness.Agent }

func startTalk(t *testing.T) talk {
	t.Helper()
	return talk{harness.StartAgent(t, harness.Pages, filepath.Join("pages", "talk"), harness.Client{Cache: "story"})}
}

// open brings somebody to a topic. An endpoint gives tokens.
func (p talk) open(t *testing.T, id, topic, addr string, endpoint ...string) {
	t.Helper()
	p.Tell(t, harness.Order{Do: "open", ID: id, Name: topic, Values: append([]string{addr}, endpoint...)})
	p.comes(t, id, "subscribed", 1)
}

// comes waits until something has happened to somebody so many times.
func (p talk) comes(t *testing.T, id, event string, times int) {
	t.Helper()
	p.Await(t, fmt.Sprintf("%q of %s, %d times", event, id, times), func(said []harness.Event) bool {
		return count(said, id, event) >= times || count(said, id, "error") > 0
	})
	for _, e := range harness.Of(p.Events(), "error", id) {
		t.Fatalf("%s: %s", id, e.Error)
	}
}

// goesOn waits until something has happened to each of them so many times more.
func (p talk) goesOn(t *testing.T, event string, times int, ids ...string) {
	t.Helper()
	for _, id := range ids {
		p.comes(t, id, event, count(p.Events(), id, event)+times)
	}
}

// hush has somebody fall silent, and returns what was said.
func (p talk) hush(t *testing.T, id string) (said []string) {
	t.Helper()
	p.Tell(t, harness.Order{Do: "hush", ID: id})
	p.comes(t, id, "finished", 1)
	for _, e := range harness.Of(p.Events(), "acked", id) {
		said = append(said, e.Value)
	}
	return said
}

// shows waits until the page of somebody shows so many lines, and returns them.
func (p talk) shows(t *testing.T, id string, lines int) (shown []string) {
	t.Helper()
	asked := 0
	harness.Eventually(t, harness.Patience, fmt.Sprintf("%d lines on the page of %s", lines, id), func() (bool, string) {
		p.Tell(t, harness.Order{Do: "fetch", ID: id})
		asked++
		p.comes(t, id, "fetched", asked)
		shown = harness.Of(p.Events(), "fetched", id)[asked-1].Values
		return len(shown) >= lines, fmt.Sprint(len(shown), " of them, after ", shown[max(0, len(shown)-3):])
	})
	return shown
}

// picture takes one of somebody's page into test/out/chat.
func (p talk) picture(t *testing.T, id, name string) {
	t.Helper()
	p.Tell(t, harness.Order{Do: "picture", ID: id, Name: name})
	p.comes(t, id, "taken", 1)
}

// by are the lines of one person.
func by(lines []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.HasPrefix(line, id+" ") })
}

// Two pages talk both ways over three nodes: Ada's is on the leader of their topic,
// Bob's on another node. The leader is drained and stopped while they talk. Ada's page
// moves to the third node. So does Cleo's, who only listens; but her way there is
// barred for a while, in which the others go on. Nothing that was said is lost or there
// twice, and all three pages show it in one and the same order.
func TestPagesTalkWhileANodeIsDrained(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	const group = 1
	topic := c.NameIn(group, "story", "room")
	leader := c.Leader(t, group)
	others := c.Except(leader)
	people := startTalk(t)
	ways := map[string]*harness.Balancer{"ada": harness.Prefer(t, leader, others[1]), "cleo": harness.Prefer(t, leader, others[1])}
	for id, way := range ways {
		people.open(t, id, topic, way.Addr)
	}
	people.open(t, "bob", topic, others[0].Addr)
	for _, id := range []string{"ada", "bob"} {
		people.Tell(t, harness.Order{Do: "talk", ID: id})
	}
	people.goesOn(t, "item", 60, "ada", "bob")

	harness.Eventually(t, harness.Patience, "the drain", func() (bool, string) { // refused while a replica is behind
		ran := others[0].CLI(t, "", "node", "drain", leader.Name)
		return ran.Code == 0, ran.Stderr
	})
	for _, way := range ways {
		way.AwaitNext(t, others[1])
	}
	people.goesOn(t, "item", 60, "ada", "bob", "cleo")
	letGo := ways["cleo"].Hold(t)
	leader.Stop(t)
	people.goesOn(t, "item", 30, "ada", "bob")
	letGo()
	people.goesOn(t, "item", 60, "ada", "bob", "cleo")

	said := map[string][]string{"ada": people.hush(t, "ada"), "bob": people.hush(t, "bob")}
	total := len(said["ada"]) + len(said["bob"])
	if total < 200 {
		t.Errorf("%d messages are too few to prove anything", total)
	}
	shown := people.shows(t, "bob", total)
	for _, id := range []string{"ada", "cleo"} {
		if lines := people.shows(t, id, total); !slices.Equal(lines, shown) {
			t.Errorf("the page of %s shows\n%q\nthe page of bob\n%q", id, lines, shown)
		}
		people.picture(t, id, "drained-"+id)
	}
	for id := range said {
		if got := by(shown, id); !slices.Equal(got, said[id]) {
			t.Errorf("%s said\n%q\nthe pages show\n%q", id, said[id], got)
		}
	}
	events := people.Events()
	for _, kind := range []string{"refused", "ended", "error"} {
		for _, e := range harness.Of(events, kind, "") {
			t.Errorf("%s: %s %s %s", e.ID, kind, e.Value, e.Error)
		}
	}
	t.Logf("%d messages, %d discontinuities", total, len(harness.Of(events, "discontinuity", "")))
}

// talkSettings are two endpoints for a room: tokens that end while a story goes on,
// and tokens that do not.
const talkSettings = `
create-caches: story
vend:
  brief:
    check: none
    allow:
      - topic:publishsubscribe:story:topic=room
      - cache:readwrite:story:key=room
    expires: 5s
    rate: 6000
  long:
    check: none
    allow:
      - topic:publishsubscribe:story:topic=room
      - cache:readwrite:story:key=room
    expires: 10m
    rate: 6000
`

// The token of a page ends while somebody else talks. The page is told so as what it
// is, gets another one, subscribes again and looks into the list: then it shows all
// that was said meanwhile, in order and once.
func TestPageWhoseTokenEnds(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "mayfly.yaml")
	write(t, settings, []byte(talkSettings))
	server := harness.Start(t, harness.Options{Args: []string{"--config", settings}})
	server.Secure(t)
	people := startTalk(t)
	people.open(t, "bob", "room", server.Addr, "/vend/long")
	people.open(t, "ada", "room", server.Addr, "/vend/brief")
	people.Tell(t, harness.Order{Do: "talk", ID: "bob"})
	for round, next := range []string{"/vend/brief", "/vend/long"} {
		people.comes(t, "ada", "ended", round+1)
		heard := count(people.Events(), "ada", "item")
		people.goesOn(t, "acked", 25, "bob")
		if now := count(people.Events(), "ada", "item"); now != heard {
			t.Errorf("without a token the page was given %d items", now-heard)
		}
		people.Tell(t, harness.Order{Do: "renew", ID: "ada", Name: next})
		people.comes(t, "ada", "subscribed", round+2)
	}
	people.goesOn(t, "item", 10, "ada")
	said := people.hush(t, "bob")
	for _, id := range []string{"ada", "bob"} {
		if shown := people.shows(t, id, len(said)); !slices.Equal(shown, said) {
			t.Errorf("bob said\n%q\nthe page of %s shows\n%q", said, id, shown)
		}
		people.picture(t, id, "token-"+id)
	}
	events := people.Events()
	for _, e := range harness.Of(events, "ended", "") {
		if e.ID != "ada" || !strings.HasPrefix(e.Error, "AUTHENTICATION_ERROR: ") {
			t.Errorf("the page of %s was told %q", e.ID, e.Error)
		}
	}
	for _, e := range harness.Of(events, "refused", "") {
		t.Errorf("%s could not say %s: %s", e.ID, e.Value, e.Error)
	}
	missed := len(said) - count(events, "ada", "item")
	t.Logf("%d messages, of which the page had to look up %d", len(said), missed)
	if missed < 40 { // some of the fifty may have been heard before they were acknowledged
		t.Errorf("the page missed %d messages only while it had no token", missed)
	}
}

// Five subscriptions of a page, as many as a browser has connections for beside one to
// publish, and nothing happens: for as many heartbeats as there are in ten minutes.
// Then each of them gets its first message. Over TLS there may be a hundred: see
// TestTLS.
func TestPageThatHearsNothingForLong(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--heartbeat", "25ms"}})
	server.CreateCache(t, "story")
	harness.RunChecks(t, harness.Web, "quiet", harness.Client{Addr: server.Addr, Cache: "story"})
}
