package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Credential, permission, cache, arguments: each step is asked only when the
// ones before it are fine.
func TestOrderOfChecks(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	reader := w.disposable(t, time.Hour, "", itemStatement(permissionpb.CacheRole_CacheReadOnly, "mine"))
	get := func(credential, cache, key string) error {
		ctx := t.Context()
		if credential != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", credential)
		}
		if cache != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "cache", cache)
		}
		_, err := w.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte(key)})
		return err
	}
	root := w.rootText(t)
	for _, test := range []struct {
		name, credential, cache, key string
		want                         codes.Code
	}{
		{"no credential, everything else wrong", "", "", "", codes.Unauthenticated},
		{"garbage, everything else wrong", "garbage", "", "", codes.Unauthenticated},
		{"another key, cache missing", reader, "none", "yours", codes.PermissionDenied},
		{"another key, there", reader, "c", "yours", codes.PermissionDenied},
		{"another cache, which is missing", reader, "none", "mine", codes.PermissionDenied},
		{"no cache named, may not", reader, "", "mine", codes.PermissionDenied},
		{"no cache named, may", root, "", "k", codes.InvalidArgument},
		{"cache name that cannot be", root, "  ", "k", codes.InvalidArgument},
		{"cache name too long", root, strings.Repeat("x", 256), "k", codes.InvalidArgument},
		{"cache missing, arguments wrong", root, "none", "", codes.NotFound},
		{"arguments wrong", root, "c", "", codes.InvalidArgument},
		{"fine", reader, "c", "mine", codes.OK},
	} {
		t.Run(test.name, func(t *testing.T) { wants(t, get(test.credential, test.cache, test.key), test.want) })
	}
}

func TestMissingCacheCarriesNoErrTrailer(t *testing.T) {
	w := newWorld(t, settings{})
	var trailer metadata.MD
	_, err := w.scs.Get(metadata.AppendToOutgoingContext(t.Context(), "cache", "none"), &cachepb.GetRequest{CacheKey: []byte("k")}, grpc.Trailer(&trailer))
	wants(t, err, codes.NotFound)
	if len(trailer.Get("err")) > 0 {
		t.Errorf("err trailer is %q", trailer.Get("err"))
	}
}

// Roles against the kinds of calls (protocol.md 6.5).
func TestRoles(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	calls := map[string]func(ctx context.Context) error{
		"read": func(ctx context.Context) error {
			return second(w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte("k")}))
		},
		"write": func(ctx context.Context) error {
			return second(w.scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: []byte("k")}))
		},
		"both": func(ctx context.Context) error {
			return second(w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: []byte("k"), TtlMilliseconds: minute}))
		},
		"subscribe": func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			stream, err := w.topic.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"publish": func(ctx context.Context) error {
			return second(w.topic.Publish(ctx, text("c", "t", "x")))
		},
		"control": func(ctx context.Context) error {
			return second(w.control.ListCaches(ctx, &controlpb.ListCachesRequest{}))
		},
	}
	all := func(p *permissionpb.PermissionsType) string { return w.disposable(t, time.Hour, "", p) }
	for name, test := range map[string]struct{ credential, may string }{
		"read only":      {all(itemStatement(permissionpb.CacheRole_CacheReadOnly, "k")), "read"},
		"write only":     {all(itemStatement(permissionpb.CacheRole_CacheWriteOnly, "k")), "write"},
		"read and write": {all(itemStatement(permissionpb.CacheRole_CacheReadWrite, "k")), "read write both"},
		"subscribe only": {all(topicStatement(permissionpb.TopicRole_TopicReadOnly, "t")), "subscribe"},
		"publish only":   {all(topicStatement(permissionpb.TopicRole_TopicWriteOnly, "t")), "publish"},
		"another topic":  {all(topicStatement(permissionpb.TopicRole_TopicReadWrite, "u")), ""},
		"admin":          {w.rootText(t), "read write both subscribe publish control"},
	} {
		for call, do := range calls {
			want := codes.PermissionDenied
			if strings.Contains(" "+test.may+" ", " "+call+" ") {
				want = codes.OK
			}
			t.Run(name+" "+call, func(t *testing.T) { wants(t, do(in(t.Context(), "authorization", test.credential)), want) })
		}
	}
}

func text(cache, topic, value string) *pubsubpb.PublishRequest {
	return &pubsubpb.PublishRequest{CacheName: cache, Topic: topic, Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: value}}}
}

// For a batch every key counts, whichever comes first.
func TestBatchesNeedEveryKey(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	mine := w.disposable(t, time.Hour, "", itemStatement(permissionpb.CacheRole_CacheReadWrite, "mine"))
	ctx := in(t.Context(), "authorization", mine)
	for _, keys := range [][]string{{"yours", "mine"}, {"mine", "yours"}} {
		wants(t, second(w.scs.KeysExist(ctx, &cachepb.KeysExistRequest{CacheKeys: bytesOf(keys...)})), codes.PermissionDenied)
		gets, sets := &cachepb.GetBatchRequest{}, &cachepb.SetBatchRequest{}
		for _, key := range keys {
			gets.Items = append(gets.Items, &cachepb.GetRequest{CacheKey: []byte(key)})
			sets.Items = append(sets.Items, &cachepb.SetRequest{CacheKey: []byte(key), TtlMilliseconds: minute})
		}
		wants(t, drain(w.scs.GetBatch(ctx, gets)), codes.PermissionDenied)
		wants(t, drain(w.scs.SetBatch(ctx, sets)), codes.PermissionDenied)
	}
	if _, hit := w.machineGet("mine"); hit {
		t.Error("a refused batch wrote something")
	}
}

// A call on no key needs some right to what the cache holds: without, it is refused in the
// same words whether or not there is such a cache.
func TestNoKeyIsNoWayAround(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	calls := map[string]func(context.Context) error{
		"KeysExist": func(ctx context.Context) error { return second(w.scs.KeysExist(ctx, &cachepb.KeysExistRequest{})) },
		"GetBatch":  func(ctx context.Context) error { return drain(w.scs.GetBatch(ctx, &cachepb.GetBatchRequest{})) },
		"SetBatch":  func(ctx context.Context) error { return drain(w.scs.SetBatch(ctx, &cachepb.SetBatchRequest{})) },
	}
	held := func(p *permissionpb.PermissionsType) string { return w.disposable(t, time.Hour, "", p) }
	for name, test := range map[string]struct{ credential, may string }{
		"topics":     {held(topicStatement(permissionpb.TopicRole_TopicReadWrite, "t")), ""},
		"read only":  {held(itemStatement(permissionpb.CacheRole_CacheReadOnly, "k")), "KeysExist GetBatch"},
		"write only": {held(itemStatement(permissionpb.CacheRole_CacheWriteOnly, "k")), "SetBatch"},
		"admin":      {w.rootText(t), "KeysExist GetBatch SetBatch"},
	} {
		for call, do := range calls {
			there := do(in(t.Context(), "authorization", test.credential))
			nowhere := do(metadata.AppendToOutgoingContext(t.Context(), "cache", "nowhere", "authorization", test.credential))
			if strings.Contains(test.may, call) {
				wants(t, there, codes.OK)
				continue
			}
			wants(t, there, codes.PermissionDenied)
			wants(t, nowhere, codes.PermissionDenied)
			if status.Convert(there).Message() != status.Convert(nowhere).Message() {
				t.Errorf("%s by %s: %v, and without a cache %v", call, name, there, nowhere)
			}
		}
	}
}

func (w *world) machineGet(key string) (string, bool) {
	ctx := &call{Context: context.Background(), door: w.server.door, bounds: w.server.door.bounds.Load()}
	ctx.cache, _ = w.Lookup("c")
	value, err := (&scs{data: w}).read(ctx, []byte(key))
	if err != nil {
		panic(err)
	}
	return string(value.GetValue()), value.GetFound()
}

// rawCodec sends the bytes it is given.
type rawCodec struct{ encoding.CodecV2 }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// raw calls a unary method with any bytes.
func (w *world) raw(ctx context.Context, method string, request []byte) error {
	return w.conn.Invoke(ctx, method, request, &cachepb.GetResponse{}, grpc.ForceCodecV2(rawCodec{encoding.GetCodecV2("proto")}))
}

// Malformed bytes are the client's fault: INTERNAL would make SDKs repeat them.
func TestMalformedMessages(t *testing.T) {
	w := newWorld(t, settings{})
	for name, raw := range map[string][]byte{
		"cut short":       {0x0a, 0x05, 'k'},
		"not UTF-8":       {0x0a, 0x02, 0xff, 0xfe},
		"a forbidden tag": {0x00},
		"an endless tag":  bytes.Repeat([]byte{0xff}, 20),
	} {
		method := cachepb.Scs_Get_FullMethodName
		if name == "not UTF-8" {
			method = pubsubpb.Pubsub_Publish_FullMethodName
		}
		t.Run(name, func(t *testing.T) { wants(t, w.raw(in(t.Context()), method, raw), codes.InvalidArgument) })
	}
}

// Many tiny elements take forty times their size once decoded, so they are
// counted before.
func TestTooManyElements(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{Elements: 100}}})
	batch := func(n int) error {
		return second(w.scs.KeysExist(in(t.Context()), &cachepb.KeysExistRequest{CacheKeys: bytesOf(strings.Split(strings.Repeat("k", n), "")...)}))
	}
	if err := batch(100); err != nil {
		t.Error(err)
	}
	wants(t, batch(101), codes.InvalidArgument)
	ranges := func(n int) error {
		r := make([]*cachepb.ListRange, n)
		for i := range r {
			r[i] = &cachepb.ListRange{BeginIndex: 1}
		}
		return second(w.scs.ListErase(in(t.Context()), &cachepb.ListEraseRequest{
			ListName: []byte("l"), Erase: &cachepb.ListEraseRequest_Some{Some: &cachepb.ListRanges{Ranges: r}},
		}))
	}
	if err := ranges(100); err != nil {
		t.Error(err)
	}
	wants(t, ranges(101), codes.InvalidArgument)
}

func TestBudgetOfBytesInFlight(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{RequestBytes: 1000, InFlightBytes: 1000}}})
	entered, leave := make(chan struct{}), make(chan struct{})
	w.failWith(func(string) error {
		entered <- struct{}{}
		<-leave
		return nil
	})
	set := func() error {
		return second(w.scs.Set(in(t.Context()), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, 600), TtlMilliseconds: minute}))
	}
	first := make(chan error)
	go func() { first <- set() }()
	<-entered
	limitedBy(t, set(), "operations_rate_limit_exceeded")
	close(leave)
	if err := <-first; err != nil {
		t.Error(err)
	}
	w.failWith(nil)
	for range 10 {
		if err := set(); err != nil {
			t.Fatal("bytes were not given back:", err)
		}
	}
	if used := w.server.door.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are taken with nothing in flight", used)
	}
}

func TestPanicsEndTheCallOnly(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, settings{config: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}})
	w.failWith(func(string) error { panic("secret-value") })
	for name, err := range map[string]error{
		"unary":  second(w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte("k")})),
		"stream": drain(w.topic.Subscribe(t.Context(), &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})),
		"batch": drain(w.scs.GetBatch(in(t.Context()), &cachepb.GetBatchRequest{
			Items: []*cachepb.GetRequest{{CacheKey: []byte("a")}, {CacheKey: []byte("b")}},
		})),
	} {
		wants(t, err, codes.Internal)
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the client is told %v", name, err)
		}
	}
	w.failWith(nil)
	w.set(t, "k", "v")
	if strings.Contains(log.String(), "secret-value") || !strings.Contains(log.String(), "memory_test.go") {
		t.Errorf("the log should hold a stack and no values: %s", log.String())
	}
}

func TestUnforeseenErrorsAreLoggedAndNotTold(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, settings{config: Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}})
	w.failWith(func(string) error { return errors.New("disk on fire") })
	err := second(w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte("k")}))
	wants(t, err, codes.Internal)
	if strings.Contains(err.Error(), "fire") || !strings.Contains(log.String(), "disk on fire") {
		t.Errorf("told %v, logged %s", err, log.String())
	}
}

// What became of a change is in the status that SDKs act on, and in a trailer.
func TestOutcomes(t *testing.T) {
	w := newWorld(t, settings{})
	var trailer metadata.MD
	set := func() error {
		return second(w.scs.Set(in(t.Context()), &cachepb.SetRequest{CacheKey: []byte("k"), TtlMilliseconds: 1}, grpc.Trailer(&trailer)))
	}
	push := func() error {
		return second(w.scs.ListPushBack(in(t.Context()), &cachepb.ListPushBackRequest{ListName: []byte("k"), TtlMilliseconds: 1}, grpc.Trailer(&trailer)))
	}
	for _, test := range []struct {
		fail    error
		call    func() error
		code    codes.Code
		outcome string
	}{
		{route.ErrNotExecuted, set, codes.Unavailable, "none"},
		{route.ErrNotExecuted, push, codes.Unavailable, "none"},
		{route.ErrUnknownOutcome, set, codes.Unavailable, "unknown"}, // SDKs repeat a set, which does no harm
		{route.ErrUnknownOutcome, push, codes.Aborted, "unknown"},    // and would repeat this one, if it were UNAVAILABLE
	} {
		w.failWith(func(string) error { return fmt.Errorf("in the test: %w", test.fail) })
		wants(t, test.call(), test.code)
		if got := trailer.Get("mayfly-outcome"); len(got) != 1 || got[0] != test.outcome {
			t.Errorf("%v: outcome trailer is %q, want %q", test.fail, got, test.outcome)
		}
	}
}

func TestDeadlines(t *testing.T) {
	w := newWorld(t, settings{})
	w.failWith(func(string) error { return context.DeadlineExceeded })
	wants(t, second(w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.DeadlineExceeded)
}

// A status of grpc-go's own inside an error of the router's does not hide it.
func TestStatusesInsideErrors(t *testing.T) {
	w := newWorld(t, settings{})
	w.failWith(func(string) error {
		return fmt.Errorf("%w: %w", route.ErrNotExecuted, status.Error(codes.DataLoss, "from a peer"))
	})
	wants(t, second(w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.Unavailable)
}

func TestTenThousandStreamsOnOneConnection(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{StreamsPerConnection: 50}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := make(chan struct{}, 10_000)
	for range 10_000 {
		go func() {
			stream, err := w.topic.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
			if err != nil {
				return
			}
			if _, err := stream.Recv(); err == nil {
				began <- struct{}{}
			}
		}()
	}
	for range 50 {
		<-began
	}
	if n := w.server.Streams(); n != 50 {
		t.Errorf("%d streams are served, want the 50 that one connection may have", n)
	}
	// Others are not disturbed.
	other := *w
	other.connect(t, nil)
	other.set(t, "k", "v")
}

func TestReadConcern(t *testing.T) {
	w := newWorld(t, settings{})
	relaxed := make(chan bool, 1)
	data := &relaxedData{memory: w.memory, relaxed: relaxed}
	s := &scs{data: data}
	for concern, want := range map[string]bool{"": false, "balanced": false, "consistent": false, "express": true, "other": false} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("read-concern", concern))
		c := &call{Context: ctx, door: w.server.door, bounds: w.server.door.bounds.Load()}
		c.cache, _ = w.Lookup("c")
		if _, err := s.Get(c, &cachepb.GetRequest{CacheKey: []byte("k")}); err != nil {
			t.Fatal(err)
		}
		if got := <-relaxed; got != want {
			t.Errorf("read-concern %q: relaxed is %v", concern, got)
		}
	}
}
