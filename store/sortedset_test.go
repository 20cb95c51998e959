package store

import (
	"fmt"
	"math"
	"slices"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestSortedSet(t *testing.T) {
	r := newRig(t)
	for _, step := range []struct {
		op   any
		want string
	}{
		{membersOf("b=2 a=1 c=2"), "a=1 b=2 c=2"},
		{membersOf("a=3 d=-1"), "d=-1 b=2 c=2 a=3"},
		{membersOf("d=5 d=2"), "b=2 c=2 d=2 a=3"},
		{&storev1.SortedSetIncrement{Member: []byte("b"), Amount: 0.5, Ttl: lifeOf(9, false)}, "c=2 d=2 b=2.5 a=3"},
		{&storev1.SortedSetIncrement{Member: []byte("e"), Amount: -7, Ttl: lifeOf(9, false)}, "e=-7 c=2 d=2 b=2.5 a=3"},
		{&storev1.SortedSetRemove{Members: byteses("a", "nil", "e")}, "c=2 d=2 b=2.5"},
		{membersOf("x=+Inf y=-Inf"), "y=-Inf c=2 d=2 b=2.5 x=+Inf"},
	} {
		if got := r.do(0, "k", step.op); got.GetStatus() != 0 || r.show(0, "k") != step.want {
			t.Errorf("%v: %v, and there is %q, want %q", step.op, got, r.show(0, "k"), step.want)
		}
	}
	if got := r.m.Stats(); got.SortedSets != 1 || got.Bytes != 208+1+160+5*96+5 {
		t.Errorf("counted %+v", got)
	}
	opposite := &storev1.SortedSetIncrement{Member: []byte("x"), Amount: math.Inf(-1), Ttl: lifeOf(9, false)}
	if got := r.do(0, "k", opposite); got.GetStatus() != storev1.Status_STATUS_OVERFLOW {
		t.Errorf("infinities that cancel out: %v", got)
	}
	got := r.ask(0, "k", &storev1.Query_SortedSetScores{Members: byteses("d", "nil", "b")}).GetScores()
	if !slices.Equal(got.GetScores(), []float64{2, 0, 2.5}) || !slices.Equal(got.GetPresent(), []bool{true, false, true}) {
		t.Errorf("scores are %v", got)
	}
}

func TestRanks(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", membersOf("a=1 b=2 c=2 d=2 e=3"))
	for _, test := range []struct {
		order       storev1.Order
		competition bool
		want        []uint64 // of a, b, d, e, nil
	}{
		{storev1.Order_ORDER_ASCENDING, false, []uint64{0, 1, 3, 4, 0}},
		{storev1.Order_ORDER_DESCENDING, false, []uint64{4, 3, 1, 0, 0}},
		{storev1.Order_ORDER_ASCENDING, true, []uint64{0, 1, 1, 4, 0}},
		{storev1.Order_ORDER_DESCENDING, true, []uint64{4, 1, 1, 0, 0}},
	} {
		got := r.ask(0, "k", &storev1.Query_SortedSetRanks{
			Members: byteses("a", "b", "d", "e", "nil"), Order: test.order, Competition: test.competition,
		}).GetRanks()
		if !slices.Equal(got.GetRanks(), test.want) || !slices.Equal(got.GetPresent(), []bool{true, true, true, true, false}) ||
			!slices.Equal(got.GetScores(), []float64{1, 2, 2, 3, 0}) {
			t.Errorf("%v, competition %v: %v, want %v", test.order, test.competition, got, test.want)
		}
	}
}

func between(low, high float64) *storev1.ScoreRange {
	return &storev1.ScoreRange{Min: &storev1.ScoreBound{Score: low}, Max: &storev1.ScoreBound{Score: high}}
}

func TestRanges(t *testing.T) {
	const up, down = storev1.Order_ORDER_ASCENDING, storev1.Order_ORDER_DESCENDING
	open := between(2, 4)
	open.Min.Exclusive, open.Max.Exclusive = true, true
	limit := func(n uint64) *uint64 { return &n }
	byScore := func(r *storev1.ScoreRange, order storev1.Order, offset uint64, limit *uint64) *storev1.Query_SortedSetFetch {
		return &storev1.Query_SortedSetFetch{Order: order, Range: &storev1.Query_SortedSetFetch_ByScore{ByScore: r}, Offset: offset, Limit: limit}
	}
	byIndex := func(order storev1.Order, start, end any) *storev1.Query_SortedSetFetch {
		return &storev1.Query_SortedSetFetch{Order: order, Range: &storev1.Query_SortedSetFetch_ByIndex{ByIndex: sliceOf(start, end)}}
	}
	r := newRig(t)
	r.do(0, "k", membersOf("a=1 b=2 c=2 d=3 e=4"))
	for i, test := range []struct {
		op   *storev1.Query_SortedSetFetch
		want string
	}{
		{&storev1.Query_SortedSetFetch{}, "a=1 b=2 c=2 d=3 e=4"},
		{&storev1.Query_SortedSetFetch{Order: down}, "e=4 d=3 c=2 b=2 a=1"},
		{byIndex(up, 1, 3), "from 1: b=2 c=2"},
		{byIndex(down, 1, 3), "from 1: d=3 c=2"},
		{byIndex(up, -2, "none"), "from 3: d=3 e=4"},
		{byIndex(down, -2, "none"), "from 3: b=2 a=1"},
		{byIndex(up, 3, 3), ""},
		{byIndex(down, 9, 99), ""},
		{byScore(between(2, 3), up, 0, nil), "from 1: b=2 c=2 d=3"},
		{byScore(between(2, 3), down, 0, nil), "from 1: d=3 c=2 b=2"},
		{byScore(open, up, 0, nil), "from 3: d=3"},
		{byScore(between(3, 2), up, 0, nil), ""},
		{byScore(between(9, 99), down, 0, nil), ""},
		{byScore(&storev1.ScoreRange{Min: &storev1.ScoreBound{Score: 3}}, up, 0, nil), "from 3: d=3 e=4"},
		{byScore(&storev1.ScoreRange{Max: &storev1.ScoreBound{Score: 2}}, down, 0, nil), "from 2: c=2 b=2 a=1"},
		{byScore(between(math.Inf(-1), math.Inf(1)), up, 1, limit(2)), "from 1: b=2 c=2"},
		{byScore(nil, down, 1, limit(2)), "from 1: d=3 c=2"},
		{byScore(nil, down, 4, limit(9)), "from 4: a=1"},
		{byScore(nil, up, 5, nil), ""},
		{byScore(nil, up, 1<<63, limit(1<<63)), ""},
		{byScore(nil, up, 0, limit(0)), ""},
	} {
		if got := ranged(r.ask(0, "k", test.op)); got != test.want {
			t.Errorf("%d, %v: %q, want %q", i, test.op, got, test.want)
		}
	}
	for i, test := range []struct {
		r    *storev1.ScoreRange
		want uint64
	}{{nil, 5}, {between(2, 3), 3}, {open, 1}, {between(3, 2), 0}, {between(9, 10), 0}} {
		got := r.ask(0, "k", &storev1.Query_SortedSetCount{Range: test.r}).GetLength()
		if !got.GetFound() || got.GetLength() != test.want {
			t.Errorf("count %d, %v: %v, want %d", i, test.r, got, test.want)
		}
	}
}

func TestRangeAnswersAreBounded(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", membersOf("abc=1 de=2 f=3"))
	for most, want := range map[uint64]Status{0: 0, 3*16 + 6: 0, 3*16 + 5: storev1.Status_STATUS_TOO_LARGE, 1: storev1.Status_STATUS_TOO_LARGE} {
		q := query("k", &storev1.Query_SortedSetFetch{})
		q.MaxBytes = most
		if got := r.m.View(q, 0); got.GetStatus() != want {
			t.Errorf("within %d: %v", most, got)
		}
	}
	q := query("k", &storev1.Query_SortedSetFetch{Range: &storev1.Query_SortedSetFetch_ByIndex{ByIndex: sliceOf(0, 1)}})
	if q.MaxBytes = 19; ranged(r.m.View(q, 0)) != "abc=1" {
		t.Errorf("a part that fits: %v", r.m.View(q, 0))
	}
}

func TestUnion(t *testing.T) {
	const sum, least, most = storev1.Aggregate_AGGREGATE_SUM, storev1.Aggregate_AGGREGATE_MIN, storev1.Aggregate_AGGREGATE_MAX
	for i, test := range []struct {
		before  string
		others  string
		weights []float32
		how     storev1.Aggregate
		want    string
		length  uint64
	}{
		{"a=1 b=2", "c=3", nil, sum, "c=3", 1},
		{"a=1 b=2", "b=3 c=4", []float32{1}, sum, "a=1 c=4 b=5", 3},
		{"a=1 b=2", "b=3 c=4", []float32{2}, sum, "a=2 c=4 b=7", 3},
		{"a=1 b=2", "b=3 c=4", []float32{-1}, least, "b=-2 a=-1 c=4", 3},
		{"a=1 b=2", "b=3 c=4", []float32{1}, most, "a=1 b=3 c=4", 3},
		{"a=1 b=2", "", []float32{1, 10}, sum, "a=11 b=22", 2},
		{"a=1 b=2", "", []float32{1, 10}, most, "a=10 b=20", 2},
		{"a=1 b=2", "", []float32{0}, sum, "a=0 b=0", 2},
		{"a=+Inf", "", []float32{0}, sum, "a=0", 1},
		{"a=+Inf", "a=-Inf", []float32{1}, sum, "a=0", 1},
		{"", "a=1 a=2", []float32{1}, sum, "a=3", 1},
		{"a=1", "", nil, sum, "nothing", 0},
		{"", "", []float32{1}, sum, "nothing", 0},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r := newRig(t)
			if test.before != "" {
				r.do(0, "k", membersOf(test.before))
			}
			r.m.Snapshot()
			others := membersOf(test.others)
			got := r.do(100, "k", &storev1.SortedSetUnion{
				Members: others.GetMembers(), Scores: others.GetScores(), OwnWeights: test.weights, Aggregate: test.how, TtlMs: 50,
			}).GetLength()
			if !got.GetFound() || got.GetLength() != test.length || r.show(100, "k") != test.want {
				t.Errorf("%v, and there is %q, want %q", got, r.show(100, "k"), test.want)
			}
			if at, ok := r.m.NextExpiry(); ok && at != 150 {
				t.Errorf("it expires at %d, want 150: a union has a life of its own", at)
			}
		})
	}
}

// A union takes the place of whatever was there, as long as that is no source.
func TestUnionOverAnotherType(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", setOf("scalar", 1000))
	r.do(0, "l", pushOf(back, "a b", 0))
	r.do(0, "k", &storev1.SortedSetUnion{Members: byteses("a"), Scores: []float64{1}, TtlMs: 9})
	r.do(0, "l", &storev1.SortedSetUnion{TtlMs: 9})
	if r.show(0, "k") != "a=1" || r.show(0, "l") != "nothing" {
		t.Errorf("there is %q and %q", r.show(0, "k"), r.show(0, "l"))
	}
}
