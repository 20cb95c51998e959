package cli

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

func (p *Program) topicCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "topic", Short: "Publish to topics and subscribe to them"}
	cmd.AddCommand(p.topicPublish(), p.topicSubscribe())
	return cmd
}

const publishHelp = `Publish items to a topic. Whoever subscribes at this moment gets them; nobody
needs to.

The value is the argument, or with "-" or none the standard input, or a file.
From standard input one line break at the end is left out; a file is published
byte for byte. A value that is valid UTF-8 is published as text, any other as
binary.`

const publishExample = `  mayfly topic publish chat room-1 "hello there"
  tail -f access.log | mayfly topic publish ops log --lines
  mayfly topic publish chat room-1 --file photo.jpg`

func (p *Program) topicPublish() *cobra.Command {
	cmd := &cobra.Command{Use: "publish CACHE TOPIC [VALUE]", Short: "Publish an item", Long: publishHelp, Example: publishExample}
	var in input
	in.addFlags(cmd)
	binary := cmd.Flags().Bool("binary", false, "publish as binary even what is text")
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		request := &pubsubpb.PublishRequest{CacheName: args[0], Topic: args[1]}
		published := uint32(0)
		err := in.each(s, args[2:], func(raw []byte) error {
			request.Value = topicValue(raw, *binary)
			if _, err := pubsubpb.NewPubsubClient(s.conn).Publish(ctx, request); err != nil {
				return err
			}
			published++
			return nil
		})
		if err != nil && published > 0 {
			return fmt.Errorf("after %s: %w", count(published, "published item"), err)
		}
		if err != nil {
			return err
		}
		document := struct {
			Cache     string `json:"cache"`
			Topic     string `json:"topic"`
			Published uint32 `json:"published"`
		}{args[0], args[1], published}
		return s.out.answer(document, func(w *strings.Builder) {
			fmt.Fprintf(w, "published %s to %s\n", count(published, "item"), printable(args[1]))
		})
	})
}

func topicValue(raw []byte, binary bool) *pubsubpb.TopicValue {
	if binary || !utf8.Valid(raw) {
		return &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: raw}}
	}
	return &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: string(raw)}}
}
