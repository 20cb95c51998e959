package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

func (p *Program) keyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "key", Short: "Create, list, change, rotate and revoke API keys",
		Long: "Create, list, change, rotate and revoke API keys, which servers use for a long\ntime. For browsers and phones make tokens instead: see \"mayfly token\".",
	}
	cmd.AddCommand(p.keyCreate(), p.keyList(), p.keyUpdate(), p.keyRotate(), p.keyRevoke())
	return cmd
}

const keyCreateHelp = `Create an API key and print it, this once: the server keeps no copy.

From the first key on the server wants a credential with every call. The key is
printed in two forms of the same thing: the v2 key, and the wrapped key, which
also carries the endpoint and is what older SDK constructors take.

` + allowHelp

const keyCreateExample = `  mayfly key create --superuser --description "chat backend" --expires 90d
  mayfly key create --allow "cache:readwrite:chat" --allow "topic:publishsubscribe:chat"
  mayfly key create --allow "cache:readwrite:chat" --max-operations 500 --max-throughput 1MiB
  mayfly key create --superuser -o json | jq -r .api_key`

// createdKey is the answer of key create.
type createdKey struct {
	ID          string     `json:"id"`
	APIKey      string     `json:"api_key"`
	WrappedKey  string     `json:"wrapped_key"`
	Endpoint    string     `json:"endpoint"`
	ExpiresAt   *time.Time `json:"expires_at"`
	Permissions []string   `json:"permissions"`
}

func (p *Program) keyCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Create an API key and print it, this once", Long: keyCreateHelp, Example: keyCreateExample}
	var allow allowFlags
	allow.addFlags(cmd)
	var limits keyLimits
	limits.addFlags(cmd)
	flags := cmd.Flags()
	super := flags.Bool("superuser", false, "allow everything: all data, caches, tokens")
	description := flags.String("description", "", "`text` for people, what the key is for")
	tokenID := flags.String("token-id", "", "publisher `id` of the items published with the key")
	life := flags.String("expires", "never", "`life` of the key, such as 90d, or never")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		permissions, err := keyPermissions(*super, &allow)
		if err != nil {
			return usageError{s.cmd, err}
		}
		seconds, err := keyLife(*life)
		if err != nil {
			return usageError{s.cmd, err}
		}
		bounds, err := limits.message()
		if err != nil {
			return usageError{s.cmd, err}
		}
		key, err := adminpb.NewAdminClient(s.conn).CreateApiKey(ctx, &adminpb.CreateApiKeyRequest{
			Description: *description, TokenId: *tokenID, ValidForSeconds: seconds, Permissions: permissions, Limits: bounds,
		})
		if err != nil {
			return err
		}
		return s.printKey(createdKey{
			key.GetId(), key.GetApiKey(), key.GetWrappedKey(), key.GetEndpoint(), moment(key.GetValidUntil()), grant.Format(permissions),
		}, key.GetValidUntil())
	})
}

func keyPermissions(super bool, allow *allowFlags) (*permissionpb.Permissions, error) {
	list, err := allow.parse()
	switch {
	case err != nil:
		return nil, err
	case super && len(list) > 0:
		return nil, errors.New("--superuser allows everything, --allow would add nothing; give one of them")
	case super:
		return grant.SuperUser(), nil
	case len(list) == 0:
		return nil, errors.New("the key would allow nothing; give --superuser or at least one --allow")
	default:
		return grant.Explicit(list), nil
	}
}

func (s *session) printKey(key createdKey, validUntil uint64) error {
	return s.out.answer(key, func(w *strings.Builder) {
		pairs(w, [][2]string{
			{"Id", key.ID},
			{"Expires", when(validUntil, "never")},
			{"Permissions", printable(strings.Join(key.Permissions, "  "))},
			{"Endpoint", key.Endpoint},
			{"Key", key.APIKey},
			{"Wrapped key", key.WrappedKey},
		})
		fmt.Fprintln(w, "\nKeep the key now, it is not shown again.")
	})
}

// keyRow is one key in JSON.
type keyRow struct {
	ID          string     `json:"id"`
	Description string     `json:"description"`
	TokenID     string     `json:"token_id"`
	Status      string     `json:"status"`
	CreatedAt   *time.Time `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at"`
	RevokedAt   *time.Time `json:"revoked_at"`
	Permissions []string   `json:"permissions"`
	// Limits is left out of a key that has none.
	Limits *keyLimitsRow `json:"limits,omitempty"`
	// Successor takes the key's place; RefreshedFrom is the key whose holder made
	// this one.
	Successor     string `json:"successor,omitempty"`
	RefreshedFrom string `json:"refreshed_from,omitempty"`
}

func newKeyRow(k *adminpb.ApiKeyInfo, now time.Time) keyRow {
	status := "active"
	switch {
	case k.GetRevokedAt() != 0:
		status = "revoked"
	case k.GetValidUntil() != 0 && !now.Before(*moment(k.GetValidUntil())):
		status = "expired"
	case k.GetSuccessor() != "":
		status = "ending"
	}
	return keyRow{
		ID: k.GetId(), Description: k.GetDescription(), TokenID: k.GetTokenId(), Status: status,
		CreatedAt: moment(k.GetCreatedAt()), ExpiresAt: moment(k.GetValidUntil()), RevokedAt: moment(k.GetRevokedAt()),
		Permissions: grant.Format(k.GetPermissions()), Successor: k.GetSuccessor(), RefreshedFrom: k.GetRefreshedFrom(),
		Limits: newKeyLimitsRow(k.GetLimits()),
	}
}

func (p *Program) keyList() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the API keys, without the keys themselves",
		Long: "List the API keys, without the keys themselves. One that is \"ending\" was rotated:\nit is good until it expires, and another one takes its place.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		answer, err := adminpb.NewAdminClient(s.conn).ListApiKeys(ctx, &adminpb.ListApiKeysRequest{})
		if err != nil {
			return err
		}
		document := struct {
			Keys []keyRow `json:"keys"`
		}{make([]keyRow, len(answer.GetKeys()))}
		head := []string{"ID", "STATUS", "CREATED", "EXPIRES", "PERMISSIONS", "DESCRIPTION"}
		limited := slices.ContainsFunc(answer.GetKeys(), func(k *adminpb.ApiKeyInfo) bool { return k.GetLimits() != nil })
		if limited {
			head = append(head, "LIMITS")
		}
		cells := make([][]string, len(answer.GetKeys()))
		for i, k := range answer.GetKeys() {
			row := newKeyRow(k, time.Now())
			document.Keys[i] = row
			cells[i] = []string{
				printable(row.ID), row.Status, when(k.GetCreatedAt(), "-"), when(k.GetValidUntil(), "never"),
				printable(strings.Join(row.Permissions, "  ")), describe(row.Description),
			}
			if limited {
				cells[i] = append(cells[i], formatKeyLimits(k.GetLimits()))
			}
		}
		return s.out.answer(document, func(w *strings.Builder) {
			table(w, head, cells)
		})
	})
}

func describe(text string) string {
	if text == "" {
		return "-"
	}
	return printable(text)
}

func (p *Program) keyRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Make a key useless at once",
		Long: "Make a key useless at once, and with it every token it has made and every key\nthat its holder made with its refresh token. The id is what \"mayfly key list\"\nshows, not the key itself.",
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if err := checkKeyID(s, "revoke", args[0]); err != nil {
			return err
		}
		_, err := adminpb.NewAdminClient(s.conn).RevokeApiKey(ctx, &adminpb.RevokeApiKeyRequest{Id: args[0]})
		if err != nil {
			return err
		}
		document := struct {
			ID      string `json:"id"`
			Revoked bool   `json:"revoked"`
		}{args[0], true}
		return s.out.answer(document, func(w *strings.Builder) { fmt.Fprintf(w, "revoked key %s\n", printable(args[0])) })
	})
}

// maxKeyID is longer than any id and shorter than any key, in bytes.
const maxKeyID = 64
