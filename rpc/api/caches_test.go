package api

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestSettingsOfACache(t *testing.T) {
	w := newWorld(t, settings{})
	ctx, caches := t.Context(), adminv1.NewCachesClient(w.conn)
	create := func(name string, l *storev1.CacheLimits) error {
		return second(caches.CreateCache(ctx, &adminv1.CreateCacheRequest{Cache: name, Limits: l}))
	}
	update := func(name string, l *storev1.CacheLimits) error {
		return second(caches.UpdateCache(ctx, &adminv1.UpdateCacheRequest{Cache: name, Limits: l}))
	}
	describe := func(name string) []*adminv1.CacheDescription {
		t.Helper()
		return ok[*adminv1.DescribeCachesResponse](t)(caches.DescribeCaches(ctx, &adminv1.DescribeCachesRequest{Cache: name})).GetCaches()
	}
	memory := func(n uint64) *storev1.CacheLimits { return &storev1.CacheLimits{MaxMemory: &n} }

	wants(t, create("d", &storev1.CacheLimits{MaxMemory: new(uint64(8 << 20)), MaxItemSizeKb: new(uint32(2))}), codes.OK)
	wants(t, create("d", nil), codes.AlreadyExists)
	wants(t, create("a\x00", nil), codes.InvalidArgument)
	wants(t, create("e", memory(leastMemory-1)), codes.InvalidArgument)
	wants(t, update("none", memory(leastMemory)), codes.NotFound)
	wants(t, update("", memory(leastMemory)), codes.InvalidArgument)
	wants(t, update("d", memory(1)), codes.InvalidArgument)
	wants(t, update("d", nil), codes.InvalidArgument)
	wants(t, update("d", &storev1.CacheLimits{Eviction: storev1.Eviction(7).Enum()}), codes.InvalidArgument)
	// What the node allows is the most that a cache may.
	for _, l := range []struct{ most, more *storev1.CacheLimits }{
		{&storev1.CacheLimits{MaxItemSizeKb: new(uint32(4883))}, &storev1.CacheLimits{MaxItemSizeKb: new(uint32(4884))}},
		{&storev1.CacheLimits{MaxPublishMessageSizeKb: new(uint32(1024))}, &storev1.CacheLimits{MaxPublishMessageSizeKb: new(uint32(1025))}},
		{&storev1.CacheLimits{MaxTtlSeconds: new(uint64(400 * 24 * 3600))}, &storev1.CacheLimits{MaxTtlSeconds: new(uint64(400*24*3600 + 1))}},
	} {
		wants(t, update("c", l.most), codes.OK)
		wants(t, update("c", l.more), codes.InvalidArgument)
		wants(t, create("f", l.more), codes.InvalidArgument)
	}
	wants(t, second(caches.DescribeCaches(ctx, &adminv1.DescribeCachesRequest{Cache: "none"})), codes.NotFound)
	wants(t, second(caches.DescribeCaches(ctx, &adminv1.DescribeCachesRequest{Cache: "a\x00"})), codes.InvalidArgument)

	wants(t, update("d", &storev1.CacheLimits{KeptKinds: new(uint32(4)), MaxPublishRate: new(uint32(9))}), codes.OK)
	d := describe("d")
	if len(d) != 1 || d[0].GetCache() != "d" || d[0].GetCreatedAt() == 0 {
		t.Fatalf("d is %v", d)
	}
	own := &storev1.CacheLimits{MaxMemory: new(uint64(8 << 20)), MaxItemSizeKb: new(uint32(2)), KeptKinds: new(uint32(4)), MaxPublishRate: new(uint32(9))}
	if !proto.Equal(d[0].GetOwn(), own) {
		t.Errorf("its own settings are %v, want %v", d[0].GetOwn(), own)
	}
	e := d[0].GetEffective()
	if e.GetMaxItemSizeKb() != 2 || e.GetMaxTtlSeconds() != 400*24*3600 || e.GetEviction() != storev1.Eviction_EVICTION_LRU || e.GetMaxMemory() != 8<<20 {
		t.Errorf("in force is %v", e)
	}
	all := describe("")
	if len(all) != 2 || all[0].GetCache() != "c" || all[0].GetEffective().MaxMemory != nil || all[0].GetEffective().GetMaxItemSizeKb() != 4883 {
		t.Errorf("all caches: %v", all)
	}
	// What SDKs are told of follows.
	listed := ok[*controlpb.ListCachesResponse](t)(w.control.ListCaches(ctx, &controlpb.ListCachesRequest{})).GetCache()
	if listed[1].GetCacheLimits().GetMaxItemSizeKb() != 2 || listed[1].GetTopicLimits().GetMaxPublishRate() != 9 {
		t.Errorf("SDKs see %v", listed[1])
	}
	wants(t, update("d", &storev1.CacheLimits{MaxMemory: new(uint64(0)), MaxItemSizeKb: new(uint32(0))}), codes.OK)
	if d = describe("d"); d[0].GetOwn().MaxMemory != nil || d[0].GetEffective().GetMaxItemSizeKb() != 4883 {
		t.Errorf("given back: %v", d[0])
	}
}

// What a newer program asks for is done as a whole or not at all.
func TestUnknownFieldsOfOperators(t *testing.T) {
	w := newWorld(t, settings{})
	future := func(m proto.Message) { m.ProtoReflect().SetUnknown([]byte{0xf8, 0x07, 1}) }
	limits := &storev1.CacheLimits{MaxMemory: new(uint64(8 << 20))}
	future(limits)
	key := &adminv1.CreateApiKeyRequest{Permissions: superUser(), Limits: &adminv1.KeyLimits{Weight: 1}}
	future(key.GetLimits())
	list := &adminv1.ListApiKeysRequest{}
	future(list)
	caches, admin := adminv1.NewCachesClient(w.conn), adminv1.NewAdminClient(w.conn)
	for name, ask := range map[string]func(context.Context) error{
		"a new cache": func(ctx context.Context) error {
			return second(caches.CreateCache(ctx, &adminv1.CreateCacheRequest{Cache: "d", Limits: limits}))
		},
		"a cache": func(ctx context.Context) error {
			return second(caches.UpdateCache(ctx, &adminv1.UpdateCacheRequest{Cache: "c", Limits: limits}))
		},
		"a key":      func(ctx context.Context) error { return second(admin.CreateApiKey(ctx, key)) },
		"a question": func(ctx context.Context) error { return second(admin.ListApiKeys(ctx, list)) },
	} {
		err := ask(t.Context())
		if wants(t, err, codes.InvalidArgument); !strings.Contains(err.Error(), "does not know") {
			t.Errorf("%s: it is said why: %v", name, err)
		}
	}
	own := ok[*adminv1.DescribeCachesResponse](t)(caches.DescribeCaches(t.Context(), &adminv1.DescribeCachesRequest{})).GetCaches()
	if len(own) != 1 || own[0].GetOwn().GetMaxMemory() != 0 {
		t.Errorf("it was carried out: %v", own)
	}
	asSDK := &controlpb.CreateCacheRequest{CacheName: "e"}
	future(asSDK)
	wants(t, second(w.control.CreateCache(t.Context(), asSDK)), codes.OK)
}

func TestSettingsNeedControl(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	caches := adminv1.NewCachesClient(w.conn)
	wants(t, second(caches.DescribeCaches(t.Context(), &adminv1.DescribeCachesRequest{})), codes.Unauthenticated)
	token := w.disposable(t, 1e9*60, "", itemStatement(2, "x"))
	wants(t, second(caches.UpdateCache(in(t.Context(), "authorization", token), &adminv1.UpdateCacheRequest{Cache: "c"})), codes.PermissionDenied)
}
