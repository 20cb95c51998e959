package api

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestCaches(t *testing.T) {
	w, ctx := newWorld(t, settings{}), t.Context()
	create := func(name string) error {
		return second(w.control.CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: name}))
	}
	drop := func(name string) error {
		return second(w.control.DeleteCache(ctx, &controlpb.DeleteCacheRequest{CacheName: name}))
	}
	flush := func(name string) error {
		return second(w.control.FlushCache(ctx, &controlpb.FlushCacheRequest{CacheName: name}))
	}
	wants(t, create("new"), codes.OK)
	wants(t, create("new"), codes.AlreadyExists)
	for _, bad := range []string{"", "  ", "a\x01b", "ä", strings.Repeat("x", 256)} {
		wants(t, create(bad), codes.InvalidArgument)
		wants(t, drop(bad), codes.InvalidArgument)
		wants(t, flush(bad), codes.InvalidArgument)
	}
	wants(t, create(strings.Repeat("x", 255)), codes.OK)
	w.set(t, "k", "v")
	wants(t, flush("c"), codes.OK)
	if _, hit := w.get(t, "k"); hit {
		t.Error("a flushed cache still has its items")
	}
	wants(t, flush("none"), codes.NotFound)
	wants(t, drop("none"), codes.NotFound)
	wants(t, drop("c"), codes.OK)
	wants(t, second(w.scs.Get(in(ctx), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.NotFound)
}

func TestListCachesFillsInBothLimits(t *testing.T) {
	w := newWorld(t, settings{})
	own := &storev1.CacheLimits{
		MaxTrafficRate: new(uint32(1)), MaxThroughputKbps: new(uint32(2)), MaxItemSizeKb: new(uint32(3)), MaxTtlSeconds: new(uint64(4)),
		MaxPublishRate: new(uint32(5)), MaxSubscriptionCount: new(uint32(6)), MaxPublishMessageSizeKb: new(uint32(7)),
	}
	if err := w.Create(t.Context(), "own", own); err != nil {
		t.Fatal(err)
	}
	r := ok[*controlpb.ListCachesResponse](t)(w.control.ListCaches(t.Context(), &controlpb.ListCachesRequest{NextToken: "whatever"}))
	if r.GetNextToken() != "" || len(r.GetCache()) != 2 {
		t.Fatalf("not one page of two caches: %v", r)
	}
	byNode := r.GetCache()[0]
	if byNode.GetCacheName() != "c" || byNode.GetCacheLimits().GetMaxItemSizeKb() != 4883 ||
		byNode.GetCacheLimits().GetMaxTtlSeconds() != 400*24*3600 || byNode.GetTopicLimits().GetMaxPublishMessageSizeKb() != 1024 {
		t.Errorf("of the node: %v", byNode)
	}
	// An SDK shows what is absent as zero: nothing may be.
	for _, n := range []uint32{
		byNode.GetCacheLimits().GetMaxTrafficRate(), byNode.GetCacheLimits().GetMaxThroughputKbps(),
		byNode.GetTopicLimits().GetMaxPublishRate(), byNode.GetTopicLimits().GetMaxSubscriptionCount(),
	} {
		if n < 100 {
			t.Errorf("of the node: %v", byNode)
		}
	}
	c, topics := r.GetCache()[1].GetCacheLimits(), r.GetCache()[1].GetTopicLimits()
	if c.GetMaxTrafficRate() != 1 || c.GetMaxThroughputKbps() != 2 || c.GetMaxItemSizeKb() != 3 || c.GetMaxTtlSeconds() != 4 ||
		topics.GetMaxPublishRate() != 5 || topics.GetMaxSubscriptionCount() != 6 || topics.GetMaxPublishMessageSizeKb() != 7 {
		t.Errorf("of its own: %v, %v", c, topics)
	}
}

func TestSigningKeysAreNotServed(t *testing.T) {
	w := newWorld(t, settings{})
	for _, err := range []error{
		second(w.control.CreateSigningKey(t.Context(), &controlpb.CreateSigningKeyRequest{})),
		second(w.control.RevokeSigningKey(t.Context(), &controlpb.RevokeSigningKeyRequest{})),
		second(w.control.ListSigningKeys(t.Context(), &controlpb.ListSigningKeysRequest{})),
	} {
		wants(t, err, codes.Unimplemented)
		if err == nil || !strings.Contains(err.Error(), "disposable token") {
			t.Errorf("it is not said what to do instead: %v", err)
		}
	}
}

// What needs no credential needs none on a secured cluster either.
func TestOpenToEveryone(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	wants(t, second(cachepb.NewPingClient(w.conn).Ping(t.Context(), &cachepb.PingRequest{})), codes.OK)
	health := grpc_health_v1.NewHealthClient(w.conn)
	r := ok[*grpc_health_v1.HealthCheckResponse](t)(health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}))
	if r.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v", r)
	}
	stream := ok[reflectionv1.ServerReflection_ServerReflectionInfoClient](t)(reflectionv1.NewServerReflectionClient(w.conn).ServerReflectionInfo(t.Context()))
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	list := ok[*reflectionv1.ServerReflectionResponse](t)(stream.Recv()).GetListServicesResponse().GetService()
	if len(list) < 9 {
		t.Errorf("reflection knows %v", list)
	}
	_ = stream.CloseSend()
	wants(t, second(w.control.ListCaches(t.Context(), &controlpb.ListCachesRequest{})), codes.Unauthenticated)
}

func TestHealthWhileDraining(t *testing.T) {
	w := newWorld(t, settings{})
	if err := w.server.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := ok[*grpc_health_v1.HealthCheckResponse](t)(grpc_health_v1.NewHealthClient(w.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}))
	if r.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health is %v", r)
	}
}

func TestConfig(t *testing.T) {
	for name, config := range map[string]Config{
		"no endpoint":           {},
		"requests too large":    {Endpoint: "e", Limits: Limits{RequestBytes: maxReceive + 1}},
		"negative limit":        {Endpoint: "e", Limits: Limits{Elements: -1}},
		"budget below one call": {Endpoint: "e", Limits: Limits{InFlightBytes: 1}},
		"no time to live":       {Endpoint: "e", Limits: Limits{MaxTTL: 1}},
		"negative heartbeat":    {Endpoint: "e", Heartbeat: -1},
	} {
		if _, err := config.withDefaults(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewServer(Config{Endpoint: "e"}, Ports{}); err == nil {
		t.Error("no ports: no error")
	}
}
