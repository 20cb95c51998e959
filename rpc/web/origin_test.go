package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/rpc/api"
)

func TestOrigins(t *testing.T) {
	const chat, here = "https://chat.example", "localhost:8080"
	for name, test := range map[string]struct {
		origins      []string
		secured      bool
		host, origin string
		status       int
	}{
		"no page":                          {nil, false, here, "", 200},
		"our own page":                     {nil, false, here, "http://localhost:8080", 200},
		"this machine":                     {nil, false, here, "http://localhost:5173", 200},
		"this machine, by number":          {nil, false, here, "http://127.0.0.1:5173", 200},
		"this machine, IPv6":               {nil, false, "[::1]:8080", "http://[::1]:5173", 200},
		"a name below localhost":           {nil, false, here, "http://app.localhost", 200},
		"somebody else":                    {nil, false, here, chat, 403},
		"no name at all":                   {nil, false, here, "null", 403},
		"a file":                           {nil, false, here, "file://", 403},
		"looks like localhost":             {nil, false, here, "http://localhost.evil.example", 403},
		"a port that is a host":            {nil, false, here, "http://localhost:x@evil.example", 403},
		"a host that is a port":            {nil, false, "localhost:x@evil.example", "", 421},
		"looks like a number":              {nil, false, here, "http://127.0.0.1.evil.example", 403},
		"rebound name":                     {nil, false, "evil.example:8080", "http://evil.example:8080", 421},
		"rebound name, no page":            {nil, false, "evil.example:8080", "", 421},
		"rebound name, listed":             {[]string{chat}, false, "evil.example", chat, 421},
		"listed":                           {[]string{"http://x.example", chat}, false, here, chat, 200},
		"listed with another port":         {[]string{chat}, false, here, chat + ":444", 403},
		"listed with another scheme":       {[]string{chat}, false, here, "http://chat.example", 403},
		"this machine, not listed":         {[]string{chat}, false, here, "http://localhost:5173", 403},
		"all, in open mode":                {[]string{"*"}, false, here, chat, 403},
		"all, secured":                     {[]string{"*"}, true, "mayfly.example", chat, 200},
		"all, but it has no name":          {[]string{"*"}, true, "mayfly.example", "null", 403},
		"secured, any name":                {nil, true, "mayfly.example", "", 200},
		"secured, our own page":            {nil, true, "mayfly.example", "https://mayfly.example", 200},
		"secured, somebody else":           {nil, true, "mayfly.example", chat, 403},
		"secured, a page of the developer": {nil, true, "mayfly.example", "http://localhost:3000", 200},
	} {
		t.Run(name, func(t *testing.T) {
			keys := newKeyring(t)
			gate := keys.gate(t)
			if test.secured {
				keys.mint(t, gate)
			}
			s := newTestServer(t, gate, nil)
			s.config.Origins = test.origins
			for _, method := range []string{"GET", "OPTIONS"} {
				r := httptest.NewRequest(method, "/livez", nil)
				r.Host = test.host
				want := test.status
				if test.origin != "" {
					r.Header.Set("Origin", test.origin)
				}
				if method == "OPTIONS" {
					if r.Header.Set("Access-Control-Request-Method", "POST"); want == 200 {
						want = 204
					}
					if test.origin == "" {
						continue
					}
				}
				w := httptest.NewRecorder()
				s.http.Handler.ServeHTTP(w, r)
				if w.Code != want {
					t.Errorf("%s: %d, want %d", method, w.Code, want)
				}
				granted := w.Header().Get("Access-Control-Allow-Origin")
				if want < 300 && granted != test.origin || want >= 300 && granted != "" {
					t.Errorf("%s: granted %q", method, granted)
				}
				if test.origin != "" && want != 421 && w.Header().Get("Vary") != "Origin" {
					t.Errorf("%s: a cache could give this answer to another origin", method)
				}
			}
		})
	}
}

// A page that nobody allowed gets nothing from any path, whatever it asks in which
// form: no answer of a handler, and no word that would let it read one.
func TestNoGrantForStrangers(t *testing.T) {
	called := false
	s := serverOf(t, callFunc(func(context.Context, api.Call, api.Exchange) (*status.Status, metadata.MD) {
		called = true
		return status.New(codes.OK, ""), nil
	}), "https://chat.example")
	ask := func(verb, path string, headers ...string) {
		t.Helper()
		w := send(s, verb, path, "x", append([]string{"Origin", "https://evil.example"}, headers...)...)
		if w.Code != http.StatusForbidden || w.Header().Get("Vary") != "Origin" || called {
			t.Errorf("%s %s: %d, vary %q, called %v", verb, path, w.Code, w.Header().Get("Vary"), called)
		}
		for name := range w.Header() {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s: granted %s %q", verb, path, name, w.Header().Get(name))
			}
		}
	}
	paths := []string{"/nothing", "/cache_client.Scs/Get"}
	for _, r := range s.table() {
		paths = append(paths, strings.NewReplacer("{$}", "", "{", "", "}", "").Replace(r.path))
	}
	for _, path := range paths {
		for _, verb := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			ask(verb, path)
			ask(verb, path, "Access-Control-Request-Method", "POST", "Access-Control-Request-Private-Network", "true")
			ask(verb, path, "Accept", eventStream)
			ask(verb, path, "Connection", "Upgrade", "Upgrade", "websocket")
			ask(verb, path, "Content-Type", typeText)
		}
	}
}

func TestCheckOrigins(t *testing.T) {
	if err := CheckOrigins([]string{"*", "https://chat.example", "http://localhost:3000", "http://[::1]:80"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "chat.example", "https://", "https://chat.example/", "https://chat.example/x", "HTTPS://chat.example", "https://Chat.example", "null", "ftp://x", "https://u@x", "https://*.example", "https://x#y"} {
		if CheckOrigins([]string{bad}) == nil {
			t.Errorf("%q is taken for an origin", bad)
		}
	}
}
