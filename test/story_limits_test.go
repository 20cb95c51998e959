package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// limitedCaches are caches with one limit each, by what is added to their name.
var limitedCaches = map[string][]string{
	"operations":    {"--max-operations", "5"},
	"publishes":     {"--max-publishes", "5"},
	"throughput":    {"--max-throughput", "4KiB"},
	"subscriptions": {"--max-subscriptions", "1"},
	"sizes":         {"--max-item-size", "2KiB", "--max-message-size", "2KiB"},
	"keys":          {"--max-keys", "5"},
}

// Every limit of a cache, as an operator sets it and as each of the SDKs shows it to
// the app that hits it.
func TestSDKsShowTheLimits(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	for _, language := range []harness.Language{harness.NodeJS, harness.Web, harness.Go} {
		t.Run(string(language), func(t *testing.T) {
			t.Parallel()
			story := "limited-" + string(language)
			for name, flags := range limitedCaches {
				mustRun(t, server.CLI(t, "", append([]string{"cache", "create", story + "-" + name}, flags...)...))
			}
			harness.RunChecks(t, language, "limits", harness.Client{Addr: server.Addr, Cache: story})
		})
	}
}

// A limit that an operator changes holds at once, and everybody who is refused over HTTP
// is told so: requests with 429 and when to come back, sockets with a message.
func TestLimitsAreLive(t *testing.T) {
	t.Parallel()
	server := harness.StartDev(t)
	put := func() harness.Page {
		return server.Request(t, "PUT", "/cache/default?key=k&ttl_seconds=60", "value")
	}
	publish := func() harness.Page { return server.Request(t, "POST", "/topics/default/t", "hello") }
	for range 20 {
		if page := put(); page.Status != http.StatusNoContent {
			t.Fatalf("without a limit: %d %s", page.Status, page.Body)
		}
	}
	limit := func(flags ...string) {
		t.Helper()
		mustRun(t, server.CLI(t, "", append([]string{"cache", "update", "default"}, flags...)...))
	}
	refusedSoon := func(call func() harness.Page, says string) {
		t.Helper()
		for range 20 {
			page := call()
			if page.Status == http.StatusNoContent {
				continue
			}
			if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") != "1" || !strings.Contains(page.Body, says) {
				t.Errorf("%d, %v, %s: not the limit", page.Status, page.Header, page.Body)
			}
			return
		}
		t.Errorf("20 calls passed a limit of 2 a second, %s", says)
	}
	limit("--max-operations", "2", "--max-publishes", "2")
	refusedSoon(put, "over 2 per second in this cache")
	refusedSoon(publish, "over 2 messages per second in this cache")
	shown := mustRun(t, server.CLI(t, "", "cache", "describe", "default"))
	if !strings.Contains(shown.Stdout, "2 per second") {
		t.Errorf("the limit is not shown: %s", shown.Stdout)
	}
	if metrics := server.Get(t, "/metrics").Body; !strings.Contains(metrics, `mayfly_limit_refusals_total{cache="default",limit="operations_rate"}`) {
		t.Error("operators do not see the refusals")
	}
	limit("--max-operations", "default", "--max-publishes", "default")
	for range 20 {
		if page := put(); page.Status != http.StatusNoContent {
			t.Fatalf("after the limit was lifted: %d %s", page.Status, page.Body)
		}
	}

	limit("--max-keys", "1")
	if page := server.Request(t, "PUT", "/cache/default?key=other&ttl_seconds=60", "value"); page.Status != http.StatusTooManyRequests || !strings.Contains(page.Body, "1 keys and no more") {
		t.Errorf("one key too many: %d %s", page.Status, page.Body)
	}
	if page := put(); page.Status != http.StatusNoContent {
		t.Errorf("a key that is there may not be changed: %d %s", page.Status, page.Body)
	}
}

// A key carries its limits, which its tokens share, and nobody else is touched.
func TestKeysHaveLimits(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.Secure(t)
	server.CreateCache(t, "story")
	made := mustRun(t, server.CLI(t, "", "key", "create", "--superuser", "--max-operations", "5", "--max-subscriptions", "1", "--weight", "3", "-o", "json"))
	var key struct {
		ID     string `json:"id"`
		APIKey string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(made.Stdout), &key); err != nil {
		t.Fatal(err)
	}
	listed := mustRun(t, server.CLI(t, "", "key", "list"))
	if !strings.Contains(listed.Stdout, "5/s, 1 subscriptions, weight 3") {
		t.Errorf("the list does not show the limits:\n%s", listed.Stdout)
	}
	minted := mustRun(t, server.CLIWithKey(t, key.APIKey, "token", "create", "--allow", "cache:readwrite:story", "-o", "json"))
	var token struct {
		Raw string `json:"raw_token"`
	}
	if err := json.Unmarshal([]byte(minted.Stdout), &token); err != nil {
		t.Fatal(err)
	}
	get := func(credential string) harness.Page {
		return server.Get(t, "/cache/story?key=k", "Authorization", credential)
	}
	refused := ""
	for i := range 40 {
		page := get([]string{key.APIKey, token.Raw}[i%2])
		if page.Status == http.StatusTooManyRequests {
			refused = page.Body
		}
	}
	if !strings.Contains(refused, "over 5 per second with this API key") {
		t.Errorf("40 calls with a key that may make 5 a second: %q", refused)
	}
	mustRun(t, server.CLI(t, "", "key", "update", key.ID, "--max-operations", "none", "--description", "lifted"))
	for range 40 {
		if page := get(token.Raw); page.Status != http.StatusNotFound {
			t.Fatalf("a token of a key whose limit was lifted: %d %s", page.Status, page.Body)
		}
	}
	listed = mustRun(t, server.CLI(t, "", "key", "list"))
	if !strings.Contains(listed.Stdout, " 1 subscriptions, weight 3") || strings.Contains(listed.Stdout, "5/s") || !strings.Contains(listed.Stdout, "lifted") {
		t.Errorf("the list does not show what was changed:\n%s", listed.Stdout)
	}
	if acts := mustRun(t, server.CLI(t, "", "audit")); !strings.Contains(acts.Stdout, "UpdateApiKey") {
		t.Errorf("nobody can tell who changed the key:\n%s", acts.Stdout)
	}
	for range 40 {
		if page := get(server.AdminKey(t)); page.Status != http.StatusNotFound {
			t.Fatalf("another caller: %d %s", page.Status, page.Body)
		}
	}
}

func mustRun(t *testing.T, r harness.Ran) harness.Ran {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	return r
}
