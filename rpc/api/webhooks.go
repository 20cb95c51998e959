package api

import (
	"context"
	"crypto/rand"
	"strings"
	"unicode"
	"unicode/utf8"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
	"github.com/mayfly-broker/mayfly/store"
)

// webhooks serves the making, dropping and listing of webhooks, and their secrets.
type webhooks struct {
	webhookpb.UnimplementedWebhookServer
	catalog Webhooks
	check   func(url string) error // why a webhook may not post there
}

// newWebhookSecret makes text that nobody guesses, of 260 bits.
func newWebhookSecret() string { return rand.Text() + rand.Text() }

func (s *webhooks) PutWebhook(ctx context.Context, r *webhookpb.PutWebhookRequest) (*webhookpb.PutWebhookResponse, error) {
	spec := r.GetWebhook()
	cache, name := spec.GetWebhookId().GetCacheName(), spec.GetWebhookId().GetWebhookName()
	if err := checkWebhook(cache, name); err != nil {
		return nil, err
	}
	if err := checkName("topic", spec.GetTopicName()); err != nil {
		return nil, err
	}
	url := spec.GetDestination().GetPostUrl()
	if err := s.checkURL(url); err != nil {
		return nil, err
	}
	secret, err := s.catalog.PutWebhook(ctx, &storev1.Webhook{
		Cache: cache, Name: name, Topic: spec.GetTopicName(), Url: url, Secret: newWebhookSecret(),
		Holder: holderOf(&callOf(ctx).who).String(),
	})
	if err != nil {
		return nil, err
	}
	return &webhookpb.PutWebhookResponse{SecretString: secret}, nil
}

func (s *webhooks) DeleteWebhook(ctx context.Context, r *webhookpb.DeleteWebhookRequest) (*webhookpb.DeleteWebhookResponse, error) {
	cache, name := r.GetWebhookId().GetCacheName(), r.GetWebhookId().GetWebhookName()
	if err := checkWebhook(cache, name); err != nil {
		return nil, err
	}
	if err := s.catalog.DeleteWebhook(ctx, cache, name); err != nil {
		return nil, err
	}
	return &webhookpb.DeleteWebhookResponse{}, nil
}

func (s *webhooks) ListWebhooks(ctx context.Context, r *webhookpb.ListWebhooksRequest) (*webhookpb.ListWebhooksResponse, error) {
	if err := checkCacheName(r.GetCacheName()); err != nil {
		return nil, err
	}
	all, err := s.catalog.Webhooks(ctx, r.GetCacheName())
	if err != nil {
		return nil, err
	}
	answer := &webhookpb.ListWebhooksResponse{Webhook: make([]*webhookpb.WebhookSpec, len(all))}
	for i, w := range all {
		answer.Webhook[i] = &webhookpb.WebhookSpec{
			WebhookId:   &webhookpb.WebhookId{CacheName: w.GetCache(), WebhookName: w.GetName()},
			TopicName:   w.GetTopic(),
			Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: w.GetUrl()}},
		}
	}
	return answer, nil
}

func (s *webhooks) GetWebhookSecret(ctx context.Context, r *webhookpb.GetWebhookSecretRequest) (*webhookpb.GetWebhookSecretResponse, error) {
	if err := checkWebhook(r.GetCacheName(), r.GetWebhookName()); err != nil {
		return nil, err
	}
	w, err := s.catalog.Webhook(ctx, r.GetCacheName(), r.GetWebhookName())
	if err != nil {
		return nil, err
	}
	return &webhookpb.GetWebhookSecretResponse{CacheName: w.GetCache(), WebhookName: w.GetName(), SecretString: w.GetSecret()}, nil
}

func (s *webhooks) RotateWebhookSecret(ctx context.Context, r *webhookpb.RotateWebhookSecretRequest) (*webhookpb.RotateWebhookSecretResponse, error) {
	cache, name := r.GetWebhookId().GetCacheName(), r.GetWebhookId().GetWebhookName()
	if err := checkWebhook(cache, name); err != nil {
		return nil, err
	}
	secret := newWebhookSecret()
	if err := s.catalog.RotateWebhook(ctx, cache, name, secret); err != nil {
		return nil, err
	}
	return &webhookpb.RotateWebhookSecretResponse{SecretString: secret}, nil
}

// checkWebhook checks the names of a webhook.
func checkWebhook(cache, name string) error {
	if err := checkCacheName(cache); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("the webhook name is empty, it needs 1 to %d characters", store.MaxWebhookName)
	case !utf8.ValidString(name):
		return invalid("the webhook name is not UTF-8")
	case utf8.RuneCountInString(name) > store.MaxWebhookName:
		return invalid("the webhook name has %d characters, the most is %d", utf8.RuneCountInString(name), store.MaxWebhookName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return invalid("the webhook name holds a control character")
	}
	return nil
}

// checkURL checks where a webhook is to post. What a name in it resolves to is
// looked at by every delivery.
func (s *webhooks) checkURL(url string) error {
	switch {
	case url == "":
		return invalid("the webhook has no URL to post to")
	case utf8.RuneCountInString(url) > store.MaxWebhookURL:
		return invalid("the URL has %d characters, the most is %d", utf8.RuneCountInString(url), store.MaxWebhookURL)
	}
	if err := s.check(url); err != nil {
		return invalid("%v", err)
	}
	return nil
}
