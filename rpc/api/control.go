package api

import (
	"context"
	"math"
	"slices"
	"time"

	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// scsControl serves the making, dropping and listing of caches, and of signing keys
// for applications.
type scsControl struct {
	controlpb.UnimplementedScsControlServer
	caches  Caches
	signing SigningKeys
	minter  *auth.Minter
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
		answer.Cache[i] = describeCache(record, callOf(ctx).bounds)
	}
	return answer, nil
}

// What is shown for a rate that nobody limits: clients show an absent one as
// zero, which reads as "nothing allowed".
const unlimitedRate = math.MaxUint32

// describeCache fills in both limit messages: the cache's own limits, and the node's
// where it has none.
func describeCache(record *storev1.CacheRecord, node *bounds) *controlpb.ListCachesResponse_Cache {
	c := &call{cache: record, bounds: node}
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

// CreateSigningKey makes a key with which an application signs disposable tokens of
// its own. Only this answer holds it.
func (s *scsControl) CreateSigningKey(ctx context.Context, r *controlpb.CreateSigningKeyRequest) (*controlpb.CreateSigningKeyResponse, error) {
	key, err := s.minter.ApplicationKey(callOf(ctx).who, time.Duration(r.GetTtlMinutes())*time.Minute, time.Now())
	if err != nil {
		return nil, err
	}
	jwk, err := key.JWK()
	if err != nil {
		return nil, err
	}
	callOf(ctx).note("key_id", key.ID)
	if err := s.signing.AddApplicationKey(ctx, signingRecordOf(key)); err != nil {
		return nil, err
	}
	return &controlpb.CreateSigningKeyResponse{Key: jwk, ExpiresAt: seconds(key.EndsAtMs)}, nil
}

// RevokeSigningKey makes the tokens that an application has signed useless. The
// cluster's own keys are not for this call.
func (s *scsControl) RevokeSigningKey(ctx context.Context, r *controlpb.RevokeSigningKeyRequest) (*controlpb.RevokeSigningKeyResponse, error) {
	all, err := s.applicationKeys(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(k *storev1.SigningKey) bool { return k.GetId() == r.GetKeyId() }) {
		return nil, route.ErrSigningKeyNotFound
	}
	if _, err := s.signing.Revoke(ctx, r.GetKeyId()); err != nil {
		return nil, err
	}
	return &controlpb.RevokeSigningKeyResponse{}, nil
}

// ListSigningKeys answers everything at once, as ListCaches does: there are few.
func (s *scsControl) ListSigningKeys(ctx context.Context, _ *controlpb.ListSigningKeysRequest) (*controlpb.ListSigningKeysResponse, error) {
	all, err := s.applicationKeys(ctx)
	if err != nil {
		return nil, err
	}
	answer := &controlpb.ListSigningKeysResponse{SigningKey: make([]*controlpb.ListSigningKeysResponse_SigningKey, len(all))}
	for i, k := range all {
		answer.SigningKey[i] = &controlpb.ListSigningKeysResponse_SigningKey{KeyId: k.GetId(), ExpiresAt: seconds(k.GetEndsAtMs())}
	}
	return answer, nil
}

func (s *scsControl) applicationKeys(ctx context.Context) ([]*storev1.SigningKey, error) {
	all, err := s.signing.List(ctx)
	return slices.DeleteFunc(all, func(k *storev1.SigningKey) bool { return !k.GetApplication() }), err
}
