package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

const keyRotateHelp = `Make a key in the place of another one and print it, this once: with the same
permissions, token id, description and length of life. The old key goes on for a
while, so that programs can be given the new one first, and then ends with every
token that it has made; 25h is longer than any token lives.`

// rotatedKey is the answer of key rotate.
type rotatedKey struct {
	createdKey
	Old          string     `json:"old_id"`
	OldExpiresAt *time.Time `json:"old_expires_at"`
}

func (p *Program) keyRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate ID", Short: "Make a key in the place of another, which ends later", Long: keyRotateHelp,
		Example: "  mayfly key rotate k_abcdefghijklmnopqrst\n  mayfly key rotate k_abcdefghijklmnopqrst --grace 25h",
	}
	grace := cmd.Flags().String("grace", "1h", "`time` that the old key goes on, or none")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if err := checkKeyID(s, "rotate", args[0]); err != nil {
			return err
		}
		seconds, err := graceSeconds(*grace)
		if err != nil {
			return usageError{s.cmd, err}
		}
		key, err := adminpb.NewCredentialsClient(s.conn).RotateApiKey(ctx, &adminpb.RotateApiKeyRequest{Id: args[0], GraceSeconds: seconds})
		if err != nil {
			return err
		}
		document := rotatedKey{
			createdKey{ID: key.GetId(), APIKey: key.GetApiKey(), WrappedKey: key.GetWrappedKey(), Endpoint: key.GetEndpoint(), ExpiresAt: moment(key.GetValidUntil())},
			args[0], moment(key.GetOldValidUntil()),
		}
		return s.out.answer(document, func(w *strings.Builder) {
			pairs(w, [][2]string{
				{"Id", key.GetId()},
				{"Expires", when(key.GetValidUntil(), "never")},
				{"Endpoint", key.GetEndpoint()},
				{"Key", key.GetApiKey()},
				{"Wrapped key", key.GetWrappedKey()},
				{"Old key", printable(args[0])},
				{"Old key ends", when(key.GetOldValidUntil(), "never")},
			})
			fmt.Fprintln(w, "\nKeep the key now, it is not shown again.")
		})
	})
}

// checkKeyID refuses a key where its id belongs.
func checkKeyID(s *session, verb, id string) error {
	if strings.Contains(id, ".") || len(id) > maxKeyID {
		return usagef(s.cmd, "this looks like a key; %s wants its id, which `mayfly key list` shows", verb)
	}
	return nil
}

// graceSeconds reads how long an old key goes on.
func graceSeconds(text string) (uint64, error) {
	if text == "none" {
		return 0, nil
	}
	seconds, err := lifeSeconds("--grace", text)
	if err != nil {
		return 0, fmt.Errorf("%w, or none", err)
	}
	return seconds, nil
}
