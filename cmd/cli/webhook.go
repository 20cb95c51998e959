package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
)

const webhookHelp = `Have every message of a topic posted to a URL, and manage the secrets that the
posts are signed with. The broker posts to public addresses only, unless its
setting --webhook-allow says otherwise.`

func (p *Program) webhookCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "webhook", Short: "Have the messages of topics posted to URLs", Long: webhookHelp}
	cmd.AddCommand(p.webhookPut(), p.webhookList(), p.webhookDelete(), p.webhookSecret(), p.webhookRotate())
	return cmd
}

// webhookSigned is a webhook with its secret.
type webhookSigned struct {
	Cache  string `json:"cache"`
	Name   string `json:"webhook"`
	Secret string `json:"secret"`
}

func (s *session) printSecret(cache, name, secret string) error {
	return s.out.answer(webhookSigned{cache, name, secret}, func(w *strings.Builder) {
		pairs(w, [][2]string{{"Cache", printable(cache)}, {"Webhook", printable(name)}, {"Secret", secret}})
	})
}

const webhookPutHelp = `Have every message of a topic posted to a URL from now on, and print the secret
that the posts are signed with. A webhook of that name gets the new topic and URL
and keeps its secret.`

func (p *Program) webhookPut() *cobra.Command {
	cmd := &cobra.Command{
		Use: "put CACHE NAME TOPIC URL", Short: "Make a webhook, or give it another topic and URL", Long: webhookPutHelp,
		Example: "  mayfly webhook put chat moderator room-1-input https://example.com/moderate",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := webhookpb.NewWebhookClient(s.conn).PutWebhook(ctx, &webhookpb.PutWebhookRequest{Webhook: &webhookpb.WebhookSpec{
			WebhookId: webhookID(args), TopicName: args[2],
			Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: args[3]}},
		}})
		if err != nil {
			return err
		}
		return s.printSecret(args[0], args[1], answer.GetSecretString())
	})
}

// webhookID is the webhook that the first two arguments name.
func webhookID(args []string) *webhookpb.WebhookId {
	return &webhookpb.WebhookId{CacheName: args[0], WebhookName: args[1]}
}

// webhookRow is one webhook in JSON.
type webhookRow struct {
	Name  string `json:"webhook"`
	Topic string `json:"topic"`
	URL   string `json:"url"`
}

func (p *Program) webhookList() *cobra.Command {
	cmd := &cobra.Command{Use: "list CACHE", Short: "List the webhooks of a cache, without the secrets"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := webhookpb.NewWebhookClient(s.conn).ListWebhooks(ctx, &webhookpb.ListWebhooksRequest{CacheName: args[0]})
		if err != nil {
			return err
		}
		document := struct {
			Cache    string       `json:"cache"`
			Webhooks []webhookRow `json:"webhooks"`
		}{args[0], make([]webhookRow, len(answer.GetWebhook()))}
		cells := make([][]string, len(answer.GetWebhook()))
		for i, w := range answer.GetWebhook() {
			row := webhookRow{w.GetWebhookId().GetWebhookName(), w.GetTopicName(), w.GetDestination().GetPostUrl()}
			document.Webhooks[i] = row
			cells[i] = []string{printable(row.Name), printable(row.Topic), printable(row.URL)}
		}
		return s.out.answer(document, func(w *strings.Builder) { table(w, []string{"WEBHOOK", "TOPIC", "URL"}, cells) })
	})
}

func (p *Program) webhookDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CACHE NAME", Short: "End a webhook",
		Long: "End a webhook. What was not delivered yet is dropped. Deleting one that is not\nthere is fine.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		_, err := webhookpb.NewWebhookClient(s.conn).DeleteWebhook(ctx, &webhookpb.DeleteWebhookRequest{WebhookId: webhookID(args)})
		if err != nil {
			return err
		}
		document := struct {
			Cache string `json:"cache"`
			Name  string `json:"webhook"`
			Done  string `json:"done"`
		}{args[0], args[1], "deleted"}
		return s.out.answer(document, func(w *strings.Builder) { fmt.Fprintf(w, "deleted webhook %s\n", printable(args[1])) })
	})
}

func (p *Program) webhookSecret() *cobra.Command {
	cmd := &cobra.Command{Use: "secret CACHE NAME", Short: "Print the secret that a webhook's posts are signed with"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := webhookpb.NewWebhookClient(s.conn).GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: args[0], WebhookName: args[1]})
		if err != nil {
			return err
		}
		return s.printSecret(args[0], args[1], answer.GetSecretString())
	})
}

func (p *Program) webhookRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate CACHE NAME", Short: "Sign a webhook's posts with another secret, and print it",
		Long: "Sign a webhook's posts with another secret from now on, and print it. A receiver\nthat takes both secrets for a moment misses nothing.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := webhookpb.NewWebhookClient(s.conn).RotateWebhookSecret(ctx, &webhookpb.RotateWebhookSecretRequest{WebhookId: webhookID(args)})
		if err != nil {
			return err
		}
		return s.printSecret(args[0], args[1], answer.GetSecretString())
	})
}
