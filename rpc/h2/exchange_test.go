package h2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// browser is net/http's client, which shares one connection among all
// requests, as browsers do.
func (w *world) browser(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial() },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// ask writes a request, whatever its fields, and its body.
func (r *rough) ask(id uint32, fields []string, body []byte, end bool) {
	r.t.Helper()
	r.block = nil
	for i := 0; i < len(fields); i += 2 {
		r.must(r.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block, EndHeaders: true, EndStream: end && body == nil}))
	if body != nil {
		r.must(r.WriteData(id, end, body))
	}
}

func (r *rough) next() http2.Frame {
	r.t.Helper()
	return r.until(func(http2.Frame) bool { return true })
}

// site answers paths in ways that handlers do.
func site(t testing.TB) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		w.Header()["X-Many"] = []string{"one", "two\r\nevil: 1"}
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Errorf("echo: %v", err)
		}
	})
	mux.HandleFunc("/told/{what}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %q %v %v", r.Host, r.PathValue("what"), r.URL.RawQuery, r.Header.Get("Cookie"), r.ProtoMajor, r.RemoteAddr != "")
	})
	mux.HandleFunc("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1_000_000))
	})
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("x"))
	})
	mux.HandleFunc("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return mux
}

func withSite(t testing.TB) func(*Config) { return func(c *Config) { c.Other = site(t) } }

// page is an answer that was read.
type page struct {
	status int
	length int64
	header http.Header
	body   string
}

func fetch(t testing.TB, client *http.Client, method, path string, body io.Reader) (page, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://here"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		return page{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return page{response.StatusCode, response.ContentLength, response.Header, string(text)}, err
}

func TestPlainRequests(t *testing.T) {
	w := newWorld(t, withSite(t))
	client := w.browser(t)
	large := strings.Repeat("0123456789", 100_000) // many windows
	tests := []struct {
		method, path, body string
		status             int
		length             int64
		answer             string
	}{
		{"POST", "/echo", "hello", 200, 5, "hello"},
		{"PUT", "/echo", large, 200, -1, large},
		{"GET", "/echo", "", 200, 0, ""},
		{"GET", "/told/me%2Fit?q=1", "", 200, -2, `here me/it q=1 "" 2 true`},
		{"GET", "/nothing", "", 204, 0, ""},
		{"GET", "/silent", "", 200, 0, ""},
		{"GET", "/long", "", 200, 1_000_000, strings.Repeat("x", 1_000_000)},
		{"HEAD", "/long", "", 200, 1_000_000, ""},
		{"GET", "/missing", "", 404, -2, "404 page not found\n"},
	}
	for _, tt := range tests {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		got, err := fetch(t, client, tt.method, tt.path, body)
		if err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.path, err)
			continue
		}
		if got.status != tt.status || got.body != tt.answer || tt.length != -2 && got.length != tt.length || got.header.Get("Date") == "" {
			t.Errorf("%s %s: %d, length %d, %.80q, %v; want %d, %d, %.80q", tt.method, tt.path,
				got.status, got.length, got.body, got.header, tt.status, tt.length, tt.answer)
		}
		if tt.path == "/echo" && (got.header.Get("X-Method") != tt.method || len(got.header["X-Many"]) != 2 || got.header.Get("Evil") != "" ||
			tt.body == "hello" && got.header.Get("Content-Type") != "text/plain; charset=utf-8") {
			t.Errorf("%s %s: %v", tt.method, tt.path, got.header)
		}
	}
	for _, path := range []string{"/short", "/abort"} {
		if got, err := fetch(t, client, "GET", path, nil); err == nil {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// Calls and other requests share one connection, each with its own.
func TestCallsBesidePlainRequests(t *testing.T) {
	w := newWorld(t, withSite(t))
	p := w.rough(t)
	p.call(1, echoMethod, "call")
	p.ask(3, []string{":method", "GET", ":scheme", "http", ":authority", "here", ":path", "/told/x"}, nil, true)
	seen := map[uint32]string{}
	for ends := 0; ends < 2; {
		switch f := p.next().(type) {
		case *http2.DataFrame:
			seen[f.StreamID] += string(f.Data())
			if f.StreamEnded() {
				ends++
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				ends++
			}
		}
	}
	if !strings.HasSuffix(seen[1], string(encoded("call"))) || seen[3] != `here x  "" 2 true` {
		t.Errorf("%q, %q", seen[1], seen[3])
	}
}

// What HTTP/2 does not allow resets the stream and nothing else.
func TestMalformedPlainRequests(t *testing.T) {
	w := newWorld(t, withSite(t))
	p := w.rough(t)
	good := []string{":method", "GET", ":scheme", "http", ":authority", "here", ":path", "/told/x"}
	replaced := func(name, value string) []string {
		list := append([]string(nil), good...)
		for i := 0; i < len(list); i += 2 {
			if list[i] == name {
				list[i+1] = value
			}
		}
		return list
	}
	id := uint32(1)
	for name, bad := range map[string][]string{
		"connection":        append(good[:8:8], "connection", "close"),
		"transfer-encoding": append(good[:8:8], "transfer-encoding", "chunked"),
		"upgrade":           append(good[:8:8], "upgrade", "websocket"),
		"te":                append(good[:8:8], "te", "gzip"),
		"two hosts":         append(good[:8:8], "host", "there"),
		"length":            append(good[:8:8], "content-length", "-1"),
		"signed length":     append(good[:8:8], "content-length", "+0"),
		"promised body":     append(good[:8:8], "content-length", "5"),
		"two lengths":       append(good[:8:8], "content-length", "1", "content-length", "2"),
		"no path":           good[:6:6],
		"relative path":     replaced(":path", "told/x"),
		"absolute path":     replaced(":path", "http://here/told/x"),
		"malformed path":    replaced(":path", "/%zz"),
		"connect":           replaced(":method", "CONNECT"),
		"protocol":          append([]string{":protocol", "websocket"}, good...),
		"no host":           append(append([]string{}, good[:4]...), good[6:]...),
	} {
		p.ask(id, bad, nil, true)
		for answered := false; !answered; {
			switch f := p.next().(type) {
			case *http2.RSTStreamFrame:
				if f.StreamID != id || f.ErrCode != http2.ErrCodeProtocol {
					t.Errorf("%s: %v", name, f)
				}
				answered = true
			case *http2.MetaHeadersFrame:
				t.Fatalf("%s: answered %v", name, f.Fields)
			}
		}
		id += 2
	}
	p.ask(id, good, nil, true)
	for {
		if f, ok := p.next().(*http2.DataFrame); ok && f.StreamEnded() {
			return
		}
	}
}

// Flushed parts arrive while the handler goes on, and its context ends with the
// client.
func TestPlainStream(t *testing.T) {
	more, gone := make(chan string), make(chan error, 1)
	w := newWorld(t, func(c *Config) {
		c.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			control := http.NewResponseController(w)
			for {
				select {
				case text := <-more:
					_, _ = io.WriteString(w, text)
					if err := control.Flush(); err != nil {
						t.Errorf("flush: %v", err)
					}
				case <-r.Context().Done():
					gone <- r.Context().Err()
					return
				}
			}
		})
	})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://here/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { more <- "0" }()
	response, err := w.browser(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for i := range 5 {
		var b [1]byte
		if _, err := io.ReadFull(response.Body, b[:]); err != nil || b[0] != byte('0'+i) {
			t.Fatalf("part %d: %q, %v", i, b, err)
		}
		if i < 4 {
			more <- fmt.Sprint(i + 1)
		}
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A client that does not read holds up its own stream until the deadline, and its
// handler learns of it.
func TestSlowReaderIsCut(t *testing.T) {
	failed := make(chan error, 1)
	w := newWorld(t, func(c *Config) {
		c.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/quick" {
				_, _ = io.WriteString(w, "quick")
				return
			}
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			var err error
			for range 1000 {
				if _, err = w.Write(make([]byte, 10_000)); err != nil {
					break
				}
			}
			failed <- err
		})
	})
	p := w.rough(t)
	get := func(path string) []string {
		return []string{":method", "GET", ":scheme", "http", ":authority", "here", ":path", path}
	}
	p.ask(1, get("/endless"), nil, true)
	got := 0
	for reset := false; !reset; {
		switch f := p.next().(type) {
		case *http2.DataFrame:
			got += len(f.Data())
		case *http2.RSTStreamFrame:
			reset = f.StreamID == 1
		}
	}
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the handler was told %v", err)
	}
	if got > firstWindow {
		t.Errorf("%d bytes, the window allows %d", got, firstWindow)
	}
	// The connection is as good as before; its own window is used up, too.
	if err := p.WriteWindowUpdate(0, 1<<20); err != nil {
		t.Fatal(err)
	}
	p.ask(3, get("/quick"), nil, true)
	for {
		if f, ok := p.next().(*http2.DataFrame); ok && f.StreamID == 3 && string(f.Data()) == "quick" {
			return
		}
	}
}

// What a handler has written when it returns has until the deadline as well.
func TestUnreadEndIsCut(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Other = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			_, _ = w.Write(make([]byte, firstWindow+1000))
		})
	})
	p := w.rough(t)
	p.ask(1, []string{":method", "GET", ":scheme", "http", ":authority", "here", ":path", "/"}, nil, true)
	for {
		if f, ok := p.next().(*http2.RSTStreamFrame); ok && f.StreamID == 1 {
			return
		}
	}
}

// A client that promises a body and does not send it is let go.
func TestSlowWriterIsCut(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := io.ReadAll(r.Body)
			http.Error(w, fmt.Sprint(errors.Is(err, os.ErrDeadlineExceeded)), http.StatusRequestTimeout)
		})
	})
	reader, writer := io.Pipe()
	defer writer.Close()
	got, err := fetch(t, w.browser(t), "POST", "/", reader)
	if err != nil || got.status != http.StatusRequestTimeout || got.body != "true\n" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A body that is not as long as was promised is not taken for whole.
func TestBodyOfAnotherLength(t *testing.T) {
	errs := make(chan error, 1)
	w := newWorld(t, func(c *Config) {
		c.Other = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			errs <- err
		})
	})
	p := w.rough(t)
	for i, length := range []string{"3", "9"} {
		p.ask(uint32(2*i+1), []string{":method", "POST", ":scheme", "http", ":authority", "here", ":path", "/", "content-length", length}, []byte("hello"), true)
		if err := <-errs; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s promised, 5 sent: %v", length, err)
		}
	}
}

// A client that waits to be asked for the body is asked when the handler reads.
func TestContinue(t *testing.T) {
	w := newWorld(t, withSite(t))
	p := w.rough(t)
	p.ask(1, []string{":method", "POST", ":scheme", "http", ":authority", "here", ":path", "/echo", "expect", "100-continue"}, nil, false)
	for {
		f, ok := p.next().(*http2.MetaHeadersFrame)
		if !ok {
			continue
		}
		if f.PseudoValue("status") != "100" || f.StreamEnded() {
			t.Fatalf("%v", f.Fields)
		}
		break
	}
	if err := p.WriteData(1, true, []byte("now")); err != nil {
		t.Fatal(err)
	}
	for {
		if f, ok := p.next().(*http2.DataFrame); ok && string(f.Data()) == "now" {
			return
		}
	}
}

// The server waits for handlers of plain requests, and ends their contexts.
func TestStopEndsPlainRequests(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(c *Config) {
		c.Other = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			close(ended)
		})
	})
	answered := make(chan error, 1)
	client := w.browser(t)
	go func() {
		_, err := fetch(t, client, "GET", "/", nil)
		answered <- err
	}()
	<-entered
	w.server.Stop()
	select {
	case <-ended:
	default:
		t.Error("Stop did not wait for the handler")
	}
	if err := <-answered; err == nil {
		t.Error("the request ended well")
	}
}
