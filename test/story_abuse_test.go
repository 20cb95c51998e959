package test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// clients are all services of one broker, as somebody without an SDK uses them.
type clients struct {
	scs     cachepb.ScsClient
	pubsub  pubsubpb.PubsubClient
	control controlpb.ScsControlClient
	token   tokenpb.TokenClient
	auth    authpb.AuthClient
}

func clientsOf(conn grpc.ClientConnInterface) clients {
	return clients{
		cachepb.NewScsClient(conn), pubsubpb.NewPubsubClient(conn), controlpb.NewScsControlClient(conn),
		tokenpb.NewTokenClient(conn), authpb.NewAuthClient(conn),
	}
}

// first is the error of a stream's first message, which is where a refusal
// must be.
func first[T any](stream grpc.ServerStreamingClient[T], err error) error {
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

// only drops the answer of a call that is to fail.
func only[T any](_ T, err error) error { return err }

// What an SDK would never send. Each is refused with the documented status, and
// a good call afterwards is served.
func TestBadInput(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	conn := server.Conn(t)
	c := clientsOf(conn)
	background := harness.Bounded(t)
	ctx := harness.WithCache(background, "story")
	const invalid, missing, limit = codes.InvalidArgument, codes.NotFound, codes.ResourceExhausted
	const hour = 3_600_000
	tooLong := strings.Repeat("n", 256)
	key := []byte("key")

	type bad struct {
		name string
		want codes.Code
		call func() error
	}
	cases := []bad{
		{"data call without a cache", invalid, func() error { return only(c.scs.Get(background, &cachepb.GetRequest{CacheKey: key})) }},
		{"data call in an empty cache", invalid, func() error {
			return only(c.scs.Get(harness.WithCache(background, ""), &cachepb.GetRequest{CacheKey: key}))
		}},
		{"data call in an unknown cache", missing, func() error {
			return only(c.scs.Get(harness.WithCache(background, "unknown"), &cachepb.GetRequest{CacheKey: key}))
		}},
		{"batch in an unknown cache", missing, func() error {
			return first(c.scs.GetBatch(harness.WithCache(background, "unknown"), &cachepb.GetBatchRequest{Items: []*cachepb.GetRequest{{CacheKey: key}}}))
		}},
		{"publish to an unknown cache", missing, func() error { return only(c.pubsub.Publish(background, text("unknown", "t", "x"))) }},
		{"subscribe in an unknown cache", missing, func() error {
			return first(c.pubsub.Subscribe(background, &pubsubpb.SubscribeRequest{CacheName: "unknown", Topic: "t"}))
		}},
		{"flush of an unknown cache", missing, func() error {
			return only(c.control.FlushCache(background, &controlpb.FlushCacheRequest{CacheName: "unknown"}))
		}},
		{"publish without a value", invalid, func() error {
			return only(c.pubsub.Publish(background, &pubsubpb.PublishRequest{CacheName: "story", Topic: "t"}))
		}},
		{"publish with an empty value oneof", invalid, func() error {
			return only(c.pubsub.Publish(background, &pubsubpb.PublishRequest{CacheName: "story", Topic: "t", Value: &pubsubpb.TopicValue{}}))
		}},
		{"set if without a condition", invalid, func() error {
			return only(c.scs.SetIf(ctx, &cachepb.SetIfRequest{CacheKey: key, TtlMilliseconds: hour}))
		}},
		{"set if hash without a condition", invalid, func() error {
			return only(c.scs.SetIfHash(ctx, &cachepb.SetIfHashRequest{CacheKey: key, TtlMilliseconds: hour}))
		}},
		{"update ttl without a way", invalid, func() error { return only(c.scs.UpdateTtl(ctx, &cachepb.UpdateTtlRequest{CacheKey: key})) }},
		{"remove without a value", invalid, func() error { return only(c.scs.ListRemove(ctx, &cachepb.ListRemoveRequest{ListName: key})) }},
		{"erase without ranges", invalid, func() error { return only(c.scs.ListErase(ctx, &cachepb.ListEraseRequest{ListName: key})) }},
		{"push to a list without a name", invalid, func() error {
			return only(c.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{Value: key, TtlMilliseconds: hour}))
		}},
		{"token without an end", invalid, func() error {
			return only(c.token.GenerateDisposableToken(background, &tokenpb.GenerateDisposableTokenRequest{Permissions: allData()}))
		}},
		{"token without permissions", invalid, func() error {
			return only(c.token.GenerateDisposableToken(background, &tokenpb.GenerateDisposableTokenRequest{Expires: &tokenpb.Expires{ValidForSeconds: 60}}))
		}},
		{"token for a super user", invalid, func() error {
			return only(c.token.GenerateDisposableToken(background, &tokenpb.GenerateDisposableTokenRequest{
				Expires:     &tokenpb.Expires{ValidForSeconds: 60},
				Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}},
			}))
		}},
		{"token that never ends in a lifetime", invalid, func() error {
			return only(c.token.GenerateDisposableToken(background, &tokenpb.GenerateDisposableTokenRequest{
				Expires: &tokenpb.Expires{ValidForSeconds: math.MaxUint32}, Permissions: allData(),
			}))
		}},
		{"API key without an end or never", invalid, func() error {
			return only(c.auth.GenerateApiToken(background, &authpb.GenerateApiTokenRequest{Permissions: allData()}))
		}},
		{"item of six megabytes", limit, func() error {
			return only(c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: key, CacheBody: make([]byte, 6_000_000), TtlMilliseconds: hour}))
		}},
		{"element of six megabytes", limit, func() error {
			return only(c.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: key, Value: make([]byte, 6_000_000), TtlMilliseconds: hour}))
		}},
		{"message of six megabytes", limit, func() error {
			return only(c.pubsub.Publish(background, text("story", "t", strings.Repeat("x", 6_000_000))))
		}},
		{"item of fifteen megabytes", limit, func() error {
			return only(c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: key, CacheBody: make([]byte, 15_000_000), TtlMilliseconds: hour}))
		}},
		{"wrong method", codes.Unimplemented, func() error {
			return conn.Invoke(ctx, "/cache_client.Scs/NoSuchCall", &cachepb.GetRequest{}, &cachepb.GetResponse{})
		}},
		{"a call that is of no use here", codes.Unimplemented, func() error {
			return conn.Invoke(ctx, "/control_client.ScsControl/CreateIndex", &cachepb.GetRequest{}, &cachepb.GetResponse{})
		}},
	}
	for _, name := range []string{"", "a\x00b", "line\nbreak", "\x7f", "\x1b[31m", tooLong} {
		cases = append(cases,
			bad{fmt.Sprintf("create cache %.12q", name), invalid, func() error {
				return only(c.control.CreateCache(background, &controlpb.CreateCacheRequest{CacheName: name}))
			}},
			bad{fmt.Sprintf("publish to topic %.12q", name), invalid, func() error { return only(c.pubsub.Publish(background, text("story", name, "x"))) }},
			bad{fmt.Sprintf("subscribe to topic %.12q", name), invalid, func() error {
				return first(c.pubsub.Subscribe(background, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: name}))
			}},
		)
	}
	for _, ttl := range []uint64{0, math.MaxInt64, math.MaxUint64, 1 << 53} {
		cases = append(cases,
			bad{fmt.Sprint("set with a life of ", ttl), invalid, func() error {
				return only(c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: key, TtlMilliseconds: ttl}))
			}},
			bad{fmt.Sprint("set batch with a life of ", ttl), invalid, func() error {
				return first(c.scs.SetBatch(ctx, &cachepb.SetBatchRequest{Items: []*cachepb.SetRequest{{CacheKey: key, TtlMilliseconds: ttl}}}))
			}},
			bad{fmt.Sprint("push with a life of ", ttl), invalid, func() error {
				return only(c.scs.ListPushFront(ctx, &cachepb.ListPushFrontRequest{ListName: []byte("list"), TtlMilliseconds: ttl}))
			}},
			bad{fmt.Sprint("increment with a life of ", ttl), invalid, func() error {
				return only(c.scs.Increment(ctx, &cachepb.IncrementRequest{CacheKey: []byte("n"), Amount: 1, TtlMilliseconds: ttl}))
			}},
			bad{fmt.Sprint("update ttl to ", ttl), invalid, func() error {
				return only(c.scs.UpdateTtl(ctx, &cachepb.UpdateTtlRequest{
					CacheKey: key, UpdateTtl: &cachepb.UpdateTtlRequest_OverwriteToMilliseconds{OverwriteToMilliseconds: ttl},
				}))
			}},
		)
	}
	for _, bad := range cases {
		t.Run(bad.name, func(t *testing.T) {
			if err := bad.call(); status.Code(err) != bad.want {
				t.Errorf("got %v, want %s", err, bad.want)
			}
			works(t, c)
		})
	}
}

// works demands that a good call is served.
func works(t *testing.T, c clients) {
	t.Helper()
	ctx, cancel := context.WithTimeout(harness.WithCache(t.Context(), "story"), harness.Patience)
	defer cancel()
	if _, err := c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("good"), CacheBody: []byte("v"), TtlMilliseconds: 60_000}); err != nil {
		t.Errorf("a good call afterwards: %v", err)
	}
}

func allData() *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: &permissionpb.ExplicitPermissions{
		Permissions: []*permissionpb.PermissionsType{
			{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: &permissionpb.CachePermissions{
				Role:      permissionpb.CacheRole_CacheReadWrite,
				Cache:     &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}},
				CacheItem: &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}},
			}}},
			{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: &permissionpb.TopicPermissions{
				Role:  permissionpb.TopicRole_TopicReadWrite,
				Cache: &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}},
				Topic: &permissionpb.TopicPermissions_AllTopics{AllTopics: &permissionpb.All{}},
			}}},
		},
	}}}
}

// The limits tell their kind twice, for SDKs that read the trailer and for
// those that read the text.
func TestLimitsNameThemselves(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	c := clientsOf(server.Conn(t))
	ctx := harness.WithCache(harness.Bounded(t), "story")
	for _, limit := range []struct {
		name, trailer, words string
		call                 func(...grpc.CallOption) error
	}{
		{"request", "request_size_limit_exceeded", "request limit", func(o ...grpc.CallOption) error {
			return only(c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, 5_300_000), TtlMilliseconds: 1000}, o...))
		}},
		{"item", "item_size_limit_exceeded", "item size", func(o ...grpc.CallOption) error {
			return only(c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, 5_100_000), TtlMilliseconds: 1000}, o...))
		}},
		{"topic message", "request_size_limit_exceeded", "request limit", func(o ...grpc.CallOption) error {
			return only(c.pubsub.Publish(ctx, text("story", "t", strings.Repeat("x", 2<<20)), o...))
		}},
	} {
		t.Run(limit.name, func(t *testing.T) {
			var trailer metadata.MD
			err := limit.call(grpc.Trailer(&trailer))
			if status.Code(err) != codes.ResourceExhausted || !strings.Contains(status.Convert(err).Message(), limit.words) {
				t.Errorf("got %v, want ResourceExhausted with %q", err, limit.words)
			}
			if got := trailer.Get("err"); len(got) != 1 || got[0] != limit.trailer {
				t.Errorf("trailer err is %q, want %q", got, limit.trailer)
			}
		})
	}
}

// A missing cache must not carry the trailer that would make it a missing item.
func TestMissingCacheHasNoErrTrailer(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	var trailer metadata.MD
	_, err := cachepb.NewScsClient(server.Conn(t)).Get(harness.WithCache(harness.Bounded(t), "unknown"), &cachepb.GetRequest{CacheKey: []byte("k")}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.NotFound || len(trailer.Get("err")) > 0 {
		t.Errorf("got %v with trailer %v, want NotFound without err", err, trailer)
	}
}

// A call whose caller has gone away, or whose time is over, is not waited for.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	c := clientsOf(server.Conn(t))
	for range 200 {
		ctx, cancel := context.WithTimeout(harness.WithCache(t.Context(), "story"), 200*time.Microsecond)
		_, err := c.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: []byte("l"), Value: []byte("v"), TtlMilliseconds: 60_000})
		if code := status.Code(err); code != codes.OK && code != codes.DeadlineExceeded {
			t.Fatalf("got %v, want an answer or DeadlineExceeded", err)
		}
		cancel()
	}
	works(t, c)
}
