package cli

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// cacheRow is one cache in JSON. A rate that nobody bounds is the largest number
// that it could be, as in the answers that SDKs get; memory and keys that nobody
// bounds are null.
type cacheRow struct {
	Name              string     `json:"name"`
	CreatedAt         *time.Time `json:"created_at"`
	MaxItemKB         uint32     `json:"max_item_size_kb"`
	MaxTTLSeconds     uint64     `json:"max_ttl_seconds"`
	MaxTrafficRate    uint32     `json:"max_traffic_rate"`
	MaxThroughputKBPS uint32     `json:"max_throughput_kbps"`
	MaxMessageKB      uint32     `json:"max_publish_message_size_kb"`
	MaxPublishRate    uint32     `json:"max_publish_rate"`
	MaxSubscriptions  uint32     `json:"max_subscription_count"`
	MaxKeys           *uint64    `json:"max_keys"`
	MaxMemory         *uint64    `json:"max_memory_bytes"`
	Eviction          string     `json:"eviction"`
	Keep              []string   `json:"keep"`
	Items             uint64     `json:"items"`
	Bytes             uint64     `json:"bytes"`
	EvictedItems      uint64     `json:"evicted_items"`
	EvictedBytes      uint64     `json:"evicted_bytes"`

	created string // CreatedAt for people
}

func newCacheRow(c *adminpb.CacheDescription) cacheRow {
	l := c.GetEffective()
	if l == nil {
		l = &storev1.CacheLimits{}
	}
	return cacheRow{
		Name:              c.GetCache(),
		CreatedAt:         moment(c.GetCreatedAt()),
		MaxItemKB:         l.GetMaxItemSizeKb(),
		MaxTTLSeconds:     l.GetMaxTtlSeconds(),
		MaxTrafficRate:    unbounded(l.GetMaxTrafficRate()),
		MaxThroughputKBPS: unbounded(l.GetMaxThroughputKbps()),
		MaxMessageKB:      l.GetMaxPublishMessageSizeKb(),
		MaxPublishRate:    unbounded(l.GetMaxPublishRate()),
		MaxSubscriptions:  l.GetMaxSubscriptionCount(),
		MaxKeys:           l.MaxKeys,
		MaxMemory:         l.MaxMemory,
		Eviction:          evictionWord(l.GetEviction()),
		Keep:              keptWords(l.GetKeptKinds()),
		Items:             c.GetMemory().GetItems(),
		Bytes:             c.GetMemory().GetBytes(),
		EvictedItems:      c.GetMemory().GetEvictedItems(),
		EvictedBytes:      c.GetMemory().GetEvictedBytes(),
		created:           when(c.GetCreatedAt(), "-"),
	}
}

// unbounded is a rate, or what stands for none.
func unbounded(rate uint32) uint32 {
	if rate == 0 {
		return math.MaxUint32
	}
	return rate
}

// perSecond writes a rate for people.
func perSecond(rate uint32, unit string) string {
	if rate == math.MaxUint32 {
		return "no limit"
	}
	return fmt.Sprintf("%d%s per second", rate, unit)
}

func (r cacheRow) memory() string {
	if r.MaxMemory == nil {
		return "what the nodes have"
	}
	return config.FormatSize(int64(min(*r.MaxMemory, math.MaxInt64)))
}

func (r cacheRow) keys() string {
	if r.MaxKeys == nil {
		return "no limit"
	}
	return fmt.Sprint(*r.MaxKeys)
}

func (r cacheRow) keep() string {
	if len(r.Keep) == 0 {
		return "-"
	}
	return strings.Join(r.Keep, ", ")
}

func (r cacheRow) maxTTL() string {
	return config.FormatDuration(time.Duration(r.MaxTTLSeconds) * time.Second)
}

func (r cacheRow) cells() []string {
	return []string{
		printable(r.Name),
		fmt.Sprintf("%d KiB", r.MaxItemKB),
		r.maxTTL(),
		fmt.Sprintf("%d KiB", r.MaxMessageKB),
		fmt.Sprint(r.MaxSubscriptions),
		r.memory(),
		r.Eviction,
		r.keep(),
		fmt.Sprint(r.Items),
		roughly(r.Bytes),
		fmt.Sprint(r.EvictedItems),
	}
}

// roughly writes a number of bytes for people.
func roughly(bytes uint64) string {
	amount, unit := float64(bytes), 0
	for ; amount >= 1024 && unit < 4; unit++ {
		amount /= 1024
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %ciB", amount, " KMGT"[unit])
}

func (r cacheRow) pairs() [][2]string {
	return [][2]string{
		{"Cache", printable(r.Name)},
		{"Created", r.created},
		{"Items", fmt.Sprint(r.Items)},
		{"Memory", roughly(r.Bytes)},
		{"Evicted", fmt.Sprintf("%d items, %s", r.EvictedItems, roughly(r.EvictedBytes))},
		{"Max memory", r.memory()},
		{"Eviction", r.Eviction},
		{"Keep", r.keep()},
		{"Max keys", r.keys()},
		{"Max item", fmt.Sprintf("%d KiB", r.MaxItemKB)},
		{"Max TTL", r.maxTTL()},
		{"Max traffic", perSecond(r.MaxTrafficRate, "")},
		{"Max throughput", perSecond(r.MaxThroughputKBPS, " KiB")},
		{"Max message", fmt.Sprintf("%d KiB", r.MaxMessageKB)},
		{"Max publishes", perSecond(r.MaxPublishRate, "")},
		{"Max subscriptions", fmt.Sprint(r.MaxSubscriptions)},
	}
}

func (p *Program) cacheList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the caches, their settings and what they hold"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, _ []string) error {
		answer, err := adminpb.NewCachesClient(s.conn).DescribeCaches(ctx, &adminpb.DescribeCachesRequest{Memory: true})
		if err != nil {
			return err
		}
		document := struct {
			Caches []cacheRow `json:"caches"`
		}{make([]cacheRow, len(answer.GetCaches()))}
		cells := make([][]string, len(answer.GetCaches()))
		for i, c := range answer.GetCaches() {
			document.Caches[i] = newCacheRow(c)
			cells[i] = document.Caches[i].cells()
		}
		return s.out.answer(document, func(w *strings.Builder) {
			table(w, []string{"CACHE", "MAX ITEM", "MAX TTL", "MAX MESSAGE", "MAX SUBSCRIPTIONS", "MAX MEMORY", "EVICTION", "KEEP", "ITEMS", "MEMORY", "EVICTED"}, cells)
		})
	})
}

func (p *Program) cacheDescribe() *cobra.Command {
	cmd := &cobra.Command{Use: "describe CACHE", Short: "Show how a cache is set up and what it holds"}
	return p.client(asAdmin, cmd, func(ctx context.Context, s *session, args []string) error {
		answer, err := adminpb.NewCachesClient(s.conn).DescribeCaches(ctx, &adminpb.DescribeCachesRequest{Cache: args[0], Memory: true})
		if err != nil {
			return err
		}
		for _, c := range answer.GetCaches() {
			row := newCacheRow(c)
			return s.out.answer(row, func(w *strings.Builder) { pairs(w, row.pairs()) })
		}
		return fmt.Errorf("the broker says nothing about cache %s", printable(args[0]))
	})
}
