package test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// socket is a WebSocket to a broker.
type socket struct{ *websocket.Conn }

func openSocket(t *testing.T, server *harness.Server, path string) socket {
	t.Helper()
	c, _, err := websocket.Dial(harness.Bounded(t), "ws://"+server.Addr+path, nil) //nolint:bodyclose // the library did
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return socket{c}
}

func (s socket) say(t *testing.T, text string) {
	t.Helper()
	if err := s.Write(harness.Bounded(t), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hears waits for a message that holds all of the words, and returns it. Heartbeats
// may come in between.
func (s socket) hears(t *testing.T, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	for {
		_, raw, err := s.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %q: %v", words, err)
		}
		text, all := string(raw), true
		for _, word := range words {
			all = all && strings.Contains(text, word)
		}
		switch {
		case all:
			return text
		case !strings.Contains(text, "heartbeat"):
			t.Fatalf("heard %s, want %q", text, words)
		}
	}
}

// ends waits for the end and demands its code.
func (s socket) ends(t *testing.T, code websocket.StatusCode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	for {
		if _, text, err := s.Read(ctx); err != nil {
			if got := websocket.CloseStatus(err); got != code {
				t.Errorf("it ended with %v, want code %d", err, code)
			}
			return
		} else if strings.Contains(string(text), "error") {
			t.Errorf("before its end it was told %s", text)
		}
	}
}

// Who speaks on a socket, and what they may, is as everywhere: items carry the id of
// the token, a token for one room opens no other, and a credential that expires or is
// revoked ends the socket.
func TestSocketsAndCredentials(t *testing.T) {
	t.Parallel()
	const unauthorized = 4401
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	var key struct {
		ID     string
		APIKey string `json:"api_key"`
	}
	server.CLI(t, "", "key", "create", "--superuser", "-o", "json").JSON(t, &key)
	token := func(flags ...string) (text string) {
		t.Helper()
		var made struct{ Token string }
		args := append([]string{"token", "create", "--cache", "story", "-o", "json"}, flags...)
		server.CLIWithKey(t, key.APIKey, args...).JSON(t, &made)
		return made.Token
	}
	const room = "/topics/story/room"
	alice := openSocket(t, server, room+"?token="+url.QueryEscape(token("--topic", "room", "--token-id", "alice")))
	alice.hears(t, "heartbeat")
	reader := openSocket(t, server, room)
	reader.say(t, fmt.Sprintf(`{"id":"1","token":%q}`, token("--topic", "room", "--role", "subscribeonly")))
	reader.hears(t, `{"id":"1","ok":true}`)
	reader.hears(t, "heartbeat")

	alice.say(t, `{"publish":{"value":{"text":"hello"}}}`)
	alice.hears(t, `"text":"hello"`, `"publisher_id":"alice"`)
	reader.hears(t, `"text":"hello"`, `"publisher_id":"alice"`)
	reader.say(t, `{"id":"2","publish":{"value":{"text":"me too"}}}`)
	reader.hears(t, `"id":"2"`, "PERMISSION_DENIED")
	alice.say(t, `{"id":"3","subscribe":{"topic":"elsewhere"}}`)
	alice.hears(t, `"id":"3"`, "PERMISSION_DENIED")
	alice.say(t, `{"id":"4","subscribe":{"topic":"room"}}`)
	alice.hears(t, `"id":"4"`, "ALREADY_EXISTS")

	late := openSocket(t, server, room+"?token="+url.QueryEscape(token("--topic", "room", "--expires", "2s")))
	late.hears(t, "heartbeat")
	began := time.Now()
	late.ends(t, unauthorized)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a token of two seconds was good for %v", took)
	}
	openSocket(t, server, room).ends(t, unauthorized) // nobody says who that is

	server.CLI(t, "", "key", "revoke", key.ID).OK(t)
	alice.ends(t, unauthorized)
	reader.ends(t, unauthorized)
}

// A broker that stops tells sockets to come back, and where they are.
func TestSocketsAreToldOfTheEnd(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	listener := openSocket(t, server, "/topics/story/quiet")
	listener.hears(t, "heartbeat")
	speaker := openSocket(t, server, "/topics/story/room?subscribe=false")
	speaker.say(t, `{"id":"1","publish":{"topic":"quiet","value":{"text":"x"}}}`)
	speaker.hears(t, `{"id":"1","ok":true}`)
	listener.hears(t, `"text":"x"`)
	second := openSocket(t, server, "/topics/story/quiet")
	second.hears(t, "heartbeat")
	server.Stop(t)
	second.hears(t, `"last_topic_sequence":0,"new_topic_sequence":1,`)
	for _, s := range []socket{listener, speaker, second} {
		s.ends(t, websocket.StatusGoingAway)
	}
}
