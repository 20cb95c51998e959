package api

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// leastMemory is the least that a cache may be given, in bytes. What is much less
// than the largest items holds nothing.
const leastMemory = 1 << 20

// cacheAdmin serves what operators ask about caches beside what SDKs do.
type cacheAdmin struct {
	adminv1.UnimplementedCachesServer
	caches Caches
	memory Memory // may be nil
}

func (s *cacheAdmin) CreateCache(ctx context.Context, r *adminv1.CreateCacheRequest) (*adminv1.CreateCacheResponse, error) {
	if err := checkSettings(r.GetCache(), r.GetLimits(), callOf(ctx).bounds); err != nil {
		return nil, err
	}
	if err := s.caches.Create(ctx, r.GetCache(), r.GetLimits()); err != nil {
		return nil, err
	}
	return &adminv1.CreateCacheResponse{}, nil
}

func (s *cacheAdmin) UpdateCache(ctx context.Context, r *adminv1.UpdateCacheRequest) (*adminv1.UpdateCacheResponse, error) {
	if err := checkSettings(r.GetCache(), r.GetLimits(), callOf(ctx).bounds); err != nil {
		return nil, err
	}
	if err := s.caches.Update(ctx, r.GetCache(), r.GetLimits()); err != nil {
		return nil, err
	}
	return &adminv1.UpdateCacheResponse{}, nil
}

// checkSettings checks what only the doors want of a cache's settings; the catalog
// checks the rest. What is above the node's own would be in force nowhere.
func checkSettings(cache string, l *storev1.CacheLimits, node *bounds) error {
	if err := checkCacheName(cache); err != nil {
		return err
	}
	if m := l.GetMaxMemory(); m != 0 && m < leastMemory {
		return invalid("the memory of a cache would be %d bytes, the least is %d, or 0 for as much as there is", m, leastMemory)
	}
	for _, bound := range []struct {
		what, unit, setting string
		asked, most         uint64
	}{
		{"largest topic message", "KiB", "max-message-size", uint64(l.GetMaxPublishMessageSizeKb()), uint64(kib(node.MessageBytes))},
		{"largest item", "KiB", "max-item-size", uint64(l.GetMaxItemSizeKb()), uint64(kib(node.ItemBytes))},
		{"longest life of an item", "s", "max-ttl", l.GetMaxTtlSeconds(), uint64(node.MaxTTL / time.Second)},
	} {
		if bound.asked > bound.most {
			return invalid("the %s would be %d %s, this node allows no cache more than %d (--%s of `mayfly server`)",
				bound.what, bound.asked, bound.unit, bound.most, bound.setting)
		}
	}
	return nil
}

func (s *cacheAdmin) DescribeCaches(ctx context.Context, r *adminv1.DescribeCachesRequest) (*adminv1.DescribeCachesResponse, error) {
	records, err := s.records(ctx, r.GetCache())
	if err != nil {
		return nil, err
	}
	answer := &adminv1.DescribeCachesResponse{Caches: make([]*adminv1.CacheDescription, len(records))}
	for i, record := range records {
		answer.Caches[i] = &adminv1.CacheDescription{
			Cache: record.GetName(), CreatedAt: seconds(record.GetCreatedAtMs()),
			Own: record.GetLimits(), Effective: effective(record, callOf(ctx).bounds),
		}
	}
	if r.GetMemory() && s.memory != nil {
		held := s.memory.CacheMemory(ctx)
		for _, c := range answer.GetCaches() {
			m := held[c.GetCache()]
			c.Memory = &adminv1.CacheMemory{Items: m.Items, Bytes: m.Bytes, EvictedItems: m.EvictedItems, EvictedBytes: m.EvictedBytes}
		}
	}
	return answer, nil
}

// records returns the cache of that name, or all of them for "", as the cluster
// knows them now.
func (s *cacheAdmin) records(ctx context.Context, name string) ([]*storev1.CacheRecord, error) {
	if name != "" {
		if err := checkCacheName(name); err != nil {
			return nil, err
		}
	}
	all, err := s.caches.List(ctx)
	if err != nil || name == "" {
		return all, err
	}
	i := slices.IndexFunc(all, func(record *storev1.CacheRecord) bool { return record.GetName() == name })
	if i < 0 {
		return nil, route.ErrCacheNotFound
	}
	return all[i : i+1], nil
}

// effective returns what is in force for a cache on a node: its own settings, and the
// node's where it has none.
func effective(record *storev1.CacheRecord, node *bounds) *storev1.CacheLimits {
	c := &call{cache: record, bounds: node}
	l := proto.CloneOf(record.GetLimits())
	l.MaxItemSizeKb = new(kib(c.maxItem()))
	l.MaxTtlSeconds = new(uint64(c.maxTTL() / time.Second))
	l.MaxSubscriptionCount = new(c.maxSubscriptions())
	rates := c.cacheRates()
	l.MaxTrafficRate = inForce(rates[quota.Operations])
	l.MaxPublishRate = inForce(rates[quota.Publishes])
	l.MaxThroughputKbps = inForce(rates[quota.Bytes] / (1 << 10))
	l.MaxPublishMessageSizeKb = new(kib(c.maxMessage()))
	if l.GetEviction() == storev1.Eviction_EVICTION_UNSPECIFIED {
		l.Eviction = storev1.Eviction_EVICTION_LRU.Enum()
	}
	return l
}

// inForce is a rate as it is told, nil for none.
func inForce(rate float64) *uint32 {
	if rate == 0 {
		return nil
	}
	return new(shown(rate))
}
