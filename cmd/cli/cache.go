package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
)

func (p *Program) cacheCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "cache", Short: "Create, list, flush and delete caches"}
	cmd.AddCommand(p.cacheCreate(), p.cacheList(), p.cacheFlush(), p.cacheDelete())
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
	cmd := &cobra.Command{Use: "create CACHE", Short: "Create a cache", Example: "  mayfly cache create chat"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		_, err := controlpb.NewScsControlClient(s.conn).CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: args[0]})
		if err != nil {
			return err
		}
		return s.cacheDone(args[0], "created")
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

// cacheRow is one cache in JSON.
type cacheRow struct {
	Name              string `json:"name"`
	MaxItemKB         uint32 `json:"max_item_size_kb"`
	MaxTTLSeconds     uint64 `json:"max_ttl_seconds"`
	MaxTrafficRate    uint32 `json:"max_traffic_rate"`
	MaxThroughputKBPS uint32 `json:"max_throughput_kbps"`
	MaxMessageKB      uint32 `json:"max_publish_message_size_kb"`
	MaxPublishRate    uint32 `json:"max_publish_rate"`
	MaxSubscriptions  uint32 `json:"max_subscription_count"`
}

func newCacheRow(c *controlpb.ListCachesResponse_Cache) cacheRow {
	items, topics := c.GetCacheLimits(), c.GetTopicLimits()
	return cacheRow{
		Name:              c.GetCacheName(),
		MaxItemKB:         items.GetMaxItemSizeKb(),
		MaxTTLSeconds:     items.GetMaxTtlSeconds(),
		MaxTrafficRate:    items.GetMaxTrafficRate(),
		MaxThroughputKBPS: items.GetMaxThroughputKbps(),
		MaxMessageKB:      topics.GetMaxPublishMessageSizeKb(),
		MaxPublishRate:    topics.GetMaxPublishRate(),
		MaxSubscriptions:  topics.GetMaxSubscriptionCount(),
	}
}

func (r cacheRow) cells() []string {
	return []string{
		printable(r.Name),
		fmt.Sprintf("%d KiB", r.MaxItemKB),
		config.FormatDuration(time.Duration(r.MaxTTLSeconds) * time.Second),
		fmt.Sprintf("%d KiB", r.MaxMessageKB),
		fmt.Sprint(r.MaxSubscriptions),
	}
}

func (p *Program) cacheList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the caches and their limits"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		caches, err := s.listCaches(ctx)
		if err != nil {
			return err
		}
		document := struct {
			Caches []cacheRow `json:"caches"`
		}{make([]cacheRow, len(caches))}
		cells := make([][]string, len(caches))
		for i, c := range caches {
			document.Caches[i] = newCacheRow(c)
			cells[i] = document.Caches[i].cells()
		}
		return s.out.answer(document, func(w *strings.Builder) {
			table(w, []string{"CACHE", "MAX ITEM", "MAX TTL", "MAX MESSAGE", "MAX SUBSCRIPTIONS"}, cells)
		})
	})
}

// listCaches follows the paging cursor to its end.
func (s *session) listCaches(ctx context.Context) ([]*controlpb.ListCachesResponse_Cache, error) {
	var all []*controlpb.ListCachesResponse_Cache
	request := &controlpb.ListCachesRequest{}
	for {
		page, err := controlpb.NewScsControlClient(s.conn).ListCaches(ctx, request)
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetCache()...)
		if page.GetNextToken() == "" || page.GetNextToken() == request.NextToken {
			return all, nil
		}
		request.NextToken = page.GetNextToken()
	}
}
