package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

func (w *world) add(t testing.TB, set string, elements ...string) {
	t.Helper()
	ok[*cachepb.SetUnionResponse](t)(w.scs.SetUnion(in(t.Context()), &cachepb.SetUnionRequest{
		SetName: []byte(set), Elements: bytesOf(elements...), TtlMilliseconds: minute,
	}))
}

// elements is all of a set, "missing" when there is none.
func (w *world) elements(t testing.TB, set string) string {
	t.Helper()
	r := ok[*cachepb.SetFetchResponse](t)(w.scs.SetFetch(in(t.Context()), &cachepb.SetFetchRequest{SetName: []byte(set)}))
	if r.GetMissing() != nil {
		return "missing"
	}
	return joined(r.GetFound().GetElements())
}

func subtrahend(elements ...string) *cachepb.SetDifferenceRequest_Subtrahend {
	return &cachepb.SetDifferenceRequest_Subtrahend{Subtrahend: &cachepb.Subtrahend{
		SubtrahendSet: &cachepb.Subtrahend_Set{Set: &cachepb.SetElements{Elements: bytesOf(elements...)}},
	}}
}

var (
	identity = &cachepb.SetDifferenceRequest_Subtrahend{Subtrahend: &cachepb.Subtrahend{
		SubtrahendSet: &cachepb.Subtrahend_Identity{Identity: &cachepb.Identity{}},
	}}
	minuend = &cachepb.SetDifferenceRequest_Minuend{Minuend: &cachepb.SetElements{Elements: bytesOf("a", "x")}}
)

func TestSets(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	s, none := []byte("s"), []byte("none")
	w.add(t, "s", "b", "a", "b", "")
	w.add(t, "s", "c", "a")
	w.add(t, "none")
	if got := w.elements(t, "s"); got != " a b c" {
		t.Errorf("fetched %q", got)
	}
	length := func(name []byte) *cachepb.SetLengthResponse {
		t.Helper()
		return ok[*cachepb.SetLengthResponse](t)(w.scs.SetLength(ctx, &cachepb.SetLengthRequest{SetName: name}))
	}
	if r := length(s); r.GetFound().GetLength() != 4 {
		t.Errorf("length: %v", r)
	}
	contains := ok[*cachepb.SetContainsResponse](t)(w.scs.SetContains(ctx, &cachepb.SetContainsRequest{SetName: s, Elements: bytesOf("c", "nil", "", "c")}))
	if got := contains.GetFound().GetContains(); !slices.Equal(got, []bool{true, false, true, true}) {
		t.Errorf("contains %v", contains)
	}
	differ := func(name []byte, r *cachepb.SetDifferenceRequest) *cachepb.SetDifferenceResponse {
		t.Helper()
		r.SetName = name
		return ok[*cachepb.SetDifferenceResponse](t)(w.scs.SetDifference(ctx, r))
	}
	for _, step := range []struct {
		r    *cachepb.SetDifferenceRequest
		want string
	}{
		{&cachepb.SetDifferenceRequest{Difference: subtrahend("", "nil")}, "a b c"},
		{&cachepb.SetDifferenceRequest{Difference: subtrahend()}, "a b c"},
		{&cachepb.SetDifferenceRequest{Difference: minuend}, "x"},
		{&cachepb.SetDifferenceRequest{Difference: subtrahend("x")}, "missing"},
	} {
		if r := differ(s, step.r); r.GetFound() == nil || w.elements(t, "s") != step.want {
			t.Errorf("%v: %v, and there is %q, want %q", step.r, r, w.elements(t, "s"), step.want)
		}
		if r := differ(none, step.r); r.GetMissing() == nil {
			t.Errorf("%v of nothing: %v", step.r, r)
		}
	}
	w.add(t, "s", "a")
	if r := differ(s, &cachepb.SetDifferenceRequest{Difference: identity}); r.GetFound() == nil || w.elements(t, "s") != "missing" {
		t.Errorf("without itself: %v, and there is %q", r, w.elements(t, "s"))
	}
	if r := length(none); r.GetMissing() == nil {
		t.Errorf("length of nothing: %v", r)
	}
	if r := ok[*cachepb.SetContainsResponse](t)(w.scs.SetContains(ctx, &cachepb.SetContainsRequest{SetName: none, Elements: bytesOf("a")})); r.GetMissing() == nil {
		t.Errorf("contained in nothing: %v", r)
	}
}

func TestSampleAndPop(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	s, none := []byte("s"), []byte("none")
	w.add(t, "s", "a", "b", "c", "d")
	for _, limit := range []uint64{0, 1, 3, 4, 1 << 60} {
		r := ok[*cachepb.SetSampleResponse](t)(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: s, Limit: limit}))
		got := strings.Fields(joined(r.GetFound().GetElements()))
		slices.Sort(got)
		if r.GetFound() == nil || len(slices.Compact(got)) != int(min(limit, 4)) {
			t.Errorf("a sample of %d: %v", limit, r)
		}
	}
	if r := ok[*cachepb.SetSampleResponse](t)(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: none, Limit: 1})); r.GetMissing() == nil {
		t.Errorf("a sample of nothing: %v", r)
	}
	pop := func(name []byte, count uint32) *cachepb.SetPopResponse {
		t.Helper()
		return ok[*cachepb.SetPopResponse](t)(w.scs.SetPop(ctx, &cachepb.SetPopRequest{SetName: name, Count: count}))
	}
	if r := pop(s, 0); r.GetFound() == nil || len(r.GetFound().GetElements()) > 0 {
		t.Errorf("popped none: %v", r)
	}
	first := pop(s, 3)
	left := w.elements(t, "s")
	if n := len(first.GetFound().GetElements()); n != 3 || len(left) != 1 || strings.Contains(joined(first.GetFound().GetElements()), left) {
		t.Errorf("popped %v, left %q", first, left)
	}
	if r := pop(s, 9); joined(r.GetFound().GetElements()) != left || w.elements(t, "s") != "missing" {
		t.Errorf("popped %v, left %q", r, w.elements(t, "s"))
	}
	for _, count := range []uint32{0, 1} {
		if r := pop(none, count); r.GetMissing() == nil {
			t.Errorf("popped %d of nothing: %v", count, r)
		}
	}
}

// Not always the same ones: of ten elements, one by one, twenty times.
func TestSamplesDiffer(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.add(t, "s", strings.Split("0123456789", "")...)
	seen := map[string]bool{}
	for range 20 {
		r := ok[*cachepb.SetSampleResponse](t)(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: []byte("s"), Limit: 1}))
		seen[joined(r.GetFound().GetElements())] = true
	}
	if len(seen) < 2 {
		t.Errorf("twenty samples gave only %v", seen)
	}
}

func TestSetRefusals(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.set(t, "str", "v")
	s, blank := []byte("str"), []byte(" ")
	for name, err := range map[string]error{
		"fetch":         second(w.scs.SetFetch(ctx, &cachepb.SetFetchRequest{SetName: s})),
		"sample":        second(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: s})),
		"contains":      second(w.scs.SetContains(ctx, &cachepb.SetContainsRequest{SetName: s})),
		"length":        second(w.scs.SetLength(ctx, &cachepb.SetLengthRequest{SetName: s})),
		"union":         second(w.scs.SetUnion(ctx, &cachepb.SetUnionRequest{SetName: s, Elements: bytesOf("a"), TtlMilliseconds: 1})),
		"empty union":   second(w.scs.SetUnion(ctx, &cachepb.SetUnionRequest{SetName: s, TtlMilliseconds: 1})),
		"difference":    second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{SetName: s, Difference: subtrahend("a")})),
		"identity":      second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{SetName: s, Difference: identity})),
		"minuend":       second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{SetName: s, Difference: minuend})),
		"pop":           second(w.scs.SetPop(ctx, &cachepb.SetPopRequest{SetName: s, Count: 1})),
		"pop of none":   second(w.scs.SetPop(ctx, &cachepb.SetPopRequest{SetName: s})),
		"sample of one": second(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: s, Limit: 1})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.FailedPrecondition) })
	}
	for name, err := range map[string]error{
		"fetch, no name":               second(w.scs.SetFetch(ctx, &cachepb.SetFetchRequest{})),
		"sample, blank name":           second(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: blank})),
		"contains, no name":            second(w.scs.SetContains(ctx, &cachepb.SetContainsRequest{})),
		"length, no name":              second(w.scs.SetLength(ctx, &cachepb.SetLengthRequest{})),
		"union, no name":               second(w.scs.SetUnion(ctx, &cachepb.SetUnionRequest{TtlMilliseconds: 1})),
		"union, no ttl":                second(w.scs.SetUnion(ctx, &cachepb.SetUnionRequest{SetName: []byte("n"), Elements: bytesOf("a")})),
		"difference, no name":          second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{Difference: identity})),
		"difference, nothing said":     second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{SetName: s})),
		"difference, subtrahend unset": second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{SetName: s, Difference: &cachepb.SetDifferenceRequest_Subtrahend{}})),
		"pop, no name":                 second(w.scs.SetPop(ctx, &cachepb.SetPopRequest{Count: 1})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.InvalidArgument) })
	}
}

func TestSetLimits(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{AnswerBytes: 200, ElementBytes: 100}}})
	ctx, s := in(t.Context()), []byte("s")
	limitedBy(t, second(w.scs.SetUnion(ctx, &cachepb.SetUnionRequest{SetName: s, Elements: bytesOf(strings.Repeat("x", 101)), TtlMilliseconds: 1})), "element_size_limit_exceeded")
	limitedBy(t, second(w.scs.SetDifference(ctx, &cachepb.SetDifferenceRequest{SetName: s, Difference: &cachepb.SetDifferenceRequest_Minuend{
		Minuend: &cachepb.SetElements{Elements: bytesOf(strings.Repeat("x", 101))},
	}})), "element_size_limit_exceeded")
	for i := range 4 {
		w.add(t, "s", fmt.Sprintf("%084d", i))
	}
	limitedBy(t, second(w.scs.SetFetch(ctx, &cachepb.SetFetchRequest{SetName: s})), "request_size_limit_exceeded")
	limitedBy(t, second(w.scs.SetSample(ctx, &cachepb.SetSampleRequest{SetName: s, Limit: 3})), "request_size_limit_exceeded")
	// A pop takes what its answer can carry, and leaves the rest.
	for _, want := range []int{2, 2, 0} {
		r := ok[*cachepb.SetPopResponse](t)(w.scs.SetPop(ctx, &cachepb.SetPopRequest{SetName: s, Count: 9}))
		if len(r.GetFound().GetElements()) != want {
			t.Errorf("popped %d, want %d", len(r.GetFound().GetElements()), want)
		}
	}
}
