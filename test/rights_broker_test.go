package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
)

// putSecrets makes a webhook and a signing key, whose secrets are to stay that.
func (s *rightsStory) putSecrets(t *testing.T) {
	t.Helper()
	n := s.cluster.Nodes[0]
	hooks := webhookpb.NewWebhookClient(s.conns[n])
	secret, err := hooks.PutWebhook(n.Context(t), &webhookpb.PutWebhookRequest{Webhook: &webhookpb.WebhookSpec{
		WebhookId: &webhookpb.WebhookId{CacheName: ownCache, WebhookName: "canary"}, TopicName: ownName,
		Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: "https://hooks.example/canary"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.leaks.keep(secret.GetSecretString())
	made, err := controlpb.NewScsControlClient(s.conns[n]).CreateSigningKey(n.Context(t), &controlpb.CreateSigningKeyRequest{TtlMinutes: 60})
	if err != nil {
		t.Fatal(err)
	}
	var key struct{ K string }
	if err := json.Unmarshal([]byte(made.GetKey()), &key); err != nil || key.K == "" {
		t.Fatalf("a signing key without a secret: %v", err)
	}
	s.leaks.keep(key.K)
	s.leaks.keep(strings.ReplaceAll(storySecret, ".", " "))
}

// tryBroker has everybody try what only operators may, and what anybody may.
func (s *rightsStory) tryBroker(t *testing.T) {
	t.Helper()
	before := s.state(t)
	refused, allowed := split(s.on(broker, []place{{ownCache, ownName}, {noCache, ownName}}))
	for i, a := range refused { // a key cannot be renewed by who has no token for it, whoever that is
		if strings.Contains(a.what, "RefreshApiToken") {
			refused[i].try = func(ctx context.Context) (answer, error) {
				got, err := a.try(ctx)
				if got.code == codes.InvalidArgument || got.unknown() {
					got = answer{code: codes.PermissionDenied, said: got.said}
				}
				return got, err
			}
		}
	}
	s.judge(t, refused)
	if now := s.state(t); now != before {
		t.Errorf("the broker after everybody was refused: %s\nbefore: %s", now, before)
	}
	for i := range allowed {
		allowed[i].at.cache = "" // whether there is such a cache is not the question
	}
	s.judge(t, allowed)
	s.tryVending(t)
}

// tryVending has everybody ask for a token at an endpoint that wants a secret of its
// own.
func (s *rightsStory) tryVending(t *testing.T) {
	t.Helper()
	for _, r := range routes {
		if r.need != never {
			continue
		}
		for _, g := range s.grants {
			got, err := ask(t.Context(), s.caller(g, place{ownCache, ownName}, true), r.verb, strings.Replace(r.path, "{name}", "server", 1), "room=a", "")
			if err != nil || got.http != http.StatusUnauthorized || s.leaks.in(got.said) != "" {
				t.Errorf("%s %s, %s: %s, %v", r.verb, r.path, g.name, got, err)
			}
		}
	}
}

// vendingBySecret is a settings file with an endpoint that wants a secret.
func vendingBySecret(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	settings, secret := filepath.Join(folder, "mayfly.yaml"), filepath.Join(folder, "secret")
	write(t, secret, []byte(storySecret+"\n"))
	write(t, settings, fmt.Appendf(nil, "vend:\n  server:\n    check: secret\n    secret-file: %s\n    allow: topic:subscribeonly:%s:topic={room}\n    expires: 1m\n    rate: 6000\n    parameters: {room: }\n", secret, ownCache))
	return settings
}

// state is what only operators may change, in a way that can be compared.
func (s *rightsStory) state(t *testing.T) string {
	t.Helper()
	n := s.cluster.Nodes[0]
	admin := adminpb.NewAdminClient(s.conns[n])
	keys, err1 := admin.ListApiKeys(n.Context(t), &adminpb.ListApiKeysRequest{})
	caches, err2 := controlpb.NewScsControlClient(s.conns[n]).ListCaches(n.Context(t), &controlpb.ListCachesRequest{})
	hooks, err3 := webhookpb.NewWebhookClient(s.conns[n]).ListWebhooks(n.Context(t), &webhookpb.ListWebhooksRequest{CacheName: ownCache})
	secret, err4 := webhookpb.NewWebhookClient(s.conns[n]).GetWebhookSecret(n.Context(t), &webhookpb.GetWebhookSecretRequest{CacheName: ownCache, WebhookName: "canary"})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(keys.GetKeys(), func(a, b *adminpb.ApiKeyInfo) int { return strings.Compare(a.GetId(), b.GetId()) })
	var parts []string
	for _, k := range keys.GetKeys() {
		if k.GetPermissions().GetSuperUser().Number() == 0 && strings.Contains(k.String(), "super_user") {
			s.keyID = k.GetId()
		}
		parts = append(parts, k.GetId(), fmt.Sprint(k.GetRevokedAt()))
	}
	for _, m := range n.Status(t).GetNodes() {
		parts = append(parts, m.GetNode(), m.GetState())
	}
	return fmt.Sprint(parts, caches, hooks, secret.GetSecretString())
}
