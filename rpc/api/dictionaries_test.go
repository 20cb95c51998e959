package api

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// fields makes "a=1 b=2" into fields.
func fields(pairs string) []*cachepb.DictionaryField {
	var all []*cachepb.DictionaryField
	for _, pair := range strings.Fields(pairs) {
		name, value, _ := strings.Cut(pair, "=")
		all = append(all, &cachepb.DictionaryField{Field: []byte(name), Value: []byte(value)})
	}
	return all
}

func (w *world) dictionary(t testing.TB, name, pairs string) {
	t.Helper()
	ok[*cachepb.DictionarySetResponse](t)(w.scs.DictionarySet(in(t.Context()), &cachepb.DictionarySetRequest{
		DictionaryName: []byte(name), Items: fields(pairs), TtlMilliseconds: minute,
	}))
}

// fetched is all of a dictionary, "missing" when there is none.
func (w *world) fetched(t testing.TB, name string) string {
	t.Helper()
	r := ok[*cachepb.DictionaryFetchResponse](t)(w.scs.DictionaryFetch(in(t.Context()), &cachepb.DictionaryFetchRequest{DictionaryName: []byte(name)}))
	if r.GetMissing() != nil {
		return "missing"
	}
	var pairs []string
	for _, f := range r.GetFound().GetItems() {
		pairs = append(pairs, fmt.Sprintf("%s=%s", f.GetField(), f.GetValue()))
	}
	return strings.Join(pairs, " ")
}

func TestDictionaries(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	d, none := []byte("d"), []byte("none")
	w.dictionary(t, "d", "b=2 a=1")
	w.dictionary(t, "d", "c=3 a=one")
	if got := w.fetched(t, "d"); got != "a=one b=2 c=3" {
		t.Errorf("fetched %q", got)
	}
	got := ok[*cachepb.DictionaryGetResponse](t)(w.scs.DictionaryGet(ctx, &cachepb.DictionaryGetRequest{DictionaryName: d, Fields: bytesOf("c", "nil", "a", "c")}))
	var parts []string
	for _, p := range got.GetFound().GetItems() {
		parts = append(parts, fmt.Sprintf("%v %s", p.GetResult(), p.GetCacheBody()))
	}
	if all := strings.Join(parts, ", "); all != "Hit 3, Miss , Hit one, Hit 3" {
		t.Errorf("got %q", all)
	}
	length := func(name []byte) *cachepb.DictionaryLengthResponse {
		t.Helper()
		return ok[*cachepb.DictionaryLengthResponse](t)(w.scs.DictionaryLength(ctx, &cachepb.DictionaryLengthRequest{DictionaryName: name}))
	}
	if r := length(d); r.GetFound().GetLength() != 3 {
		t.Errorf("length: %v", r)
	}
	sum := ok[*cachepb.DictionaryIncrementResponse](t)(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{
		DictionaryName: d, Field: []byte("b"), Amount: -5, TtlMilliseconds: minute,
	}))
	if sum.GetValue() != -3 {
		t.Errorf("incremented to %v", sum)
	}
	remove := func(name []byte, r *cachepb.DictionaryDeleteRequest) {
		t.Helper()
		r.DictionaryName = name
		ok[*cachepb.DictionaryDeleteResponse](t)(w.scs.DictionaryDelete(ctx, r))
	}
	some := func(names ...string) *cachepb.DictionaryDeleteRequest {
		return &cachepb.DictionaryDeleteRequest{Delete: &cachepb.DictionaryDeleteRequest_Some{Some: &cachepb.DictionaryFieldNames{Fields: bytesOf(names...)}}}
	}
	remove(d, some("a", "nil"))
	if got := w.fetched(t, "d"); got != "b=-3 c=3" {
		t.Errorf("after a delete %q", got)
	}
	remove(d, some("b", "c"))
	if got := w.fetched(t, "d"); got != "missing" {
		t.Errorf("after the last field there is %q", got)
	}
	w.dictionary(t, "d", "a=1")
	all := &cachepb.DictionaryDeleteRequest{Delete: &cachepb.DictionaryDeleteRequest_All{All: &cachepb.All{}}}
	remove(d, all)
	if got := w.fetched(t, "d"); got != "missing" {
		t.Errorf("after all fields there is %q", got)
	}
	remove(none, all)
	remove(none, some("a"))
	if r := length(none); r.GetMissing() == nil {
		t.Errorf("length of nothing: %v", r)
	}
	w.dictionary(t, "none", "")
	if r := ok[*cachepb.DictionaryGetResponse](t)(w.scs.DictionaryGet(ctx, &cachepb.DictionaryGetRequest{DictionaryName: none, Fields: bytesOf("a")})); r.GetMissing() == nil {
		t.Errorf("fields of nothing: %v", r)
	}
}

func TestDictionaryRefusals(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.set(t, "s", "v")
	w.dictionary(t, "d", "text=x max=9223372036854775807")
	s, d, blank := []byte("s"), []byte("d"), []byte(" \t")
	some := &cachepb.DictionaryDeleteRequest_Some{Some: &cachepb.DictionaryFieldNames{}}
	for name, err := range map[string]error{
		"get":           second(w.scs.DictionaryGet(ctx, &cachepb.DictionaryGetRequest{DictionaryName: s, Fields: bytesOf("a")})),
		"fetch":         second(w.scs.DictionaryFetch(ctx, &cachepb.DictionaryFetchRequest{DictionaryName: s})),
		"length":        second(w.scs.DictionaryLength(ctx, &cachepb.DictionaryLengthRequest{DictionaryName: s})),
		"set":           second(w.scs.DictionarySet(ctx, &cachepb.DictionarySetRequest{DictionaryName: s, Items: fields("a=1"), TtlMilliseconds: 1})),
		"set nothing":   second(w.scs.DictionarySet(ctx, &cachepb.DictionarySetRequest{DictionaryName: s, TtlMilliseconds: 1})),
		"increment":     second(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{DictionaryName: s, Field: d, TtlMilliseconds: 1})),
		"delete some":   second(w.scs.DictionaryDelete(ctx, &cachepb.DictionaryDeleteRequest{DictionaryName: s, Delete: some})),
		"delete all":    second(w.scs.DictionaryDelete(ctx, &cachepb.DictionaryDeleteRequest{DictionaryName: s, Delete: &cachepb.DictionaryDeleteRequest_All{All: &cachepb.All{}}})),
		"no number":     second(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{DictionaryName: d, Field: []byte("text"), Amount: 1, TtlMilliseconds: 1})),
		"over the edge": second(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{DictionaryName: d, Field: []byte("max"), Amount: 1, TtlMilliseconds: 1})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.FailedPrecondition) })
	}
	for name, err := range map[string]error{
		"get, no name":         second(w.scs.DictionaryGet(ctx, &cachepb.DictionaryGetRequest{})),
		"fetch, blank name":    second(w.scs.DictionaryFetch(ctx, &cachepb.DictionaryFetchRequest{DictionaryName: blank})),
		"length, no name":      second(w.scs.DictionaryLength(ctx, &cachepb.DictionaryLengthRequest{})),
		"set, no name":         second(w.scs.DictionarySet(ctx, &cachepb.DictionarySetRequest{TtlMilliseconds: 1})),
		"set, no ttl":          second(w.scs.DictionarySet(ctx, &cachepb.DictionarySetRequest{DictionaryName: d, Items: fields("a=1")})),
		"increment, no ttl":    second(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{DictionaryName: d})),
		"increment, no name":   second(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{TtlMilliseconds: 1})),
		"delete, no name":      second(w.scs.DictionaryDelete(ctx, &cachepb.DictionaryDeleteRequest{Delete: some})),
		"delete, nothing said": second(w.scs.DictionaryDelete(ctx, &cachepb.DictionaryDeleteRequest{DictionaryName: d})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.InvalidArgument) })
	}
}

func TestDictionaryLimits(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{AnswerBytes: 100, ElementBytes: 50, ItemBytes: 80}}})
	ctx, d, long := in(t.Context()), []byte("d"), strings.Repeat("x", 51)
	set := func(field, value string) error {
		return second(w.scs.DictionarySet(ctx, &cachepb.DictionarySetRequest{
			DictionaryName: d, Items: []*cachepb.DictionaryField{{Field: []byte(field), Value: []byte(value)}}, TtlMilliseconds: minute,
		}))
	}
	limitedBy(t, set(long, "v"), "element_size_limit_exceeded")
	limitedBy(t, set("f", long), "element_size_limit_exceeded")
	limitedBy(t, set(long[:50], long[:50]), "item_size_limit_exceeded")
	limitedBy(t, second(w.scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{DictionaryName: d, Field: []byte(long), TtlMilliseconds: 1})), "element_size_limit_exceeded")
	for _, field := range []string{"a", "b"} {
		if err := set(field, long[:50]); err != nil {
			t.Fatal(err)
		}
	}
	limitedBy(t, second(w.scs.DictionaryFetch(ctx, &cachepb.DictionaryFetchRequest{DictionaryName: d})), "request_size_limit_exceeded")
	limitedBy(t, second(w.scs.DictionaryGet(ctx, &cachepb.DictionaryGetRequest{DictionaryName: d, Fields: bytesOf("a", "a")})), "request_size_limit_exceeded")
	ok[*cachepb.DictionaryGetResponse](t)(w.scs.DictionaryGet(ctx, &cachepb.DictionaryGetRequest{DictionaryName: d, Fields: bytesOf("a")}))
}
