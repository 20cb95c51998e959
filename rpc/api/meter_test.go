package api

import (
	"maps"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// ledger counts what meters are told.
type ledger struct {
	mu       sync.Mutex
	streams  map[string]bool
	underWay map[string]int
	ended    map[string]map[codes.Code]int
}

type entry struct {
	*ledger
	method string
}

func (l *ledger) meter(method string, stream bool) Meter {
	l.streams[method] = stream
	l.ended[method] = map[codes.Code]int{}
	return entry{l, method}
}

func (e entry) Begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.underWay[e.method]++
}

func (e entry) End(code codes.Code, _ time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.underWay[e.method]--
	e.ended[e.method][code]++
}

// Every call is counted once, with the status its client sees, whatever ended it.
func TestCallsAreMetered(t *testing.T) {
	l := &ledger{streams: map[string]bool{}, underWay: map[string]int{}, ended: map[string]map[codes.Code]int{}}
	w := newWorld(t, settings{config: Config{Meter: l.meter}})
	if len(l.streams) != len(rules) {
		t.Errorf("%d methods have a meter, there are %d", len(l.streams), len(rules))
	}
	ctx := t.Context()
	get := &cachepb.GetRequest{CacheKey: []byte("k")}
	for range 3 {
		ok[*cachepb.GetResponse](t)(w.scs.Get(in(ctx), get))
	}
	_, err := w.scs.Get(ctx, get) // no cache named
	wants(t, err, codes.InvalidArgument)
	login := ok[authpb.Auth_LoginClient](t)(w.auth.Login(ctx, &authpb.LoginRequest{}))
	_, err = login.Recv()
	wants(t, err, codes.Unimplemented) // a status that grpc made
	stream := ok[pubsubpb.Pubsub_SubscribeClient](t)(w.topic.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"}))
	ok[*pubsubpb.SubscribeResponse](t)(stream.Recv())

	const subscribe = pubsubpb.Pubsub_Subscribe_FullMethodName
	l.mu.Lock()
	if l.underWay[subscribe] != 1 || !l.streams[subscribe] {
		t.Errorf("%d subscriptions under way, a stream: %v", l.underWay[subscribe], l.streams[subscribe])
	}
	l.mu.Unlock()
	if err := w.Delete(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wants(t, err, codes.NotFound)

	l.mu.Lock()
	defer l.mu.Unlock()
	for method, want := range map[string]map[codes.Code]int{
		cachepb.Scs_Get_FullMethodName:   {codes.OK: 3, codes.InvalidArgument: 1},
		authpb.Auth_Login_FullMethodName: {codes.Unimplemented: 1},
		subscribe:                        {codes.NotFound: 1},
	} {
		if got := l.ended[method]; !maps.Equal(got, want) || l.underWay[method] != 0 {
			t.Errorf("%s: ended %v, want %v, and %d are under way", method, got, want, l.underWay[method])
		}
	}
}
