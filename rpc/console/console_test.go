package console

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// send asks a question with a body.
func send(h http.Handler, method, target, credential, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if credential != "" {
		r.Header.Set("Authorization", credential)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// answered decodes an answer as whatever it is.
func answered(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d, %q: %v", w.Code, w.Body, err)
	}
	return v
}

// Every route, verb, credential and status.
func TestRoutes(t *testing.T) {
	const inspect = `{"credential":"a.b.c"}`
	tests := []struct {
		method, path, credential, body string
		status                         int
		code                           string
	}{
		{"GET", "session", "", "", 200, ""},
		{"GET", "session", "token", "", 200, ""},
		{"POST", "session", "root", "", 405, "METHOD_NOT_ALLOWED"},

		{"GET", "cluster", "root", "", 200, ""},
		{"GET", "cluster", "Bearer root", "", 200, ""},
		{"GET", "cluster", "", "", 401, "UNAUTHENTICATED"},
		{"GET", "cluster?token=root", "", "", 401, "UNAUTHENTICATED"},
		{"GET", "cluster", "token", "", 403, "PERMISSION_DENIED"},
		{"PUT", "cluster", "root", "", 405, "METHOD_NOT_ALLOWED"},

		{"GET", "usage", "root", "", 200, ""},
		{"GET", "usage?node=n2", "root", "", 200, ""},
		{"GET", "usage?node=all", "root", "", 200, ""},
		{"GET", "usage?node=n3", "root", "", 503, "UNAVAILABLE"},
		{"GET", "usage?node=elsewhere", "root", "", 404, "NOT_FOUND"},
		{"GET", "usage", "", "", 401, "UNAUTHENTICATED"},
		{"GET", "usage", "token", "", 403, "PERMISSION_DENIED"},
		{"DELETE", "usage", "root", "", 405, "METHOD_NOT_ALLOWED"},

		{"GET", "topic?cache=c&topic=t", "root", "", 200, ""},
		{"GET", "topic?cache=c", "root", "", 400, "INVALID_ARGUMENT"},
		{"GET", "topic?topic=t", "root", "", 400, "INVALID_ARGUMENT"},
		{"GET", "topic?cache=c&topic=t", "", "", 401, "UNAUTHENTICATED"},
		{"GET", "topic?cache=c&topic=t", "token", "", 403, "PERMISSION_DENIED"},
		{"POST", "topic?cache=c&topic=t", "root", "", 405, "METHOD_NOT_ALLOWED"},

		{"POST", "inspect", "root", `{"credential":"e30.e30.x"}`, 200, ""},
		{"POST", "inspect", "root", `{"credential":"e30.e30.x","check":{"action":"list_caches"}}`, 200, ""},
		{"POST", "inspect", "root", inspect, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", ``, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `[]`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":7}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credentials":"e30.e30.x"}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":"e30.e30.x"} x`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":"` + strings.Repeat("e", 70<<10) + `"}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":"e30.e30.x","check":{"action":"fly"}}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":"e30.e30.x","check":{"action":"publish","cache":"c"}}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":"e30.e30.x","check":{"action":"read","cache":"c"}}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "root", `{"credential":"e30.e30.x","check":{"action":"flush_cache"}}`, 400, "INVALID_ARGUMENT"},
		{"POST", "inspect", "", inspect, 401, "UNAUTHENTICATED"},
		{"POST", "inspect", "token", inspect, 403, "PERMISSION_DENIED"},
		{"GET", "inspect", "root", "", 405, "METHOD_NOT_ALLOWED"},

		{"GET", "", "root", "", 404, "NOT_FOUND"},
		{"GET", "nothing", "root", "", 404, "NOT_FOUND"},
		{"GET", "cluster/more", "root", "", 404, "NOT_FOUND"},
	}
	c := newTestConsole(t, &broker{missing: map[string]bool{"n3": true}}, &calls{}, true)
	for _, tt := range tests {
		got := send(c, tt.method, "/console/api/"+tt.path, tt.credential, tt.body)
		h := got.Header()
		if got.Code != tt.status || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s as %q: %d, %v; want %d", tt.method, tt.path, tt.credential, got.Code, h, tt.status)
		}
		v := answered(t, got)
		if code, _ := v["code"].(string); code != tt.code || tt.code != "" && v["message"] == "" {
			t.Errorf("%s %s as %q: %s, want code %q", tt.method, tt.path, tt.credential, got.Body, tt.code)
		}
		if tt.status == 405 && (h.Get("Allow") == "" || h.Get("Allow") == tt.method) {
			t.Errorf("%s %s: Allow is %q", tt.method, tt.path, h.Get("Allow"))
		}
		if tt.status == 401 && h.Get("WWW-Authenticate") == "" {
			t.Errorf("%s %s: no WWW-Authenticate", tt.method, tt.path)
		}
		if strings.Contains(got.Body.String(), "eeeeee") {
			t.Errorf("%s %s: the answer quotes a credential", tt.method, tt.path)
		}
	}
}

// A node that is starting says so, and its session answers all the same.
func TestBeforeOpen(t *testing.T) {
	c := newTestConsole(t, &broker{}, nil, true)
	for _, path := range []string{"cluster", "usage", "topic?cache=c&topic=t"} {
		if got := send(c, "GET", "/console/api/"+path, "root", ""); got.Code != 503 || got.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
	got := answered(t, send(c, "GET", "/console/api/session", "root", ""))
	want := map[string]any{
		"version": "v1.2.3", "node": "n1", "cluster": "test", "open": false, "authorized": false,
		"reason":     "this node is starting, try another one or wait",
		"credential": map[string]any{"kind": "none", "id": "", "expires_at": nil},
	}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestSession(t *testing.T) {
	none := map[string]any{"kind": "none", "id": "", "expires_at": nil}
	end := time.UnixMilli(1234)
	tests := []struct {
		name, credential string
		secured          bool
		calls            calls
		open, authorized bool
		reason           string
		holder           map[string]any
	}{
		{"nobody, secured", "", true, calls{identified: auth.ErrMissing}, false, false, "this cluster needs a credential, send an API key or a token", none},
		{"nobody, open", "root", false, calls{principal: auth.Principal{Kind: auth.KindAnonymous}}, true, true, "", none},
		{"a super user", "root", true, calls{principal: auth.Principal{Kind: auth.KindAPIKey, ID: "k_1", ExpiresAt: end}}, false, true, "",
			map[string]any{"kind": "api_key", "id": "k_1", "expires_at": 1234.0}},
		{"the admin", "root", true, calls{principal: auth.Principal{Kind: auth.KindAdmin, ID: "a_1"}}, false, true, "",
			map[string]any{"kind": "admin", "id": "a_1", "expires_at": nil}},
		{"a token", "narrow", true, calls{principal: auth.Principal{Kind: auth.KindToken, ID: "t_1", ExpiresAt: end}}, false, false,
			"this call needs a super user API key or the admin credential", map[string]any{"kind": "token", "id": "t_1", "expires_at": 1234.0}},
	}
	for _, tt := range tests {
		got := answered(t, send(newTestConsole(t, &broker{}, &tt.calls, tt.secured), "GET", "/console/api/session", tt.credential, ""))
		reason, _ := got["reason"].(string)
		if got["open"] != tt.open || got["authorized"] != tt.authorized || reason != tt.reason || !cmp.Equal(got["credential"], any(tt.holder)) {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestCluster(t *testing.T) {
	got := answered(t, send(newTestConsole(t, &broker{status: someStatus()}, &calls{}, true), "GET", "/console/api/cluster", "root", ""))
	want := map[string]any{
		"leading": true, "meta_leader": "n1", "asked_at": 5000.0, "placement_version": 9.0,
		"members": []any{
			map[string]any{"name": "n1", "id": "s1", "peer_address": "n1:7947", "zone": "a", "state": "active", "health": "live", "alive": true,
				"heard_at": 4000.0, "leads": 2.0, "replicas": 2.0, "version": "v1.2.3"},
			map[string]any{"name": "n2", "id": "s2", "peer_address": "n2:7947", "zone": "", "state": "leaving", "health": "down", "alive": false,
				"heard_at": nil, "leads": 0.0, "replicas": 0.0, "version": "", "note": "silent"},
		},
		"groups": []any{
			map[string]any{"group": "meta", "leader": "n1", "term": 3.0, "replicas": []any{
				map[string]any{"node": "n1", "role": "voter", "lag": 0.0}, map[string]any{"node": "n2", "role": "learner", "lag": 7.0},
			}},
			map[string]any{"group": "1", "leader": "", "term": 0.0, "replicas": []any{map[string]any{"node": "n2", "role": "voter", "lost": true, "lag": nil}}},
			map[string]any{"group": "2", "leader": "", "term": 0.0, "replicas": []any{}},
		},
		"moves": []any{
			map[string]any{"group": "1", "kind": "promote", "node": "n2"},
			map[string]any{"group": "2", "kind": "between two steps", "node": ""},
		},
		"held": []any{map[string]any{"group": "2", "why": "n2 is down"}},
	}
	if !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestTopic(t *testing.T) {
	b := &broker{topic: Topic{Group: 3, Leader: "n2", Known: true, Page: 8, Sequence: 0, Subscriptions: 4}}
	c := newTestConsole(t, b, &calls{}, true)
	got := answered(t, send(c, "GET", "/console/api/topic?cache=a%20b&topic=x%2Fy", "root", ""))
	if want := map[string]any{"group": "3", "leader": "n2", "page": 8.0, "sequence": 0.0, "subscriptions": 4.0}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if want := []string{"a b", "x/y"}; !cmp.Equal(b.looked, want) {
		t.Errorf("looked at %q", b.looked)
	}
	b.topic = Topic{Group: 3}
	got = answered(t, send(c, "GET", "/console/api/topic?cache=c&topic=t", "root", ""))
	if want := map[string]any{"group": "3", "leader": "", "page": nil, "sequence": nil, "subscriptions": 0.0}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
}

func TestUsage(t *testing.T) {
	last := usage.StepOf(time.Now()) - 2 // in the hour, also when a step ends meanwhile
	sample := func(n uint64) []usage.Sample {
		return []usage.Sample{{Step: last, Counters: usage.Counters{
			Operations: n, Errors: n + 1, BytesIn: n + 2, BytesOut: n + 3, Hits: n + 4, Misses: n + 5, Published: n + 6, Delivered: n + 7, Subscriptions: n + 8,
		}}}
	}
	b := &broker{usage: map[string][]usage.Sample{"n1": sample(10), "n2": sample(100)}, missing: map[string]bool{"n3": true}}
	c := newTestConsole(t, b, &calls{}, true)
	tests := []struct {
		query          string
		first, step    float64
		nodes, missing []any
	}{
		{"", 10, 1, []any{"n1"}, []any{}},
		{"?node=n2", 100, 1, []any{"n2"}, []any{}},
		{"?node=all", 110, 2, []any{"n1", "n2"}, []any{"n3"}},
	}
	for _, tt := range tests {
		got := answered(t, send(c, "GET", "/console/api/usage"+tt.query, "root", ""))
		at := (float64(usage.Start(last).UnixMilli()) - got["from"].(float64)) / 10_000
		if got["step"] != 10_000.0 || got["points"] != 360.0 || !cmp.Equal(got["nodes"], any(tt.nodes)) || !cmp.Equal(got["missing"], any(tt.missing)) {
			t.Errorf("%s: %v, %v, %v, %v", tt.query, got["step"], got["points"], got["nodes"], got["missing"])
		}
		lines := got["series"].(map[string]any)
		for i, name := range []string{"operations", "errors", "bytes_in", "bytes_out", "hits", "misses", "published", "delivered", "subscriptions"} {
			line, ok := lines[name].([]any)
			if !ok || len(line) != 360 {
				t.Fatalf("%s: %s has %d points", tt.query, name, len(line))
			}
			for j, v := range line {
				var want any
				if j == int(at) {
					want = tt.first + float64(i)*tt.step
				}
				if v != want {
					t.Errorf("%s: %s at %d is %v, want %v", tt.query, name, j, v, want)
				}
			}
		}
		if len(lines) != 9 {
			t.Errorf("%s: %d series", tt.query, len(lines))
		}
	}
}

// Each action rehearses the call that it is about.
func TestActions(t *testing.T) {
	all := check{Cache: "c", Topic: "t", Key: "k"}
	tests := map[string]struct {
		method, cache string
		message       proto.Message
	}{
		"publish":      {pubsubpb.Pubsub_Publish_FullMethodName, "", &pubsubpb.PublishRequest{CacheName: "c", Topic: "t"}},
		"subscribe":    {pubsubpb.Pubsub_Subscribe_FullMethodName, "", &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"}},
		"read":         {cachepb.Scs_Get_FullMethodName, "c", &cachepb.GetRequest{CacheKey: []byte("k")}},
		"write":        {cachepb.Scs_Set_FullMethodName, "c", &cachepb.SetRequest{CacheKey: []byte("k")}},
		"create_cache": {controlpb.ScsControl_CreateCache_FullMethodName, "", &controlpb.CreateCacheRequest{CacheName: "c"}},
		"delete_cache": {controlpb.ScsControl_DeleteCache_FullMethodName, "", &controlpb.DeleteCacheRequest{CacheName: "c"}},
		"flush_cache":  {controlpb.ScsControl_FlushCache_FullMethodName, "", &controlpb.FlushCacheRequest{CacheName: "c"}},
		"list_caches":  {controlpb.ScsControl_ListCaches_FullMethodName, "", &controlpb.ListCachesRequest{}},
	}
	if len(tests) != len(actions) {
		t.Errorf("%d actions, %d are tested", len(actions), len(tests))
	}
	for action, tt := range tests {
		one := all
		one.Action = action
		body, err := json.Marshal(map[string]any{"credential": "e30.e30.x", "check": one})
		if err != nil {
			t.Fatal(err)
		}
		rehearsed := &calls{identified: auth.ErrForged}
		got := answered(t, send(newTestConsole(t, &broker{}, rehearsed, true), "POST", "/console/api/inspect", "root", string(body)))
		if rehearsed.method != tt.method || rehearsed.cache != tt.cache || !proto.Equal(rehearsed.message, tt.message) {
			t.Errorf("%s: %s in %q: %v", action, rehearsed.method, rehearsed.cache, rehearsed.message)
		}
		want := map[string]any{"allowed": false, "code": "PermissionDenied", "reason": "this call needs a super user API key or the admin credential"}
		if !cmp.Equal(got["verdict"], any(want)) || got["signature"] != "bad" {
			t.Errorf("%s: %v", action, got)
		}
	}
}
