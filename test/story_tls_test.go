package test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// With a certificate the one port speaks TLS to everybody: the official SDKs, the
// command line, and plain HTTP in both its versions.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{TLS: harness.NewAuthority(t)})
	server.Secure(t)
	server.CreateCache(t, "story")
	client := harness.Client{Addr: server.Addr, Key: server.AdminKey(t), Cache: "story", TLS: server.TLS}
	for language, programs := range map[harness.Language][]string{
		harness.NodeJS: {"topics", "lists"}, harness.Go: {"topics", "lists"}, harness.Web: {"many", "lists"},
	} {
		for _, program := range programs {
			t.Run(string(language)+"/"+program, func(t *testing.T) {
				t.Parallel()
				harness.RunChecks(t, language, program, client)
			})
		}
	}
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		for _, version := range []int{1, 2} {
			plainOverTLS(t, server, version)
		}
		socketOverTLS(t, server)
	})
	t.Run("cli", func(t *testing.T) {
		t.Parallel()
		if ran := server.CLI(t, "", "cache", "list"); ran.Code != 0 || !strings.Contains(ran.Stdout, "story") {
			t.Errorf("cache list: %+v", ran)
		}
		plain := harness.Mayfly(t, []string{"MAYFLY_SERVER=" + server.Addr}, "cache", "list")
		if plain.Code == 0 || !strings.Contains(plain.Stderr, "--tls") {
			t.Errorf("without TLS: %+v", plain)
		}
		stranger := harness.Mayfly(t, []string{"MAYFLY_SERVER=" + server.Addr, "MAYFLY_TLS=true"}, "cache", "list")
		if stranger.Code == 0 || !strings.Contains(stranger.Stderr, "certificate") {
			t.Errorf("without the authority: %+v", stranger)
		}
	})
}

// socketOverTLS talks over a WebSocket, which takes HTTP/1.1 within TLS as browsers
// have it: they offer nothing else for one.
func socketOverTLS(t *testing.T, server *harness.Server) {
	trust := server.TLS.Trust()
	trust.NextProtos = []string{"http/1.1"}
	transport := &http.Transport{TLSClientConfig: trust}
	defer transport.CloseIdleConnections()
	ctx := harness.Bounded(t)
	conn, _, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(server.URL(), "https")+"/topics/story/socket", &websocket.DialOptions{ //nolint:bodyclose // the library did
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: http.Header{"Authorization": {server.AdminKey(t)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	published := false
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("the item never came: %v", err)
		}
		if strings.Contains(string(message), "over a socket") {
			return
		}
		if !published { // the first message says that the subscription stands
			published = true
			if page := server.Request(t, "POST", "/topics/story/socket", "over a socket", "Authorization", server.AdminKey(t)); page.Status != 204 {
				t.Fatalf("publish: %+v", page)
			}
		}
	}
}

// plainOverTLS uses caches and topics over one version of HTTP.
func plainOverTLS(t *testing.T, server *harness.Server, version int) {
	transport := &http.Transport{TLSClientConfig: server.TLS.Trust(), ForceAttemptHTTP2: version == 2}
	if version == 1 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: harness.Patience}
	do := func(method, path, body string) (status int, text string) {
		t.Helper()
		request, err := http.NewRequestWithContext(harness.Bounded(t), method, server.URL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", server.AdminKey(t))
		answer, err := client.Do(request)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer func() { _ = answer.Body.Close() }()
		said, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
		if answer.ProtoMajor != version || answer.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s %s: %s, %v", method, path, answer.Proto, answer.Header)
		}
		return answer.StatusCode, string(said)
	}
	large := strings.Repeat("0123456789", 400_000)
	if status, text := do("PUT", "/cache/story?key=k&ttl_seconds=60", large); status != 204 {
		t.Errorf("put: %d %s", status, text)
	}
	if status, text := do("GET", "/cache/story?key=k", ""); status != 200 || text != large {
		t.Errorf("get: %d, %d bytes", status, len(text))
	}
	if status, text := do("PUT", "/cache/story?key=k&ttl_seconds=60", large+large); status != 413 {
		t.Errorf("put too much: %d %s", status, text)
	}
	if status, text := do("GET", "/console/api/session", ""); status != 200 || !strings.Contains(text, `"authorized":true`) {
		t.Errorf("session: %d %s", status, text)
	}
	request, err := http.NewRequestWithContext(harness.Bounded(t), "GET", server.URL()+"/topics/story/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", server.AdminKey(t))
	request.Header.Set("Accept", "text/event-stream")
	stream, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() && lines.Text() != ": heartbeat" {
	}
	if status, text := do("POST", "/topics/story/events", "over TLS"); status != 204 {
		t.Errorf("publish: %d %s", status, text)
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "over TLS") {
			return
		}
	}
	t.Errorf("the event never came: %v", lines.Err())
}

// A new certificate is taken up while clients are connected, and no connection
// suffers.
func TestCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{TLS: harness.NewAuthority(t)})
	serial := func() int64 {
		conn, err := tls.Dial("tcp", server.Addr, server.TLS.Trust())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 2 {
		t.Fatalf("serial number %d", got)
	}
	server.CreateCache(t, "story")
	listener := harness.StartAgent(t, harness.NodeJS, "agent", harness.Client{Addr: server.Addr, Key: server.AdminKey(t), Cache: "story", TLS: server.TLS})
	listener.Tell(t, harness.Order{Do: "subscribe", ID: "s", Name: "topic"})
	listener.Await(t, "the subscription", func(said []harness.Event) bool { return count(said, "s", "subscribed") == 1 })
	server.TLS.Issue(t, 3)
	for end := time.Now().Add(harness.Patience); serial() != 3; {
		if time.Now().After(end) {
			t.Fatalf("the new certificate is not in use:\n%s", server.Log(t))
		}
		time.Sleep(100 * time.Millisecond)
	}
	if page := server.Request(t, "POST", "/topics/story/topic", "still here"); page.Status != 204 {
		t.Errorf("publish: %+v", page)
	}
	listener.Await(t, "the item", func(said []harness.Event) bool { return len(itemsOf(said)) == 1 })
	if text := server.Get(t, "/metrics").Body; !strings.Contains(text, "mayfly_tls_certificate_end_timestamp_seconds ") {
		t.Error("no metric tells the end of the certificate")
	}
}
