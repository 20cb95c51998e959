package api

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

func (w *world) set(t testing.TB, key, value string) {
	t.Helper()
	_, err := w.scs.Set(in(t.Context()), &cachepb.SetRequest{CacheKey: []byte(key), CacheBody: []byte(value), TtlMilliseconds: minute})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) get(t testing.TB, key string) (string, bool) {
	t.Helper()
	r, err := w.scs.Get(in(t.Context()), &cachepb.GetRequest{CacheKey: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	return string(r.GetCacheBody()), r.GetResult() == cachepb.ECacheResult_Hit
}

func TestScalars(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	if r, err := w.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")}); err != nil || r.GetResult() != cachepb.ECacheResult_Miss {
		t.Errorf("get of nothing: %v, %v", r, err)
	}
	if r, err := w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), TtlMilliseconds: minute}); err != nil || r.GetResult() != cachepb.ECacheResult_Ok {
		t.Errorf("set of an empty value: %v, %v", r, err)
	}
	if v, hit := w.get(t, "k"); v != "" || !hit {
		t.Errorf("an empty value reads %q, %v", v, hit)
	}
	if _, err := w.scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: []byte("k")}); err != nil {
		t.Error(err)
	}
	if _, err := w.scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: []byte("k")}); err != nil {
		t.Error("deleting nothing:", err)
	}
	if _, hit := w.get(t, "k"); hit {
		t.Error("a deleted key is there")
	}
}

func TestSetIf(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	check := func(v string) *cachepb.ValueCheck { return &cachepb.ValueCheck{ValueToCheck: []byte(v)} }
	for _, test := range []struct {
		name                   string
		request                *cachepb.SetIfRequest
		absent, equal, differs bool // whether it stores over: nothing, "old", "other"
	}{
		{"present", &cachepb.SetIfRequest{Condition: &cachepb.SetIfRequest_Present{Present: &cachepb.Present{}}}, false, true, true},
		{"absent", &cachepb.SetIfRequest{Condition: &cachepb.SetIfRequest_Absent{Absent: &cachepb.Absent{}}}, true, false, false},
		{"equal", &cachepb.SetIfRequest{Condition: &cachepb.SetIfRequest_Equal{Equal: check("old")}}, false, true, false},
		{"not equal", &cachepb.SetIfRequest{Condition: &cachepb.SetIfRequest_NotEqual{NotEqual: check("old")}}, true, false, true},
		{"present and not equal", &cachepb.SetIfRequest{Condition: &cachepb.SetIfRequest_PresentAndNotEqual{PresentAndNotEqual: check("old")}}, false, false, true},
		{"absent or equal", &cachepb.SetIfRequest{Condition: &cachepb.SetIfRequest_AbsentOrEqual{AbsentOrEqual: check("old")}}, true, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for before, want := range map[string]bool{"": test.absent, "old": test.equal, "other": test.differs} {
				key := test.name + before
				if before != "" {
					w.set(t, key, before)
				}
				test.request.CacheKey, test.request.CacheBody, test.request.TtlMilliseconds = []byte(key), []byte("new"), minute
				r, err := w.scs.SetIf(ctx, test.request)
				if err != nil {
					t.Fatal(err)
				}
				if (r.GetStored() != nil) != want || (r.GetNotStored() != nil) == want {
					t.Errorf("over %q: %v, want stored %v", before, r, want)
				}
				after, _ := w.get(t, key)
				if want && after != "new" || !want && after != before {
					t.Errorf("over %q: %q is there afterwards", before, after)
				}
			}
		})
	}
}

func TestSetIfHash(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	check := func(v string) *cachepb.HashCheck { return &cachepb.HashCheck{HashToCheck: store.Digest([]byte(v))} }
	for _, test := range []struct {
		name                   string
		request                *cachepb.SetIfHashRequest
		absent, equal, differs bool
	}{
		{"unconditional", &cachepb.SetIfHashRequest{Condition: &cachepb.SetIfHashRequest_Unconditional{Unconditional: &cachepb.Unconditional{}}}, true, true, true},
		{"equal", &cachepb.SetIfHashRequest{Condition: &cachepb.SetIfHashRequest_PresentAndHashEqual{PresentAndHashEqual: check("old")}}, false, true, false},
		{"not equal", &cachepb.SetIfHashRequest{Condition: &cachepb.SetIfHashRequest_AbsentOrNotHashEqual{AbsentOrNotHashEqual: check("old")}}, true, false, true},
		{"present and not equal", &cachepb.SetIfHashRequest{Condition: &cachepb.SetIfHashRequest_PresentAndNotHashEqual{PresentAndNotHashEqual: check("old")}}, false, false, true},
		{"absent or equal", &cachepb.SetIfHashRequest{Condition: &cachepb.SetIfHashRequest_AbsentOrHashEqual{AbsentOrHashEqual: check("old")}}, true, true, false},
		{"not a digest", &cachepb.SetIfHashRequest{Condition: &cachepb.SetIfHashRequest_PresentAndHashEqual{PresentAndHashEqual: &cachepb.HashCheck{HashToCheck: []byte("short")}}}, false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			for before, want := range map[string]bool{"": test.absent, "old": test.equal, "other": test.differs} {
				key := test.name + before
				if before != "" {
					w.set(t, key, before)
				}
				test.request.CacheKey, test.request.CacheBody, test.request.TtlMilliseconds = []byte(key), []byte("new"), minute
				r, err := w.scs.SetIfHash(ctx, test.request)
				if err != nil {
					t.Fatal(err)
				}
				if (r.GetStored() != nil) != want || (r.GetNotStored() != nil) == want {
					t.Errorf("over %q: %v, want stored %v", before, r, want)
				}
				got, err := w.scs.GetWithHash(ctx, &cachepb.GetWithHashRequest{CacheKey: []byte(key)})
				if err != nil {
					t.Fatal(err)
				}
				if want && (string(got.GetFound().GetValue()) != "new" || !bytes.Equal(got.GetFound().GetHash(), r.GetStored().GetNewHash())) {
					t.Errorf("over %q: stored with hash %x, read %v", before, r.GetStored().GetNewHash(), got)
				}
				if !want && before == "" && got.GetMissing() == nil {
					t.Errorf("over nothing: %v", got)
				}
			}
		})
	}
}

func TestSetIfNotExists(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	r := &cachepb.SetIfNotExistsRequest{CacheKey: []byte("k"), CacheBody: []byte("v"), TtlMilliseconds: minute}
	if first, err := w.scs.SetIfNotExists(ctx, r); err != nil || first.GetStored() == nil {
		t.Errorf("first: %v, %v", first, err)
	}
	if second, err := w.scs.SetIfNotExists(ctx, r); err != nil || second.GetNotStored() == nil {
		t.Errorf("second: %v, %v", second, err)
	}
}

func TestIncrement(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	add := func(key string, amount int64) (int64, error) {
		r, err := w.scs.Increment(ctx, &cachepb.IncrementRequest{CacheKey: []byte(key), Amount: amount, TtlMilliseconds: minute})
		return r.GetValue(), err
	}
	for _, step := range []struct{ amount, want int64 }{{5, 5}, {-7, -2}, {0, -2}} {
		if got, err := add("n", step.amount); err != nil || got != step.want {
			t.Errorf("adding %d gives %d, %v, want %d", step.amount, got, err, step.want)
		}
	}
	if v, _ := w.get(t, "n"); v != "-2" {
		t.Errorf("stored as %q", v)
	}
	w.set(t, "text", "five")
	_, err := add("text", 1)
	wants(t, err, codes.FailedPrecondition)
	w.set(t, "most", "9223372036854775807")
	_, err = add("most", 1)
	wants(t, err, codes.FailedPrecondition)
	w.push(t, "list", "a")
	_, err = add("list", 1)
	wants(t, err, codes.FailedPrecondition)
}

func TestTimeToLive(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.set(t, "k", "v")
	update := func(key string, r *cachepb.UpdateTtlRequest) *cachepb.UpdateTtlResponse {
		t.Helper()
		r.CacheKey = []byte(key)
		return ok[*cachepb.UpdateTtlResponse](t)(w.scs.UpdateTtl(ctx, r))
	}
	left := func(key string) time.Duration {
		t.Helper()
		r := ok[*cachepb.ItemGetTtlResponse](t)(w.scs.ItemGetTtl(ctx, &cachepb.ItemGetTtlRequest{CacheKey: []byte(key)}))
		return time.Duration(r.GetFound().GetRemainingTtlMillis()) * time.Millisecond
	}
	increase := func(ms uint64) *cachepb.UpdateTtlRequest {
		return &cachepb.UpdateTtlRequest{UpdateTtl: &cachepb.UpdateTtlRequest_IncreaseToMilliseconds{IncreaseToMilliseconds: ms}}
	}
	decrease := func(ms uint64) *cachepb.UpdateTtlRequest {
		return &cachepb.UpdateTtlRequest{UpdateTtl: &cachepb.UpdateTtlRequest_DecreaseToMilliseconds{DecreaseToMilliseconds: ms}}
	}
	overwrite := func(ms uint64) *cachepb.UpdateTtlRequest {
		return &cachepb.UpdateTtlRequest{UpdateTtl: &cachepb.UpdateTtlRequest_OverwriteToMilliseconds{OverwriteToMilliseconds: ms}}
	}
	if got := left("k"); got <= 30*time.Second || got > time.Minute {
		t.Errorf("%v is left of a minute", got)
	}
	if r := update("k", increase(1000)); r.GetNotSet() == nil {
		t.Errorf("increase to less: %v", r)
	}
	if r := update("k", decrease(3*minute)); r.GetNotSet() == nil {
		t.Errorf("decrease to more: %v", r)
	}
	if r := update("k", increase(3*minute)); r.GetSet() == nil || left("k") <= time.Minute {
		t.Errorf("increase: %v, %v is left", r, left("k"))
	}
	if r := update("k", decrease(2*minute)); r.GetSet() == nil || left("k") > 2*time.Minute {
		t.Errorf("decrease: %v, %v is left", r, left("k"))
	}
	if r := update("k", overwrite(minute)); r.GetSet() == nil || left("k") > time.Minute {
		t.Errorf("overwrite: %v, %v is left", r, left("k"))
	}
	if r := update("none", overwrite(minute)); r.GetMissing() == nil {
		t.Errorf("of no key: %v", r)
	}
	if r := ok[*cachepb.ItemGetTtlResponse](t)(w.scs.ItemGetTtl(ctx, &cachepb.ItemGetTtlRequest{CacheKey: []byte("none")})); r.GetMissing() == nil {
		t.Errorf("of no key: %v", r)
	}
}

func TestItemGetType(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.set(t, "scalar", "v")
	w.push(t, "list", "v")
	kind := func(key string) *cachepb.ItemGetTypeResponse {
		t.Helper()
		return ok[*cachepb.ItemGetTypeResponse](t)(w.scs.ItemGetType(ctx, &cachepb.ItemGetTypeRequest{CacheKey: []byte(key)}))
	}
	if r := kind("scalar"); r.GetFound() == nil || r.GetFound().GetItemType() != cachepb.ItemType_SCALAR {
		t.Errorf("scalar: %v", r)
	}
	if r := kind("list"); r.GetFound().GetItemType() != cachepb.ItemType_LIST {
		t.Errorf("list: %v", r)
	}
	if r := kind("none"); r.GetMissing() == nil {
		t.Errorf("none: %v", r)
	}
	// Every kind of the store has a word on the wire.
	for kind := range storev1.Kind_name {
		if _, has := itemTypes[storev1.Kind(kind)]; !has && kind != 0 {
			t.Errorf("%v has no word on the wire", storev1.Kind(kind))
		}
	}
}

// No data call is left out, and none is looked at before its credential.
func TestEveryDataCallIsServed(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	known := in(t.Context(), "authorization", w.rootText(t))
	eachMethod(t, func(full string, m protoreflect.MethodDescriptor) {
		service := string(m.Parent().FullName())
		if service != "cache_client.Scs" && service != "leaderboard.Leaderboard" || m.IsStreamingServer() {
			return
		}
		request, answer := newMessage(t, m.Input()), newMessage(t, m.Output())
		wants(t, w.conn.Invoke(in(t.Context()), full, request, answer), codes.Unauthenticated)
		if err := w.conn.Invoke(known, full, request, answer); status.Code(err) != codes.InvalidArgument && err != nil {
			t.Errorf("%s of nothing: %v", full, err)
		}
	})
}

// Every scalar call with every wrong argument that it can have.
func TestScalarArguments(t *testing.T) {
	w, ctx := newWorld(t, settings{config: Config{Limits: Limits{MaxTTL: time.Hour}}}), in(t.Context())
	k, long := []byte("k"), []byte(strings.Repeat("k", maxKey+1))
	present := &cachepb.SetIfRequest_Present{Present: &cachepb.Present{}}
	always := &cachepb.SetIfHashRequest_Unconditional{Unconditional: &cachepb.Unconditional{}}
	for name, err := range map[string]error{
		"Get, no key":               second(w.scs.Get(ctx, &cachepb.GetRequest{})),
		"Get, long key":             second(w.scs.Get(ctx, &cachepb.GetRequest{CacheKey: long})),
		"GetWithHash, no key":       second(w.scs.GetWithHash(ctx, &cachepb.GetWithHashRequest{})),
		"Delete, no key":            second(w.scs.Delete(ctx, &cachepb.DeleteRequest{})),
		"KeysExist, an empty key":   second(w.scs.KeysExist(ctx, &cachepb.KeysExistRequest{CacheKeys: [][]byte{k, {}}})),
		"ItemGetTtl, no key":        second(w.scs.ItemGetTtl(ctx, &cachepb.ItemGetTtlRequest{})),
		"ItemGetType, no key":       second(w.scs.ItemGetType(ctx, &cachepb.ItemGetTypeRequest{})),
		"Set, no key":               second(w.scs.Set(ctx, &cachepb.SetRequest{TtlMilliseconds: 1})),
		"Set, no ttl":               second(w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: k})),
		"Set, absurd ttl":           second(w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: k, TtlMilliseconds: math.MaxUint64})),
		"Set, ttl over the limit":   second(w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: k, TtlMilliseconds: 60*minute + 1})),
		"SetIf, no condition":       second(w.scs.SetIf(ctx, &cachepb.SetIfRequest{CacheKey: k, TtlMilliseconds: 1})),
		"SetIf, no ttl":             second(w.scs.SetIf(ctx, &cachepb.SetIfRequest{CacheKey: k, Condition: present})),
		"SetIf, no key":             second(w.scs.SetIf(ctx, &cachepb.SetIfRequest{TtlMilliseconds: 1, Condition: present})),
		"SetIfHash, no condition":   second(w.scs.SetIfHash(ctx, &cachepb.SetIfHashRequest{CacheKey: k, TtlMilliseconds: 1})),
		"SetIfHash, no ttl":         second(w.scs.SetIfHash(ctx, &cachepb.SetIfHashRequest{CacheKey: k, Condition: always})),
		"SetIfNotExists, no ttl":    second(w.scs.SetIfNotExists(ctx, &cachepb.SetIfNotExistsRequest{CacheKey: k})),
		"Increment, no ttl":         second(w.scs.Increment(ctx, &cachepb.IncrementRequest{CacheKey: k, Amount: 1})),
		"Increment, no key":         second(w.scs.Increment(ctx, &cachepb.IncrementRequest{TtlMilliseconds: 1})),
		"UpdateTtl, nothing chosen": second(w.scs.UpdateTtl(ctx, &cachepb.UpdateTtlRequest{CacheKey: k})),
		"UpdateTtl, to zero": second(w.scs.UpdateTtl(ctx, &cachepb.UpdateTtlRequest{
			CacheKey: k, UpdateTtl: &cachepb.UpdateTtlRequest_OverwriteToMilliseconds{},
		})),
		"UpdateTtl, no key": second(w.scs.UpdateTtl(ctx, &cachepb.UpdateTtlRequest{
			UpdateTtl: &cachepb.UpdateTtlRequest_OverwriteToMilliseconds{OverwriteToMilliseconds: 1},
		})),
		"GetBatch, an empty key": drain(w.scs.GetBatch(ctx, &cachepb.GetBatchRequest{Items: []*cachepb.GetRequest{{CacheKey: k}, {}}})),
		"SetBatch, one without ttl": drain(w.scs.SetBatch(ctx, &cachepb.SetBatchRequest{Items: []*cachepb.SetRequest{
			{CacheKey: k, TtlMilliseconds: 1}, {CacheKey: k},
		}})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.InvalidArgument) })
	}
	if _, hit := w.get(t, "k"); hit {
		t.Error("a refused call stored something")
	}
	_, err := w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: k, TtlMilliseconds: 60*minute + 1})
	if !strings.Contains(err.Error(), "3600000") {
		t.Errorf("the limit is not named: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// drain reads a stream to its end and returns the error that it ended with.
func drain[T any](stream grpc.ServerStreamingClient[T], err error) error {
	for err == nil {
		_, err = stream.Recv()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

func TestSizes(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	set := func(value int) error {
		_, err := w.scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, value), TtlMilliseconds: minute})
		return err
	}
	if err := set(5_000_000); err != nil {
		t.Errorf("five million bytes: %v", err)
	}
	limitedBy(t, set(5_000_192), "item_size_limit_exceeded")
	limitedBy(t, set(5_300_000), "request_size_limit_exceeded")
	limitedBy(t, set(10_000_000), "request_size_limit_exceeded")
	// The transport refuses the rest in its own words, but with the same status.
	wants(t, set(maxReceive), codes.ResourceExhausted)

	_, err := w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: []byte("l"), Value: make([]byte, 1<<20+1), TtlMilliseconds: minute})
	limitedBy(t, err, "element_size_limit_exceeded")
}

func TestTrailersOfALimit(t *testing.T) {
	w := newWorld(t, settings{})
	var header, trailer metadata.MD
	_, err := w.scs.Set(in(t.Context()), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, 5_100_000), TtlMilliseconds: minute},
		grpc.Header(&header), grpc.Trailer(&trailer))
	wants(t, err, codes.ResourceExhausted)
	if got := trailer.Get("err"); len(got) != 1 || got[0] != "item_size_limit_exceeded" {
		t.Errorf("err trailer is %q", got)
	}
	if got := trailer.Get("mayfly-outcome"); len(got) != 1 || got[0] != "none" {
		t.Errorf("outcome trailer is %q", got)
	}
	if len(header.Get("err")) > 0 {
		t.Error("err is in the headers, where SDKs take it for something else")
	}
}

// A cache's own limits are below the node's, never above.
func TestCachesOwnLimits(t *testing.T) {
	w := newWorld(t, settings{})
	if err := w.Create(t.Context(), "small", &storev1.CacheLimits{MaxItemSizeKb: new(uint32(1)), MaxTtlSeconds: new(uint64(10))}); err != nil {
		t.Fatal(err)
	}
	if err := w.Create(t.Context(), "huge", &storev1.CacheLimits{MaxItemSizeKb: new(uint32(math.MaxUint32)), MaxTtlSeconds: new(uint64(math.MaxUint64))}); err != nil {
		t.Fatal(err)
	}
	set := func(cache string, size int, ttl uint64) error {
		_, err := w.scs.Set(metadata.AppendToOutgoingContext(t.Context(), "cache", cache),
			&cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: make([]byte, size), TtlMilliseconds: ttl})
		return err
	}
	if err := set("small", 1000, 10_000); err != nil {
		t.Error(err)
	}
	limitedBy(t, set("small", 1024, 10_000), "item_size_limit_exceeded")
	wants(t, set("small", 1, 10_001), codes.InvalidArgument)
	limitedBy(t, set("huge", 5_100_000, minute), "item_size_limit_exceeded")
	wants(t, set("huge", 1, math.MaxInt64), codes.InvalidArgument)
}
