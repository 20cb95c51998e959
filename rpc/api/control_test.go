package api

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/mayfly-broker/mayfly/fanout"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
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

// An application gets a key, signs tokens with it by any JWT library, and they are
// good for data alone and as long as the key is.
func TestApplicationsSignTokens(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	super, id := w.superKey(t)
	ctx := in(t.Context(), "authorization", super)
	made := ok[*controlpb.CreateSigningKeyResponse](t)(w.control.CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{TtlMinutes: 60}))
	if end := uint64(time.Now().Add(time.Hour).Unix()); made.GetExpiresAt() > end || made.GetExpiresAt() < end-5 {
		t.Errorf("the key ends at %d, want an hour from now", made.GetExpiresAt())
	}
	var jwk struct{ Kid, K, Kty, Alg string }
	if err := json.Unmarshal([]byte(made.GetKey()), &jwk); err != nil || jwk.Kty != "oct" || jwk.Alg != "HS256" {
		t.Fatalf("the key is %v, %v", jwk, err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(jwk.K)
	if err != nil {
		t.Fatal(err)
	}
	sign := func() string { return selfSigned(t, jwk.Kid, secret, time.Now()) }
	list := func() []*controlpb.ListSigningKeysResponse_SigningKey {
		t.Helper()
		return ok[*controlpb.ListSigningKeysResponse](t)(w.control.ListSigningKeys(ctx, &controlpb.ListSigningKeysRequest{})).GetSigningKey()
	}
	if keys := list(); len(keys) != 1 || keys[0].GetKeyId() != jwk.Kid || keys[0].GetExpiresAt() != made.GetExpiresAt() {
		t.Errorf("the list is %v", keys)
	}
	token := sign()
	wants(t, w.mayGet(t, token), codes.OK)
	wants(t, second(w.scs.Get(in(t.Context(), "authorization", token), &cachepb.GetRequest{CacheKey: []byte("other")})), codes.PermissionDenied)
	wants(t, second(w.control.CreateCache(in(t.Context(), "authorization", token), &controlpb.CreateCacheRequest{CacheName: "x"})), codes.PermissionDenied)
	live := w.listen(t, fanout.Position{}, "authorization", token)

	wants(t, second(w.control.CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{})), codes.InvalidArgument)
	wants(t, second(w.control.CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{TtlMinutes: 1 << 31})), codes.InvalidArgument)
	cluster, _ := keys{w.memory}.CurrentSigningKey()
	for _, unknown := range []string{"", "mfa_none", cluster.ID} {
		wants(t, second(w.control.RevokeSigningKey(ctx, &controlpb.RevokeSigningKeyRequest{KeyId: unknown})), codes.NotFound)
	}
	wants(t, second(w.control.RevokeSigningKey(ctx, &controlpb.RevokeSigningKeyRequest{KeyId: jwk.Kid})), codes.OK)
	live.ends(codes.Unauthenticated)
	wants(t, w.mayGet(t, token), codes.Unauthenticated)
	if keys := list(); len(keys) != 0 {
		t.Errorf("afterwards there are %v", keys)
	}

	// What was made with an API key dies with it.
	again := ok[*controlpb.CreateSigningKeyResponse](t)(w.control.CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{TtlMinutes: 60}))
	if err := json.Unmarshal([]byte(again.GetKey()), &jwk); err != nil {
		t.Fatal(err)
	}
	secret, _ = base64.RawURLEncoding.DecodeString(jwk.K)
	token = sign()
	wants(t, w.mayGet(t, token), codes.OK)
	if err := w.RevokeAPIKey(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	wants(t, w.mayGet(t, token), codes.Unauthenticated)
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

// selfSigned is a token of alice for an hour that an application has signed.
func selfSigned(t testing.TB, kid string, secret []byte, issued time.Time) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": kid, "aud": "mayfly", "iat": issued.Unix(), "exp": issued.Add(time.Hour).Unix(), "sub": "alice",
		"scope": []map[string]string{{"role": "readwrite", "cache": "c", "key_prefix": "k"}, {"role": "publishsubscribe", "cache": "c", "topic": "t"}},
	})
	token.Header["kid"] = kid
	text, err := token.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The clock of an application may be ahead: what it signed before a revocation is
// revoked, and what it signs half a minute later is good.
func TestTokensFromTheFutureAreRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		super, _ := w.superKey(t)
		ctx := in(t.Context(), "authorization", super)
		made := ok[*controlpb.CreateSigningKeyResponse](t)(w.control.CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{TtlMinutes: 60}))
		var jwk struct{ Kid, K string }
		if err := json.Unmarshal([]byte(made.GetKey()), &jwk); err != nil {
			t.Fatal(err)
		}
		secret, err := base64.RawURLEncoding.DecodeString(jwk.K)
		if err != nil {
			t.Fatal(err)
		}
		token := selfSigned(t, jwk.Kid, secret, time.Now().Add(28*time.Second))
		wants(t, w.mayGet(t, token), codes.OK)
		live := w.listen(t, fanout.Position{}, "authorization", token)
		ok[*adminv1.RevokeTokensResponse](t)(w.credentials().RevokeTokens(ctx, &adminv1.RevokeTokensRequest{TokenId: "alice"}))
		began := time.Now()
		live.ends(codes.Unauthenticated)
		if took := time.Since(began); took > time.Second {
			t.Errorf("its stream lived on for %v", took)
		}
		for range 4 {
			wants(t, w.mayGet(t, token), codes.Unauthenticated)
			time.Sleep(15 * time.Second)
		}
		wants(t, w.mayGet(t, selfSigned(t, jwk.Kid, secret, time.Now())), codes.OK)
		wants(t, w.mayGet(t, token), codes.Unauthenticated)
	})
}
