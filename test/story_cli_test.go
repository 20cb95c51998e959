package test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// value and the other types are what `-o json` prints.
type value struct {
	Text   string `json:"text"`
	Base64 []byte `json:"base64"`
}

type fetched struct {
	Found  bool    `json:"found"`
	Values []value `json:"values"`
}

type length struct {
	Found  bool `json:"found"`
	Length int  `json:"length"`
}

func texts(values []value) (all []string) {
	for _, v := range values {
		all = append(all, v.Text)
	}
	return all
}

// Caches and lists from the command line, as a script would use them.
func TestCommandsForCachesAndLists(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CLI(t, "", "cache", "create", "chat").OK(t)
	server.CLI(t, "", "cache", "create", "chat").Fails(t, 1, "already")
	var list struct {
		Caches []struct {
			Name string `json:"name"`
		} `json:"caches"`
	}
	server.CLI(t, "", "cache", "list", "-o", "json").JSON(t, &list)
	if len(list.Caches) != 1 || list.Caches[0].Name != "chat" {
		t.Errorf("caches are %v, want chat alone", list.Caches)
	}
	if out := server.CLI(t, "", "cache", "list").OK(t); !strings.Contains(out, "chat") {
		t.Errorf("the table lacks the cache:\n%s", out)
	}

	server.CLI(t, "", "list", "push", "chat", "room", "one", "two", "three").OK(t)
	server.CLI(t, "from standard input\n", "list", "push", "chat", "room").OK(t)
	server.CLI(t, "a\nb\n", "list", "push", "chat", "room", "--lines").OK(t)
	server.CLI(t, "", "list", "push", "chat", "room", "--front", "zero").OK(t)
	want := []string{"zero", "one", "two", "three", "from standard input", "a", "b"}
	var got fetched
	server.CLI(t, "", "list", "fetch", "chat", "room", "-o", "json").JSON(t, &got)
	if !slices.Equal(texts(got.Values), want) {
		t.Errorf("fetched %q, want %q", texts(got.Values), want)
	}
	if raw := server.CLI(t, "", "list", "fetch", "chat", "room", "--start", "-2", "--raw").OK(t); raw != "a\nb\n" {
		t.Errorf("fetched %q, want the last two", raw)
	}
	if popped := server.CLI(t, "", "list", "pop", "chat", "room", "--front", "--raw").OK(t); popped != "zero" {
		t.Errorf("popped %q, want zero", popped)
	}
	var l length
	server.CLI(t, "", "list", "remove", "chat", "room", "two", "-o", "json").JSON(t, &l)
	if l.Length != 5 {
		t.Errorf("length %d after remove, want 5", l.Length)
	}
	server.CLI(t, "", "list", "push", "chat", "room", "last", "--truncate-to", "3", "-o", "json").JSON(t, &l)
	if l.Length != 3 {
		t.Errorf("length %d after truncation, want 3", l.Length)
	}
	server.CLI(t, "", "list", "retain", "chat", "room", "--start", "-1").OK(t)
	if out := server.CLI(t, "", "list", "length", "chat", "room").OK(t); strings.TrimSpace(out) != "1" {
		t.Errorf("length %q after retain, want 1", out)
	}
	server.CLI(t, "", "list", "push", "chat", "bytes", "--file", "/dev/null").OK(t)
	server.CLI(t, "\xff\x00", "list", "push", "chat", "bytes").OK(t)
	server.CLI(t, "", "list", "fetch", "chat", "bytes", "-o", "json").JSON(t, &got)
	if len(got.Values) != 2 || string(got.Values[1].Base64) != "\xff\x00" {
		t.Errorf("bytes came back as %v", got.Values)
	}

	server.CLI(t, "", "cache", "flush", "chat").OK(t)
	server.CLI(t, "", "list", "fetch", "chat", "room", "-o", "json").JSON(t, &got)
	if got.Found {
		t.Error("the list survived a flush")
	}
	server.CLI(t, "", "cache", "delete", "chat").OK(t)
	server.CLI(t, "", "list", "fetch", "chat", "room").Fails(t, 1, "cache")
}

// followed is one line of `mayfly topic subscribe -o json -v`.
type followed struct {
	Type     string `json:"type"`
	Sequence uint64 `json:"sequence"`
	TokenID  string `json:"token_id"`
	value
}

func items(lines []followed) (texts []string) {
	for _, l := range lines {
		if l.Type == "item" {
			texts = append(texts, l.Text)
		}
	}
	return texts
}

// A subscription from the command line comes back after the broker was stopped
// and after it was killed, and misses nothing that was published afterwards.
func TestTopicSubscribeSurvivesRestarts(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CLI(t, "", "cache", "create", "story").OK(t)
	follower := harness.Follow[followed](t, server, "topic", "subscribe", "story", "news", "-o", "json", "-v")
	follower.Await(t, "the first heartbeat", func(lines []followed) bool { return len(lines) > 0 })
	var published []string
	say := func(values ...string) {
		t.Helper()
		server.CLI(t, strings.Join(values, "\n")+"\n", "topic", "publish", "story", "news", "--lines").OK(t)
		published = append(published, values...)
		follower.Await(t, "every item", func(lines []followed) bool { return len(items(lines)) >= len(published) })
	}
	say("one", "two")
	server.Stop(t)
	server.Start(t)
	say("after a stop", "and one more")
	server.Kill(t)
	server.Start(t)
	say("after a kill")
	if got := items(follower.Events()); !slices.Equal(got, published) {
		t.Errorf("got %q, want %q", got, published)
	}
	follower.Interrupt(t)
}

// A subscription to a cache that goes away ends with an error.
func TestTopicSubscribeEndsWithItsCache(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CLI(t, "", "topic", "subscribe", "nowhere", "news").Fails(t, 1, "cache")
	server.CLI(t, "", "cache", "create", "story").OK(t)
	follower := harness.Follow[followed](t, server, "topic", "subscribe", "story", "news", "-o", "json", "-v")
	follower.Await(t, "the first heartbeat", func(lines []followed) bool { return len(lines) > 0 })
	server.CLI(t, "", "cache", "delete", "story").OK(t)
	follower.Ends(t, 1)
}

// Keys and tokens from the command line: made, used, listed, inspected,
// revoked.
func TestCommandsForKeysAndTokens(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CLI(t, "", "cache", "create", "chat").OK(t)

	var key struct {
		ID         string     `json:"id"`
		APIKey     string     `json:"api_key"`
		WrappedKey string     `json:"wrapped_key"`
		ExpiresAt  *time.Time `json:"expires_at"`
	}
	server.CLI(t, "", "key", "create", "--superuser", "--description", "backend", "-o", "json").JSON(t, &key)
	if key.ExpiresAt != nil {
		t.Errorf("a key without an end ends %v", key.ExpiresAt)
	}
	// Now everybody needs a credential.
	server.CLIWithKey(t, "", "list", "push", "chat", "room", "x").Fails(t, 1, "credential")
	server.CLIWithKey(t, key.APIKey, "list", "push", "chat", "room", "x").OK(t)
	server.CLIWithKey(t, key.WrappedKey, "list", "push", "chat", "room", "y").OK(t)

	var token struct {
		Token    string `json:"token"`
		RawToken string `json:"raw_token"`
		TokenID  string `json:"token_id"`
	}
	server.CLIWithKey(t, key.APIKey, "token", "create", "--cache", "chat", "--topic", "room", "--expires", "1h", "--token-id", "alice", "-o", "json").JSON(t, &token)
	follower := harness.FollowWithKey[followed](t, server, token.Token, "topic", "subscribe", "chat", "room", "-o", "json", "-v")
	follower.Await(t, "the first heartbeat", func(lines []followed) bool { return len(lines) > 0 })
	server.CLIWithKey(t, token.RawToken, "topic", "publish", "chat", "room", "hello").OK(t)
	follower.Await(t, "the item", func(lines []followed) bool { return len(items(lines)) > 0 })
	for _, line := range follower.Events() {
		if line.Type == "item" && line.TokenID != "alice" {
			t.Errorf("the item is from %q, want alice", line.TokenID)
		}
	}
	server.CLIWithKey(t, token.Token, "topic", "publish", "chat", "elsewhere", "hello").Fails(t, 1, "not allowed")
	server.CLIWithKey(t, token.Token, "list", "fetch", "chat", "room").Fails(t, 1, "not allowed")

	inspected := harness.Mayfly(t, nil, "token", "inspect", token.Token).OK(t)
	for _, word := range []string{"alice", "room", "chat"} {
		if !strings.Contains(inspected, word) {
			t.Errorf("token inspect does not say %q:\n%s", word, inspected)
		}
	}

	var keys struct {
		Keys []struct {
			ID          string `json:"id"`
			Description string `json:"description"`
			Status      string `json:"status"`
		} `json:"keys"`
	}
	server.CLI(t, "", "key", "list", "-o", "json").JSON(t, &keys)
	if len(keys.Keys) != 1 || keys.Keys[0].ID != key.ID || keys.Keys[0].Description != "backend" || keys.Keys[0].Status != "active" {
		t.Errorf("keys are %+v, want the one that was made", keys.Keys)
	}

	// Revoking a key ends it, the tokens it made, and what they are listening to.
	server.CLI(t, "", "key", "revoke", key.ID).OK(t)
	server.CLIWithKey(t, key.APIKey, "list", "fetch", "chat", "room").Fails(t, 1, "credential")
	server.CLIWithKey(t, token.Token, "topic", "publish", "chat", "room", "still here?").Fails(t, 1, "credential")
	follower.Ends(t, 1)
	server.CLI(t, "", "key", "list", "-o", "json").JSON(t, &keys)
	if keys.Keys[0].Status != "revoked" {
		t.Errorf("the key is %s, want revoked", keys.Keys[0].Status)
	}
	// Credentials survive a restart, and so does their end.
	server.Stop(t)
	server.Start(t)
	server.CLIWithKey(t, key.APIKey, "list", "fetch", "chat", "room").Fails(t, 1, "credential")
	server.CLI(t, "", "key", "create", "--allow", "cache:readonly:chat").OK(t)
}

// What people get wrong is answered with what would be right.
func TestCommandsThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct {
		args  string
		words []string
	}{
		{"sever", []string{`"sever"`, "server"}},
		{"cache creat x", []string{"creat", "create"}},
		{"server --data-dri /tmp/x", []string{"--data-dri", "--data-dir"}},
		{"cache create", []string{"CACHE", "missing"}},
		{"cache list -o yaml", []string{"json"}},
		{"list fetch chat room --start abc", []string{"--start"}},
	} {
		harness.Mayfly(t, nil, strings.Fields(wrong.args)...).Fails(t, 2, wrong.words...)
	}
	file := filepath.Join(t.TempDir(), "mayfly.yaml")
	write(t, file, []byte("data-dir: /nowhere\nlisten-on: 127.0.0.1:8080\n"))
	harness.Mayfly(t, nil, "server", "--config", file).Fails(t, 2, file, "listen-on", "2")
	harness.Mayfly(t, []string{"MAYFLY_SERVER=127.0.0.1:1"}, "cache", "list").Fails(t, 1, "127.0.0.1:1", "mayfly dev")
	if out := harness.Mayfly(t, nil, "version").OK(t); !strings.Contains(out, "go1.") {
		t.Errorf("version says %q", out)
	}
	if out := harness.Mayfly(t, nil, "completion", "bash").OK(t); !strings.Contains(out, "mayfly") {
		t.Error("completion for bash is empty")
	}
}
