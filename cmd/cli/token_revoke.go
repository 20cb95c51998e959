package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

const tokenRevokeHelp = `Make all tokens of a token id useless at once, and end what they are listening to.
Tokens that are made afterwards are good; with --for, only those that are made when
that time is over, and none are handed out before. Saying it again without --for
ends such a ban. Of tokens that a program has signed itself, whose clock may be
ahead, those are good that say they were made more than 32 seconds later.

API keys that publish under the token id are not tokens and go on: revoke those
with "mayfly key revoke".`

func (p *Program) tokenRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke", Short: "Make all tokens of a token id useless at once", Long: tokenRevokeHelp,
		Example: "  mayfly token revoke --token-id alice\n  mayfly token revoke --token-id alice --for 24h",
	}
	tokenID := cmd.Flags().String("token-id", "", "the `id` that the tokens were made with, such as a user")
	ban := cmd.Flags().String("for", "", "refuse new tokens, too, for this `time`, from 1m to 365d")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		if *tokenID == "" {
			return usagef(s.cmd, "--token-id is missing; say whose tokens to revoke")
		}
		var seconds uint64
		if *ban != "" {
			var err error
			if seconds, err = lifeSeconds("--for", *ban); err != nil {
				return usageError{s.cmd, err}
			}
		}
		answer, err := adminpb.NewCredentialsClient(s.conn).RevokeTokens(ctx, &adminpb.RevokeTokensRequest{TokenId: *tokenID, BanSeconds: seconds})
		if err != nil {
			return err
		}
		if keys := answer.GetKeyIds(); len(keys) > 0 {
			p.remark("API keys with this token id go on: %s", strings.Join(keys, ", "))
		}
		document := struct {
			TokenID   string    `json:"token_id"`
			Revoked   bool      `json:"revoked"`
			NotBefore time.Time `json:"not_before"`
			Keys      []string  `json:"keys"`
		}{*tokenID, true, millisecond(answer.GetNotBeforeMs()), append([]string{}, answer.GetKeyIds()...)}
		return s.out.answer(document, func(w *strings.Builder) {
			fmt.Fprintf(w, "revoked the tokens of %s\n", printable(*tokenID))
			if seconds > 0 {
				fmt.Fprintf(w, "no new ones before %s\n", when(answer.GetNotBeforeMs()/1000, "-"))
			}
		})
	})
}

// revocationRow is one revoked token id in JSON.
type revocationRow struct {
	TokenID   string    `json:"token_id"`
	RevokedAt time.Time `json:"revoked_at"`
	NotBefore time.Time `json:"not_before"`
	Until     time.Time `json:"forgotten_at"`
}

func (p *Program) tokenRevocations() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revocations", Short: "List the token ids whose tokens were revoked",
		Long: "List the token ids whose tokens were revoked. One is forgotten when no token from\nbefore can be alive any more.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		answer, err := adminpb.NewCredentialsClient(s.conn).ListRevocations(ctx, &adminpb.ListRevocationsRequest{})
		if err != nil {
			return err
		}
		document := struct {
			Revocations []revocationRow `json:"revocations"`
		}{make([]revocationRow, len(answer.GetRevocations()))}
		cells := make([][]string, len(answer.GetRevocations()))
		for i, r := range answer.GetRevocations() {
			document.Revocations[i] = revocationRow{r.GetTokenId(), millisecond(r.GetRevokedAtMs()), millisecond(r.GetNotBeforeMs()), millisecond(r.GetUntilMs())}
			cells[i] = []string{printable(r.GetTokenId()), when(r.GetRevokedAtMs()/1000, "-"), when(r.GetNotBeforeMs()/1000, "-"), when(r.GetUntilMs()/1000, "-")}
		}
		return s.out.answer(document, func(w *strings.Builder) {
			table(w, []string{"TOKEN ID", "REVOKED", "GOOD FROM", "FORGOTTEN"}, cells)
		})
	})
}

// millisecond is a time in JSON that is exact to the millisecond.
func millisecond(ms uint64) time.Time { return time.UnixMilli(int64(min(ms, maxEpoch*1000))).UTC() }
