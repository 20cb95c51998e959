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

// Get asks the server for a path over HTTP, the way curl does; headers are name
// and value in turns.
func (s *Server) Get(t testing.TB, path string, headers ...string) Page {
	t.Helper()
	return s.Request(t, http.MethodGet, path, "", headers...)
}

// Request makes any request over HTTP, as Get does.
func (s *Server) Request(t testing.TB, method, path, body string, headers ...string) Page {
	t.Helper()
	request, err := http.NewRequestWithContext(Bounded(t), method, "http://"+s.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 10 * time.Second}}
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
