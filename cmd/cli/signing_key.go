package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
)

func (p *Program) signingKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "signing-key", Short: "Rotate, list, revoke and create the keys that tokens are signed with",
		Long: "Rotate, list and revoke the keys that tokens are signed with, and create one for an\napplication. API keys do not depend on them.",
	}
	cmd.AddCommand(p.signingKeyCreate(), p.signingKeyList(), p.signingKeyRotate(), p.signingKeyRevoke())
	return cmd
}

// signingKeyRow is one key in JSON.
type signingKeyRow struct {
	ID        string     `json:"id"`
	Status    string     `json:"status"`
	CreatedAt *time.Time `json:"created_at"`
	UsedFrom  *time.Time `json:"used_from"`
	EndsAt    *time.Time `json:"ends_at"`
}

// signingStatus is what a key is good for, in a word.
func signingStatus(k *adminpb.SigningKeyInfo) string {
	switch {
	case k.GetApplication():
		return "application"
	case k.GetCurrent():
		return "signing"
	case k.GetEndsAt() != 0:
		return "ending"
	default:
		return "published"
	}
}

func (p *Program) signingKeyList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the signing keys, without the keys themselves",
		Long: `List the signing keys, without the keys themselves. The cluster signs with the one
that is "signing"; what an "ending" one has signed is good until its end; a
"published" one is not used yet. An application signs tokens of its own with one
that is an "application" key.`,
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		answer, err := adminpb.NewCredentialsClient(s.conn).ListSigningKeys(ctx, &adminpb.ListSigningKeysRequest{})
		if err != nil {
			return err
		}
		document := struct {
			Keys []signingKeyRow `json:"keys"`
		}{make([]signingKeyRow, len(answer.GetKeys()))}
		cells := make([][]string, len(answer.GetKeys()))
		for i, k := range answer.GetKeys() {
			row := signingKeyRow{k.GetId(), signingStatus(k), moment(k.GetCreatedAt()), moment(k.GetUsedFrom()), moment(k.GetEndsAt())}
			document.Keys[i] = row
			cells[i] = []string{printable(row.ID), row.Status, when(k.GetCreatedAt(), "-"), when(k.GetUsedFrom(), "-"), when(k.GetEndsAt(), "-")}
		}
		return s.out.answer(document, func(w *strings.Builder) {
			table(w, []string{"ID", "STATUS", "CREATED", "USED FROM", "ENDS"}, cells)
		})
	})
}

const signingKeyCreateHelp = `Create a key with which an application signs tokens of its own, without a call to
the broker, and print it, this once: as a JWK, which JWT libraries read. Its tokens
are good for data alone, live 25 hours at most, and end with the key. What has to
be in them is in docs/tokens.md.`

func (p *Program) signingKeyCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Create a key with which an application signs its tokens", Long: signingKeyCreateHelp}
	life := cmd.Flags().String("expires", "90d", "`life` of the key, in whole minutes and up to 366d")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		seconds, err := lifeSeconds("--expires", *life)
		if err != nil {
			return usageError{s.cmd, err}
		}
		if seconds%60 != 0 {
			return usagef(s.cmd, "--expires: %q is not a whole number of minutes", *life)
		}
		answer, err := controlpb.NewScsControlClient(s.conn).CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{
			TtlMinutes: uint32(min(seconds/60, math.MaxUint32)),
		})
		if err != nil {
			return err
		}
		key := json.RawMessage(answer.GetKey())
		var named struct {
			ID string `json:"kid"`
		}
		if err := json.Unmarshal(key, &named); err != nil {
			return fmt.Errorf("the server's answer is no key: %w", err)
		}
		document := struct {
			ID        string          `json:"id"`
			ExpiresAt *time.Time      `json:"expires_at"`
			Key       json.RawMessage `json:"key"`
		}{named.ID, moment(answer.GetExpiresAt()), key}
		return s.out.answer(document, func(w *strings.Builder) {
			pairs(w, [][2]string{{"Id", printable(named.ID)}, {"Expires", when(answer.GetExpiresAt(), "never")}, {"Key", string(key)}})
			fmt.Fprintln(w, "\nKeep the key now, it is not shown again.")
		})
	})
}

const signingKeyRotateHelp = `Have another key sign tokens from now on. It is made and sent to every node first,
and used when all of them have it. Tokens that were made before stay good for their
life: the old key ends when the last of them has. Copies of the admin credential
end with it too; each node renews the one in its data directory by itself.`

func (p *Program) signingKeyRotate() *cobra.Command {
	cmd := &cobra.Command{Use: "rotate", Short: "Have another key sign tokens from now on", Long: signingKeyRotateHelp}
	force := cmd.Flags().Bool("force", false, "do not wait for nodes that do not answer; tokens are not good there until they have caught up")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		answer, err := adminpb.NewCredentialsClient(s.conn).RotateSigningKey(ctx, &adminpb.RotateSigningKeyRequest{Force: *force})
		if err != nil {
			return err
		}
		document := struct {
			ID         string     `json:"id"`
			OthersEnds *time.Time `json:"others_end_at"`
		}{answer.GetId(), moment(answer.GetOthersEnd())}
		return s.out.answer(document, func(w *strings.Builder) {
			fmt.Fprintf(w, "signing with %s from now on; older keys end %s\n", printable(answer.GetId()), when(answer.GetOthersEnd(), "never"))
		})
	})
}

const signingKeyRevokeHelp = `Make everything useless at once that a key has signed: tokens, and copies of the
admin credential. It is for a key that has leaked. If the cluster signs with it,
another one takes its place first. API keys stay good.`

func (p *Program) signingKeyRevoke() *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID", Short: "Make all that a key has signed useless at once", Long: signingKeyRevokeHelp}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := adminpb.NewCredentialsClient(s.conn).RevokeSigningKey(ctx, &adminpb.RevokeSigningKeyRequest{Id: args[0]})
		if err != nil {
			return err
		}
		document := struct {
			ID      string `json:"id"`
			Revoked bool   `json:"revoked"`
			Current string `json:"current"`
		}{args[0], true, answer.GetCurrent()}
		return s.out.answer(document, func(w *strings.Builder) {
			fmt.Fprintf(w, "revoked signing key %s; signing with %s\n", printable(args[0]), printable(answer.GetCurrent()))
		})
	})
}
