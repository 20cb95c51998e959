package cli

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

const subscribeHelp = `Print the items of a topic as they are published, one per line, until Ctrl-C.

When the connection breaks or the server restarts, the subscription comes back
by itself and goes on with the item after the last one, if the server still has
it. What is lost is announced, never silent. It gives up when the topic's cache
is gone or the credential is no longer good.

With -o json every line is an object; "type" tells an item from a discontinuity,
and with -v from a heartbeat. Remarks about the connection go to standard error.`

const subscribeExample = `  mayfly topic subscribe chat room-1
  mayfly topic subscribe chat room-1 --count 1 -o json
  mayfly topic subscribe chat room-1 --resume-at 12 --resume-page 3`

func (p *Program) topicSubscribe() *cobra.Command {
	cmd := &cobra.Command{Use: "subscribe CACHE TOPIC", Short: "Print the items of a topic as they are published", Long: subscribeHelp, Example: subscribeExample}
	var wanted, at, page uint64
	var form subscribeForm
	flags := cmd.Flags()
	flags.Var(config.Integer(&wanted, 0, math.MaxInt64), "count", "stop after so many items; 0 never stops")
	flags.Var(config.Integer(&at, 0, math.MaxInt64), "resume-at", "begin with this sequence number; 0 takes only what is new")
	flags.Var(config.Integer(&page, 0, math.MaxInt64), "resume-page", "the page that the sequence number belongs to; 0 is the current one")
	flags.BoolVarP(&form.heartbeats, "verbose", "v", false, "print heartbeats too")
	flags.BoolVar(&form.raw, "raw", false, "print the bytes of each value and a line break, nothing else")
	return p.client(asUser, cmd, func(ctx context.Context, s *session, args []string) error {
		if form.raw && s.out.json {
			return usagef(s.cmd, "--raw and -o json exclude each other")
		}
		f := &follower{
			session: s,
			client:  pubsubpb.NewPubsubClient(s.conn),
			cache:   args[0],
			topic:   args[1],
			next:    at,
			page:    page,
			wanted:  wanted,
			print:   form.printer(s),
		}
		return f.follow(ctx)
	})
}
