package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ask has the server answer one request.
func ask(s *Server, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "localhost"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.http.Handler.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	s := newTestServer(t, newKeyring(t).gate(t), nil)
	for _, test := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/", 200, "/readyz"},
		{"GET", "/livez", 200, "ok\n"},
		{"HEAD", "/livez", 200, ""},
		{"POST", "/livez", 405, "GET, HEAD"},
		{"GET", "/readyz", 200, "ok\n"},
		{"DELETE", "/readyz", 405, "GET, HEAD"},
		{"GET", "/metrics", 200, "metrics\n"},
		{"PUT", "/metrics", 405, "GET, HEAD"},
		{"POST", "/", 405, "GET, HEAD"},
		{"GET", "/nothing", 404, "nothing at this path"},
		{"POST", "/livez/more", 404, "nothing at this path"},
		{"GET", "/debug/pprof/", 404, "nothing at this path"},
	} {
		w := ask(s, test.method, test.path)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s %s: %d %q, want %d and %q", test.method, test.path, w.Code, w.Body, test.status, test.says)
		}
		want := "text/plain; charset=utf-8"
		if test.status >= 400 {
			want = "application/json"
		}
		if kind := w.Header().Get("Content-Type"); kind != want {
			t.Errorf("%s %s is of type %q", test.method, test.path, kind)
		}
		if allow := w.Header().Get("Allow"); (allow != "") != (test.status == 405) {
			t.Errorf("%s %s allows %q", test.method, test.path, allow)
		}
	}
}

func TestReady(t *testing.T) {
	var why []Reason
	s := newTestServer(t, newKeyring(t).gate(t), func() []Reason { return why })
	check := func(status int, accept, want string) {
		t.Helper()
		w := ask(s, "GET", "/readyz", "Accept", accept)
		if w.Code != status || w.Body.String() != want {
			t.Errorf("Accept %q: %d %q, want %d %q", accept, w.Code, w.Body, status, want)
		}
		if isJSON := w.Header().Get("Content-Type") == "application/json"; isJSON != json.Valid([]byte(want)) {
			t.Errorf("Accept %q: type %q", accept, w.Header().Get("Content-Type"))
		}
	}
	check(200, "*/*", "ok\n")
	check(200, "application/json", `{"ready":true,"reasons":[]}`+"\n")
	why = []Reason{{Name: "draining"}, {Name: "no-leader", Detail: "group 3"}}
	check(503, "", "draining\nno-leader: group 3\n")
	check(503, "text/html, application/json;q=0.9", `{"ready":false,"reasons":[{"name":"draining"},{"name":"no-leader","detail":"group 3"}]}`+"\n")
}

func TestWhoReadsMetrics(t *testing.T) {
	keys := newKeyring(t)
	gate := keys.gate(t)
	s := newTestServer(t, gate, nil)
	if w := ask(s, "GET", "/metrics"); w.Code != 200 {
		t.Errorf("in open mode: %d", w.Code)
	}
	key, token, admin := keys.mint(t, gate)
	for name, test := range map[string]struct {
		header string
		status int
	}{
		"nothing":      {"", 401},
		"API key":      {"Bearer " + key, 200},
		"lower case":   {"bearer  " + key, 200},
		"without word": {key, 200},
		"admin":        {"Bearer " + admin, 200},
		"token":        {"Bearer " + token, 403},
		"forged":       {"Bearer " + key[:len(key)-3] + "AAA", 401},
		"other scheme": {"Basic " + key, 401},
		"word alone":   {"Bearer ", 401},
	} {
		w := ask(s, "GET", "/metrics", "Authorization", test.header)
		if w.Code != test.status || (w.Body.String() == "metrics\n") != (test.status == 200) {
			t.Errorf("%s: %d %q, want %d", name, w.Code, w.Body, test.status)
		}
		if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (test.status == 401) {
			t.Errorf("%s: challenged %v", name, challenged)
		}
		for _, secret := range []string{key, token, admin} {
			if strings.Contains(w.Body.String(), secret[10:40]) {
				t.Errorf("%s: the answer quotes a credential", name)
			}
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/"} {
		if w := ask(s, "GET", path); w.Code != 200 {
			t.Errorf("%s wants a credential: %d", path, w.Code)
		}
	}
}

// door is a server behind a port over pipes.
type door struct {
	*pipes
	stop func() error
}

func openDoor(t *testing.T, handler http.Handler) *door {
	t.Helper()
	s := newTestServer(t, newKeyring(t).gate(t), nil)
	if handler != nil {
		s.http.Handler = bounded(handler)
	}
	return openDoorTo(t, s)
}

func openDoorTo(t *testing.T, s *Server) *door {
	t.Helper()
	p, l := servePort(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(p.HTTP()); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	d := &door{pipes: l, stop: sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		defer serving.Wait()
		return s.Stop(ctx)
	})}
	t.Cleanup(func() { _ = d.stop() })
	return d
}

// say writes to the connection in the background; the answers come when they do.
func say(c net.Conn, text string) { go func() { _, _ = io.WriteString(c, text) }() }

// hear reads an answer.
func hear(t *testing.T, r *bufio.Reader) (status int, body string) {
	t.Helper()
	w, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(text)
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, nil)
		c := d.dial()
		r := bufio.NewReader(c)
		for range 3 {
			say(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if status, body := hear(t, r); status != 200 || body != "ok\n" {
				t.Fatalf("%d %q", status, body)
			}
			time.Sleep(idleTime - time.Second)
		}
		time.Sleep(2 * time.Second)
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("an idle connection stays: %v", err)
		}
	})
}

// Clients that are slow on purpose are let go after a while; what they cost until
// then is bounded.
func TestSlowClients(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		text(w, http.StatusOK, strings.Repeat("x", 1<<20))
	})
	for name, test := range map[string]struct {
		says string
		then func(net.Conn)
		gone time.Duration
	}{
		"header in drops": {"GET / HTTP/1.1\r\n", func(c net.Conn) { drip(c, strings.Repeat("A: b\r\n", 9), time.Second) }, headerTime},
		"no body":         {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n", func(net.Conn) {}, exchangeTime},
		"reads nothing":   {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", func(net.Conn) {}, exchangeTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := openDoor(t, read)
				c := d.dial()
				began := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, _ = io.WriteString(c, test.says)
					test.then(c)
				})
				time.Sleep(test.gone + time.Second)
				_, _ = io.Copy(io.Discard, c)
				if took := time.Since(began); took > test.gone+2*time.Second {
					t.Errorf("the connection lived for %v, want %v", took, test.gone)
				}
				c.Close()
				sending.Wait()
			})
		})
	}
}

func TestHeadersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, nil)
		c := d.dial()
		defer c.Close()
		say(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\nA: "+strings.Repeat("a", 2*maxHeader)+"\r\n\r\n")
		if status, _ := hear(t, bufio.NewReader(c)); status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("status %d", status)
		}
	})
}

// Stop lets the request under way finish, up to its deadline, and ends idle
// connections at once.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := openDoor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				select {
				case <-release:
				case <-r.Context().Done():
					return
				}
			}
			text(w, http.StatusOK, "done")
		}))
		idle, slow := d.dial(), d.dial()
		say(idle, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		idleReader := bufio.NewReader(idle)
		hear(t, idleReader)
		say(slow, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
		synctest.Wait()
		time.AfterFunc(time.Second/2, func() { close(release) })
		stopped := make(chan error)
		go func() { stopped <- d.stop() }()
		if _, body := hear(t, bufio.NewReader(slow)); body != "done\n" {
			t.Errorf("the request under way was answered %q", body)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Stop: %v", err)
		}
		if _, err := idleReader.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("an idle connection stays: %v", err)
		}
		gone(t, slow)
	})
}

func TestStopCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		c := d.dial()
		say(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		synctest.Wait()
		if err := d.stop(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v", err)
		}
		gone(t, c)
	})
}

func TestServerNeedsItsParts(t *testing.T) {
	if _, err := NewServer(Config{}); err == nil {
		t.Error("a server without parts")
	}
}

// A bug in a handler ends its request and nothing else, on either transport, and the
// operator learns of it, but not of what the client sent.
func TestPanicsAreTold(t *testing.T) {
	for name, served := range map[string]func(*Server) http.Handler{
		"HTTP/1": func(s *Server) http.Handler { return s.http.Handler },
		"other":  (*Server).Handler,
	} {
		var log bytes.Buffer
		s, err := NewServer(Config{
			Ready:   func() []Reason { panic(errors.New("my secret")) },
			Metrics: http.NotFoundHandler(), Gate: newKeyring(t).gate(t),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		thrown := func() (thrown any) {
			defer func() { thrown = recover() }()
			r := httptest.NewRequest("GET", "/readyz", nil)
			r.Host = "localhost"
			served(s).ServeHTTP(httptest.NewRecorder(), r)
			return nil
		}()
		if err, _ := thrown.(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("%s: %v was thrown on", name, thrown)
		}
		if text := log.String(); !strings.Contains(text, "ERROR") || !strings.Contains(text, "server_test.go") || strings.Contains(text, "secret") {
			t.Errorf("%s: told %q", name, text)
		}
	}
}
