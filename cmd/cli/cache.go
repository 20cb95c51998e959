package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
)

func (p *Program) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Create, set up, list, flush and delete caches"}
	cmd.AddCommand(p.cacheCreate(), p.cacheUpdate(), p.cacheDescribe(), p.cacheList(), p.cacheFlush(), p.cacheDelete())
	return cmd
}

// cacheDone is the answer to a change of a cache.
type cacheDone struct {
	Cache string `json:"cache"`
	Done  string `json:"done"`
}

func (s *session) cacheDone(cache, done string) error {
	return s.out.answer(cacheDone{cache, done}, func(w *strings.Builder) { fmt.Fprintf(w, "%s cache %s\n", done, printable(cache)) })
}

func (p *Program) cacheCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create CACHE", Short: "Create a cache", Long: "Create a cache. " + cacheSettingsHelp,
		Example: "  mayfly cache create chat\n  mayfly cache create history --max-memory 2GiB --keep list",
	}
	settings := addCacheSettings(cmd)
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		limits, err := settings.parse(s.cmd)
		if err != nil {
			return err
		}
		_, err = adminpb.NewCachesClient(s.conn).CreateCache(ctx, &adminpb.CreateCacheRequest{Cache: args[0], Limits: limits})
		if err != nil {
			return err
		}
		return s.cacheDone(args[0], "created")
	})
}

func (p *Program) cacheUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update CACHE", Short: "Change settings of a cache and keep what is stored",
		Long: "Change the settings of a cache that are given, and keep the others and everything\n" +
			"stored. " + cacheSettingsHelp,
		Example: "  mayfly cache update chat --max-memory 64MiB --eviction lfu\n  mayfly cache update chat --max-memory default",
	}
	settings := addCacheSettings(cmd)
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		limits, err := settings.parse(s.cmd)
		if err != nil {
			return err
		}
		if limits == nil {
			return usagef(s.cmd, "nothing to change; give at least one of %s", settings.flags())
		}
		_, err = adminpb.NewCachesClient(s.conn).UpdateCache(ctx, &adminpb.UpdateCacheRequest{Cache: args[0], Limits: limits})
		if err != nil {
			return err
		}
		return s.cacheDone(args[0], "updated")
	})
}

func (p *Program) cacheDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete CACHE", Short: "Delete a cache and everything in it",
		Long: "Delete a cache and everything in it, and end its subscriptions. On a terminal it\nasks first.",
	}
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if err := s.confirm(*yes, fmt.Sprintf("Delete cache %s and everything in it?", printable(args[0]))); err != nil {
			return err
		}
		_, err := controlpb.NewScsControlClient(s.conn).DeleteCache(ctx, &controlpb.DeleteCacheRequest{CacheName: args[0]})
		if err != nil {
			return err
		}
		return s.cacheDone(args[0], "deleted")
	})
}

func (p *Program) cacheFlush() *cobra.Command {
	cmd := &cobra.Command{
		Use: "flush CACHE", Short: "Drop every item of a cache and keep the cache",
		Long: "Drop every item of a cache and keep the cache. On a terminal it asks first.",
	}
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		if err := s.confirm(*yes, fmt.Sprintf("Drop every item of cache %s?", printable(args[0]))); err != nil {
			return err
		}
		_, err := controlpb.NewScsControlClient(s.conn).FlushCache(ctx, &controlpb.FlushCacheRequest{CacheName: args[0]})
		if err != nil {
			return err
		}
		return s.cacheDone(args[0], "flushed")
	})
}
