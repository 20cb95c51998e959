package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/rpc/api"
)

// anything is a backend for plain requests, and an echo for calls in gRPC-Web, whose
// methods may be any.
func anything() Calls {
	plain := &backend{end: status.New(codes.OK, "")}
	return callFunc(func(ctx context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD) {
		if _, page := x.(*pageExchange); page {
			return echo(ctx, call, x)
		}
		return plain.Call(ctx, call, x)
	})
}

// FuzzBytes: whatever comes on a connection that is not HTTP/2, it is answered in
// HTTP/1 or cut, and no answer is the server's fault.
func FuzzBytes(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"PUT /cache/c?key=k&ttl_seconds=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab",
		"POST /topics/c/t HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 8\r\n\r\nAAAAAAA=",
		"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x81\x85\x00\x00\x00\x00hello\x88\x80\x00\x00\x00\x00",
		"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nAccess-Control-Request-Method: X\r\n\r\n",
		"GET http://localhost/%2e%2e/ HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer \x80\r\n\r\n",
		"PRI * HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "\r\n\r\n", "GET /\r\n", " / \x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said string) {
		if strings.HasPrefix(preface, said) || strings.HasPrefix(said, preface) {
			return // the other side's
		}
		synctest.Test(t, func(t *testing.T) { // whoever waits for more is let go in no time
			d := openDoorTo(t, serverOf(t, anything()))
			c := d.dial()
			defer c.Close()
			go func() { _, _ = io.WriteString(c, said) }()
			for answers := bufio.NewReader(c); ; {
				answer, err := http.ReadResponse(answers, nil) //nolint:bodyclose // it is read, as far as it goes
				if err != nil {
					return
				}
				_, err = io.Copy(io.Discard, answer.Body)
				if code := answer.StatusCode; code >= 500 && code != http.StatusHTTPVersionNotSupported && code != http.StatusNotImplemented {
					t.Fatalf("%q: %s", said, answer.Status)
				}
				if err != nil {
					return
				}
			}
		})
	})
}

// FuzzHeaders: whatever the headers and the body are, there is an answer, never a 500;
// and a page of another origin is told nothing.
func FuzzHeaders(f *testing.F) {
	for i, kind := range []string{"", "text/plain", "application/octet-stream", "application/json; charset=utf-8", "application/grpc-web", "application/grpc-web-text+proto", "a/b; q=\"\\", "application/x-www-form-urlencoded"} {
		f.Add(uint8(i), "c?key=k&ttl_seconds=1", kind, "Bearer x", "https://evil.example", "10.0.0.1, 1.2.3.4", "text/event-stream", "body")
		f.Add(uint8(i), "c/t", kind, "", "http://localhost:5173", "", "gzip;q=0", `{"room":"a"}`)
		f.Add(uint8(i), "c/lists/l?start=9223372036854775807", kind, "Basic \x00", "null", "[::1]:1, for=\"x\"", "*/*", "AAAAAAA=")
	}
	paths, methods := []string{"/cache/", "/topics/", "/vend/", "/", "/metrics", "/s/M"}, []string{"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"}
	f.Fuzz(func(t *testing.T, which uint8, path, kind, authorization, origin, forwarded, accept, body string) {
		target, err := url.Parse(paths[int(which)%len(paths)] + path)
		if err != nil || !strings.HasPrefix(target.Path, "/") {
			return
		}
		r := httptest.NewRequest(methods[int(which)/len(paths)%len(methods)], "http://localhost/", strings.NewReader(body))
		r.URL, r.Host = target, "localhost"
		r.Header = http.Header{"Content-Type": {kind}, "Authorization": {authorization}, "Origin": {origin}, "X-Forwarded-For": {forwarded}, "Accept": {accept}, "Accept-Encoding": {accept}, "Grpc-Timeout": {accept}}
		s := serverOf(t, anything())
		s.config.Vending = new(counter)
		w := recorder{httptest.NewRecorder()}
		s.http.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if granted := w.Header().Get("Access-Control-Allow-Origin"); granted != "" && (granted != origin || !ofThisMachine(origin)) {
			t.Fatalf("a page of %q may read this: %q", origin, granted)
		}
	})
}

// ofThisMachine reports whether an origin is one that a browser on this machine would
// write for a page of it, by another way than the server's.
func ofThisMachine(origin string) bool {
	for _, scheme := range []string{"http://", "https://"} {
		host, ok := strings.CutPrefix(strings.ToLower(origin), scheme)
		if !ok {
			continue
		}
		if u, err := url.Parse(scheme + host); err == nil {
			host = u.Hostname()
		} else if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return err == nil && addr.Unmap().IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return false
}

// FuzzForwarded: whatever a request says of its way, its sender is who is at the other
// end or somebody named in the header, and only trusted proxies are believed.
func FuzzForwarded(f *testing.F) {
	f.Add("10.0.0.5:1234", "1.2.3.4", true)
	f.Add("10.0.0.5:1234", "6.6.6.6, 1.2.3.4 , 10.0.0.9", true)
	f.Add("[::ffff:10.0.0.5]:1", "[2001:db8::1%eth0]:80,,", true)
	f.Add("192.0.2.1:5", "127.0.0.1", false)
	f.Add("@", strings.Repeat("10.0.0.1,", 100), false)
	f.Fuzz(func(t *testing.T, remote, forwarded string, trusted bool) {
		s := &Server{}
		if trusted {
			s.config.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		from, direct := s.from(r), readAddress(remote)
		if from == direct {
			return
		}
		if !trusted || !netip.MustParsePrefix("10.0.0.0/8").Contains(direct) {
			t.Fatalf("%s said that it is %s, and was believed", direct, from)
		}
		named := slices.ContainsFunc(strings.Split(forwarded, ","), func(text string) bool { return readAddress(strings.TrimSpace(text)) == from })
		if !from.IsValid() || !named {
			t.Fatalf("%s is not in %q", from, forwarded)
		}
	})
}

// FuzzVendBodies: the parameters of a request for a token are those that its body
// holds, each as often as it is there, or the body is refused.
func FuzzVendBodies(f *testing.F) {
	for _, body := range []string{`{"room":"lobby"}`, `{"room":"a","room":"b"}`, `{}`, `{"a":1}`, `{"a":{"b":"c"}}`, `[{"a":"b"}]`, `{"a":"b"}}`, `{"a":"b"} {}`, `{"\ud800":"\u0000"}`, `{"a":"b"`, `room=lobby&room=b`, `room=%zz`, ``, `null`} {
		f.Add("application/json", "room=x", body)
		f.Add("application/x-www-form-urlencoded; charset=x", "", body)
	}
	f.Fuzz(func(t *testing.T, kind, query, body string) {
		c := new(counter)
		s := serverOf(t, &backend{})
		s.config.Vending = c
		r := httptest.NewRequest("POST", "http://localhost/vend/x", strings.NewReader(body))
		r.URL.RawQuery, r.Host = query, "localhost"
		r.Header.Set("Content-Type", kind)
		w := recorder{httptest.NewRecorder()}
		s.http.Handler.ServeHTTP(w, r)
		taken := w.Code == http.StatusOK
		if w.Code >= 500 || taken && len(body) > maxVendBody {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if plain, _, _ := mime.ParseMediaType(kind); !taken || plain != "application/json" || body == "" {
			return
		}
		var object map[string]string
		if err := json.Unmarshal([]byte(body), &object); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		for name, value := range object {
			if got := c.values[name]; !slices.Contains(got, value) {
				t.Fatalf("%q: %q is %q, want %q", body, name, got, value)
			}
		}
	})
}
