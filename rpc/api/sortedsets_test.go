package api

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
)

// scored makes "a=1 b=2.5" into elements.
func scored(pairs string) []*cachepb.SortedSetElement {
	var all []*cachepb.SortedSetElement
	for _, pair := range strings.Fields(pairs) {
		member, text, _ := strings.Cut(pair, "=")
		var score float64
		if _, err := fmt.Sscan(text, &score); err != nil {
			panic(err)
		}
		all = append(all, &cachepb.SortedSetElement{Value: []byte(member), Score: score})
	}
	return all
}

func (w *world) put(t testing.TB, set, pairs string) {
	t.Helper()
	ok[*cachepb.SortedSetPutResponse](t)(w.scs.SortedSetPut(in(t.Context()), &cachepb.SortedSetPutRequest{
		SetName: []byte(set), Elements: scored(pairs), TtlMilliseconds: minute,
	}))
}

// sorted is what a fetch answers: pairs, or "missing".
func (w *world) sorted(t testing.TB, r *cachepb.SortedSetFetchRequest) string {
	t.Helper()
	r.WithScores = true
	answer := ok[*cachepb.SortedSetFetchResponse](t)(w.scs.SortedSetFetch(in(t.Context()), r))
	if answer.GetMissing() != nil {
		return "missing"
	}
	scores, there := answer.GetFound().GetElements().(*cachepb.SortedSetFetchFound_ValuesWithScores)
	if !there || scores.ValuesWithScores == nil {
		t.Fatalf("%v: values_with_scores is not there, one SDK panics", answer)
	}
	var pairs []string
	for _, e := range scores.ValuesWithScores.GetElements() {
		pairs = append(pairs, fmt.Sprintf("%s=%v", e.GetValue(), e.GetScore()))
	}
	return strings.Join(pairs, " ")
}

func (w *world) allSorted(t testing.TB, set string) string {
	t.Helper()
	return w.sorted(t, &cachepb.SortedSetFetchRequest{SetName: []byte(set)})
}

func TestSortedSets(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	z, none := []byte("z"), []byte("none")
	w.put(t, "z", "b=2 a=1 c=2")
	w.put(t, "z", "a=3 d=-1 d=0.5")
	w.put(t, "none", "")
	if got := w.allSorted(t, "z"); got != "d=0.5 b=2 c=2 a=3" {
		t.Errorf("fetched %q", got)
	}
	scores := ok[*cachepb.SortedSetGetScoreResponse](t)(w.scs.SortedSetGetScore(ctx, &cachepb.SortedSetGetScoreRequest{SetName: z, Values: bytesOf("a", "nil", "d", "a")}))
	var parts []string
	for _, p := range scores.GetFound().GetElements() {
		parts = append(parts, fmt.Sprintf("%v %v", p.GetResult(), p.GetScore()))
	}
	if got := strings.Join(parts, ", "); got != "Hit 3, Miss 0, Hit 0.5, Hit 3" {
		t.Errorf("scores are %q", got)
	}
	for order, want := range map[cachepb.SortOrder]map[string]uint64{
		cachepb.SortOrder_ASCENDING: {"d": 0, "b": 1, "c": 2, "a": 3}, cachepb.SortOrder_DESCENDING: {"a": 0, "c": 1, "b": 2, "d": 3},
	} {
		for member, rank := range want {
			r := ok[*cachepb.SortedSetGetRankResponse](t)(w.scs.SortedSetGetRank(ctx, &cachepb.SortedSetGetRankRequest{SetName: z, Value: []byte(member), Order: order}))
			if r.GetElementRank().GetResult() != cachepb.ECacheResult_Hit || r.GetElementRank().GetRank() != rank {
				t.Errorf("rank of %s, %v: %v, want %d", member, order, r, rank)
			}
		}
	}
	if r := ok[*cachepb.SortedSetGetRankResponse](t)(w.scs.SortedSetGetRank(ctx, &cachepb.SortedSetGetRankRequest{SetName: z, Value: []byte("nil")})); r.GetElementRank().GetResult() != cachepb.ECacheResult_Miss {
		t.Errorf("rank of no member: %v", r)
	}
	sum := ok[*cachepb.SortedSetIncrementResponse](t)(w.scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: z, Value: []byte("d"), Amount: 2.25, TtlMilliseconds: minute}))
	if sum.GetScore() != 2.75 || w.allSorted(t, "z") != "b=2 c=2 d=2.75 a=3" {
		t.Errorf("incremented to %v, there is %q", sum, w.allSorted(t, "z"))
	}
	remove := func(name []byte, r *cachepb.SortedSetRemoveRequest) {
		t.Helper()
		r.SetName = name
		ok[*cachepb.SortedSetRemoveResponse](t)(w.scs.SortedSetRemove(ctx, r))
	}
	some := &cachepb.SortedSetRemoveRequest{RemoveElements: &cachepb.SortedSetRemoveRequest_Some{Some: &cachepb.SortedSetValues{Values: bytesOf("a", "nil", "b")}}}
	all := &cachepb.SortedSetRemoveRequest{RemoveElements: &cachepb.SortedSetRemoveRequest_All{All: &cachepb.All{}}}
	if remove(z, some); w.allSorted(t, "z") != "c=2 d=2.75" {
		t.Errorf("after a removal there is %q", w.allSorted(t, "z"))
	}
	if remove(z, all); w.allSorted(t, "z") != "missing" {
		t.Errorf("after all there is %q", w.allSorted(t, "z"))
	}
	remove(none, some)
	remove(none, all)
	if r := ok[*cachepb.SortedSetGetScoreResponse](t)(w.scs.SortedSetGetScore(ctx, &cachepb.SortedSetGetScoreRequest{SetName: none, Values: bytesOf("a")})); r.GetMissing() == nil {
		t.Errorf("scores of nothing: %v", r)
	}
	if r := ok[*cachepb.SortedSetGetRankResponse](t)(w.scs.SortedSetGetRank(ctx, &cachepb.SortedSetGetRankRequest{SetName: none, Value: z})); r.GetMissing() == nil {
		t.Errorf("rank in nothing: %v", r)
	}
	if r := ok[*cachepb.SortedSetLengthResponse](t)(w.scs.SortedSetLength(ctx, &cachepb.SortedSetLengthRequest{SetName: none})); r.GetMissing() == nil {
		t.Errorf("length of nothing: %v", r)
	}
	if r := ok[*cachepb.SortedSetLengthByScoreResponse](t)(w.scs.SortedSetLengthByScore(ctx, &cachepb.SortedSetLengthByScoreRequest{SetName: none})); r.GetMissing() == nil {
		t.Errorf("length by score of nothing: %v", r)
	}
}

func TestSortedSetFetch(t *testing.T) {
	w := newWorld(t, settings{})
	z := []byte("z")
	w.put(t, "z", "a=1 b=2 c=2 d=3 e=+Inf")
	byIndex := func(order cachepb.SortOrder, start, end int32) *cachepb.SortedSetFetchRequest {
		r := &cachepb.IndexRange{}
		if start != 99 {
			r.Start = &cachepb.IndexRange_InclusiveStartIndex{InclusiveStartIndex: start}
		}
		if end != 99 {
			r.End = &cachepb.IndexRange_ExclusiveEndIndex{ExclusiveEndIndex: end}
		}
		return &cachepb.SortedSetFetchRequest{SetName: z, Order: order, Range: &cachepb.SortedSetFetchRequest_ByIndex{ByIndex: r}}
	}
	low := func(score float64, exclusive bool) *cachepb.ScoreRange_MinScore {
		return &cachepb.ScoreRange_MinScore{MinScore: &cachepb.ScoreBound{Score: score, Exclusive: exclusive}}
	}
	high := func(score float64, exclusive bool) *cachepb.ScoreRange_MaxScore {
		return &cachepb.ScoreRange_MaxScore{MaxScore: &cachepb.ScoreBound{Score: score, Exclusive: exclusive}}
	}
	byScore := func(order cachepb.SortOrder, r *cachepb.ScoreRange) *cachepb.SortedSetFetchRequest {
		return &cachepb.SortedSetFetchRequest{SetName: z, Order: order, Range: &cachepb.SortedSetFetchRequest_ByScore{ByScore: r}}
	}
	const up, down = cachepb.SortOrder_ASCENDING, cachepb.SortOrder_DESCENDING
	for i, test := range []struct {
		r    *cachepb.SortedSetFetchRequest
		want string
	}{
		{&cachepb.SortedSetFetchRequest{SetName: z}, "a=1 b=2 c=2 d=3 e=+Inf"},
		{&cachepb.SortedSetFetchRequest{SetName: z, Order: down}, "e=+Inf d=3 c=2 b=2 a=1"},
		{byIndex(up, 1, 3), "b=2 c=2"},
		{byIndex(down, 1, -2), "d=3 c=2"},
		{byIndex(up, -2, 99), "d=3 e=+Inf"},
		{byIndex(up, 99, 0), ""},
		{byIndex(up, 3, 2), ""},
		{byScore(up, &cachepb.ScoreRange{Min: low(2, false), Max: high(3, false), Count: -1}), "b=2 c=2 d=3"},
		{byScore(up, &cachepb.ScoreRange{Min: low(2, true), Max: high(3, false), Count: -1}), "d=3"},
		{byScore(down, &cachepb.ScoreRange{Min: low(1, false), Max: high(3, true), Count: -1}), "c=2 b=2 a=1"},
		{byScore(down, &cachepb.ScoreRange{Offset: 1, Count: 2}), "d=3 c=2"},
		{byScore(up, &cachepb.ScoreRange{Min: &cachepb.ScoreRange_UnboundedMin{}, Max: &cachepb.ScoreRange_UnboundedMax{}, Offset: 3, Count: -7}), "d=3 e=+Inf"},
		{byScore(up, &cachepb.ScoreRange{Count: 0}), ""},
		{byScore(up, &cachepb.ScoreRange{Offset: math.MaxUint32, Count: -1}), ""},
		{byScore(up, &cachepb.ScoreRange{Min: low(3, false), Max: high(2, false), Count: -1}), ""},
		{&cachepb.SortedSetFetchRequest{SetName: []byte("none")}, "missing"},
	} {
		if got := w.sorted(t, test.r); got != test.want {
			t.Errorf("%d, %v: %q, want %q", i, test.r, got, test.want)
		}
		// Without scores, the same in the other form.
		test.r.WithScores = false
		plain := ok[*cachepb.SortedSetFetchResponse](t)(w.scs.SortedSetFetch(in(t.Context()), test.r))
		var members []string
		for _, pair := range strings.Fields(test.want) {
			members = append(members, strings.Split(pair, "=")[0])
		}
		if test.want != "missing" && (plain.GetFound().GetValues() == nil || joined(plain.GetFound().GetValues().GetValues()) != strings.Join(members, " ")) {
			t.Errorf("%d, without scores: %v, want %q", i, plain, members)
		}
	}
}

func TestSortedSetLengths(t *testing.T) {
	w, ctx, z := newWorld(t, settings{}), in(t.Context()), []byte("z")
	w.put(t, "z", "a=1 b=2 c=2 d=3")
	if r := ok[*cachepb.SortedSetLengthResponse](t)(w.scs.SortedSetLength(ctx, &cachepb.SortedSetLengthRequest{SetName: z})); r.GetFound().GetLength() != 4 {
		t.Errorf("length: %v", r)
	}
	for _, test := range []struct {
		r    *cachepb.SortedSetLengthByScoreRequest
		want uint32
	}{
		{&cachepb.SortedSetLengthByScoreRequest{}, 4},
		{&cachepb.SortedSetLengthByScoreRequest{Min: &cachepb.SortedSetLengthByScoreRequest_UnboundedMin{}, Max: &cachepb.SortedSetLengthByScoreRequest_UnboundedMax{}}, 4},
		{&cachepb.SortedSetLengthByScoreRequest{Min: &cachepb.SortedSetLengthByScoreRequest_InclusiveMin{InclusiveMin: 2}}, 3},
		{&cachepb.SortedSetLengthByScoreRequest{Min: &cachepb.SortedSetLengthByScoreRequest_ExclusiveMin{ExclusiveMin: 2}}, 1},
		{&cachepb.SortedSetLengthByScoreRequest{Max: &cachepb.SortedSetLengthByScoreRequest_InclusiveMax{InclusiveMax: 2}}, 3},
		{&cachepb.SortedSetLengthByScoreRequest{Max: &cachepb.SortedSetLengthByScoreRequest_ExclusiveMax{ExclusiveMax: 2}}, 1},
		{&cachepb.SortedSetLengthByScoreRequest{Min: &cachepb.SortedSetLengthByScoreRequest_InclusiveMin{InclusiveMin: 9}}, 0},
	} {
		test.r.SetName = z
		r := ok[*cachepb.SortedSetLengthByScoreResponse](t)(w.scs.SortedSetLengthByScore(ctx, test.r))
		if r.GetFound() == nil || r.GetFound().GetLength() != test.want {
			t.Errorf("%v: %v, want %d", test.r, r, test.want)
		}
	}
}

func unionOf(destination string, how cachepb.SortedSetAggregate, weighted ...any) *cachepb.SortedSetUnionStoreRequest {
	r := &cachepb.SortedSetUnionStoreRequest{SetName: []byte(destination), Aggregate: how, TtlMilliseconds: minute}
	for i := 0; i < len(weighted); i += 2 {
		r.Sources = append(r.Sources, &cachepb.SortedSetUnionSource{SetName: []byte(weighted[i].(string)), Weight: float32(weighted[i+1].(float64))})
	}
	return r
}

func TestUnionStore(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	const sum, least, most = cachepb.SortedSetAggregate_SUM, cachepb.SortedSetAggregate_MIN, cachepb.SortedSetAggregate_MAX
	for i, test := range []struct {
		r      *cachepb.SortedSetUnionStoreRequest
		want   string
		length uint32
	}{
		{unionOf("d", sum, "x", 1.0, "y", 1.0), "a=1 c=5 b=12", 3},
		{unionOf("d", sum, "x", 2.0, "y", -1.0), "b=-6 c=-5 a=2", 3},
		{unionOf("d", sum, "x", 0.0), "a=0 b=0", 2},
		{unionOf("d", least, "x", 1.0, "y", 1.0), "a=1 b=2 c=5", 3},
		{unionOf("d", most, "x", 1.0, "y", 1.0, "none", 1.0), "a=1 c=5 b=10", 3},
		{unionOf("d", sum, "x", 1.0, "x", 1.0), "a=2 b=4", 2},
		{unionOf("d", sum, "x", 1.0, "d", 1.0), "a=1 b=2 old=7", 3},
		{unionOf("d", sum, "d", 2.0, "y", 1.0, "d", 1.0), "c=5 b=10 old=21", 3},
		{unionOf("d", sum, "none", 1.0), "missing", 0},
		{unionOf("fresh", most, "y", 0.5), "c=2.5 b=5", 2},
		{unionOf("scalar", sum, "x", 1.0), "a=1 b=2", 2},
	} {
		w.set(t, "scalar", "v")
		w.put(t, "x", "a=1 b=2")
		w.put(t, "y", "b=10 c=5")
		for _, set := range []string{"d", "fresh"} {
			ok[*cachepb.DeleteResponse](t)(w.scs.Delete(ctx, &cachepb.DeleteRequest{CacheKey: []byte(set)}))
		}
		w.put(t, "d", "old=7")
		r := ok[*cachepb.SortedSetUnionStoreResponse](t)(w.scs.SortedSetUnionStore(ctx, test.r))
		if got := w.allSorted(t, string(test.r.GetSetName())); got != test.want || r.GetLength() != test.length {
			t.Errorf("%d: answered %v, and there is %q, want %q", i, r, got, test.want)
		}
		ttl := ok[*cachepb.ItemGetTtlResponse](t)(w.scs.ItemGetTtl(ctx, &cachepb.ItemGetTtlRequest{CacheKey: test.r.GetSetName()}))
		if left := ttl.GetFound().GetRemainingTtlMillis(); test.length > 0 && (left > minute || left < minute-10_000) {
			t.Errorf("%d: the union lives %v", i, ttl)
		}
	}
}

func TestSortedSetRefusals(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.set(t, "s", "v")
	w.put(t, "z", "inf=+Inf")
	s, z, nan := []byte("s"), []byte("z"), math.NaN()
	remove := &cachepb.SortedSetRemoveRequest_All{All: &cachepb.All{}}
	for name, err := range map[string]error{
		"put":                 second(w.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{SetName: s, Elements: scored("a=1"), TtlMilliseconds: 1})),
		"put nothing":         second(w.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{SetName: s, TtlMilliseconds: 1})),
		"fetch":               second(w.scs.SortedSetFetch(ctx, &cachepb.SortedSetFetchRequest{SetName: s})),
		"score":               second(w.scs.SortedSetGetScore(ctx, &cachepb.SortedSetGetScoreRequest{SetName: s})),
		"remove":              second(w.scs.SortedSetRemove(ctx, &cachepb.SortedSetRemoveRequest{SetName: s, RemoveElements: remove})),
		"increment":           second(w.scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: s, TtlMilliseconds: 1})),
		"rank":                second(w.scs.SortedSetGetRank(ctx, &cachepb.SortedSetGetRankRequest{SetName: s})),
		"length":              second(w.scs.SortedSetLength(ctx, &cachepb.SortedSetLengthRequest{SetName: s})),
		"length by score":     second(w.scs.SortedSetLengthByScore(ctx, &cachepb.SortedSetLengthByScoreRequest{SetName: s})),
		"union with it":       second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "s", 1.0))),
		"union onto it":       second(w.scs.SortedSetUnionStore(ctx, unionOf("s", 0, "s", 1.0))),
		"opposite infinities": second(w.scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: z, Value: []byte("inf"), Amount: math.Inf(-1), TtlMilliseconds: 1})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.FailedPrecondition) })
	}
	bounded := func(score float64) *cachepb.SortedSetFetchRequest {
		return &cachepb.SortedSetFetchRequest{SetName: z, Range: &cachepb.SortedSetFetchRequest_ByScore{ByScore: &cachepb.ScoreRange{
			Max: &cachepb.ScoreRange_MaxScore{MaxScore: &cachepb.ScoreBound{Score: score}},
		}}}
	}
	noLife := unionOf("d", 0, "z", 1.0)
	noLife.TtlMilliseconds = 0
	for name, err := range map[string]error{
		"put, no name":             second(w.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{TtlMilliseconds: 1})),
		"put, no ttl":              second(w.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{SetName: z, Elements: scored("a=1")})),
		"put, NaN":                 second(w.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{SetName: z, Elements: []*cachepb.SortedSetElement{{Score: nan}}, TtlMilliseconds: 1})),
		"fetch, no name":           second(w.scs.SortedSetFetch(ctx, &cachepb.SortedSetFetchRequest{})),
		"fetch, NaN":               second(w.scs.SortedSetFetch(ctx, bounded(nan))),
		"fetch, no order":          second(w.scs.SortedSetFetch(ctx, &cachepb.SortedSetFetchRequest{SetName: z, Order: 2})),
		"score, no name":           second(w.scs.SortedSetGetScore(ctx, &cachepb.SortedSetGetScoreRequest{})),
		"remove, no name":          second(w.scs.SortedSetRemove(ctx, &cachepb.SortedSetRemoveRequest{RemoveElements: remove})),
		"remove, nothing said":     second(w.scs.SortedSetRemove(ctx, &cachepb.SortedSetRemoveRequest{SetName: z})),
		"increment, no ttl":        second(w.scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: z})),
		"increment, NaN":           second(w.scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: z, Amount: nan, TtlMilliseconds: 1})),
		"rank, no name":            second(w.scs.SortedSetGetRank(ctx, &cachepb.SortedSetGetRankRequest{})),
		"rank, no order":           second(w.scs.SortedSetGetRank(ctx, &cachepb.SortedSetGetRankRequest{SetName: z, Order: -1})),
		"length, no name":          second(w.scs.SortedSetLength(ctx, &cachepb.SortedSetLengthRequest{})),
		"length by score, no name": second(w.scs.SortedSetLengthByScore(ctx, &cachepb.SortedSetLengthByScoreRequest{})),
		"length by score, NaN": second(w.scs.SortedSetLengthByScore(ctx, &cachepb.SortedSetLengthByScoreRequest{
			SetName: z, Min: &cachepb.SortedSetLengthByScoreRequest_ExclusiveMin{ExclusiveMin: nan},
		})),
		"union, no source":         second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0))),
		"union, no name":           second(w.scs.SortedSetUnionStore(ctx, unionOf("", 0, "z", 1.0))),
		"union, source of no name": second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, " ", 1.0))),
		"union, weight NaN":        second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "z", nan))),
		"union, no aggregate":      second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 3, "z", 1.0))),
		"union, no ttl":            second(w.scs.SortedSetUnionStore(ctx, noLife)),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.InvalidArgument) })
	}
}

func TestSortedSetLimits(t *testing.T) {
	w := newWorld(t, settings{config: Config{Limits: Limits{RequestBytes: 300, AnswerBytes: 500, ElementBytes: 100}}})
	ctx, z, long := in(t.Context()), []byte("z"), strings.Repeat("x", 101)
	limitedBy(t, second(w.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{SetName: z, Elements: scored(long + "=1"), TtlMilliseconds: 1})), "element_size_limit_exceeded")
	limitedBy(t, second(w.scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: z, Value: []byte(long), TtlMilliseconds: 1})), "element_size_limit_exceeded")
	for i := range 3 {
		w.put(t, "z", fmt.Sprintf("%084d=%d", i, i))
		w.put(t, fmt.Sprint("part ", i), fmt.Sprintf("%084d=%d", i, i))
	}
	for i := range 3 {
		w.put(t, "many", fmt.Sprintf("%084d=%d %083d=%d", i, i, i+10, i))
	}
	limitedBy(t, second(w.scs.SortedSetFetch(ctx, &cachepb.SortedSetFetchRequest{SetName: []byte("many")})), "request_size_limit_exceeded")
	if got := w.sorted(t, &cachepb.SortedSetFetchRequest{SetName: z, Range: &cachepb.SortedSetFetchRequest_ByScore{
		ByScore: &cachepb.ScoreRange{Count: 2},
	}}); len(strings.Fields(got)) != 2 {
		t.Errorf("two of them: %q", got)
	}
	// Sources that are too much by themselves, or together.
	if r := ok[*cachepb.SortedSetUnionStoreResponse](t)(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "z", 1.0, "part 0", 1.0))); r.GetLength() != 3 {
		t.Errorf("a union that just fits: %v", r)
	}
	// Each source is read once, however often it is named; but what is read
	// counts, though it adds no member.
	if r := ok[*cachepb.SortedSetUnionStoreResponse](t)(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "z", 1.0, "z", 1.0, "z", 1.0))); r.GetLength() != 3 {
		t.Errorf("a source that is named three times: %v", r)
	}
	for i := range 3 {
		w.put(t, "same", fmt.Sprintf("%084d=%d", i, i))
	}
	limitedBy(t, second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "z", 1.0, "same", 1.0))), "request_size_limit_exceeded")
	w.put(t, "z", strings.Repeat("y", 84)+"=9")
	limitedBy(t, second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "z", 1.0))), "request_size_limit_exceeded")
	w.put(t, "part 3", strings.Repeat("y", 84)+"=9")
	limitedBy(t, second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "part 0", 1.0, "part 1", 1.0, "part 2", 1.0, "part 3", 1.0))), "request_size_limit_exceeded")
}

// The destination is read where it is written, in the same moment: were it read
// before, what others write to it in between would be lost.
func TestUnionReadsItsDestinationInTheStore(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.put(t, "d", "a=1")
	w.failWith(func(call string) error {
		if call == "View" {
			return context.DeadlineExceeded
		}
		return nil
	})
	ok[*cachepb.SortedSetUnionStoreResponse](t)(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "d", 2.0, "d", 3.0)))
	w.failWith(nil)
	if got := w.allSorted(t, "d"); got != "a=5" {
		t.Errorf("the destination is %q", got)
	}
}

// A source that cannot be read leaves the destination alone.
func TestUnionOfWhatCannotBeRead(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	w.put(t, "d", "old=1")
	w.failWith(func(call string) error {
		if call == "View" {
			return context.DeadlineExceeded
		}
		return nil
	})
	wants(t, second(w.scs.SortedSetUnionStore(ctx, unionOf("d", 0, "x", 1.0))), codes.DeadlineExceeded)
	w.failWith(nil)
	if got := w.allSorted(t, "d"); got != "old=1" {
		t.Errorf("the destination is %q", got)
	}
}
