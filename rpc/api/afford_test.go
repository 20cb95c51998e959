package api

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/fanout"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/admit"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/metering"
)

const (
	operationsKind    = "operations_rate_limit_exceeded"
	throughputKind    = "throughput_rate_limit_exceeded"
	subscriptionsKind = "topic_subscriptions_limit_exceeded"
)

// tally counts refusals as operators see them.
type tally struct {
	mu sync.Mutex
	of map[string]int
}

func (t *tally) note(limit, cache string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = make(map[string]int)
	}
	t.of[limit+" "+cache]++
}

// limitedCache makes a cache with limits of its own.
func (w *world) limitedCache(t testing.TB, name string, limits *storev1.CacheLimits) {
	t.Helper()
	if err := w.Create(context.Background(), name, limits); err != nil {
		t.Fatal(err)
	}
}

// as is the context of a call with a credential on a cache.
func as(ctx context.Context, cache, credential string) context.Context {
	pairs := []string{"cache", cache}
	if credential != "" {
		pairs = append(pairs, "authorization", credential)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// spend makes so many calls at once and returns how many were refused, and the last
// refusal.
func spend(n int, call func() error) (refused int, last error) {
	for range n {
		if err := call(); err != nil {
			refused++
			last = err
		}
	}
	return refused, last
}

// Every rate, of everybody who has one: what is over it is refused in words that SDKs
// and operators understand, and a second later there is as much again.
func TestRates(t *testing.T) {
	for name, test := range map[string]struct {
		cache   *storev1.CacheLimits
		limits  Limits
		key     auth.Limits
		token   bool // the caller holds a token of the key
		publish bool
		kind    string
		says    string
	}{
		"operations of a cache":          {cache: &storev1.CacheLimits{MaxTrafficRate: u32(4)}, kind: operationsKind, says: "over 4 per second in this cache"},
		"operations of all caches":       {limits: Limits{Operations: 4}, kind: operationsKind, says: "over 4 per second in this cache"},
		"its own before that of all":     {cache: &storev1.CacheLimits{MaxTrafficRate: u32(4)}, limits: Limits{Operations: 1}, kind: operationsKind, says: "over 4 per second"},
		"bytes of a cache":               {cache: &storev1.CacheLimits{MaxThroughputKbps: u32(4)}, kind: throughputKind, says: "throughput over 4 KiB per second in this cache"},
		"bytes of all caches":            {limits: Limits{Throughput: 4 << 10}, kind: throughputKind, says: "throughput over 4 KiB per second in this cache"},
		"messages of a cache":            {cache: &storev1.CacheLimits{MaxPublishRate: u32(4), MaxTrafficRate: u32(1)}, publish: true, kind: operationsKind, says: "over 4 messages per second in this cache"},
		"messages of all caches":         {limits: Limits{Publishes: 4}, publish: true, kind: operationsKind, says: "over 4 messages per second in this cache"},
		"bytes of messages":              {cache: &storev1.CacheLimits{MaxThroughputKbps: u32(4)}, publish: true, kind: throughputKind, says: "KiB per second in this cache"},
		"operations of a key":            {key: auth.Limits{Operations: 4}, kind: operationsKind, says: "over 4 per second with this API key"},
		"messages of a key":              {key: auth.Limits{Operations: 4}, publish: true, kind: operationsKind, says: "over 4 per second with this API key"},
		"bytes of a key":                 {key: auth.Limits{ThroughputKiB: 4}, kind: throughputKind, says: "4 KiB per second with this API key"},
		"operations of a key's token":    {key: auth.Limits{Operations: 4}, token: true, kind: operationsKind, says: "over 4 per second with this API key"},
		"operations of a token":          {limits: Limits{Token: Allowance{Operations: 4}}, token: true, kind: operationsKind, says: "over 4 per second with this token"},
		"bytes of a token":               {limits: Limits{Token: Allowance{Throughput: 4 << 10}}, token: true, publish: true, kind: throughputKind, says: "with this token"},
		"operations of the node":         {limits: Limits{Node: Allowance{Operations: 4}}, kind: operationsKind, says: "over 4 per second on this node"},
		"bytes of the node":              {limits: Limits{Node: Allowance{Throughput: 4 << 10}}, publish: true, kind: throughputKind, says: "on this node"},
		"the node before all the others": {limits: Limits{Node: Allowance{Operations: 4}}, cache: &storev1.CacheLimits{MaxTrafficRate: u32(5)}, kind: operationsKind, says: "on this node"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen tally
				w := newWorld(t, settings{config: Config{Limits: test.limits, Refused: seen.note}, secured: true})
				w.limitedCache(t, "limited", test.cache)
				credential := w.limitedKey(t, test.key)
				if test.token {
					credential = w.childOf(t, credential)
				}
				value := strings.Repeat("x", 1000) // and what goes with it is just above 1 KiB
				call := func() error {
					if test.publish {
						return second(w.topic.Publish(as(t.Context(), "", credential), text("limited", "t", value)))
					}
					return second(w.scs.Set(as(t.Context(), "limited", credential), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: []byte(value), TtlMilliseconds: minute}))
				}
				for range 3 {
					// Of the bytes the fifth call finds a rest of the bucket left, or none.
					refused, last := spend(10, call)
					if refused < 5 || refused > 6 {
						t.Fatalf("%d of 10 calls were refused, want 5 or 6: %v", refused, last)
					}
					limitedBy(t, last, test.kind)
					if text := status.Convert(last).Message(); !strings.Contains(text, test.says) {
						t.Errorf("%q does not say %q", text, test.says)
					}
					time.Sleep(3 * time.Second / 2) // for the bytes also those of what was too much
				}
				limit := strings.TrimSuffix(test.kind, "_limit_exceeded")
				if n := seen.of[limit+" limited"]; n < 15 || len(seen.of) != 1 {
					t.Errorf("operators see %v", seen.of)
				}
			})
		})
	}
}

func u32(n uint32) *uint32 { return &n }

// limitedKey makes a super user's key with limits.
func (w *world) limitedKey(t testing.TB, limits auth.Limits) string {
	t.Helper()
	k, err := w.minter.APIKey(w.root(t), auth.KeyRequest{
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}, Never: true, Limits: limits,
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PutAPIKey(context.Background(), recordOf(k.Record)); err != nil {
		t.Fatal(err)
	}
	return k.Text
}

// childOf mints a token with a key, for everything in cache "limited".
func (w *world) childOf(t testing.TB, key string) string {
	t.Helper()
	parent, err := w.server.ports.Gate.Authenticate(key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cache := &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: &permissionpb.CachePermissions{
		Role:      permissionpb.CacheRole_CacheReadWrite,
		Cache:     &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}},
		CacheItem: &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}},
	}}}
	topic := &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: &permissionpb.TopicPermissions{
		Role:  permissionpb.TopicRole_TopicReadWrite,
		Cache: &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}},
		Topic: &permissionpb.TopicPermissions_AllTopics{AllTopics: &permissionpb.All{}},
	}}}
	token, err := w.minter.Disposable(parent, explicit(cache, topic), time.Hour, "child", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return token.Text
}

// Two tokens of one key share what it may do, and what each of them may.
func TestTokensShareTheirKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{config: Config{Limits: Limits{Token: Allowance{Operations: 3}}}, secured: true})
		w.limitedCache(t, "limited", nil)
		key := w.limitedKey(t, auth.Limits{Operations: 5})
		get := func(credential string) func() error {
			return func() error {
				return second(w.scs.Get(as(t.Context(), "limited", credential), &cachepb.GetRequest{CacheKey: []byte("k")}))
			}
		}
		first, other := w.childOf(t, key), w.childOf(t, key)
		if refused, _ := spend(10, get(first)); refused != 7 {
			t.Errorf("%d of 10 calls of a token that may make 3 were refused", refused)
		}
		if refused, _ := spend(10, get(other)); refused != 8 {
			t.Errorf("%d of 10 calls of another token were refused; its key had 2 left", refused)
		}
		if refused, _ := spend(1, get(key)); refused != 1 {
			t.Error("the key has more than its tokens left")
		}
	})
}

// The keys that come from one by refreshing and rotating, and what they mint, have
// together what that one had alone.
func TestKeysOfOneOriginShareTheirLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		w.limitedCache(t, "limited", nil)
		super := w.limitedKey(t, auth.Limits{Operations: 5, Subscriptions: 2})
		topics := topicStatement(permissionpb.TopicRole_TopicReadWrite, "t")
		topics.GetTopicPermissions().Cache = &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}}
		made := ok[*authpb.GenerateApiTokenResponse](t)(w.auth.GenerateApiToken(t.Context(), expires(super, 7200, explicit(topics))))
		all := []string{made.GetApiKey()}
		pair := &authpb.RefreshApiTokenRequest{ApiKey: made.GetApiKey(), RefreshToken: made.GetRefreshToken()}
		for range 4 {
			next := ok[*authpb.RefreshApiTokenResponse](t)(w.auth.RefreshApiToken(t.Context(), pair))
			further := ok[*authpb.RefreshApiTokenResponse](t)(w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: next.GetApiKey(), RefreshToken: next.GetRefreshToken()}))
			all = append(all, next.GetApiKey(), further.GetApiKey())
		}
		root := in(t.Context(), "authorization", w.rootText(t))
		rotated := ok[*adminv1.RotateApiKeyResponse](t)(w.credentials().RotateApiKey(root, &adminv1.RotateApiKeyRequest{Id: keyIDOf(t, all[1]), GraceSeconds: 3600}))
		after := ok[*authpb.RefreshApiTokenResponse](t)(w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: rotated.GetApiKey(), RefreshToken: rotated.GetRefreshToken()}))
		all = append(all, rotated.GetApiKey(), after.GetApiKey())

		for range 2 {
			passed := 0
			for range 3 {
				for _, key := range all {
					if err := second(w.topic.Publish(as(t.Context(), "", key), text("limited", "t", "x"))); err == nil {
						passed++
					} else {
						limitedBy(t, err, operationsKind)
					}
				}
			}
			if passed != 5 {
				t.Errorf("%d calls of %d keys passed in a second of 5", passed, len(all))
			}
			time.Sleep(time.Second)
		}
		taken := 0
		for _, key := range all {
			s, err := w.topic.Subscribe(as(t.Context(), "", key), &pubsubpb.SubscribeRequest{CacheName: "limited", Topic: "t"})
			if err == nil {
				_, err = s.Recv()
			}
			if err == nil {
				taken++
			} else {
				limitedBy(t, err, subscriptionsKind)
			}
		}
		if taken != 2 {
			t.Errorf("%d keys took %d of 2 places", len(all), taken)
		}
		// The key that made the first is another one.
		if refused, last := spend(5, func() error { return second(w.topic.Publish(as(t.Context(), "", super), text("limited", "t", "x"))) }); refused != 0 {
			t.Errorf("%d of 5 calls of the key that made them were refused: %v", refused, last)
		}
	})
}

// A batch counts every key that it names.
func TestWhatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		w.limitedCache(t, "limited", &storev1.CacheLimits{MaxTrafficRate: u32(10)})
		batch := &cachepb.KeysExistRequest{}
		for i := range 25 {
			batch.CacheKeys = append(batch.CacheKeys, fmt.Append(nil, i))
		}
		wants(t, second(w.scs.KeysExist(as(t.Context(), "limited", ""), batch)), codes.OK)
		one := func() error {
			return second(w.scs.Get(as(t.Context(), "limited", ""), &cachepb.GetRequest{CacheKey: []byte("k")}))
		}
		limitedBy(t, one(), operationsKind)
		time.Sleep(1500 * time.Millisecond)
		limitedBy(t, one(), operationsKind)
		time.Sleep(200 * time.Millisecond)
		wants(t, one(), codes.OK)

	})
}

// What goes out is charged like what comes in, whether or not it is counted as well.
func TestAnswersAreCharged(t *testing.T) {
	for name, meter := range map[string]*metering.Meter{
		"not counted": nil, "counted": metering.NewMeter(metering.Rules{}, metering.DefaultBounds()),
	} {
		t.Run(name, func(t *testing.T) { answersAreCharged(t, meter) })
	}
}

func answersAreCharged(t *testing.T, meter *metering.Meter) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{})
		w.server.door.usage = meter // before there are any calls
		w.limitedCache(t, "narrow", &storev1.CacheLimits{MaxThroughputKbps: u32(1)})
		// 900 bytes come in, and go out five times.
		put := &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, 900), TtlMilliseconds: minute}
		wants(t, second(w.scs.Set(as(t.Context(), "narrow", ""), put)), codes.OK)
		time.Sleep(time.Second)
		get := func() error {
			return second(w.scs.Get(as(t.Context(), "narrow", ""), &cachepb.GetRequest{CacheKey: []byte("k")}))
		}
		if refused, last := spend(5, get); refused != 3 {
			t.Errorf("%d of 5 answers of 900 bytes were refused in a second of 1 KiB, want 3: %v", refused, last)
		}
	})
}

// What may not be done takes nothing from those who may.
func TestStrangersSpendNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		w.limitedCache(t, "limited", &storev1.CacheLimits{MaxTrafficRate: u32(2)})
		narrow := w.disposable(t, time.Hour, "", itemStatement(permissionpb.CacheRole_CacheReadOnly, "only"))
		good := w.limitedKey(t, auth.Limits{})
		for range 10 {
			wants(t, second(w.scs.Get(as(t.Context(), "limited", narrow), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.PermissionDenied)
		}
		if refused, last := spend(2, func() error {
			return second(w.scs.Get(as(t.Context(), "limited", good), &cachepb.GetRequest{CacheKey: []byte("k")}))
		}); refused != 0 {
			t.Errorf("%d of 2 calls were refused: %v", refused, last)
		}
	})
}

// Places are counted for everybody who has a limit, and all are given back.
func TestPlacesOfEverybody(t *testing.T) {
	for name, test := range map[string]struct {
		cache  *storev1.CacheLimits
		limits Limits
		key    auth.Limits
		token  bool
		says   string
	}{
		"of a cache": {cache: &storev1.CacheLimits{MaxSubscriptionCount: u32(2)}, says: "in this cache"},
		"of a node":  {limits: Limits{Node: Allowance{Subscriptions: 2}}, says: "on this node"},
		"of a key":   {key: auth.Limits{Subscriptions: 2}, token: true, says: "with this API key"},
		"of a token": {limits: Limits{Token: Allowance{Subscriptions: 2}}, token: true, says: "with this token"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, settings{config: Config{Limits: test.limits}, secured: true})
				w.limitedCache(t, "limited", test.cache)
				credential := w.limitedKey(t, test.key)
				if test.token {
					credential = w.childOf(t, credential)
				}
				for range 3 {
					ctx, leave := context.WithCancel(as(t.Context(), "", credential))
					open := func() error {
						s, err := w.topic.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "limited", Topic: "t"})
						if err == nil {
							_, err = s.Recv()
						}
						return err
					}
					refused, last := spend(3, open)
					if refused != 1 {
						t.Fatalf("%d of 3 subscriptions were refused, want 1: %v", refused, last)
					}
					limitedBy(t, last, subscriptionsKind)
					if text := status.Convert(last).Message(); !strings.Contains(text, test.says) {
						t.Errorf("%q does not say %q", text, test.says)
					}
					leave()
					synctest.Wait()
				}
				if n := w.topics.Stats().Subscriptions; n != 0 {
					t.Errorf("%d subscriptions are left", n)
				}
			})
		})
	}
}

// Writes that wait for the disks are in the way of further writes only, and those that
// have waited for long are refused in words that SDKs understand.
func TestBusyLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen tally
		w := newWorld(t, settings{config: Config{Refused: seen.note, Limits: Limits{StreamsPerConnection: 2 * slowRoom}}})
		release := make(chan struct{})
		w.failWith(func(call string) error {
			if call == "Apply" {
				<-release
			}
			return nil
		})
		put := func() error {
			return second(w.scs.Set(in(t.Context()), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: []byte("v"), TtlMilliseconds: minute}))
		}
		done := make(chan error, slowRoom)
		for range slowRoom {
			go func() { done <- put() }()
		}
		synctest.Wait()
		wants(t, second(w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.OK)
		wants(t, second(w.topic.Publish(t.Context(), text("c", "t", "x"))), codes.OK)
		wants(t, second(w.control.ListCaches(t.Context(), &controlpb.ListCachesRequest{})), codes.OK)
		wants(t, second(cachepb.NewPingClient(w.conn).Ping(t.Context(), &cachepb.PingRequest{})), codes.OK)

		began := time.Now()
		limitedBy(t, put(), operationsKind)
		if waited := time.Since(began); waited < admit.Patience/2 || waited > 2*admit.Patience {
			t.Errorf("refused after %v", waited)
		}
		if seen.of["busy "] != 1 {
			t.Errorf("operators see %v", seen.of)
		}
		close(release)
		for range slowRoom {
			wants(t, <-done, codes.OK)
		}
		wants(t, put(), codes.OK)
		for name, lane := range map[string]*admit.Lane{"quick": w.server.door.lanes.quick, "slow": w.server.door.lanes.slow, "control": w.server.door.lanes.control} {
			if s := lane.Stats(); s != (admit.Stats{}) {
				t.Errorf("left in the %s lane: %+v", name, s)
			}
		}
	})
}

// A live subscription takes nobody's turn.
func TestSubscriptionsAreInNoLane(t *testing.T) {
	w := newWorld(t, settings{})
	for range 3 {
		w.listen(t, fanout.Position{})
	}
	if s := w.server.door.lanes.quick.Stats(); s != (admit.Stats{}) {
		t.Errorf("%+v", s)
	}
}

// Who takes turns with whom.
func TestCallers(t *testing.T) {
	from := func(addr string) context.Context {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return peer.NewContext(t.Context(), &peer.Peer{Addr: a})
	}
	for name, test := range map[string]struct {
		ctx  context.Context
		who  auth.Principal
		want admit.Caller
	}{
		"a key":                 {from("10.0.0.1:5"), auth.Principal{Kind: auth.KindAPIKey, KeyID: "k_1", Account: "k_1", ID: "k_1", Limits: auth.Limits{Weight: 7}}, admit.Caller{Group: "k_1", Member: "10.0.0.1:5", Weight: 7}},
		"its token":             {from("10.0.0.2:6"), auth.Principal{Kind: auth.KindToken, KeyID: "k_1", Account: "k_1", ID: "t_1"}, admit.Caller{Group: "k_1", Member: "t_1"}},
		"one refreshed from it": {from("10.0.0.2:6"), auth.Principal{Kind: auth.KindAPIKey, KeyID: "k_2", Account: "k_1", ID: "k_2"}, admit.Caller{Group: "k_1", Member: "10.0.0.2:6"}},
		"a token of the admin":  {from("10.0.0.2:6"), auth.Principal{Kind: auth.KindToken, ID: "t_1"}, admit.Caller{Group: "disposable token", Member: "t_1"}},
		"the admin":             {from("10.0.0.2:6"), auth.Principal{Kind: auth.KindAdmin, ID: "a_1"}, admit.Caller{Group: "admin", Member: "10.0.0.2:6"}},
		"anybody":               {from("10.0.0.2:6"), auth.Principal{Kind: auth.KindAnonymous}, admit.Caller{Group: "anonymous 10.0.0.2", Member: "10.0.0.2:6"}},
		"nobody, from nowhere":  {t.Context(), auth.Principal{}, admit.Caller{Group: "nobody "}},
	} {
		c := &call{Context: test.ctx, who: test.who}
		if got := c.caller(); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}
