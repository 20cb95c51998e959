package api

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	leaderboardpb "github.com/mayfly-broker/mayfly/proto/leaderboard"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// board reads "1=2.5 7=3" into elements.
func board(pairs string) (all []*leaderboardpb.Element) {
	for _, pair := range strings.Fields(pairs) {
		var e leaderboardpb.Element
		if _, err := fmt.Sscanf(pair, "%d=%g", &e.Id, &e.Score); err != nil {
			panic(err)
		}
		all = append(all, &e)
	}
	return all
}

// ranked is elements as "rank:id=score".
func ranked(elements []*leaderboardpb.RankedElement) string {
	var all []string
	for _, e := range elements {
		all = append(all, fmt.Sprintf("%d:%d=%v", e.GetRank(), e.GetId(), e.GetScore()))
	}
	return strings.Join(all, " ")
}

const (
	up   = leaderboardpb.Order_ASCENDING
	down = leaderboardpb.Order_DESCENDING
)

func TestLeaderboards(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	boards := leaderboardpb.NewLeaderboardClient(w.conn)
	upsert := func(name, pairs string) {
		t.Helper()
		ok[*leaderboardpb.UpsertElementsResponse](t)(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: name, Elements: board(pairs)}))
	}
	byRank := func(name string, first, end uint32, order leaderboardpb.Order) string {
		t.Helper()
		return ranked(ok[*leaderboardpb.GetByRankResponse](t)(boards.GetByRank(ctx, &leaderboardpb.GetByRankRequest{
			Leaderboard: name, RankRange: &leaderboardpb.RankRange{StartInclusive: first, EndExclusive: end}, Order: order,
		})).GetElements())
	}
	w.set(t, "b", "a scalar of the same name")
	upsert("b", "300=1 2=2 1=2 4294967295=2.5")
	upsert("b", "2=2 7=-3 300=9")
	for _, test := range []struct {
		first, end uint32
		order      leaderboardpb.Order
		want       string
	}{
		{0, 100, up, "0:7=-3 1:1=2 2:2=2 3:4294967295=2.5 4:300=9"},
		{0, 100, down, "0:300=9 1:4294967295=2.5 2:2=2 3:1=2 4:7=-3"},
		{1, 3, up, "1:1=2 2:2=2"},
		{1, 3, down, "1:4294967295=2.5 2:2=2"},
		{4, 5000, up, "4:300=9"},
		{5, 6, up, ""},
		{math.MaxUint32 - 1, math.MaxUint32, down, ""},
	} {
		if got := byRank("b", test.first, test.end, test.order); got != test.want {
			t.Errorf("ranks %d to %d, %v: %q, want %q", test.first, test.end, test.order, got, test.want)
		}
	}
	low, high := func(s float64) *leaderboardpb.ScoreRange_MinInclusive {
		return &leaderboardpb.ScoreRange_MinInclusive{MinInclusive: s}
	},
		func(s float64) *leaderboardpb.ScoreRange_MaxExclusive {
			return &leaderboardpb.ScoreRange_MaxExclusive{MaxExclusive: s}
		}
	for _, test := range []struct {
		r    *leaderboardpb.GetByScoreRequest
		want string
	}{
		{&leaderboardpb.GetByScoreRequest{LimitElements: 9}, "0:7=-3 1:1=2 2:2=2 3:4294967295=2.5 4:300=9"},
		{&leaderboardpb.GetByScoreRequest{LimitElements: 9, ScoreRange: &leaderboardpb.ScoreRange{Min: low(2), Max: high(2.5)}}, "1:1=2 2:2=2"},
		{&leaderboardpb.GetByScoreRequest{LimitElements: 9, ScoreRange: &leaderboardpb.ScoreRange{Min: low(2), Max: high(9)}, Order: down}, "1:4294967295=2.5 2:2=2 3:1=2"},
		{&leaderboardpb.GetByScoreRequest{LimitElements: 1, Offset: 1, ScoreRange: &leaderboardpb.ScoreRange{Min: low(2), Max: &leaderboardpb.ScoreRange_UnboundedMax{}}}, "2:2=2"},
		{&leaderboardpb.GetByScoreRequest{LimitElements: 9, ScoreRange: &leaderboardpb.ScoreRange{Min: low(3), Max: high(2)}}, ""},
		{&leaderboardpb.GetByScoreRequest{}, ""},
		{&leaderboardpb.GetByScoreRequest{LimitElements: maxRanked, Offset: math.MaxUint32}, ""},
	} {
		test.r.Leaderboard = "b"
		if got := ranked(ok[*leaderboardpb.GetByScoreResponse](t)(boards.GetByScore(ctx, test.r)).GetElements()); got != test.want {
			t.Errorf("%v: %q, want %q", test.r, got, test.want)
		}
	}
	rank := func(name string, order leaderboardpb.Order, ids ...uint32) string {
		t.Helper()
		return ranked(ok[*leaderboardpb.GetRankResponse](t)(boards.GetRank(ctx, &leaderboardpb.GetRankRequest{Leaderboard: name, Ids: ids, Order: order})).GetElements())
	}
	if got := rank("b", down, 2, 999, 300, 2); got != "2:2=2 0:300=9 2:2=2" {
		t.Errorf("ranks of ids: %q", got)
	}
	if got := rank("b", up); got != "" {
		t.Errorf("ranks of no ids: %q", got)
	}
	competition := func(order *leaderboardpb.Order) string {
		t.Helper()
		return ranked(ok[*leaderboardpb.GetCompetitionRankResponse](t)(boards.GetCompetitionRank(ctx, &leaderboardpb.GetCompetitionRankRequest{
			Leaderboard: "b", Ids: []uint32{7, 1, 2, 999}, Order: order,
		})).GetElements())
	}
	ascending := up
	if a, b := competition(nil), competition(&ascending); a != "4:7=-3 2:1=2 2:2=2" || b != "0:7=-3 1:1=2 1:2=2" {
		t.Errorf("competition ranks: %q by default, %q ascending", a, b)
	}
	length := func(name string) uint32 {
		t.Helper()
		return ok[*leaderboardpb.GetLeaderboardLengthResponse](t)(boards.GetLeaderboardLength(ctx, &leaderboardpb.GetLeaderboardLengthRequest{Leaderboard: name})).GetCount()
	}
	ok[*leaderboardpb.RemoveElementsResponse](t)(boards.RemoveElements(ctx, &leaderboardpb.RemoveElementsRequest{Leaderboard: "b", Ids: []uint32{1, 999}}))
	if n := length("b"); n != 4 {
		t.Errorf("length %d, want 4", n)
	}
	for range 2 {
		ok[*leaderboardpb.DeleteLeaderboardResponse](t)(boards.DeleteLeaderboard(ctx, &leaderboardpb.DeleteLeaderboardRequest{Leaderboard: "b"}))
	}
	ok[*leaderboardpb.RemoveElementsResponse](t)(boards.RemoveElements(ctx, &leaderboardpb.RemoveElementsRequest{Leaderboard: "b", Ids: []uint32{1}}))
	if n, got := length("b"), byRank("b", 0, 9, up)+rank("b", up, 1); n != 0 || got != "" {
		t.Errorf("a deleted leaderboard has %d elements, %q", n, got)
	}
	if v, hit := w.get(t, "b"); !hit || v != "a scalar of the same name" {
		t.Errorf("the item of the same name is %q, %v", v, hit)
	}
	if kind := ok[*cachepb.ItemGetTypeResponse](t)(w.scs.ItemGetType(ctx, &cachepb.ItemGetTypeRequest{CacheKey: []byte("b")})); kind.GetFound().GetItemType() != cachepb.ItemType_SCALAR {
		t.Errorf("it is a %v", kind)
	}
}

func TestLeaderboardRefusals(t *testing.T) {
	w, ctx := newWorld(t, settings{}), in(t.Context())
	boards := leaderboardpb.NewLeaderboardClient(w.conn)
	many := make([]uint32, maxRanked+1)
	elements := make([]*leaderboardpb.Element, maxRanked+1)
	for i := range elements {
		elements[i] = &leaderboardpb.Element{Id: uint32(i)}
	}
	one := board("1=1")
	ranks := func(name string, first, end uint32) *leaderboardpb.GetByRankRequest {
		return &leaderboardpb.GetByRankRequest{Leaderboard: name, RankRange: &leaderboardpb.RankRange{StartInclusive: first, EndExclusive: end}}
	}
	for name, err := range map[string]error{
		"upsert, no name":              second(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Elements: one})),
		"upsert, blank name":           second(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: " ", Elements: one})),
		"upsert, nothing":              second(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: "b"})),
		"upsert, too many":             second(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: "b", Elements: elements})),
		"upsert, NaN":                  second(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: "b", Elements: []*leaderboardpb.Element{{Score: math.NaN()}}})),
		"remove, no name":              second(boards.RemoveElements(ctx, &leaderboardpb.RemoveElementsRequest{})),
		"remove, too many":             second(boards.RemoveElements(ctx, &leaderboardpb.RemoveElementsRequest{Leaderboard: "b", Ids: many})),
		"delete, no name":              second(boards.DeleteLeaderboard(ctx, &leaderboardpb.DeleteLeaderboardRequest{})),
		"length, no name":              second(boards.GetLeaderboardLength(ctx, &leaderboardpb.GetLeaderboardLengthRequest{})),
		"by rank, no name":             second(boards.GetByRank(ctx, ranks("", 0, 1))),
		"by rank, no range":            second(boards.GetByRank(ctx, &leaderboardpb.GetByRankRequest{Leaderboard: "b"})),
		"by rank, empty":               second(boards.GetByRank(ctx, ranks("b", 5, 5))),
		"by rank, backwards":           second(boards.GetByRank(ctx, ranks("b", 6, 5))),
		"by rank, too wide":            second(boards.GetByRank(ctx, ranks("b", 0, maxRanked+1))),
		"by rank, no order":            second(boards.GetByRank(ctx, &leaderboardpb.GetByRankRequest{Leaderboard: "b", RankRange: ranks("b", 0, 1).GetRankRange(), Order: 7})),
		"by score, no name":            second(boards.GetByScore(ctx, &leaderboardpb.GetByScoreRequest{})),
		"by score, too many":           second(boards.GetByScore(ctx, &leaderboardpb.GetByScoreRequest{Leaderboard: "b", LimitElements: maxRanked + 1})),
		"by score, NaN":                second(boards.GetByScore(ctx, &leaderboardpb.GetByScoreRequest{Leaderboard: "b", ScoreRange: &leaderboardpb.ScoreRange{Min: &leaderboardpb.ScoreRange_MinInclusive{MinInclusive: math.NaN()}}})),
		"rank, no name":                second(boards.GetRank(ctx, &leaderboardpb.GetRankRequest{})),
		"rank, too many":               second(boards.GetRank(ctx, &leaderboardpb.GetRankRequest{Leaderboard: "b", Ids: many})),
		"rank, no order":               second(boards.GetRank(ctx, &leaderboardpb.GetRankRequest{Leaderboard: "b", Order: 2})),
		"competition, too many":        second(boards.GetCompetitionRank(ctx, &leaderboardpb.GetCompetitionRankRequest{Leaderboard: "b", Ids: many})),
		"competition, no name":         second(boards.GetCompetitionRank(ctx, &leaderboardpb.GetCompetitionRankRequest{})),
		"name longer than a key's end": second(boards.GetRank(ctx, &leaderboardpb.GetRankRequest{Leaderboard: strings.Repeat("b", maxKey+1)})),
	} {
		t.Run(name, func(t *testing.T) { wants(t, err, codes.InvalidArgument) })
	}
	ok[*leaderboardpb.UpsertElementsResponse](t)(boards.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: "b", Elements: elements[:maxRanked]}))
	if r := ok[*leaderboardpb.GetByRankResponse](t)(boards.GetByRank(ctx, ranks("b", 0, maxRanked))); len(r.GetElements()) != maxRanked {
		t.Errorf("as many as one call can have: %d", len(r.GetElements()))
	}
}

// The name of a leaderboard is the key that permissions speak of.
func TestLeaderboardPermissions(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	boards := leaderboardpb.NewLeaderboardClient(w.conn)
	reader := in(t.Context(), "authorization", w.disposable(t, 60e9, "r", itemStatement(permissionpb.CacheRole_CacheReadOnly, "mine")))
	writer := in(t.Context(), "authorization", w.disposable(t, 60e9, "w", itemStatement(permissionpb.CacheRole_CacheWriteOnly, "mine")))
	length := &leaderboardpb.GetLeaderboardLengthRequest{Leaderboard: "mine"}
	upsert := &leaderboardpb.UpsertElementsRequest{Leaderboard: "mine", Elements: board("1=1")}
	wants(t, second(boards.GetLeaderboardLength(reader, length)), codes.OK)
	wants(t, second(boards.UpsertElements(reader, upsert)), codes.PermissionDenied)
	wants(t, second(boards.UpsertElements(writer, upsert)), codes.OK)
	wants(t, second(boards.GetLeaderboardLength(writer, length)), codes.PermissionDenied)
	wants(t, second(boards.GetLeaderboardLength(reader, &leaderboardpb.GetLeaderboardLengthRequest{Leaderboard: "another"})), codes.PermissionDenied)
	wants(t, second(boards.GetLeaderboardLength(in(t.Context()), length)), codes.Unauthenticated)
}
