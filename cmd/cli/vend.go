package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/cli/grant"
	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

const vendCheckHelp = `Show what the vending endpoints of a settings file would give, without a broker
and without making a token.

With no NAME it lists the endpoints. With one it fills the endpoint's templates
with the values that follow, claims of an ID token and parameters of a request
alike, and shows the permissions and the token id that a token would have, or
why none would be made. Who may ask is not looked at.`

const vendCheckExample = `  mayfly vend check --config mayfly.yaml
  mayfly vend check --config mayfly.yaml chat sub=alice room=lobby`

func (p *Program) vendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "vend", Short: "Look at the endpoints that vend tokens",
		Long: "Look at the endpoints that vend tokens to web pages. They are set up in the\nsettings file, under vend; docs/vending.md says how.",
	}
	cmd.AddCommand(p.vendCheck())
	return cmd
}

func (p *Program) vendCheck() *cobra.Command {
	var endpoints []node.VendEndpoint
	opts := p.newClientOptions()
	cmd := &cobra.Command{Use: "check [NAME] [VALUE...]", Short: "Show what tokens a settings file would give", Long: vendCheckHelp, Example: vendCheckExample}
	return p.leaf(cmd, append(opts.outputSettings(), fileSetting(&opts.file)), func(_ context.Context, cmd *cobra.Command, args, _ []string) error {
		out := printer{p.Stdout, opts.output == "json"}
		if len(args) == 0 {
			return out.vending(endpoints)
		}
		i := slices.IndexFunc(endpoints, func(e node.VendEndpoint) bool { return e.Name == args[0] })
		if i < 0 {
			return usagef(cmd, "no endpoint is called %q; the file given with --config has: %s", args[0], strings.Join(vendingNames(endpoints), ", "))
		}
		values := make(map[string]string)
		for _, arg := range args[1:] {
			name, value, ok := strings.Cut(arg, "=")
			if !ok {
				return usagef(cmd, "%q is no value; want NAME=TEXT, such as room=lobby", arg)
			}
			values[name] = value
		}
		offer, err := endpoints[i].Offer(values)
		if err != nil {
			return fmt.Errorf("no token: %w", err)
		}
		return out.offer(offer)
	}, p.vendSection(&endpoints))
}

func vendingNames(endpoints []node.VendEndpoint) []string {
	var names []string
	for _, e := range endpoints {
		names = append(names, e.Name)
	}
	return names
}

// vendedEndpoint is an endpoint in the answer of vend check.
type vendedEndpoint struct {
	Name       string   `json:"name"`
	Path       string   `json:"path"`
	Check      string   `json:"check"`
	Parameters []string `json:"parameters"`
	Claims     []string `json:"claims"`
	Expires    string   `json:"expires"`
}

// vending lists the endpoints of a settings file.
func (o printer) vending(endpoints []node.VendEndpoint) error {
	list := []vendedEndpoint{}
	for _, e := range endpoints {
		list = append(list, vendedEndpoint{
			e.Name, "/vend/" + e.Name, string(e.Check), sortedNames(e.Parameters), sortedNames(e.Claims), config.FormatDuration(e.Life),
		})
	}
	return o.answer(list, func(w *strings.Builder) {
		if len(list) == 0 {
			w.WriteString("No endpoints. They are set up in the file given with --config, under vend.\n")
			return
		}
		var rows [][]string
		for _, e := range list {
			rows = append(rows, []string{
				e.Path, e.Check, cmp.Or(strings.Join(e.Parameters, " "), "-"), cmp.Or(strings.Join(e.Claims, " "), "-"), e.Expires,
			})
		}
		table(w, []string{"PATH", "CHECK", "PARAMETERS", "CLAIMS", "EXPIRES"}, rows)
	})
}

func sortedNames(bounds map[string]node.VendBound) []string {
	return append([]string{}, slices.Sorted(maps.Keys(bounds))...) // an empty list, never null
}

// vendedToken is what a request would get, in the answer of vend check.
type vendedToken struct {
	TokenID     string   `json:"token_id"`
	Expires     string   `json:"expires"`
	Permissions []string `json:"permissions"`
}

func (o printer) offer(offer node.VendOffer) error {
	token := vendedToken{offer.TokenID, config.FormatDuration(offer.Life), grant.Format(offer.Permissions)}
	return o.answer(token, func(w *strings.Builder) {
		pairs(w, [][2]string{{"Token id", describe(token.TokenID)}, {"Expires", "after " + token.Expires}})
		w.WriteString("Permissions:\n")
		for _, permission := range token.Permissions {
			fmt.Fprintf(w, "  %s\n", printable(permission))
		}
	})
}
