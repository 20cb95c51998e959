package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

func (w *world) push(t testing.TB, list string, values ...string) {
	t.Helper()
	for _, v := range values {
		_, err := w.scs.ListPushBack(in(t.Context()), &cachepb.ListPushBackRequest{ListName: []byte(list), Value: []byte(v), TtlMilliseconds: minute})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// list is all of a list, "missing" when there is none.
func (w *world) list(t testing.TB, name string) string {
	t.Helper()
	r := ok[*cachepb.ListFetchResponse](t)(w.scs.ListFetch(in(t.Context()), &cachepb.ListFetchRequest{ListName: []byte(name)}))
	if r.GetFound() == nil {
		return "missing"
	}
	return joined(r.GetFound().GetValues())
}

func joined(values [][]byte) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return strings.Join(texts, " ")
}

func bytesOf(texts ...string) [][]byte {
	values := make([][]byte, len(texts))
	for i, text := range texts {
		values[i] = []byte(text)
	}
	return values
}

func TestPushes(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	l := []byte("l")
	for _, step := range []struct {
		name   string
		length func() (uint32, error)
		want   uint32
		list   string
	}{
		{"push back", func() (uint32, error) {
			r, err := w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: l, Value: []byte("b"), TtlMilliseconds: minute})
			return r.GetListLength(), err
		}, 1, "b"},
		{"push front", func() (uint32, error) {
			r, err := w.scs.ListPushFront(ctx, &cachepb.ListPushFrontRequest{ListName: l, Value: []byte("a"), TtlMilliseconds: minute})
			return r.GetListLength(), err
		}, 2, "a b"},
		{"concatenate back", func() (uint32, error) {
			r, err := w.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{ListName: l, Values: bytesOf("c", "d"), TtlMilliseconds: minute})
			return r.GetListLength(), err
		}, 4, "a b c d"},
		{"concatenate front keeps the order", func() (uint32, error) {
			r, err := w.scs.ListConcatenateFront(ctx, &cachepb.ListConcatenateFrontRequest{ListName: l, Values: bytesOf("x", "y"), TtlMilliseconds: minute})
			return r.GetListLength(), err
		}, 6, "x y a b c d"},
		{"push back cuts the front", func() (uint32, error) {
			r, err := w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: l, Value: []byte("e"), TtlMilliseconds: minute, TruncateFrontToSize: 4})
			return r.GetListLength(), err
		}, 4, "b c d e"},
		{"push front cuts the back", func() (uint32, error) {
			r, err := w.scs.ListPushFront(ctx, &cachepb.ListPushFrontRequest{ListName: l, Value: []byte("a"), TtlMilliseconds: minute, TruncateBackToSize: 3})
			return r.GetListLength(), err
		}, 3, "a b c"},
		{"concatenate front cuts the back, even of the batch", func() (uint32, error) {
			r, err := w.scs.ListConcatenateFront(ctx, &cachepb.ListConcatenateFrontRequest{ListName: l, Values: bytesOf("1", "2", "3"), TtlMilliseconds: minute, TruncateBackToSize: 2})
			return r.GetListLength(), err
		}, 2, "1 2"},
		{"concatenate back cuts the front, even of the batch", func() (uint32, error) {
			r, err := w.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{ListName: l, Values: bytesOf("4", "5", "6"), TtlMilliseconds: minute, TruncateFrontToSize: 2})
			return r.GetListLength(), err
		}, 2, "5 6"},
		{"concatenate nothing", func() (uint32, error) {
			r, err := w.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{ListName: l, TtlMilliseconds: minute})
			return r.GetListLength(), err
		}, 2, "5 6"},
		{"push nothing at all is an entry", func() (uint32, error) {
			r, err := w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: l, TtlMilliseconds: minute})
			return r.GetListLength(), err
		}, 3, "5 6 "},
	} {
		got, err := step.length()
		if err != nil || got != step.want || w.list(t, "l") != step.list {
			t.Errorf("%s: length %d, %v, list %q; want %d, %q", step.name, got, err, w.list(t, "l"), step.want, step.list)
		}
	}
	r, err := w.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{ListName: []byte("new"), TtlMilliseconds: minute})
	if err != nil || r.GetListLength() != 0 || w.list(t, "new") != "missing" {
		t.Errorf("concatenating nothing onto nothing: %v, %v, list %q", r, err, w.list(t, "new"))
	}
}

func TestPops(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.push(t, "l", "a", "b", "c")
	front := ok[*cachepb.ListPopFrontResponse](t)(w.scs.ListPopFront(ctx, &cachepb.ListPopFrontRequest{ListName: []byte("l")})).GetFound()
	if string(front.GetFront()) != "a" || front.GetListLength() != 2 {
		t.Errorf("front: %v", front)
	}
	back := ok[*cachepb.ListPopBackResponse](t)(w.scs.ListPopBack(ctx, &cachepb.ListPopBackRequest{ListName: []byte("l")})).GetFound()
	if string(back.GetBack()) != "c" || back.GetListLength() != 1 {
		t.Errorf("back: %v", back)
	}
	last := ok[*cachepb.ListPopBackResponse](t)(w.scs.ListPopBack(ctx, &cachepb.ListPopBackRequest{ListName: []byte("l")}))
	if last.GetFound() == nil || last.GetFound().GetListLength() != 0 {
		t.Errorf("last: %v", last)
	}
	if r := ok[*cachepb.ListPopBackResponse](t)(w.scs.ListPopBack(ctx, &cachepb.ListPopBackRequest{ListName: []byte("l")})); r.GetMissing() == nil {
		t.Errorf("back of nothing: %v", r)
	}
	if r := ok[*cachepb.ListPopFrontResponse](t)(w.scs.ListPopFront(ctx, &cachepb.ListPopFrontRequest{ListName: []byte("l")})); r.GetMissing() == nil {
		t.Errorf("front of nothing: %v", r)
	}
}

// The worked values of protocol.md 4.2: ten entries 0 to 9.
func TestSlices(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.push(t, "l", strings.Split("0123456789", "")...)
	none := int32(1 << 30)
	for _, test := range []struct {
		start, end int32
		want       string
	}{
		{5, none, "5 6 7 8 9"}, {5, 0, ""}, {-5, none, "5 6 7 8 9"}, {-5, 0, ""}, {none, 5, "0 1 2 3 4"},
		{none, -5, "0 1 2 3 4"}, {2, 6, "2 3 4 5"}, {2, -6, "2 3"}, {-7, -2, "3 4 5 6 7"}, {-2, -6, ""},
		{none, 100, "0 1 2 3 4 5 6 7 8 9"}, {-100, 2, "0 1"}, {none, none, "0 1 2 3 4 5 6 7 8 9"},
	} {
		fetch, retain := &cachepb.ListFetchRequest{ListName: []byte("l")}, &cachepb.ListRetainRequest{ListName: []byte("r"), TtlMilliseconds: minute}
		if test.start != none {
			fetch.StartIndex = &cachepb.ListFetchRequest_InclusiveStart{InclusiveStart: test.start}
			retain.StartIndex = &cachepb.ListRetainRequest_InclusiveStart{InclusiveStart: test.start}
		} else {
			fetch.StartIndex = &cachepb.ListFetchRequest_UnboundedStart{UnboundedStart: &cachepb.Unbounded{}}
		}
		if test.end != none {
			fetch.EndIndex = &cachepb.ListFetchRequest_ExclusiveEnd{ExclusiveEnd: test.end}
			retain.EndIndex = &cachepb.ListRetainRequest_ExclusiveEnd{ExclusiveEnd: test.end}
		}
		name := fmt.Sprintf("from %d to %d", test.start, test.end)
		r := ok[*cachepb.ListFetchResponse](t)(w.scs.ListFetch(ctx, fetch))
		if got := joined(r.GetFound().GetValues()); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if empty := test.want == ""; (r.GetMissing() != nil) != empty || (r.GetFound() == nil) != empty {
			t.Errorf("%s: %v; an empty slice is missing, and nothing else is", name, r)
		}
		w.push(t, "r", strings.Split("0123456789", "")...)
		kept := ok[*cachepb.ListRetainResponse](t)(w.scs.ListRetain(ctx, retain))
		want := test.want
		if want == "" {
			want = "missing"
		}
		if kept.GetFound() == nil || int(kept.GetFound().GetListLength()) != len(strings.Fields(test.want)) || w.list(t, "r") != want {
			t.Errorf("%s: retain answers %v and leaves %q, want %q", name, kept, w.list(t, "r"), want)
		}
		ok[*cachepb.DeleteResponse](t)(w.scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: []byte("r")}))
	}
}

func TestRemoveEraseLength(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	l, none := []byte("l"), []byte("none")
	w.push(t, "l", "a", "b", "a", "c")
	remove := func(list []byte, value string) *cachepb.ListRemoveResponse {
		t.Helper()
		return ok[*cachepb.ListRemoveResponse](t)(w.scs.ListRemove(ctx, &cachepb.ListRemoveRequest{
			ListName: list, Remove: &cachepb.ListRemoveRequest_AllElementsWithValue{AllElementsWithValue: []byte(value)},
		}))
	}
	if r := remove(l, "a"); r.GetFound().GetListLength() != 2 || w.list(t, "l") != "b c" {
		t.Errorf("remove: %v, list %q", r, w.list(t, "l"))
	}
	if r := remove(l, "z"); r.GetFound().GetListLength() != 2 {
		t.Errorf("remove what is not there: %v", r)
	}
	if r := remove(none, "a"); r.GetMissing() == nil {
		t.Errorf("remove from nothing: %v", r)
	}
	length := func(list []byte) *cachepb.ListLengthResponse {
		t.Helper()
		return ok[*cachepb.ListLengthResponse](t)(w.scs.ListLength(ctx, &cachepb.ListLengthRequest{ListName: list}))
	}
	if r := length(l); r.GetFound().GetLength() != 2 {
		t.Errorf("length: %v", r)
	}
	if r := length(none); r.GetMissing() == nil {
		t.Errorf("length of nothing: %v", r)
	}
	erase := func(list []byte, ranges ...*cachepb.ListRange) *cachepb.ListEraseResponse {
		t.Helper()
		return ok[*cachepb.ListEraseResponse](t)(w.scs.ListErase(ctx, &cachepb.ListEraseRequest{
			ListName: list, Erase: &cachepb.ListEraseRequest_Some{Some: &cachepb.ListRanges{Ranges: ranges}},
		}))
	}
	w.push(t, "l", "d", "e")
	if r := erase(l, &cachepb.ListRange{BeginIndex: 0, Count: 1}, &cachepb.ListRange{BeginIndex: 3, Count: 100}); r.GetFound().GetListLength() != 2 || w.list(t, "l") != "c d" {
		t.Errorf("erase: %v, list %q", r, w.list(t, "l"))
	}
	if r := erase(none); r.GetMissing() == nil {
		t.Errorf("erase of nothing: %v", r)
	}
	all := ok[*cachepb.ListEraseResponse](t)(w.scs.ListErase(ctx, &cachepb.ListEraseRequest{ListName: l, Erase: &cachepb.ListEraseRequest_All{All: &cachepb.All{}}}))
	if all.GetFound() == nil || w.list(t, "l") != "missing" {
		t.Errorf("erase all: %v, list %q", all, w.list(t, "l"))
	}
	if r := ok[*cachepb.ListRetainResponse](t)(w.scs.ListRetain(ctx, &cachepb.ListRetainRequest{ListName: none, TtlMilliseconds: 1})); r.GetMissing() == nil {
		t.Errorf("retain of nothing: %v", r)
	}
}

func TestListsAndScalarsAreNotMixed(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.set(t, "s", "v")
	w.push(t, "l", "v")
	s := []byte("s")
	for name, err := range map[string]error{
		"Get":          second(w.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("l")})),
		"ListPushBack": second(w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: s, TtlMilliseconds: 1})),
		"ListPopFront": second(w.scs.ListPopFront(ctx, &cachepb.ListPopFrontRequest{ListName: s})),
		"ListFetch":    second(w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: s})),
		"ListLength":   second(w.scs.ListLength(ctx, &cachepb.ListLengthRequest{ListName: s})),
		"ListRetain":   second(w.scs.ListRetain(ctx, &cachepb.ListRetainRequest{ListName: s, TtlMilliseconds: 1})),
		"nothing concatenated": second(w.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{
			ListName: s, TtlMilliseconds: 1,
		})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.FailedPrecondition) })
	}
}

func TestListArguments(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	l, blank := []byte("l"), []byte(" \t ")
	for name, err := range map[string]error{
		"ListPushBack, no name":         second(w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{TtlMilliseconds: 1})),
		"ListPushBack, blank name":      second(w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: blank, TtlMilliseconds: 1})),
		"ListPushBack, no ttl":          second(w.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: l})),
		"ListPushFront, no ttl":         second(w.scs.ListPushFront(ctx, &cachepb.ListPushFrontRequest{ListName: l})),
		"ListConcatenateBack, no ttl":   second(w.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{ListName: l})),
		"ListConcatenateFront, no ttl":  second(w.scs.ListConcatenateFront(ctx, &cachepb.ListConcatenateFrontRequest{ListName: l})),
		"ListRetain, no ttl":            second(w.scs.ListRetain(ctx, &cachepb.ListRetainRequest{ListName: l})),
		"ListRetain, no name":           second(w.scs.ListRetain(ctx, &cachepb.ListRetainRequest{TtlMilliseconds: 1})),
		"ListRemove, nothing said":      second(w.scs.ListRemove(ctx, &cachepb.ListRemoveRequest{ListName: l})),
		"ListErase, nothing said":       second(w.scs.ListErase(ctx, &cachepb.ListEraseRequest{ListName: l})),
		"ListPopFront, no name":         second(w.scs.ListPopFront(ctx, &cachepb.ListPopFrontRequest{})),
		"ListPopBack, no name":          second(w.scs.ListPopBack(ctx, &cachepb.ListPopBackRequest{})),
		"ListFetch, no name":            second(w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{})),
		"ListLength, blank name":        second(w.scs.ListLength(ctx, &cachepb.ListLengthRequest{ListName: blank})),
		"ListRemove, no name":           second(w.scs.ListRemove(ctx, &cachepb.ListRemoveRequest{})),
		"ListErase, no name":            second(w.scs.ListErase(ctx, &cachepb.ListEraseRequest{})),
		"ListLength, name of blanks":    second(w.scs.ListLength(ctx, &cachepb.ListLengthRequest{ListName: slices.Repeat(blank, 30)})),
		"ListLength, name far too long": second(w.scs.ListLength(ctx, &cachepb.ListLengthRequest{ListName: slices.Repeat(l, maxKey+1)})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.InvalidArgument) })
	}
}

func TestAnswersThatAreTooLarge(t *testing.T) {
	w, ctx := newWorld(t, settings{config: Config{Limits: Limits{AnswerBytes: 1000}}}), in(t.Context())
	w.push(t, "l", strings.Repeat("x", 600), strings.Repeat("y", 600))
	_, err := w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: []byte("l")})
	limitedBy(t, err, "request_size_limit_exceeded")
	r := ok[*cachepb.ListFetchResponse](t)(w.scs.ListFetch(ctx, &cachepb.ListFetchRequest{
		ListName: []byte("l"), EndIndex: &cachepb.ListFetchRequest_ExclusiveEnd{ExclusiveEnd: 1},
	}))
	if len(r.GetFound().GetValues()) != 1 {
		t.Errorf("a part of it: %v", r)
	}
}
