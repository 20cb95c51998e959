package harness

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Page is what a request over plain HTTP was answered.
type Page struct {
	Status int
	Header http.Header
	Body   string
}

// URL is the client port as browsers write it, without a path.
func (s *Server) URL() string {
	if s.TLS != nil {
		return "https://" + s.Addr
	}
	return "http://" + s.Addr
}

// Get asks the server for a path over HTTP, the way curl does; headers are name
// and value in turns.
func (s *Server) Get(t testing.TB, path string, headers ...string) Page {
	t.Helper()
	return s.Request(t, http.MethodGet, path, "", headers...)
}

// Request makes any request over HTTP, as Get does.
func (s *Server) Request(t testing.TB, method, path, body string, headers ...string) Page {
	t.Helper()
	request, err := http.NewRequestWithContext(Bounded(t), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 10 * time.Second}
	if s.TLS != nil {
		transport.TLSClientConfig = s.TLS.Trust()
	}
	client := http.Client{Timeout: Patience, Transport: transport}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Page{answer.StatusCode, answer.Header, string(text)}
}
