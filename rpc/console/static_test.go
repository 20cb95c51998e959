package console

import (
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// frontEnd is what a build leaves behind.
var frontEnd = fstest.MapFS{
	".keep":                 {},
	"index.html":            {Data: []byte("<!doctype html><title>console</title>")},
	"favicon.svg":           {Data: []byte("<svg/>")},
	"assets/app-3f2a.js":    {Data: []byte("console.log(1)")},
	"assets/app-3f2a.css":   {Data: []byte("body{}")},
	"assets/odd-3f2a.thing": {Data: []byte("?")},
}

func pages(t *testing.T, files fstest.MapFS) *static {
	t.Helper()
	s, err := newStatic(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFiles(t *testing.T) {
	const forever, asked = "public, max-age=31536000, immutable", "no-cache"
	tests := []struct {
		method, path string
		status       int
		kind, cached string
		body         string
	}{
		{"GET", "/console/", 200, "text/html; charset=utf-8", asked, "<!doctype html><title>console</title>"},
		{"HEAD", "/console/", 200, "text/html; charset=utf-8", asked, ""},
		{"GET", "/console/index.html", 200, "text/html; charset=utf-8", asked, "<!doctype html><title>console</title>"},
		{"GET", "/console/topics/chat", 200, "text/html; charset=utf-8", asked, "<!doctype html><title>console</title>"},
		{"GET", "/console/favicon.svg", 200, "image/svg+xml", asked, "<svg/>"},
		{"GET", "/console/assets/app-3f2a.js", 200, "text/javascript; charset=utf-8", forever, "console.log(1)"},
		{"GET", "/console/assets/app-3f2a.css", 200, "text/css; charset=utf-8", forever, "body{}"},
		{"GET", "/console/assets/odd-3f2a.thing", 200, "application/octet-stream", forever, "?"},
		{"GET", "/console/assets/gone.js", 404, "text/plain; charset=utf-8", "no-store", ""},
		{"GET", "/console/.keep", 404, "text/plain; charset=utf-8", "no-store", ""},
		{"GET", "/console/../../etc/passwd.txt", 404, "text/plain; charset=utf-8", "no-store", ""},
		{"GET", "/console/%2e%2e/static.go", 404, "text/plain; charset=utf-8", "no-store", ""},
		{"GET", "/console/..%2f..%2fstatic.go", 404, "text/plain; charset=utf-8", "no-store", ""},
		{"GET", "/console//index.html", 404, "text/plain; charset=utf-8", "no-store", ""},
		{"POST", "/console/", 405, "text/plain; charset=utf-8", "", ""},
		{"DELETE", "/console/index.html", 405, "text/plain; charset=utf-8", "", ""},
	}
	s := pages(t, frontEnd)
	for _, tt := range tests {
		// Behind no mux, which would clean the path first.
		got := ask(s, tt.method, tt.path)
		if got.Code != tt.status || got.Header().Get("Content-Type") != tt.kind || got.Header().Get("Cache-Control") != tt.cached {
			t.Errorf("%s %s: %d, type %q, cache %q; want %d, %q, %q", tt.method, tt.path,
				got.Code, got.Header().Get("Content-Type"), got.Header().Get("Cache-Control"), tt.status, tt.kind, tt.cached)
		}
		if body := got.Body.String(); tt.status == 200 && body != tt.body {
			t.Errorf("%s %s: body %q, want %q", tt.method, tt.path, body, tt.body)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Opener-Policy": "same-origin", "Content-Security-Policy": policy,
		} {
			if got.Header().Get(name) != want {
				t.Errorf("%s %s: %s is %q, want %q", tt.method, tt.path, name, got.Header().Get(name), want)
			}
		}
		if tt.status == 405 && got.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s: Allow is %q", tt.method, tt.path, got.Header().Get("Allow"))
		}
	}
}

// No inline script or style may run, nothing may be loaded from or sent elsewhere,
// and nobody may frame the pages.
func TestPolicy(t *testing.T) {
	for _, must := range []string{"default-src 'self';", "connect-src 'self';", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "object-src 'none'"} {
		if !strings.Contains(policy, must) {
			t.Errorf("the policy %q lacks %s", policy, must)
		}
	}
	for _, never := range []string{"unsafe", "*", "http"} {
		if strings.Contains(policy, never) {
			t.Errorf("the policy %q holds %s", policy, never)
		}
	}
}

func TestCopiesAreAskedAbout(t *testing.T) {
	s := pages(t, frontEnd)
	first := ask(s, "GET", "/console/")
	tag := first.Header().Get("ETag")
	if again := ask(s, "GET", "/console/", "If-None-Match", tag); tag == "" || again.Code != http.StatusNotModified || again.Body.String() != "" {
		t.Errorf("with tag %q: %d", tag, again.Code)
	}
	changed := pages(t, fstest.MapFS{"index.html": {Data: []byte("new")}})
	if got := ask(changed, "GET", "/console/", "If-None-Match", tag); got.Code != 200 || got.Body.String() != "new" {
		t.Errorf("a page that changed: %d", got.Code)
	}
}

func TestBuiltWithoutPages(t *testing.T) {
	s := pages(t, fstest.MapFS{".keep": {}})
	for _, path := range []string{"/console/", "/console/topics"} {
		got := ask(s, "GET", path)
		if body := got.Body.String(); got.Code != 200 || !strings.Contains(body, "make console") || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, cache %q, %q", path, got.Code, got.Header().Get("Cache-Control"), body)
		}
	}
	if got := ask(s, "GET", "/console/app.js"); got.Code != 404 {
		t.Errorf("a file: %d", got.Code)
	}
}

// Large texts travel compressed to whoever takes them so, under a tag of their own.
func TestCompressedFiles(t *testing.T) {
	script := strings.Repeat("console.log('again');\n", 1000)
	noise := make([]byte, 10_000)
	_, _ = rand.Read(noise)
	s := pages(t, fstest.MapFS{
		"index.html": {Data: []byte("small")}, "assets/a.js": {Data: []byte(script)},
		"assets/noise.js": {Data: noise}, "assets/a.woff2": {Data: []byte(script)},
	})
	for _, tt := range []struct {
		path, accepts string
		zipped        bool
		vary          string
	}{
		{"assets/a.js", "gzip, deflate, br", true, "Accept-Encoding"},
		{"assets/a.js", "br,gzip", true, "Accept-Encoding"},
		{"assets/a.js", "", false, "Accept-Encoding"},
		{"assets/a.js", "gzip;q=0", false, "Accept-Encoding"},
		{"assets/noise.js", "gzip", false, "Accept-Encoding"},
		{"assets/a.woff2", "gzip", false, ""},
		{"index.html", "gzip", false, ""},
	} {
		got := ask(s, "GET", "/console/"+tt.path, "Accept-Encoding", tt.accepts)
		plain := ask(s, "GET", "/console/"+tt.path)
		if zipped := got.Header().Get("Content-Encoding") == "gzip"; got.Code != 200 || zipped != tt.zipped || got.Header().Get("Vary") != tt.vary ||
			zipped == (got.Header().Get("ETag") == plain.Header().Get("ETag")) {
			t.Errorf("%s for %q: %d, %v", tt.path, tt.accepts, got.Code, got.Header())
		}
		if got.Header().Get("Content-Encoding") == "" {
			if got.Body.String() != plain.Body.String() {
				t.Errorf("%s for %q: another body", tt.path, tt.accepts)
			}
			continue
		}
		if again := ask(s, "GET", "/console/"+tt.path, "Accept-Encoding", tt.accepts, "If-None-Match", got.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s for %q, again: %d", tt.path, tt.accepts, again.Code)
		}
		if got.Body.Len() > len(script)/10 {
			t.Errorf("%s: %d bytes", tt.path, got.Body.Len())
		}
		unzipped, err := gzip.NewReader(got.Body)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(unzipped); err != nil || string(text) != plain.Body.String() {
			t.Errorf("%s for %q: %d bytes, %v", tt.path, tt.accepts, len(text), err)
		}
	}
}

// Who serves the files within a server that answers origins differently keeps what
// that said, or a cache would give one origin's answer to another.
func TestVaryIsAddedTo(t *testing.T) {
	s := pages(t, fstest.MapFS{"assets/a.js": {Data: []byte(strings.Repeat("x", zipFrom))}})
	w := httptest.NewRecorder()
	w.Header().Set("Vary", "Origin")
	s.ServeHTTP(w, httptest.NewRequest("GET", "/console/assets/a.js", nil))
	if got := w.Header().Values("Vary"); !slices.Equal(got, []string{"Origin", "Accept-Encoding"}) {
		t.Errorf("Vary is %q", got)
	}
}

// The files in this very binary can be served, whatever they are.
func TestEmbedded(t *testing.T) {
	c := newTestConsole(t, &broker{}, nil, true)
	if got := ask(c, "GET", "/console"); got.Code != http.StatusPermanentRedirect || got.Header().Get("Location") != "/console/" {
		t.Errorf("/console: %d to %q", got.Code, got.Header().Get("Location"))
	}
	if got := ask(c, "GET", "/console/"); got.Code != 200 || !strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") {
		t.Errorf("/console/: %d, %q", got.Code, got.Header().Get("Content-Type"))
	}
}
