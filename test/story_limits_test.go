package test

import (
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

func mustRun(t *testing.T, r harness.Ran) harness.Ran {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("code %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	return r
}
