package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// lockfile is what npm installs, to the byte.
type lockfile struct {
	Packages map[string]struct {
		Version   string `json:"version"`
		Integrity string `json:"integrity"`
	} `json:"packages"`
}

func readLock(t *testing.T, dir string) (l lockfile) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return l
}

// packageOf is the name of a package that is somewhere below node_modules.
func packageOf(path string) string {
	const folder = "node_modules/"
	if i := strings.LastIndex(path, folder); i >= 0 {
		return path[i+len(folder):]
	}
	return path
}

// `npm ci` in the folder of an example installs the very packages that the stories
// ran it with.
func TestPackagesOfExamples(t *testing.T) {
	t.Parallel()
	tested := map[string]string{}
	for _, dir := range []string{"browser", "node"} {
		for name, p := range readLock(t, dir).Packages {
			tested[packageOf(name)+" "+p.Version] = p.Integrity
		}
	}
	dirs, err := filepath.Glob("examples/*")
	if err != nil || len(dirs) < 4 {
		t.Fatalf("examples: %q, %v", dirs, err)
	}
	for _, dir := range dirs {
		for name, p := range readLock(t, dir).Packages {
			if integrity, ok := tested[packageOf(name)+" "+p.Version]; name != "" && (!ok || p.Integrity != integrity) {
				t.Errorf("%s: %s %s is not what the stories have", dir, name, p.Version)
			}
		}
	}
}

// What `mayfly init chat` writes is a chat that works, with the settings that it
// writes; only the life of its tokens is shorter here.
func TestChatThatInitWrites(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "chat")
	harness.Mayfly(t, nil, "init", "chat", "--dir", dir).OK(t)
	chat := harness.ExampleIn(t, dir)
	chat.Build(t, "build")
	chat.Replace(t, "mayfly.yaml", "expires: 10m", "expires: 3s")
	chat.Replace(t, "mayfly.yaml", "expires: 3s", "expires: 3s\n    rate: 6000") // everybody here has one address
	server := harness.Start(t, harness.Options{Args: []string{"--config", filepath.Join(dir, "mayfly.yaml")}})
	harness.RunPages(t, "chat", server.Addr, "STORY_PAGE="+dir)
}

// Pages speak to a moderator, and nobody hears or remembers what it did not see.
func TestModeratedChat(t *testing.T) {
	t.Parallel()
	chat := harness.CopyExample(t, "examples/moderated-chat")
	chat.Build(t, "build")
	chat.Replace(t, "mayfly.yaml", "expires: 10m", "expires: 10m\n    rate: 6000")
	server := harness.Start(t, harness.Options{Args: []string{"--config", filepath.Join(chat.Dir, "mayfly.yaml")}})
	// The moderator has a key of its own, which allows what README says and no more.
	key := wrappedKey(t, server, "topic:publishsubscribe:chat", "cache:readwrite:chat")
	moderator := chat.StartNode(t, "moderator.js", "moderating lobby, help",
		"BROKER="+server.Addr, "BROKER_KEY="+key, "MODERATORS=Mo,Max")
	harness.RunPages(t, "moderated", server.Addr, "STORY_PAGE="+chat.Dir)
	if said := moderator.Said(t); said != "moderating lobby, help\n" {
		t.Errorf("the moderator said\n%s", said)
	}
}

// Prices reach a page without an SDK, and go on when its token or its connection
// ends.
func TestTicker(t *testing.T) {
	t.Parallel()
	ticker := harness.CopyExample(t, "examples/ticker")
	ticker.Replace(t, "mayfly.yaml", "expires: 10m", "expires: 3s\n    rate: 6000")
	server := harness.Start(t, harness.Options{Args: []string{"--config", filepath.Join(ticker.Dir, "mayfly.yaml")}})
	key := wrappedKey(t, server, "topic:publishonly:ticker", "cache:writeonly:ticker")
	ticker.StartNode(t, "ticker.js", "prices at http://", "BROKER="+server.Addr, "BROKER_KEY="+key, "PORT=0", "EVERY_MS=100")
	harness.RunPages(t, "ticker", server.Addr, "STORY_PAGE="+ticker.Dir)
}

// wrappedKey makes a key for what an example's README says, and no more.
func wrappedKey(t *testing.T, server *harness.Server, allow ...string) string {
	t.Helper()
	args := []string{"key", "create", "-o", "json"}
	for _, permission := range allow {
		args = append(args, "--allow", permission)
	}
	var key struct {
		Wrapped string `json:"wrapped_key"`
	}
	server.CLI(t, "", args...).JSON(t, &key)
	return key.Wrapped
}

// What is posted to the function is heard, and nothing else is published.
func TestPublishingFunction(t *testing.T) {
	t.Parallel()
	function := harness.CopyExample(t, "examples/publish-function")
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "default")
	key := wrappedKey(t, server, "topic:publishonly:default")
	listener := wrappedKey(t, server, "topic:subscribeonly:default")
	heard := harness.FollowWithKey[followed](t, server, listener, "topic", "subscribe", "default", "news", "-o", "json", "-v")
	heard.Await(t, "the subscription", func(all []followed) bool { return len(all) > 0 }) // a heartbeat
	const secret = "Bearer between us"
	app := function.StartNode(t, "serve.js", "listening on http://", "PORT=0", "BROKER="+server.Addr, "BROKER_KEY="+key, "PUBLISH_SECRET=between us")
	_, at, _ := strings.Cut(strings.TrimSpace(app.Said(t)), "http://")
	service := harness.Server{Addr: at}
	for _, step := range []struct {
		method, body, secret string
		status               int
	}{
		{"POST", `{"topicName":"news","topicValue":"first"}`, secret, 200},
		{"POST", `{"topicName":"news","topicValue":{"n":2}}`, secret, 200},
		{"POST", `{"topicName":"news","topicValue":"forged"}`, "", 401},
		{"POST", `{"topicName":"news","topicValue":"forged"}`, "Bearer undefined", 401},
		{"POST", `{"topicName":"","topicValue":"x"}`, secret, 400},
		{"POST", `{"topicName":["news"],"topicValue":"x"}`, secret, 400},
		{"POST", `{"topicName":"news"}`, secret, 400},
		{"POST", `null`, secret, 400},
		{"POST", `topicName=news`, secret, 400},
		{"POST", `{"topicName":"news","topicValue":"` + strings.Repeat("x", 1<<17) + `"}`, secret, 413},
		{"PUT", `{}`, secret, 405},
		{"GET", "", secret, 405},
		{"POST", `{"topicName":"news","topicValue":"last"}`, secret, 200},
	} {
		if page := service.Request(t, step.method, "/", step.body, "Authorization", step.secret); page.Status != step.status {
			t.Errorf("%s %.60s: %d %s, want %d", step.method, step.body, page.Status, page.Body, step.status)
		}
	}
	heard.Await(t, "what was published", func(all []followed) bool { return slices.Contains(items(all), "last") })
	if got, want := items(heard.Events()), []string{"first", `{"n":2}`, "last"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// Events that a webhook brings reach those who want them, once; and nobody but the
// broker can bring any.
func TestEventRouting(t *testing.T) {
	t.Parallel()
	router := harness.CopyExample(t, "examples/event-routing")
	server := harness.StartDev(t)
	heard := harness.Follow[followed](t, server, "topic", "subscribe", "default", "mail", "-o", "json", "-v")
	heard.Await(t, "the subscription", func(all []followed) bool { return len(all) > 0 })
	app := router.StartNode(t, "router.js", "routing events at http://", "PORT=0", "BROKER="+server.Addr)
	_, at, _ := strings.Cut(strings.TrimSpace(app.Said(t)), "http://")
	service := harness.Server{Addr: strings.TrimSuffix(at, "/")}

	publish := func(text string) { server.CLI(t, "", "topic", "publish", "default", "events", text).OK(t) }
	const placed, paid = `{"type":"order.placed","order":17}`, `{"type":"order.paid","order":17}`
	for _, text := range []string{placed, `{"type":"constructor"}`, "no JSON", "null", paid} {
		publish(text)
	}
	heard.Await(t, "the second event", func(all []followed) bool { return len(items(all)) >= 2 })
	app.AwaitSaid(t, "order.placed to stock, mail")

	var webhook struct {
		Secret string `json:"secret"`
	}
	server.CLI(t, "", "webhook", "secret", "default", "router", "-o", "json").JSON(t, &webhook)
	secret := webhook.Secret
	post := func(secret string, number int, age time.Duration) int {
		body := fmt.Sprintf(`{"topic_sequence_page":1,"topic_sequence_number":%d,"publish_timestamp":%d,"text":%q}`,
			number, time.Now().Add(-age).UnixMilli(), `{"type":"order.cancelled"}`)
		return service.Request(t, "POST", "/", body, "momento-signature", signature(secret, []byte(body))).Status
	}
	for _, step := range []struct {
		what   string
		status int
		want   int
	}{
		{"a stranger", post("another secret", 1, 0), 401},
		{"a stranger in a hurry", post("another secret", 1, 0), 503},
		{"an old post", post(secret, 1, 2*time.Minute), 403},
		{"a good one", post(secret, 1, 0), 204},
		{"the same again", post(secret, 1, 0), 204},
		{"nothing", service.Request(t, "GET", "/", "").Status, 405},
		{"no signature", service.Request(t, "POST", "/", "{}").Status, 503},
	} {
		if step.status != step.want {
			t.Errorf("%s: %d, want %d", step.what, step.status, step.want)
		}
	}
	server.CLI(t, "", "webhook", "rotate", "default", "router").OK(t)
	publish(`{"type":"order.paid","order":18}`)
	heard.Await(t, "the last event", func(all []followed) bool { return strings.Contains(strings.Join(items(all), ""), "18") })
	want := []string{placed, paid, `{"type":"order.cancelled"}`, `{"type":"order.paid","order":18}`}
	if got := items(heard.Events()); !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}
