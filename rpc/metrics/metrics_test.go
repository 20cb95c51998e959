package metrics

import (
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
)

// sources are numbers that differ from each other, so that a mix-up shows.
func sources() Sources {
	return Sources{
		Topics: func() fanout.Stats {
			return fanout.Stats{
				Topics: 1, Subscriptions: 2, Items: 3, Bytes: 4, Fed: 5,
				Published: 6, Delivered: 7, Discontinuities: 8, PagesExhausted: 9,
			}
		},
		Peers:     func() map[cluster.NodeID]uint64 { return map[cluster.NodeID]uint64{"b": 30, "c": 31} },
		Gossip:    func() (alive, silent int) { return 32, 33 },
		Strangers: func() (peer, gossip uint64) { return 36, 37 },
		Vending: func() map[string]map[string]uint64 {
			return map[string]map[string]uint64{"chat": {"vended": 34, "refused": 35}}
		},
		Groups: func() []replica.Stats {
			return []replica.Stats{
				{Group: 0, Leadership: replica.Leadership{Term: 2, Leading: true, Leader: "a"}, Applied: 10, Committed: 11, LastIndex: 12},
				{Group: 1, Leadership: replica.Leadership{Term: 3, Leader: "b"}, SnapshotIndex: 13, LogBytes: 14, Queued: 15},
				{Group: 2, Leadership: replica.Leadership{Term: 4}},
			}
		},
		Port: func() Port {
			return Port{
				GRPC: Traffic{Open: 20, Accepted: 21, Received: 22, Sent: 23},
				HTTP: Traffic{Open: 24, Accepted: 25, Received: 26, Sent: 27}, Dropped: 28,
			}
		},
		Webhooks: func() Webhooks {
			return Webhooks{Webhooks: 40, Waiting: 41, UnderWay: 42, Repeats: 43, Delivered: 44, Exhausted: 45, Refused: 46, Forbidden: 47, Behind: 48, Deleted: 49, Stopped: 50}
		},
		Memory: func() Memory {
			return Memory{Held: 60, Budget: 61, Pressed: true, Caches: map[string]CacheMemory{
				"chat": {Budget: 62, Led: 63, EvictedItems: 64, EvictedBytes: 65, RefusedWrites: 66}, "plain": {EvictedItems: 67},
			}}
		},
		CertificateEnd: func() time.Time { return time.Unix(34, 0) },
		Version:        "v1.2.3", Commit: "abc",
	}
}

// read returns what a reading shows.
func read(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d, %v: %s", w.Code, err, body)
	}
	return string(body)
}

// shows fails for every line that is not in the text.
func shows(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestReading(t *testing.T) {
	shows(t, read(t, New(sources(), nil)),
		"mayfly_topics 1", "mayfly_topic_subscriptions 2", "mayfly_topic_log_items 3", "mayfly_topic_log_bytes 4",
		"mayfly_topic_items_mirrored_total 5", "mayfly_topic_items_published_total 6", "mayfly_topic_items_delivered_total 7",
		"mayfly_topic_discontinuities_total 8", "mayfly_topic_pages_exhausted 9",
		`mayfly_peer_items_sent_total{peer="b"} 30`, `mayfly_peer_items_sent_total{peer="c"} 31`,
		`mayfly_gossip_peers{state="alive"} 32`, `mayfly_gossip_peers{state="silent"} 33`,
		`mayfly_strangers_refused_total{port="peer"} 36`, `mayfly_strangers_refused_total{port="gossip"} 37`,
		`mayfly_vend_requests_total{endpoint="chat",outcome="vended"} 34`, `mayfly_vend_requests_total{endpoint="chat",outcome="refused"} 35`,
		`mayfly_raft_groups{role="leader"} 1`, `mayfly_raft_groups{role="follower"} 2`,
		`mayfly_raft_leading{group="0"} 1`, `mayfly_raft_leading{group="1"} 0`, `mayfly_raft_leading{group="2"} 0`,
		`mayfly_raft_leader_known{group="0"} 1`, `mayfly_raft_leader_known{group="1"} 1`, `mayfly_raft_leader_known{group="2"} 0`,
		`mayfly_raft_applied_index{group="0"} 10`, `mayfly_raft_commit_index{group="0"} 11`, `mayfly_raft_last_index{group="0"} 12`,
		`mayfly_raft_snapshot_index{group="1"} 13`, `mayfly_raft_log_bytes{group="1"} 14`, `mayfly_raft_queued_commands{group="1"} 15`,
		`mayfly_raft_term{group="2"} 4`,
		`mayfly_connections{protocol="grpc"} 20`, `mayfly_connections_accepted_total{protocol="grpc"} 21`,
		`mayfly_received_bytes_total{protocol="grpc"} 22`, `mayfly_sent_bytes_total{protocol="grpc"} 23`,
		`mayfly_connections{protocol="http"} 24`, `mayfly_connections_accepted_total{protocol="http"} 25`,
		`mayfly_received_bytes_total{protocol="http"} 26`, `mayfly_sent_bytes_total{protocol="http"} 27`,
		"mayfly_connections_dropped_total 28", "mayfly_tls_certificate_end_timestamp_seconds 34",
		"mayfly_webhooks 40", "mayfly_webhook_events_waiting 41", "mayfly_webhook_attempts_in_flight 42",
		"mayfly_webhook_attempts_failed_total 43", "mayfly_webhook_events_delivered_total 44",
		`mayfly_webhook_dead_letters_total{reason="exhausted"} 45`, `mayfly_webhook_dead_letters_total{reason="refused"} 46`,
		`mayfly_webhook_dead_letters_total{reason="forbidden"} 47`, `mayfly_webhook_dead_letters_total{reason="behind"} 48`,
		"mayfly_memory_items_bytes 60", "mayfly_memory_items_budget_bytes 61", "mayfly_memory_pressed 1",
		`mayfly_cache_budget_bytes{cache="chat"} 62`, `mayfly_cache_led_bytes{cache="chat"} 63`,
		`mayfly_cache_evicted_items_total{cache="chat"} 64`, `mayfly_cache_evicted_bytes_total{cache="chat"} 65`,
		`mayfly_cache_refused_writes_total{cache="chat"} 66`, `mayfly_cache_evicted_items_total{cache="plain"} 67`,
		`mayfly_webhook_dead_letters_total{reason="deleted"} 49`, `mayfly_webhook_dead_letters_total{reason="stopped"} 50`,
	)
	if !regexp.MustCompile(`mayfly_build_info\{commit="abc",goversion="go[^"]+",version="v1.2.3"\} 1`).MatchString(read(t, New(sources(), nil))) {
		t.Error("no build info")
	}
}

func TestCalls(t *testing.T) {
	m := New(sources(), nil)
	get := m.Method("/cache_client.Scs/Get", false)
	subscribe := m.Method("/cache_client.pubsub.Pubsub/Subscribe", true)
	m.Method("/cache_client.Scs/NeverCalled", false)
	for range 3 {
		get.Begin()
		subscribe.Begin()
	}
	get.End(codes.OK, 30*time.Microsecond)
	get.End(codes.NotFound, 3*time.Millisecond)
	get.End(codes.Code(99), time.Minute)
	subscribe.End(codes.OK, time.Hour)
	text := read(t, m)
	shows(t, text,
		`mayfly_calls_total{code="OK",method="Get",service="cache_client.Scs"} 1`,
		`mayfly_calls_total{code="NotFound",method="Get",service="cache_client.Scs"} 1`,
		`mayfly_calls_total{code="Unknown",method="Get",service="cache_client.Scs"} 1`,
		`mayfly_calls_in_flight{method="Get",service="cache_client.Scs"} 0`,
		`mayfly_calls_in_flight{method="Subscribe",service="cache_client.pubsub.Pubsub"} 2`,
		`mayfly_call_duration_seconds_bucket{method="Get",service="cache_client.Scs",le="0.0001"} 1`,
		`mayfly_call_duration_seconds_bucket{method="Get",service="cache_client.Scs",le="0.005"} 2`,
		`mayfly_call_duration_seconds_bucket{method="Get",service="cache_client.Scs",le="10"} 2`,
		`mayfly_call_duration_seconds_count{method="Get",service="cache_client.Scs"} 3`,
	)
	for _, never := range []string{"NeverCalled", `duration_seconds_count{method="Subscribe"`} {
		if strings.Contains(text, never) {
			t.Errorf("%s is shown", never)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	m := New(sources(), nil)
	get := m.Method("/s/Get", false)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 100 {
				get.Begin()
				get.End(codes.OK, time.Millisecond)
			}
		})
	}
	callers.Go(func() { read(t, m) })
	callers.Wait()
	shows(t, read(t, m), `mayfly_calls_total{code="OK",method="Get",service="s"} 800`, `mayfly_calls_in_flight{method="Get",service="s"} 0`)
}

// The names keep to the rules of the field, and no label could ever hold what a
// client chose.
func TestNames(t *testing.T) {
	m := New(sources(), nil)
	method := m.Method("/s/Get", false)
	method.Begin()
	method.End(codes.OK, 0)
	text := read(t, m)
	few := map[string]bool{
		"cache": true, "service": true, "method": true, "code": true, "le": true, "group": true, "role": true, "result": true, "protocol": true, "peer": true, "port": true, "state": true, "reason": true,
		"endpoint": true, "outcome": true, "version": true, "commit": true, "goversion": true, "quantile": true,
	}
	for _, label := range regexp.MustCompile(`([a-z_]+)="`).FindAllStringSubmatch(text, -1) {
		if !few[label[1]] {
			t.Errorf("label %q", label[1])
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (mayfly_\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		if counter := line[2] == "counter"; counter != strings.HasSuffix(line[1], "_total") {
			t.Errorf("%s is a %s", line[1], line[2])
		}
	}
}

func BenchmarkCall(b *testing.B) {
	get := New(sources(), nil).Method("/s/Get", false)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			get.Begin()
			get.End(codes.OK, time.Millisecond)
		}
	})
}
