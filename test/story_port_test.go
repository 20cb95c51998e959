package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// SDKs and plain HTTP share the client port, and peers that connect and do not
// speak, or not to the end, are in nobody's way.
func TestOnePortForSDKsAndHTTP(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	rudes := []net.Conn{
		speak(t, server, ""),
		speak(t, server, "PRI * HTTP/2"),
		speak(t, server, "GET /livez HTTP/1.1\r\nHo"),
	}
	before := metrics(t, server)

	const items = 200
	values := make([]string, items)
	for i := range values {
		values[i] = fmt.Sprintf("item-%03d", i)
	}
	agent := harness.StartAgent(t, harness.Go, "agent", harness.Client{Addr: server.Addr, Cache: "story"})
	agent.Tell(t, harness.Order{Do: "subscribe", ID: "s", Name: "topic"})
	agent.Await(t, "the subscription", func(said []harness.Event) bool { return len(said) > 0 && said[0].Event == "subscribed" })
	agent.Tell(t, harness.Order{Do: "publish", ID: "p", Name: "topic", Values: values})
	for range 20 { // while it publishes
		for _, path := range []string{"/livez", "/readyz"} {
			if page := server.Get(t, path); page.Status != http.StatusOK || page.Body != "ok\n" {
				t.Fatalf("%s: %d %q", path, page.Status, page.Body)
			}
		}
	}
	agent.Await(t, "all items", func(said []harness.Event) bool {
		got := 0
		for _, e := range said {
			if e.Event == "item" {
				got++
			}
		}
		return got == items
	})

	after := metrics(t, server)
	publish := `method="Publish",service="cache_client.pubsub.Pubsub"`
	for name, grown := range map[string]float64{
		`mayfly_calls_total{code="OK",` + publish + `}`:       items,
		`mayfly_call_duration_seconds_count{` + publish + `}`: items,
		`mayfly_topic_items_published_total`:                  items,
		`mayfly_topic_items_delivered_total`:                  items,
		`mayfly_topic_discontinuities_total`:                  0,
		`mayfly_topic_subscriptions`:                          1,
	} {
		if got := after[name] - before[name]; got != grown {
			t.Errorf("%s grew by %v, want %v", name, got, grown)
		}
	}
	// One of the rude connections may have been counted before, or after.
	const accepted = `mayfly_connections_accepted_total{protocol="http"}`
	if got := after[accepted] - before[accepted]; got != 41 && got != 42 {
		t.Errorf("%s grew by %v, want 41 or 42", accepted, got)
	}
	for _, name := range []string{`mayfly_received_bytes_total{protocol="grpc"}`, `mayfly_sent_bytes_total{protocol="grpc"}`} {
		if got := after[name] - before[name]; got < items*float64(len(values[0])) {
			t.Errorf("%s grew by %v only", name, got)
		}
	}
	for _, c := range rudes {
		dropped(t, c)
	}
	if page := server.Get(t, "/livez"); page.Status != http.StatusOK {
		t.Errorf("after all that: %d", page.Status)
	}
}

// Once there is a key, the metrics need one; whether the node is there never does.
func TestMetricsNeedAKey(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	key := server.Secure(t)
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/": 200, "/metrics": 401, "/console-of-tomorrow": 404} {
		if page := server.Get(t, path); page.Status != want {
			t.Errorf("%s: %d, want %d\n%s", path, page.Status, want, page.Body)
		}
	}
	page := server.Get(t, "/metrics", "Authorization", "Bearer "+key)
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "mayfly_build_info") {
		t.Errorf("with a key: %d\n%s", page.Status, page.Body)
	}
	if strings.Contains(page.Body, key) {
		t.Error("the metrics hold the key")
	}
	if page := server.Get(t, "/readyz", "Accept", "application/json"); page.Body != `{"ready":true,"reasons":[]}`+"\n" {
		t.Errorf("as JSON: %s", page.Body)
	}
}

// speak connects and says that and no more.
func speak(t *testing.T, server *harness.Server, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// dropped waits until the server has hung up.
func dropped(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(harness.Patience))
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("the server did not hang up: %v", err)
	}
	if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 408") && !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
		t.Errorf("the server answered %q", answer)
	}
}

// metrics reads the numbers of a server.
func metrics(t *testing.T, server *harness.Server) map[string]float64 {
	t.Helper()
	page := server.Get(t, "/metrics")
	if page.Status != http.StatusOK {
		t.Fatalf("/metrics: %d %s", page.Status, page.Body)
	}
	all := make(map[string]float64)
	for line := range strings.Lines(page.Body) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok {
			name += "}"
		} else {
			name, value, ok = strings.Cut(strings.TrimSpace(line), " ")
		}
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			all[name] = v
		}
	}
	return all
}
