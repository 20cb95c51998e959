package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

func (m *memory) PutWebhook(ctx context.Context, w *storev1.Webhook) (string, error) {
	err := m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_PutWebhook{PutWebhook: &storev1.PutWebhook{Webhook: w}}}, route.ErrCacheNotFound)
	if err != nil {
		return "", err
	}
	now, err := m.Webhook(context.Background(), w.GetCache(), w.GetName())
	return now.GetSecret(), err
}

func (m *memory) DeleteWebhook(ctx context.Context, cache, name string) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_DeleteWebhook{
		DeleteWebhook: &storev1.DeleteWebhook{Cache: cache, Name: name},
	}}, route.ErrWebhookNotFound)
}

func (m *memory) RotateWebhook(ctx context.Context, cache, name, secret string) error {
	return m.changed(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RotateWebhook{
		RotateWebhook: &storev1.RotateWebhook{Cache: cache, Name: name, Secret: secret},
	}}, route.ErrWebhookNotFound)
}

func (m *memory) Webhook(_ context.Context, cache, name string) (*storev1.Webhook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, ok := m.catalog.Webhook(cache, name)
	if !ok {
		return nil, route.ErrWebhookNotFound
	}
	return w, nil
}

func (m *memory) Webhooks(_ context.Context, cache string) ([]*storev1.Webhook, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.catalog.Cache(cache); !ok {
		return nil, route.ErrCacheNotFound
	}
	return m.catalog.WebhooksOf(cache), nil
}

func hookID(cache, name string) *webhookpb.WebhookId {
	return &webhookpb.WebhookId{CacheName: cache, WebhookName: name}
}

func hookTo(cache, name, topic, url string) *webhookpb.PutWebhookRequest {
	return &webhookpb.PutWebhookRequest{Webhook: &webhookpb.WebhookSpec{
		WebhookId: hookID(cache, name), TopicName: topic,
		Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: url}},
	}}
}

func TestWebhooks(t *testing.T) {
	check := func(url string) error {
		if strings.Contains(url, "internal") {
			return errors.New("the URL leads inside")
		}
		return nil
	}
	w, ctx := newWorld(t, settings{config: Config{CheckWebhookURL: check}}), t.Context()
	hooks := webhookpb.NewWebhookClient(w.conn)
	put := func(cache, name, topic, url string) (string, error) {
		r, err := hooks.PutWebhook(ctx, hookTo(cache, name, topic, url))
		return r.GetSecretString(), err
	}
	const url = "https://example.com/hook"
	for what, row := range map[string]struct {
		cache, name, topic, url string
		code                    codes.Code
		says                    string
	}{
		"no cache name":          {"", "w", "t", url, codes.InvalidArgument, "cache name is empty"},
		"a cache out of ASCII":   {"ä", "w", "t", url, codes.InvalidArgument, "printable ASCII"},
		"a cache that is not":    {"none", "w", "t", url, codes.NotFound, "no cache of that name"},
		"no name":                {"c", " ", "t", url, codes.InvalidArgument, "webhook name is empty"},
		"a long name":            {"c", strings.Repeat("ä", 129), "t", url, codes.InvalidArgument, "129 characters"},
		"a control character":    {"c", "a\nb", "t", url, codes.InvalidArgument, "control character"},
		"no topic":               {"c", "w", "", url, codes.InvalidArgument, "topic name is empty"},
		"no URL":                 {"c", "w", "t", "", codes.InvalidArgument, "no URL"},
		"a long URL":             {"c", "w", "t", url + strings.Repeat("x", 1024), codes.InvalidArgument, "1048 characters"},
		"a URL that is not good": {"c", "w", "t", "https://internal/", codes.InvalidArgument, "leads inside"},
		"the longest name":       {"c", strings.Repeat("ä", 128), "t", url, codes.OK, ""},
		"the longest URL":        {"c", "long", "t", url + strings.Repeat("x", 1000), codes.OK, ""},
	} {
		_, err := put(row.cache, row.name, row.topic, row.url)
		wants(t, err, row.code)
		if err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	wants(t, second(hooks.PutWebhook(ctx, &webhookpb.PutWebhookRequest{})), codes.InvalidArgument)

	first := ok[string](t)(put("c", "w", "t", url))
	if len(first) < 32 {
		t.Errorf("a short secret: %d characters", len(first))
	}
	if again := ok[string](t)(put("c", "w", "u", url)); again != first {
		t.Error("replacing a webhook changed its secret")
	}
	if other := ok[string](t)(put("c", "w2", "u", url)); other == first {
		t.Error("two webhooks share a secret")
	}
	list := ok[*webhookpb.ListWebhooksResponse](t)(hooks.ListWebhooks(ctx, &webhookpb.ListWebhooksRequest{CacheName: "c"}))
	if len(list.GetWebhook()) != 4 || list.GetWebhook()[1].GetTopicName() != "u" ||
		list.GetWebhook()[1].GetWebhookId().GetWebhookName() != "w" || list.GetWebhook()[1].GetDestination().GetPostUrl() != url {
		t.Errorf("listed: %v", list)
	}
	secret := ok[*webhookpb.GetWebhookSecretResponse](t)(hooks.GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: "c", WebhookName: "w"}))
	if secret.GetSecretString() != first || secret.GetCacheName() != "c" || secret.GetWebhookName() != "w" {
		t.Error("another secret is told than the one that was made")
	}
	rotated := ok[*webhookpb.RotateWebhookSecretResponse](t)(hooks.RotateWebhookSecret(ctx, &webhookpb.RotateWebhookSecretRequest{WebhookId: hookID("c", "w")}))
	now := ok[*webhookpb.GetWebhookSecretResponse](t)(hooks.GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: "c", WebhookName: "w"}))
	if rotated.GetSecretString() == first || now.GetSecretString() != rotated.GetSecretString() {
		t.Error("the secret is not the rotated one")
	}
	for range 2 { // once more is fine
		wants(t, second(hooks.DeleteWebhook(ctx, &webhookpb.DeleteWebhookRequest{WebhookId: hookID("c", "w")})), codes.OK)
	}
	wants(t, second(hooks.DeleteWebhook(ctx, &webhookpb.DeleteWebhookRequest{WebhookId: hookID("none", "w")})), codes.OK)
}

func TestWebhooksThatAreNotThere(t *testing.T) {
	w, ctx := newWorld(t, settings{}), t.Context()
	hooks := webhookpb.NewWebhookClient(w.conn)
	for _, row := range []struct {
		code codes.Code
		err  error
	}{
		{codes.NotFound, second(hooks.ListWebhooks(ctx, &webhookpb.ListWebhooksRequest{CacheName: "none"}))},
		{codes.InvalidArgument, second(hooks.ListWebhooks(ctx, &webhookpb.ListWebhooksRequest{}))},
		{codes.NotFound, second(hooks.GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: "c", WebhookName: "w"}))},
		{codes.InvalidArgument, second(hooks.GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: "c"}))},
		{codes.NotFound, second(hooks.RotateWebhookSecret(ctx, &webhookpb.RotateWebhookSecretRequest{WebhookId: hookID("c", "w")}))},
		{codes.InvalidArgument, second(hooks.RotateWebhookSecret(ctx, &webhookpb.RotateWebhookSecretRequest{}))},
		{codes.InvalidArgument, second(hooks.DeleteWebhook(ctx, &webhookpb.DeleteWebhookRequest{}))},
	} {
		wants(t, row.err, row.code)
	}
	for i := range 10 {
		wants(t, second(hooks.PutWebhook(ctx, hookTo("c", strings.Repeat("x", i+1), "t", "http://example.com"))), codes.OK)
	}
	wants(t, second(hooks.PutWebhook(ctx, hookTo("c", "more", "t", "http://example.com"))), codes.ResourceExhausted)
}

// Who may publish may not say where it is posted to.
func TestWebhooksNeedControl(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	hooks := webhookpb.NewWebhookClient(w.conn)
	calls := func(ctx context.Context) []error {
		return []error{
			second(hooks.PutWebhook(ctx, hookTo("c", "w", "t", "http://example.com"))),
			second(hooks.ListWebhooks(ctx, &webhookpb.ListWebhooksRequest{CacheName: "c"})),
			second(hooks.GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: "c", WebhookName: "w"})),
			second(hooks.RotateWebhookSecret(ctx, &webhookpb.RotateWebhookSecretRequest{WebhookId: hookID("c", "w")})),
			second(hooks.DeleteWebhook(ctx, &webhookpb.DeleteWebhookRequest{WebhookId: hookID("c", "w")})),
		}
	}
	key, _ := w.key(t, explicit(topicStatement(3, "t")))
	super, _ := w.superKey(t)
	for who, row := range map[string]struct {
		text string
		code codes.Code
	}{
		"nobody": {"", codes.Unauthenticated}, "a topic's key": {key, codes.PermissionDenied},
		"a super user": {super, codes.OK}, "the admin": {w.rootText(t), codes.OK},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", row.text)
		for _, err := range calls(ctx) {
			wants(t, err, row.code)
		}
		if t.Failed() {
			t.Fatal(who)
		}
	}
}

func TestDecodeItem(t *testing.T) {
	for _, m := range []route.Message{
		{Text: true, Value: []byte("grüße"), PublisherID: "ann"}, {Value: []byte{0, 255}}, {Text: true}, {},
	} {
		got, err := DecodeItem(EncodeItem(fanout.Position{Page: 1, Sequence: 3}, m))
		if err != nil || got.Text != m.Text || string(got.Value) != string(m.Value) || got.PublisherID != m.PublisherID {
			t.Errorf("%v came back as %v, %v", m, got, err)
		}
	}
	for _, bad := range [][]byte{{1}, encodedHeartbeat, nil} {
		if m, err := DecodeItem(bad); err == nil {
			t.Errorf("%v is an item: %v", bad, m)
		}
	}
}
