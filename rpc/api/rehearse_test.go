package api

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
)

// What is rehearsed ends like the call itself, for every sort of caller.
func TestRehearsalIsLikeTheCall(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	super, _ := w.superKey(t)
	narrow := w.disposable(t, time.Hour, "", topicStatement(permissionpb.TopicRole_TopicReadOnly, "room"),
		itemStatement(permissionpb.CacheRole_CacheReadOnly, "r"))
	calls := []struct {
		name, method, cache string
		message, answer     proto.Message
	}{
		{"read", cachepb.Scs_Get_FullMethodName, "c", &cachepb.GetRequest{CacheKey: []byte("r1")}, &cachepb.GetResponse{}},
		{"read another", cachepb.Scs_Get_FullMethodName, "c", &cachepb.GetRequest{CacheKey: []byte("x")}, &cachepb.GetResponse{}},
		{"read of no cache", cachepb.Scs_Get_FullMethodName, "", &cachepb.GetRequest{CacheKey: []byte("r1")}, &cachepb.GetResponse{}},
		{"read of an unknown cache", cachepb.Scs_Get_FullMethodName, "d", &cachepb.GetRequest{CacheKey: []byte("r1")}, &cachepb.GetResponse{}},
		{"delete", cachepb.Scs_Delete_FullMethodName, "c", &cachepb.DeleteRequest{CacheKey: []byte("r1")}, &cachepb.DeleteResponse{}},
		{"publish", pubsubpb.Pubsub_Publish_FullMethodName, "", &pubsubpb.PublishRequest{CacheName: "c", Topic: "room",
			Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: "x"}}}, &pubsubpb.PublishResponse{}},
		{"list caches", controlpb.ScsControl_ListCaches_FullMethodName, "", &controlpb.ListCachesRequest{}, &controlpb.ListCachesResponse{}},
		{"version", adminv1.Admin_Version_FullMethodName, "", &adminv1.VersionRequest{}, &adminv1.VersionResponse{}},
		{"ping", cachepb.Ping_Ping_FullMethodName, "", &cachepb.PingRequest{}, &cachepb.PingResponse{}},
	}
	seen := map[codes.Code]bool{}
	for who, credential := range map[string]string{"super": super, "admin": w.rootText(t), "narrow": narrow, "nobody": "", "forged": super[:len(super)-4] + "AAAA"} {
		for _, call := range calls {
			header := metadata.MD{}
			for name, value := range map[string]string{"cache": call.cache, "authorization": credential} {
				if value != "" {
					header.Set(name, value)
				}
			}
			ctx := metadata.NewOutgoingContext(t.Context(), header)
			want := status.Convert(w.conn.Invoke(ctx, call.method, call.message, call.answer))
			got := w.server.Rehearse(t.Context(), credential, call.method, call.cache, call.message)
			seen[want.Code()] = true
			if got.Code() != want.Code() || got.Message() != want.Message() {
				t.Errorf("%s as %s: %v, the call: %v", call.name, who, got, want)
			}
		}
	}
	for _, code := range []codes.Code{codes.OK, codes.Unauthenticated, codes.PermissionDenied, codes.NotFound, codes.InvalidArgument} {
		if !seen[code] {
			t.Errorf("no call ended with %v", code)
		}
	}
	// Nothing was done.
	if end := w.server.Rehearse(t.Context(), super, controlpb.ScsControl_CreateCache_FullMethodName, "", &controlpb.CreateCacheRequest{CacheName: "new"}); end.Code() != codes.OK {
		t.Error(end)
	}
	if _, there := w.Lookup("new"); there {
		t.Error("a rehearsal made a cache")
	}
	for _, method := range []string{"/no/method", tokenpb.Token_GenerateDisposableToken_FullMethodName} {
		if end := w.server.Rehearse(t.Context(), super, method, "", &tokenpb.GenerateDisposableTokenRequest{}); end.Code() != codes.Unimplemented {
			t.Errorf("%s: %v", method, end)
		}
	}
}

// Every answer about an item counts as one that was there, or as one that was not.
func TestLookupsAreCounted(t *testing.T) {
	var hits, misses int
	w := newWorld(t, settings{config: Config{Lookup: func(found bool) {
		if found {
			hits++
		} else {
			misses++
		}
	}}})
	ctx := in(t.Context())
	key := []byte("k")
	ok[*cachepb.GetResponse](t)(w.scs.Get(ctx, &cachepb.GetRequest{CacheKey: key}))
	ok[*cachepb.ListFetchResponse](t)(w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte("l")}))
	ok[*cachepb.SetResponse](t)(w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: key, CacheBody: key, TtlMilliseconds: 60_000}))
	for range 3 {
		ok[*cachepb.GetResponse](t)(w.scs.Get(ctx, &cachepb.GetRequest{CacheKey: key}))
	}
	_, err := w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: key}) // of another type
	wants(t, err, codes.FailedPrecondition)
	if hits != 3 || misses != 2 {
		t.Errorf("%d hits, %d misses, want 3 and 2", hits, misses)
	}
}
