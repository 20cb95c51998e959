package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

const keyUpdateHelp = `Change the limits or the description of a key that is there. The key and all
its tokens keep to it at once, on every node, and what is not named stays as it
is. A limit of "none" is lifted. Live subscriptions stay when there are too many.

Keys that were made with this one have limits of their own.`

func (p *Program) keyUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change the limits or the description of a key", Long: keyUpdateHelp,
		Example: "  mayfly key update k_abcdefghijklmnopqrst --max-operations 500\n  mayfly key update k_abcdefghijklmnopqrst --max-throughput none --weight 3",
	}
	var limits keyLimits
	flags := cmd.Flags()
	flags.Var(orNone{config.Integer(&limits.operations, 1, math.MaxInt32), func() { limits.operations = 0 }}, "max-operations", "operations a second with the key and all its tokens, publishing included, in the whole cluster")
	flags.Var(orNone{config.Size(&limits.throughput), func() { limits.throughput = 0 }}, "max-throughput", "size of requests and answers a second, likewise")
	flags.Var(orNone{config.Integer(&limits.subscriptions, 1, math.MaxInt32), func() { limits.subscriptions = 0 }}, "max-subscriptions", "subscriptions at a time, likewise")
	flags.Var(config.Integer(&limits.weight, 1, maxKeyWeight), "weight", "how large a part of a busy node the key has beside others")
	description := flags.String("description", "", "`text` for people, what the key is for")
	for _, name := range []string{"max-operations", "max-throughput", "max-subscriptions", "weight"} {
		flags.Lookup(name).DefValue = ""
	}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if err := checkKeyID(s, "update", args[0]); err != nil {
			return err
		}
		request, err := keyUpdateRequest(args[0], &limits, *description, flags.Changed)
		if err != nil {
			return usageError{s.cmd, err}
		}
		if _, err := adminpb.NewCredentialsClient(s.conn).UpdateApiKey(ctx, request); err != nil {
			return err
		}
		document := struct {
			ID      string `json:"id"`
			Updated bool   `json:"updated"`
		}{args[0], true}
		return s.out.answer(document, func(w *strings.Builder) { fmt.Fprintf(w, "updated key %s\n", printable(args[0])) })
	})
}

// keyUpdateRequest names what was given, and nothing else.
func keyUpdateRequest(id string, limits *keyLimits, description string, given func(flag string) bool) (*adminpb.UpdateApiKeyRequest, error) {
	bounds, err := limits.message()
	if err != nil {
		return nil, err
	}
	r := &adminpb.UpdateApiKeyRequest{Id: id}
	any := false
	for _, f := range []struct {
		flag string
		to   **uint32
		n    uint32
	}{
		{"max-operations", &r.MaxTrafficRate, bounds.GetMaxTrafficRate()},
		{"max-throughput", &r.MaxThroughputKbps, bounds.GetMaxThroughputKbps()},
		{"max-subscriptions", &r.MaxSubscriptionCount, bounds.GetMaxSubscriptionCount()},
		{"weight", &r.Weight, bounds.GetWeight()},
	} {
		if given(f.flag) {
			*f.to, any = &f.n, true
		}
	}
	if given("description") {
		r.Description, any = &description, true
	}
	if !any {
		return nil, errors.New("nothing is to change; give a limit, --weight or --description")
	}
	return r, nil
}

// orNone is a limit, or none.
type orNone struct {
	pflag.Value

	lift func()
}

func (v orNone) Type() string { return v.Value.Type() + "|none" }

func (v orNone) Set(text string) error {
	if text == "none" {
		v.lift()
		return nil
	}
	return v.Value.Set(text)
}
