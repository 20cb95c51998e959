package harness

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Names leads the names of an endpoint, and those below it, to a broker, as DNS
// and port 443 would in production: by a proxy that official SDKs and browsers
// take from their environment and that they leave both to. It ends with the test.
type Names struct {
	// Endpoint is the base host.
	Endpoint string

	addr, proxy string

	mu   sync.Mutex
	seen map[string]bool
}

// Lead leads the names of an endpoint to the client port of a broker.
func Lead(t testing.TB, endpoint, addr string) *Names {
	t.Helper()
	n := &Names{Endpoint: endpoint, addr: addr, seen: map[string]bool{}}
	n.proxy = attendAll(t, "127.0.0.1:0", n.serve)
	return n
}

// Seen reports whether a client has come by that name.
func (n *Names) Seen(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[host]
}

// serve leads one connection to the broker, if it names one of its names.
func (n *Names) serve(ctx context.Context, conn net.Conn) {
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	host, port, err := net.SplitHostPort(request.Host)
	if err != nil || request.Method != http.MethodConnect || port != "443" || host != n.Endpoint && !strings.HasSuffix(host, "."+n.Endpoint) {
		_, _ = io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	n.mu.Lock()
	n.seen[host] = true
	n.mu.Unlock()
	var d net.Dialer
	broker, err := d.DialContext(ctx, "tcp", n.addr)
	if err != nil {
		return
	}
	defer func() { _ = broker.Close() }()
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	couple(ctx, readAhead{conn, reader}, broker)
}

// readAhead is a connection of which some was read already.
type readAhead struct {
	net.Conn

	from io.Reader
}

func (c readAhead) Read(p []byte) (int, error) { return c.from.Read(p) }

// environment is what a program is told.
func (n *Names) environment() []string {
	if n == nil {
		return nil
	}
	url := "http://" + n.proxy
	return []string{
		"STORY_ENDPOINT=" + n.Endpoint, "STORY_PROXY=" + url,
		"https_proxy=" + url, "HTTPS_PROXY=" + url, "grpc_proxy=" + url, "no_proxy=", "NO_PROXY=",
	}
}
