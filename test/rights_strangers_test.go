package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// tryStrangers has those try everything whose credential is none: no method and no
// path tells them anything but that, on every way in.
func (s *rightsStory) tryStrangers(t *testing.T) {
	t.Helper()
	bad := s.badCredentials(t)
	before := s.state(t)
	var all []trial
	i := 0
	for name, text := range bad {
		s.leaks.keep(text)
		i++
		all = append(all, s.byStranger(name, text, i)...)
	}
	s.judgeStrangers(t, all)
	if now := s.state(t); now != before {
		t.Errorf("the broker after strangers tried everything: %s\nbefore: %s", now, before)
	}
	s.tryOversized(t)
}

// badCredentials are forged, expired, revoked and foreign ones, and none.
func (s *rightsStory) badCredentials(t *testing.T) map[string]string {
	t.Helper()
	n := s.cluster.Nodes[0]
	good := mint(t, n.Server, 3600)
	s.leaks.keep(good)
	bad := forgeries(t, good, n.AdminKey(t))
	bad["none"] = ""
	bad["nonsense"] = "let me in, please"

	other := harness.Start(t, harness.Options{Name: "other"})
	bad["a token of another cluster"] = mint(t, other, 3600)
	bad["the key of another cluster"] = other.Secure(t)
	bad["the admin of another cluster"] = other.AdminKey(t)
	other.Kill(t)

	var key struct {
		ID     string
		APIKey string `json:"api_key"`
	}
	n.CLI(t, "", "key", "create", "--superuser", "-o", "json").JSON(t, &key)
	child, err := tokenpb.NewTokenClient(s.conns[n]).GenerateDisposableToken(harness.Bounded(t), &tokenpb.GenerateDisposableTokenRequest{
		Expires: &tokenpb.Expires{ValidForSeconds: 60}, AuthToken: key.APIKey, Permissions: allData(),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.CLI(t, "", "key", "revoke", key.ID).OK(t)
	bad["a revoked key"], bad["a token of a revoked key"] = key.APIKey, child.GetApiKey()

	brief := mint(t, n.Server, 1)
	bad["an expired token"] = brief
	for _, late := range []string{brief, key.APIKey} { // and every node has heard of it
		for _, n := range s.cluster.Nodes {
			harness.Eventually(t, harness.Patience, "a token to be no longer good", func() (bool, string) {
				got, err := ask(t.Context(), caller{node: n, credential: late}, http.MethodPost, "/topics/mine/room-1", "", "x")
				return err == nil && got.unknown(), fmt.Sprint(got, err)
			})
		}
	}
	return bad
}

// byStranger are the trials of one who is nobody, with every method and path.
func (s *rightsStory) byStranger(name, text string, turn int) (all []trial) {
	at := places[0]
	n := s.cluster.Nodes[turn%len(s.cluster.Nodes)]
	c := caller{n, s.conns[n], text}
	try := func(what string, do func(context.Context) (answer, error)) {
		all = append(all, trial{what: what + ", " + name, at: at, try: do})
	}
	f := filler{at: at, credential: text, payload: s.payload, member: turn, node: "n1", id: s.keyID}
	for i, m := range s.methods {
		if m.need == anybody {
			continue
		}
		for _, d := range []door{nativeDoor, []door{textDoor, binaryDoor}[(i+turn)%2]} {
			for _, in := range f.requests(m) {
				if d.name != nativeDoor.name && !headerSafe(text) {
					continue
				}
				try(path(m)+" by "+d.name, func(ctx context.Context) (answer, error) {
					got, err := d.call(ctx, c, m.MethodDescriptor, at.cache, in)
					if m.need == renews && got.code == codes.InvalidArgument { // what the protocol has for a key that is none
						got.code = codes.Unauthenticated
					}
					return got, err
				})
			}
		}
	}
	for _, r := range routes {
		if r.need == anybody || r.need == never || !headerSafe(text) {
			continue
		}
		ask := func(c caller, query string) func(context.Context) (answer, error) {
			return func(ctx context.Context) (answer, error) {
				return ask(ctx, c, r.verb, filledPath(r.path, at), query, r.body)
			}
		}
		try(r.verb+" "+r.path, ask(c, filledPath(r.query, at)))
		if r.kind != broker && r.query != "events" {
			try(r.verb+" "+r.path+" by its query", ask(caller{node: n}, filledPath(r.query, at)+"&token="+url.QueryEscape(text)))
		}
	}
	try("WebSocket by its first message", func(ctx context.Context) (answer, error) {
		return wishOnSocket(ctx, c, at, `"publish":{"value":{"text":`+quoted(s.payload)+`}}`)
	})
	if text != "" {
		try("WebSocket by its query", func(ctx context.Context) (answer, error) { return knockWith(ctx, n, text) })
	}
	return all
}

// headerSafe reports whether a text can be sent in a header.
func headerSafe(text string) bool { return !strings.ContainsAny(text, "\x00\r\n") }

// knockWith asks for a WebSocket with a credential in the query.
func knockWith(ctx context.Context, n *harness.Node, text string) (answer, error) {
	conn, response, err := websocket.Dial(ctx, "ws://"+n.Addr+"/topics/mine/room-1?token="+url.QueryEscape(text), nil) //nolint:bodyclose // the library did
	switch {
	case err != nil && response == nil:
		return answer{}, err
	case err != nil:
		return answer{http: response.StatusCode, said: err.Error()}, nil
	}
	defer func() { _ = conn.CloseNow() }()
	// It may be that of a key so new that the node has to ask for it first.
	_, raw, err := conn.Read(ctx)
	if websocket.CloseStatus(err) == 4401 {
		return answer{code: codes.Unauthenticated, said: err.Error()}, nil
	}
	return answer{code: codes.OK, said: string(raw)}, err
}

// judgeStrangers demands that each is told that nobody knows it, and nothing else.
func (s *rightsStory) judgeStrangers(t *testing.T, all []trial) {
	t.Helper()
	for i := range all {
		try := all[i].try
		all[i].try = func(ctx context.Context) (answer, error) {
			got, err := try(ctx)
			if got.unknown() { // as a refusal, which judge knows
				got.code, got.http = codes.PermissionDenied, 0
			} else if got.refused() {
				got.code, got.http = codes.Aborted, 0
			}
			return got, err
		}
	}
	s.judge(t, all)
}

// tryOversized shows a megabyte as a credential, on every way in.
func (s *rightsStory) tryOversized(t *testing.T) {
	t.Helper()
	text := strings.Repeat("eyJh.", 1<<20/5)
	n := s.cluster.Nodes[0]
	c := caller{n, n.Conn(t), text}
	for _, m := range s.methods {
		if m.Name() != "Get" && m.need != mints {
			continue
		}
		f := filler{at: places[0], payload: s.payload, credential: text}
		for _, d := range []door{nativeDoor, textDoor, binaryDoor} {
			// A header is cut off by the transport, and then nobody may be left to answer.
			if got, err := d.call(t.Context(), c, m.MethodDescriptor, ownCache, f.message(m.Input())); err == nil && (got.code == codes.OK && got.http == 0 || s.leaks.in(got.said) != "" || strings.Contains(got.said, text[:100])) {
				t.Errorf("%s by %s with a megabyte: %s", path(m), d.name, got)
			}
		}
		if m.need == mints { // the message alone would fit, had its caller said who it is
			bare := caller{n, c.conn, ""}
			if got, err := callNative(t.Context(), bare, m.MethodDescriptor, ownCache, f.message(m.Input())); err != nil || !got.unknown() && got.code != codes.ResourceExhausted {
				t.Errorf("%s with a megabyte in the message: %s, %v", path(m), got, err)
			}
		}
	}
	for _, query := range []string{"", "token=" + text} {
		if query != "" {
			c.credential = ""
		}
		got, err := ask(t.Context(), c, http.MethodPost, "/topics/mine/room-1", query, "x")
		if err == nil && !got.unknown() && got.http != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a megabyte over HTTP: %s", got)
		}
	}
	if got, err := wishOnSocket(t.Context(), caller{node: n, credential: text}, places[0], `"subscribe":{}`); err == nil && !got.unknown() {
		t.Errorf("a megabyte on a WebSocket: %s", got)
	}
	if err := tryAll(t, clientsOf(c.conn), mintFor(t, n), codes.OK); err != nil { // others are served
		t.Errorf("after that: %v", err)
	}
}

// mintFor makes a token for all data, and the cache that tryAll works on.
func mintFor(t *testing.T, n *harness.Node) string {
	t.Helper()
	n.CreateCache(t, "story")
	return mint(t, n.Server, 60)
}
