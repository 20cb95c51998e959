package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
)

// completionPatience is how long a person who pressed Tab is kept waiting.
const completionPatience = 500 * time.Millisecond

// completesCache reports whether the first argument of a command is a cache
// that exists.
func completesCache(cmd *cobra.Command) bool {
	words := strings.Fields(cmd.Use)
	return len(words) > 1 && words[1] == "CACHE" && words[0] != "create"
}

// completeCaches offers the names of the broker's caches for the first
// argument. Without a broker it offers nothing, and says nothing.
func (p *Program) completeCaches(opts *clientOptions) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		if len(args) > 0 {
			return nil, nothing
		}
		if _, err := p.settings.NewSet(opts.settings()...).Load(cmd.Flags(), p.Environ); err != nil {
			return nil, nothing
		}
		s, err := p.newSession(cmd, opts, asAdmin)
		if err != nil {
			return nil, nothing
		}
		defer func() { _ = s.conn.Close() }()
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		answer, err := adminpb.NewCachesClient(s.conn).DescribeCaches(ctx, &adminpb.DescribeCachesRequest{})
		if err != nil {
			return nil, nothing
		}
		names := make([]string, len(answer.GetCaches()))
		for i, c := range answer.GetCaches() {
			names[i] = c.GetCache()
		}
		return names, nothing
	}
}
