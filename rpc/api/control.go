package api

import (
	"context"
	"math"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/quota"
)

// scsControl serves the making, dropping and listing of caches.
type scsControl struct {
	controlpb.UnimplementedScsControlServer
	caches Caches
	limits Limits
}

func (s *scsControl) CreateCache(ctx context.Context, r *controlpb.CreateCacheRequest) (*controlpb.CreateCacheResponse, error) {
	if err := checkCacheName(r.GetCacheName()); err != nil {
		return nil, err
	}
	if err := s.caches.Create(ctx, r.GetCacheName(), nil); err != nil {
		return nil, err
	}
	return &controlpb.CreateCacheResponse{}, nil
}

func (s *scsControl) DeleteCache(ctx context.Context, r *controlpb.DeleteCacheRequest) (*controlpb.DeleteCacheResponse, error) {
	if err := checkCacheName(r.GetCacheName()); err != nil {
		return nil, err
	}
	if err := s.caches.Delete(ctx, r.GetCacheName()); err != nil {
		return nil, err
	}
	return &controlpb.DeleteCacheResponse{}, nil
}

func (s *scsControl) FlushCache(ctx context.Context, r *controlpb.FlushCacheRequest) (*controlpb.FlushCacheResponse, error) {
	if err := checkCacheName(r.GetCacheName()); err != nil {
		return nil, err
	}
	if err := s.caches.Flush(ctx, r.GetCacheName()); err != nil {
		return nil, err
	}
	return &controlpb.FlushCacheResponse{}, nil
}

// ListCaches answers everything at once: no client follows the cursor, which is
// why the one that is sent is not looked at.
func (s *scsControl) ListCaches(ctx context.Context, _ *controlpb.ListCachesRequest) (*controlpb.ListCachesResponse, error) {
	records, err := s.caches.List(ctx)
	if err != nil {
		return nil, err
	}
	answer := &controlpb.ListCachesResponse{Cache: make([]*controlpb.ListCachesResponse_Cache, len(records))}
	for i, record := range records {
		answer.Cache[i] = s.describe(record)
	}
	return answer, nil
}

// What is shown for a rate that nobody limits: clients show an absent one as
// zero, which reads as "nothing allowed".
const unlimitedRate = math.MaxUint32

// describe fills in both limit messages: the cache's own limits, and the node's
// where it has none.
func (s *scsControl) describe(record *storev1.CacheRecord) *controlpb.ListCachesResponse_Cache {
	c := &call{cache: record, door: &door{limits: s.limits}}
	rates := c.cacheRates()
	return &controlpb.ListCachesResponse_Cache{
		CacheName: record.GetName(),
		CacheLimits: &controlpb.ListCachesResponse_CacheLimits{
			MaxTrafficRate:    shown(rates[quota.Operations]),
			MaxThroughputKbps: shown(rates[quota.Bytes] / (1 << 10)),
			MaxItemSizeKb:     kib(c.maxItem()),
			MaxTtlSeconds:     uint64(c.maxTTL() / time.Second),
		},
		TopicLimits: &controlpb.ListCachesResponse_TopicLimits{
			MaxPublishRate:          shown(rates[quota.Publishes]),
			MaxSubscriptionCount:    c.maxSubscriptions(),
			MaxPublishMessageSizeKb: kib(c.maxMessage()),
		},
	}
}

// shown is a rate, rounded up; 0 is none.
func shown(rate float64) uint32 {
	if rate == 0 {
		return unlimitedRate
	}
	return uint32(min(math.Ceil(rate), unlimitedRate))
}

// kib rounds up, as the hosted service shows 4883 for five million bytes.
func kib(bytes int) uint32 { return uint32(min((int64(bytes)+1023)>>10, math.MaxUint32)) }

// errSigningKeys answers the calls that served presigned URLs. It is a status
// already: one that no table has to know.
var errSigningKeys = status.Error(codes.Unimplemented,
	"signing keys are the cluster's own business here: presigned URLs are retired, mint a disposable token instead")

func (s *scsControl) CreateSigningKey(context.Context, *controlpb.CreateSigningKeyRequest) (*controlpb.CreateSigningKeyResponse, error) {
	return nil, errSigningKeys
}

func (s *scsControl) RevokeSigningKey(context.Context, *controlpb.RevokeSigningKeyRequest) (*controlpb.RevokeSigningKeyResponse, error) {
	return nil, errSigningKeys
}

func (s *scsControl) ListSigningKeys(context.Context, *controlpb.ListSigningKeysRequest) (*controlpb.ListSigningKeysResponse, error) {
	return nil, errSigningKeys
}
