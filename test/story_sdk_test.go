package test

import (
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// Everything the official SDKs can ask of topics, items of every type, leaderboards
// and caches. The broker is as `mayfly server` leaves it at first start: nobody has made a
// key yet, and the SDKs use their provider for a local server.
func TestSDKsWithoutCredential(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	runSDKs(t, harness.Client{Addr: server.Addr, Cache: "story"},
		"topics", "lists", "scalars", "control", "dictionaries", "sets", "sortedsets", "leaderboards", "http")
}

// runSDKs runs all that the SDKs can ask, at the same time, but of the Web SDK's
// programs only those named: each of them takes a browser.
func runSDKs(t *testing.T, client harness.Client, pages ...string) {
	t.Helper()
	for language, programs := range map[harness.Language][]string{
		harness.NodeJS: {
			"topics", "idle", "lists", "scalars", "control", "dictionaries", "sets", "sortedsets", "leaderboards",
		},
		harness.Web: pages,
		harness.Go:  {"topics", "lists", "scalars", "control", "dictionaries", "sets", "sortedsets", "leaderboards"},
	} {
		for _, program := range programs {
			t.Run(string(language)+"/"+program, func(t *testing.T) {
				t.Parallel()
				harness.RunChecks(t, language, program, client)
			})
		}
	}
}

// Keys and tokens, on a broker that wants a credential from everybody.
func TestSDKsWithCredentials(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.Secure(t)
	server.CreateCache(t, "story")
	runTokens(t, harness.Client{Addr: server.Addr, Key: server.AdminKey(t), Cache: "story"})
}

func runTokens(t *testing.T, client harness.Client) {
	t.Helper()
	for _, language := range []harness.Language{harness.NodeJS, harness.Web, harness.Go} {
		t.Run(string(language)+"/tokens", func(t *testing.T) {
			t.Parallel()
			harness.RunChecks(t, language, "tokens", client)
		})
	}
}
