package test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// What a shell script, a function or a page can do with nothing but HTTP, as the
// documented requests have it.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	binary := "\x00\xff\r\n"
	for _, step := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/cache/story?key=k", "", 404, "Key Not Found"},
		{"PUT", "/cache/story?key=k&ttl_seconds=60", binary, 204, ""},
		{"GET", "/cache/story?key=k", "", 200, binary},
		{"GET", "/cache/story?key_base64=aw", "", 200, binary},
		{"DELETE", "/cache/story?key=k", "", 204, ""},
		{"DELETE", "/cache/story?key=k", "", 204, ""},
		{"GET", "/cache/story?key=k", "", 404, "Key Not Found"},
		{"PUT", "/cache/nowhere?key=k&ttl_seconds=60", "v", 404, "Cache Not Found"},
		{"GET", "/cache/nowhere?key=k", "", 404, "Cache Not Found"},
		{"PUT", "/cache/story?key=k&ttl_seconds=99999999999", "v", 400, "time to live"},
		{"PUT", "/cache/story?key=k&ttl_seconds=60", strings.Repeat("v", 6<<20), 413, "request limit"},
		{"POST", "/cache/story/lists/room?ttl_seconds=60&truncate_to_size=3", "a", 200, `{"length":1}`},
		{"POST", "/cache/story/lists/room?ttl_seconds=60&truncate_to_size=3", "b", 200, `{"length":2}`},
		{"POST", "/cache/story/lists/room?ttl_seconds=60&truncate_to_size=3", "b", 200, `{"length":3}`},
		{"POST", "/cache/story/lists/room?ttl_seconds=60&truncate_to_size=3", "c", 200, `{"length":3}`},
		{"GET", "/cache/story/lists/room?start=-2", "", 200, `{"values":[{"text":"b"},{"text":"c"}]}`},
		{"DELETE", "/cache/story/lists/room?value=b", "", 204, ""},
		{"GET", "/cache/story/lists/room/length", "", 200, `{"length":1}`},
		{"POST", "/cache/story/lists/room?ttl_seconds=60&at=front", "z", 200, `{"length":2}`},
		{"DELETE", "/cache/story/lists/room?start=1", "", 204, ""},
		{"POST", "/cache/story/lists/room/pop?at=back", "", 200, `{"value":{"text":"z"},"length":0}`},
		{"POST", "/cache/story/lists/room/pop?at=back", "", 404, "Key Not Found"},
		{"GET", "/cache/story/lists/room", "", 200, `{"values":[]}`},
		{"DELETE", "/cache/story/lists/room", "", 204, ""},
		{"GET", "/cache/nowhere/lists/room", "", 404, "Cache Not Found"},
		{"PUT", "/cache/story?key=scalar&ttl_seconds=60", "v", 204, ""},
		{"GET", "/cache/story/lists/scalar", "", 409, "FAILED_PRECONDITION"},
		{"POST", "/topics/story/t", "", 204, ""},
		{"POST", "/topics/nowhere/t", "x", 404, "Cache Not Found"},
		{"GET", "/topics/nowhere/t", "", 404, "Cache Not Found"},
		{"POST", "/topics/story/t", strings.Repeat("x", 2<<20), 413, "request limit"},
	} {
		page := server.Request(t, step.method, step.path, step.body)
		if page.Status != step.status || !strings.Contains(page.Body, step.says) {
			t.Errorf("%s %.60s: %d %.80q, want %d %q", step.method, step.path, page.Status, page.Body, step.status, step.says)
		}
	}
}

func TestPlainHTTPNeedsACredential(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	key := server.Secure(t)
	wrapped := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"endpoint":"x","api_key":%q}`, key))
	for name, test := range map[string]struct {
		query  string
		header []string
		status int
	}{
		"nobody":          {"", nil, 401},
		"key":             {"", []string{"Authorization", key}, 204},
		"bearer":          {"", []string{"Authorization", "Bearer " + key}, 204},
		"wrapped":         {"", []string{"Authorization", wrapped}, 204},
		"in the query":    {"?token=" + url.QueryEscape(key), nil, 204},
		"wrapped, query":  {"?token=" + url.QueryEscape(wrapped), nil, 204},
		"twice":           {"?token=" + url.QueryEscape(key), []string{"Authorization", key}, 400},
		"forged":          {"", []string{"Authorization", key + "x"}, 401},
		"somebody's page": {"?token=" + url.QueryEscape(key), []string{"Origin", "https://evil.example"}, 403},
	} {
		if page := server.Request(t, "POST", "/topics/story/t"+test.query, "hello", test.header...); page.Status != test.status {
			t.Errorf("%s: %d %s, want %d", name, page.Status, page.Body, test.status)
		}
	}
	if strings.Contains(server.Log(t), key[:40]) {
		t.Error("the log holds the key")
	}
}

// heard is what a topic says over plain HTTP.
type heard struct {
	Sequence uint64 `json:"topic_sequence_number"`
	Page     uint64 `json:"sequence_page"`
	Value    struct {
		Text string `json:"text"`
	} `json:"value"`
}

// A poll that asks on from where the last one ended, and a stream of events that is
// cut again and again, both hear all that a Node.js client published.
func TestListeningOverHTTP(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	want := make([]string, 200)
	for i := range want {
		want[i] = fmt.Sprintf("item-%03d", i)
	}
	sse := listen(t, server, "")
	if line := sse.next(t); line != ": heartbeat" {
		t.Fatalf("first comes %q", line)
	}
	agent := harness.StartAgent(t, harness.NodeJS, "agent", harness.Client{Addr: server.Addr, Cache: "story"})
	agent.Tell(t, harness.Order{Do: "publish", ID: "p", Name: "topic", Values: want})

	var got []string
	for len(got) < len(want) {
		value, id := sse.item(t)
		got = append(got, value)
		if len(got)%30 == 0 { // the line breaks
			sse.body.Close()
			sse = listen(t, server, id)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("events: %q", got)
	}

	got = got[:0]
	for next, page := uint64(1), uint64(0); len(got) < len(want); {
		var answer struct {
			Items []struct{ Item *heard }
		}
		body := server.Get(t, fmt.Sprintf("/topics/story/topic?sequence_number=%d&sequence_page=%d", next, page)).Body
		if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Items) == 0 {
			t.Fatalf("%v: %s", err, body)
		}
		for _, e := range answer.Items {
			if e.Item == nil {
				t.Fatalf("a discontinuity: %s", body)
			}
			got = append(got, e.Item.Value.Text)
			next, page = e.Item.Sequence+1, e.Item.Page
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("polls: %q", got)
	}

	// A broker that stops ends the stream, and its successor says that there may be
	// a gap.
	id := sse.last
	server.Stop(t)
	if rest, err := io.ReadAll(sse.body); err != nil {
		t.Errorf("the stream was cut: %v after %q", err, rest)
	}
	server.Start(t)
	sse = listen(t, server, id)
	for line := ""; line != "event: discontinuity"; {
		line = sse.next(t)
	}
}

// events is a stream of server-sent events.
type events struct {
	body io.ReadCloser
	*bufio.Reader
	last string
}

func listen(t *testing.T, server *harness.Server, lastID string) *events {
	t.Helper()
	request, err := http.NewRequestWithContext(harness.Bounded(t), http.MethodGet, "http://"+server.Addr+"/topics/story/topic", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultTransport.RoundTrip(request) //nolint:bodyclose // closed with the test, or before
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s", answer.Status)
	}
	e := &events{body: answer.Body, Reader: bufio.NewReader(answer.Body), last: lastID}
	if line := e.next(t); line != "retry: 1000" {
		t.Errorf("first comes %q", line)
	}
	return e
}

// next returns the next line that is not empty.
func (e *events) next(t *testing.T) (line string) {
	t.Helper()
	for line == "" {
		text, err := e.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		line = strings.TrimSuffix(text, "\n")
	}
	return line
}

// item returns the next item and its id.
func (e *events) item(t *testing.T) (value, id string) {
	t.Helper()
	for {
		line := e.next(t)
		if text, ok := strings.CutPrefix(line, "id: "); ok {
			e.last = text
		}
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var h heard
		if err := json.Unmarshal([]byte(text), &h); err != nil {
			t.Fatal(err)
		}
		return h.Value.Text, e.last
	}
}
