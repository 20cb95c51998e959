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
	ctx         context.Context
	running     sync.WaitGroup

	mu   sync.Mutex
	seen map[string]bool
}

// Lead leads the names of an endpoint to the client port of a broker.
func Lead(t testing.TB, endpoint, addr string) *Names {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n := &Names{Endpoint: endpoint, addr: addr, proxy: FreeAddr(t), ctx: ctx, seen: map[string]bool{}}
	l := listen(t, n.proxy)
	n.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.running.Go(func() { n.serve(conn) })
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		n.running.Wait()
	})
	return n
}

// Seen reports whether a client has come by that name.
func (n *Names) Seen(host string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[host]
}

// serve leads one connection to the broker, if it names one of its names.
func (n *Names) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(n.ctx, func() { _ = conn.Close() })
	defer stop()
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
	broker, err := d.DialContext(n.ctx, "tcp", n.addr)
	if err != nil {
		return
	}
	defer func() { _ = broker.Close() }()
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(conn, broker)
		_ = conn.Close()
	}()
	_, _ = io.Copy(broker, reader)
	_ = broker.Close()
	<-back
}

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
