package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

func (p *Program) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Create, inspect and revoke tokens for browsers and phones",
		Long: "Create, inspect and revoke tokens: credentials for one place and a short time, to be\nhanded to people who must never hold an API key.",
	}
	cmd.AddCommand(p.tokenCreate(), p.tokenInspect(), p.tokenRevoke(), p.tokenRevocations())
	return cmd
}

const tokenCreateHelp = `Create a token and print it in two forms of the same thing: wrapped, as the SDKs
take it, and raw, as it travels with a call.

For one place the single flags are enough: --cache with --topic or
--topic-prefix, with --key or --key-prefix, or with one of each, and --role.
Anything else is said with --allow.

` + allowHelp

const tokenCreateExample = `  mayfly token create --cache chat --topic room-1 --expires 1h --token-id alice
  mayfly token create --cache chat --topic room-1 --role subscribeonly
  mayfly token create --allow "topic:publishsubscribe:chat:topic=room-1" \
                      --allow "cache:readonly:chat:key-prefix=room-"`

// createdToken is the answer of token create.
type createdToken struct {
	Token       string     `json:"token"`
	RawToken    string     `json:"raw_token"`
	Endpoint    string     `json:"endpoint"`
	TokenID     string     `json:"token_id"`
	ExpiresAt   *time.Time `json:"expires_at"`
	Permissions []string   `json:"permissions"`
}

func (p *Program) tokenCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Create a token and print it", Long: tokenCreateHelp, Example: tokenCreateExample}
	var scope scopeFlags
	scope.addFlags(cmd)
	life := cmd.Flags().String("expires", "1h", "`life` of the token")
	tokenID := cmd.Flags().String("token-id", "", "publisher `id` of the items published with the token, such as a user")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		list, err := scope.parse()
		if err != nil {
			return usageError{s.cmd, err}
		}
		seconds, err := tokenLife(*life)
		if err != nil {
			return usageError{s.cmd, err}
		}
		permissions := grant.Explicit(list)
		answer, err := tokenpb.NewTokenClient(s.conn).GenerateDisposableToken(ctx, &tokenpb.GenerateDisposableTokenRequest{
			Expires:     &tokenpb.Expires{ValidForSeconds: seconds},
			Permissions: permissions,
			TokenId:     *tokenID,
		})
		if err != nil {
			return err
		}
		wrapped, err := auth.Wrap(answer.GetEndpoint(), answer.GetApiKey())
		if err != nil {
			return fmt.Errorf("the server's answer makes no token: %w", err)
		}
		return s.printToken(createdToken{
			wrapped, answer.GetApiKey(), answer.GetEndpoint(), *tokenID, moment(answer.GetValidUntil()), grant.Format(permissions),
		}, answer.GetValidUntil())
	})
}

func (s *session) printToken(token createdToken, validUntil uint64) error {
	return s.out.answer(token, func(w *strings.Builder) {
		pairs(w, [][2]string{
			{"Expires", when(validUntil, "never")},
			{"Token id", describe(token.TokenID)},
			{"Permissions", printable(strings.Join(token.Permissions, "  "))},
			{"Endpoint", token.Endpoint},
			{"Token", token.Token},
			{"Raw token", token.RawToken},
		})
	})
}
