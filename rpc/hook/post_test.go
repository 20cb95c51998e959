package hook

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// How receivers of every sort are taken.
func TestReceivers(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	for name, row := range map[string]struct {
		handle http.HandlerFunc
		fate   fate
		why    string
		pause  time.Duration // that the receiver asks for
		took   time.Duration
	}{
		"200":              {handle: status(200), fate: taken},
		"204":              {handle: status(204), fate: taken},
		"299":              {handle: status(299), fate: taken},
		"301 to somewhere": {handle: status(301, "Location", "http://elsewhere.test/"), fate: refused, why: "status 301"},
		"307 to itself":    {handle: status(307, "Location", "/"), fate: refused, why: "status 307"},
		"304":              {handle: status(304), fate: refused, why: "status 304"},
		"400":              {handle: status(400), fate: refused, why: "status 400"},
		"404":              {handle: status(404), fate: refused, why: "status 404"},
		"408":              {handle: status(408), fate: postponed, why: "status 408"},
		"429":              {handle: status(429, "Retry-After", "7"), fate: postponed, why: "status 429", pause: 7 * time.Second},
		"429 for ever":     {handle: status(429, "Retry-After", "999999999"), fate: postponed, why: "status 429"},
		"500":              {handle: status(500), fate: postponed, why: "status 500"},
		"503":              {handle: status(503, "Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"), fate: postponed, why: "status 503"},
		"slow": {
			handle: func(w http.ResponseWriter, _ *http.Request) { time.Sleep(4900 * time.Millisecond); w.WriteHeader(200) },
			fate:   taken, took: 4900 * time.Millisecond,
		},
		"too slow": {
			handle: func(w http.ResponseWriter, _ *http.Request) { time.Sleep(5100 * time.Millisecond); w.WriteHeader(200) },
			fate:   postponed, why: "no answer within 5s", took: 5 * time.Second,
		},
		"never answers": {
			handle: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			fate:   postponed, why: "no answer within 5s", took: 5 * time.Second,
		},
		"hangs up": {
			handle: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			fate:   postponed, why: "no connection, or one that broke",
		},
		"endless body": {
			handle: func(w http.ResponseWriter, r *http.Request) {
				for r.Context().Err() == nil {
					if _, err := io.WriteString(w, strings.Repeat("x", 1000)); err != nil {
						return
					}
				}
			},
			fate: taken,
		},
		"body that drips": {
			handle: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "100")
				for range 100 {
					_, _ = w.Write([]byte("x"))
					_ = http.NewResponseController(w).Flush()
					select {
					case <-time.After(time.Second):
					case <-r.Context().Done():
						return
					}
				}
			},
			fate: taken, took: 5 * time.Second,
		},
		"endless headers": {
			handle: status(200, "X-Long", strings.Repeat("x", maxAnswerHeaders+8<<10)),
			fate:   postponed, why: "no connection, or one that broke",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				posts := 0
				p := receivers(t, func(w http.ResponseWriter, r *http.Request) {
					posts++
					_, _ = io.Copy(io.Discard, r.Body)
					row.handle(w, r)
				})
				began := time.Now()
				got := p.post(t.Context(), "http://receiver.test/path?q=1", "s", []byte("{}"))
				if got.fate != row.fate || got.why != row.why || got.pause != row.pause || !got.sent || time.Since(began) != row.took {
					t.Errorf("got %+v after %v, want %+v", got, time.Since(began), row)
				}
				p.close()
				synctest.Wait()
				if posts != 1 {
					t.Errorf("%d requests", posts)
				}
			})
		})
	}
}

func TestRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("HTTP_PROXY", "http://proxy.test:3128")
		var head http.Header
		var path, body string
		p := receivers(t, func(_ http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			head, path, body = r.Header.Clone(), r.RequestURI, string(raw)
		})
		if got := p.post(t.Context(), "http://receiver.test/path?q=1", "s", []byte(`{"a":1}`)); got.fate != taken {
			t.Fatalf("%+v", got)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "User-Agent": userAgent, "Momento-Signature": Sign("s", []byte(`{"a":1}`)),
			"Content-Length": "7", "Accept-Encoding": "", "Authorization": "",
		} {
			if got := head.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if path != "/path?q=1" || body != `{"a":1}` {
			t.Errorf("%s got %s", path, body)
		}
	})
}

// The guard is asked when a delivery is dialled, whatever the URL was checked for.
func TestForbiddenReceiver(t *testing.T) {
	p := newPoster(guard(t))
	defer p.close()
	for _, url := range []string{"http://127.0.0.1:9/", "https://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "http://[::ffff:127.0.0.1]:9/"} {
		if got := p.post(t.Context(), url, "s", nil); got.fate != forbidden || got.sent {
			t.Errorf("%s: %+v", url, got)
		}
	}
}
