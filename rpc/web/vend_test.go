package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/vend"
)

// counter stands for what vends tokens, and keeps what it was asked for.
type counter struct {
	name   string
	ask    vend.Ask
	values url.Values
	err    error
}

func (c *counter) Vend(_ context.Context, name string, ask vend.Ask, now time.Time) (vend.Token, error) {
	c.name, c.ask = name, ask
	if c.err != nil {
		return vend.Token{}, c.err
	}
	var err error
	c.values, err = ask.Parameters()
	return vend.Token{Text: "a token", ExpiresAt: time.Unix(1795253955, 999)}, err
}

func TestVendRequests(t *testing.T) {
	const token = `{"authToken":"a token","expiresAt":1795253955}` + "\n"
	const asJSON, asForm = "application/json", "application/x-www-form-urlencoded; charset=utf-8"
	tooMuch := strings.Repeat("x", maxVendBody+1)
	for name, test := range map[string]struct {
		method, path, kind, body string
		status                   int
		says                     string
		values                   url.Values
	}{
		"get":                    {"GET", "/vend/chat?room=a%2Bb", "", "", 200, token, url.Values{"room": {"a+b"}}},
		"get, nothing":           {"GET", "/vend/chat", "", "", 200, token, url.Values{}},
		"get, a broken query":    {"GET", "/vend/chat?room=%zz", "", "", 400, "malformed", nil},
		"get, a semicolon":       {"GET", "/vend/chat?room=a;name=b", "", "", 400, "malformed", nil},
		"post, JSON":             {"POST", "/vend/chat", asJSON, `{"room":"a","name":"é"}`, 200, token, url.Values{"room": {"a"}, "name": {"é"}}},
		"post, a form":           {"POST", "/vend/chat", asForm, "room=a&name=b", 200, token, url.Values{"room": {"a"}, "name": {"b"}}},
		"post, nothing":          {"POST", "/vend/chat?room=a", "", "", 200, token, url.Values{"room": {"a"}}},
		"post, both":             {"POST", "/vend/chat?room=a", asJSON, `{"room":"b"}`, 200, token, url.Values{"room": {"a", "b"}}},
		"post, twice":            {"POST", "/vend/chat", asJSON, `{"room":"a","room":"b"}`, 200, token, url.Values{"room": {"a", "b"}}},
		"post, a number":         {"POST", "/vend/chat", asJSON, `{"room":1}`, 400, "object of texts", nil},
		"post, a list":           {"POST", "/vend/chat", asJSON, `{"room":["a"]}`, 400, "object of texts", nil},
		"post, an object":        {"POST", "/vend/chat", asJSON, `{"room":{}}`, 400, "object of texts", nil},
		"post, no object":        {"POST", "/vend/chat", asJSON, `"room"`, 400, "object of texts", nil},
		"post, more behind":      {"POST", "/vend/chat", asJSON, `{"room":"a"}{}`, 400, "object of texts", nil},
		"post, half an object":   {"POST", "/vend/chat", asJSON, `{"room":`, 400, "object of texts", nil},
		"post, a broken form":    {"POST", "/vend/chat", asForm, "room=%zz", 400, "malformed", nil},
		"post, something else":   {"POST", "/vend/chat", "text/plain", "room=a", 400, "neither", nil},
		"post, too much":         {"POST", "/vend/chat", asJSON, tooMuch, 413, "larger than", nil},
		"put":                    {"PUT", "/vend/chat", "", "", 405, "GET, POST", nil},
		"delete":                 {"DELETE", "/vend/chat", "", "", 405, "GET, POST", nil},
		"no endpoint":            {"GET", "/vend/", "", "", 404, "nothing at this path", nil},
		"something below it":     {"GET", "/vend/chat/room", "", "", 404, "nothing at this path", nil},
		"a page of another's":    {"GET", "/vend/chat#evil", "", "", 403, "origin", nil},
		"a page of this machine": {"GET", "/vend/chat#here", "", "", 200, token, url.Values{}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &counter{}
			s := newTestServer(t, newKeyring(t).gate(t), nil)
			s.config.Vending = c
			path, page, _ := strings.Cut(test.path, "#")
			headers := []string{"Content-Type", test.kind}
			if origin := map[string]string{"evil": "https://evil.example", "here": "http://localhost:5173"}[page]; origin != "" {
				headers = append(headers, "Origin", origin)
			}
			w := send(s, test.method, path, test.body, headers...)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, test.status, test.says)
			}
			if diff := cmp.Diff(test.values, c.values); diff != "" && test.values != nil {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer may be kept")
			}
			if granted := w.Header().Get("Access-Control-Allow-Origin"); (granted != "") != (page == "here") {
				t.Errorf("granted to %q", granted)
			}
		})
	}
}

func TestWhoAsksForTokens(t *testing.T) {
	c := &counter{}
	s := newTestServer(t, newKeyring(t).gate(t), nil)
	s.config.Vending = c
	r := httptest.NewRequest("GET", "/vend/chat", nil)
	r.Host, r.RemoteAddr = "localhost:8080", "[fe80::1%eth0]:1234"
	r.Header.Set("Authorization", "bearer id.token.text")
	r.Header.Set(secretHeader, "a secret")
	s.http.Handler.ServeHTTP(httptest.NewRecorder(), r)
	if c.name != "chat" || c.ask.Host != "localhost" || c.ask.From.String() != "fe80::1%eth0" || c.ask.Relayed ||
		c.ask.IDToken != "id.token.text" || c.ask.Secret != "a secret" {
		t.Errorf("asked for %q by %+v", c.name, c.ask)
	}
	for _, header := range relayHeaders {
		r.Header.Set(header, "192.0.2.1")
		s.http.Handler.ServeHTTP(httptest.NewRecorder(), r)
		if !c.ask.Relayed {
			t.Errorf("%s is not seen", header)
		}
		r.Header.Del(header)
	}
	// A page can send an ID token, and a secret it cannot.
	if !strings.Contains(allowHeaders, "authorization") || strings.Contains(allowHeaders, strings.ToLower(secretHeader)) {
		t.Errorf("pages may send %s", allowHeaders)
	}
}

// An application's server that has many tokens made asks for none of them in vain.
func TestVendedTokensAreNoFaults(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		faults int
	}{"vended": {nil, 0}, "refused": {auth.ErrExpired, 1}} {
		s, c := newTestServer(t, newKeyring(t).gate(t), nil), new(restful)
		s.config.Vending = &counter{err: test.err}
		r := httptest.NewRequest("GET", "/vend/chat", nil)
		r.Host = "localhost"
		s.http.Handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(t.Context(), connKey{}, c)))
		if c.faults != test.faults {
			t.Errorf("%s: %d faults, want %d", name, c.faults, test.faults)
		}
	}
}

func TestTokensThatAreNotVended(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		status int
		body   string
		after  string
	}{
		"nobody":      {auth.ErrExpired, 401, `{"code":"UNAUTHENTICATED","message":"expired credential"}`, ""},
		"not allowed": {auth.ErrPermissionDenied, 403, `{"code":"PERMISSION_DENIED","message":"permission denied"}`, ""},
		"no sense":    {auth.ErrInvalidArgument, 400, `{"code":"INVALID_ARGUMENT","message":"invalid argument"}`, ""},
		"no endpoint": {vend.ErrNoEndpoint, 404, `{"code":"NOT_FOUND","message":"no such endpoint"}`, ""},
		"not now":     {vend.ErrUnavailable, 503, `{"code":"UNAVAILABLE","message":"not available at the moment"}`, "1"},
		"too often":   {vend.TooOften{After: 1500 * time.Millisecond}, 429, `{"code":"RESOURCE_EXHAUSTED","message":"too many requests from this address"}`, "2"},
		"a bug":       {errors.New("secret detail"), 500, `{"code":"INTERNAL","message":"The token could not be made."}`, ""},
	} {
		s := newTestServer(t, newKeyring(t).gate(t), nil)
		s.config.Vending = &counter{err: test.err}
		w := send(s, "GET", "/vend/chat", "")
		if w.Code != test.status || w.Body.String() != test.body+"\n" || w.Header().Get("Retry-After") != test.after {
			t.Errorf("%s: %d %q, retry after %q", name, w.Code, w.Body, w.Header().Get("Retry-After"))
		}
	}
	s := newTestServer(t, newKeyring(t).gate(t), nil)
	if w := send(s, "GET", "/vend/chat", ""); w.Code != http.StatusNotFound {
		t.Errorf("without any endpoint: %d", w.Code)
	}
}
