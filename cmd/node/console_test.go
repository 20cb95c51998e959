package node

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// question asks the console of a node something, and decodes the answer.
func question(t *testing.T, conn *grpc.ClientConn, method, path, credential, body string) (status int, answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+conn.Target()+"/console/api/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		request.Header.Set("Authorization", credential)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
	}
	return response.StatusCode, answer
}

// roomOf allows to subscribe to topics that begin with room- in cache default.
func roomOf() *permissionpb.ExplicitPermissions {
	return &permissionpb.ExplicitPermissions{Permissions: []*permissionpb.PermissionsType{{Kind: &permissionpb.PermissionsType_TopicPermissions{
		TopicPermissions: &permissionpb.TopicPermissions{
			Role:  permissionpb.TopicRole_TopicReadOnly,
			Cache: &permissionpb.TopicPermissions_CacheSelector{CacheSelector: &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: "default"}}},
			Topic: &permissionpb.TopicPermissions_TopicSelector{TopicSelector: &permissionpb.TopicSelector{Kind: &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: "room-"}}},
		},
	}}}}
}

// Who may ask what, before there is a key and after.
func TestConsoleAuthorization(t *testing.T) {
	config := small(t)
	config.Caches = []string{"default"}
	conn, _ := run(t, config)
	questions := []struct{ method, path, body string }{
		{"GET", "cluster", ""}, {"GET", "usage", ""}, {"GET", "usage?node=all", ""}, {"GET", "topic?cache=default&topic=room-1", ""},
		{"POST", "inspect", `{"credential":"e30.e30.x"}`},
	}
	for _, q := range questions {
		if code, answer := question(t, conn, q.method, q.path, "", q.body); code != http.StatusOK {
			t.Errorf("open: %s: %d, %v", q.path, code, answer)
		}
	}
	if _, answer := question(t, conn, "GET", "session", "", ""); answer["open"] != true || answer["authorized"] != true {
		t.Errorf("open: session: %v", answer)
	}

	admin := adminToken(t, config.DataDir)
	key := func(permissions *permissionpb.Permissions) *adminv1.CreateApiKeyResponse {
		made, err := adminv1.NewAdminClient(conn).CreateApiKey(as(t, admin), &adminv1.CreateApiKeyRequest{Permissions: permissions})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	super := key(&permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}})
	narrow := key(&permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: roomOf()}})
	revoked := key(&permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}})
	if _, err := adminv1.NewAdminClient(conn).RevokeApiKey(as(t, admin), &adminv1.RevokeApiKeyRequest{Id: revoked.GetId()}); err != nil {
		t.Fatal(err)
	}
	forged := super.GetApiKey()[:len(super.GetApiKey())-6] + "AAAAAA"
	for _, who := range []struct {
		name, credential, kind string
		status                 int
	}{
		{"nobody", "", "none", 401}, {"admin", admin, "admin", 200}, {"super key", super.GetApiKey(), "api_key", 200},
		{"wrapped super key", super.GetWrappedKey(), "api_key", 200}, {"super key, Bearer", "Bearer " + super.GetApiKey(), "api_key", 200},
		{"narrow key", narrow.GetApiKey(), "api_key", 403}, {"revoked key", revoked.GetApiKey(), "none", 401}, {"forged key", forged, "none", 401},
		{"nonsense", "nonsense", "none", 401},
	} {
		for _, q := range questions {
			if code, answer := question(t, conn, q.method, q.path, who.credential, q.body); code != who.status {
				t.Errorf("%s: %s: %d, %v, want %d", who.name, q.path, code, answer, who.status)
			}
		}
		code, answer := question(t, conn, "GET", "session", who.credential, "")
		holder, _ := answer["credential"].(map[string]any)
		if code != http.StatusOK || answer["open"] != false || answer["authorized"] != (who.status == 200) || holder["kind"] != who.kind ||
			(answer["reason"] == nil) != (who.status == 200) {
			t.Errorf("%s: session: %d, %v", who.name, code, answer)
		}
	}
	inspectNarrow(t, conn, super.GetApiKey(), narrow, forged, revoked.GetApiKey())
}

// inspectNarrow has credentials looked at.
func inspectNarrow(t *testing.T, conn *grpc.ClientConn, super string, narrow *adminv1.CreateApiKeyResponse, forged, revoked string) {
	token, err := tokenpb.NewTokenClient(conn).GenerateDisposableToken(t.Context(), &tokenpb.GenerateDisposableTokenRequest{
		AuthToken: super, TokenId: "alice", Expires: &tokenpb.Expires{ValidForSeconds: 600},
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: roomOf()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	line := `subscribe to topics beginning with "room-" of cache "default"`
	for _, tt := range []struct {
		name, credential, kind, signature, action, topic string
		allowed                                          bool
		code, line                                       string
	}{
		{"key", narrow.GetApiKey(), "api_key", "good", "subscribe", "room-1", true, "OK", line},
		{"key, another topic", narrow.GetApiKey(), "api_key", "good", "subscribe", "hall", false, "PermissionDenied", line},
		{"key, another verb", narrow.GetWrappedKey(), "api_key", "good", "publish", "room-1", false, "PermissionDenied", line},
		{"key, another cache", narrow.GetApiKey(), "api_key", "good", "delete_cache", "", false, "PermissionDenied", line},
		{"token", token.GetApiKey(), "token", "good", "subscribe", "room-1", true, "OK", line},
		{"super", super, "api_key", "good", "create_cache", "", true, "OK", "everything: all caches, items and topics, and control"},
		{"forged", forged, "api_key", "bad", "subscribe", "room-1", false, "Unauthenticated", ""},
		{"revoked", revoked, "api_key", "good", "subscribe", "room-1", false, "Unauthenticated", ""},
	} {
		body, err := json.Marshal(map[string]any{"credential": tt.credential, "check": map[string]string{"cache": "default", "topic": tt.topic, "action": tt.action}})
		if err != nil {
			t.Fatal(err)
		}
		code, answer := question(t, conn, "POST", "inspect", super, string(body))
		verdict, _ := answer["verdict"].(map[string]any)
		lines, _ := answer["lines"].([]any)
		if code != http.StatusOK || answer["kind"] != tt.kind || answer["signature"] != tt.signature || verdict["allowed"] != tt.allowed || verdict["code"] != tt.code {
			t.Errorf("%s: %d, %v", tt.name, code, answer)
		}
		if tt.line != "" && (len(lines) != 1 || lines[0] != tt.line) || tt.line == "" && len(lines) != 0 {
			t.Errorf("%s: lines %v", tt.name, lines)
		}
		if text, _ := json.Marshal(answer); strings.Contains(string(text), tt.credential) {
			t.Errorf("%s: the answer holds the credential", tt.name)
		}
	}
	if _, answer := question(t, conn, "POST", "inspect", super, `{"credential":"`+token.GetApiKey()+`"}`); answer["token_id"] != "alice" || answer["expired"] != false {
		t.Errorf("the token: %v", answer)
	} else if ends := time.UnixMilli(int64(answer["expires_at"].(float64))); time.Until(ends) < 9*time.Minute || time.Until(ends) > 10*time.Minute {
		t.Errorf("the token ends at %v", ends)
	}
}

// wrongOverview finds what is wrong with an overview of n1 alone, once everything has
// been asked for; empty for nothing.
func wrongOverview(answer map[string]any) string {
	members, _ := answer["members"].([]any)
	groups, _ := answer["groups"].([]any)
	if len(members) != 1 || len(groups) != 3 || answer["meta_leader"] != "n1" {
		return "the cluster"
	}
	member, _ := members[0].(map[string]any)
	for name, want := range map[string]any{"name": "n1", "version": "v9", "leads": 3.0, "replicas": 3.0, "alive": true} {
		if member[name] != want {
			return "the member's " + name
		}
	}
	return ""
}

// What the console shows of a topic, and of the cluster, is what was done.
func TestConsoleOfANode(t *testing.T) {
	for name, alone := range map[string]bool{"alone": true, "with doors to others": false} {
		t.Run(name, func(t *testing.T) {
			config := small(t)
			config.Name, config.Version, config.Caches = "n1", "v9", []string{"default"}
			if alone {
				config.PeerListen, config.GossipListen = "", ""
			}
			conn, _ := run(t, config)
			if _, answer := question(t, conn, "GET", "topic?cache=default&topic=room", "", ""); answer["sequence"] != nil {
				t.Errorf("before: %v", answer)
			}
			stream, err := pubsubpb.NewPubsubClient(conn).Subscribe(t.Context(), &pubsubpb.SubscribeRequest{CacheName: "default", Topic: "room"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			if _, err := pubsubpb.NewPubsubClient(conn).Publish(t.Context(), &pubsubpb.PublishRequest{
				CacheName: "default", Topic: "room", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: "hi"}},
			}); err != nil {
				t.Fatal(err)
			}
			if _, answer := question(t, conn, "GET", "topic?cache=default&topic=room", "", ""); answer["sequence"] != 1.0 || answer["leader"] != "n1" || answer["subscriptions"] != 1.0 {
				t.Errorf("after: %v", answer)
			}
			// The steward asks around after the node has begun to serve.
			for late := time.Now().Add(10 * time.Second); ; {
				_, answer := question(t, conn, "GET", "cluster", "", "")
				wrong := wrongOverview(answer)
				if wrong == "" {
					break
				}
				if time.Now().After(late) {
					t.Fatalf("%s: %v", wrong, answer)
				}
			}
		})
	}
}

// A node whose record knows others, and that was started without a way to them, says
// that it cannot ask them.
func TestUsageOfNodesOutOfReach(t *testing.T) {
	config := small(t)
	config.PeerListen, config.GossipListen = "", ""
	n, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	if _, err := (desk{n}).Usage(t.Context(), "other"); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("asking a node that cannot be reached: %v", err)
	}
}
