package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/momentohq/client-sdk-go/config"
	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
)

// boards is the client under test.
type boards struct {
	momento.PreviewLeaderboardClient
}

// board is one leaderboard, with short names for what the checks repeat.
type board struct{ momento.Leaderboard }

func (c boards) in(ctx context.Context, cache, name string) board {
	return board{must(c.Leaderboard(ctx, &momento.LeaderboardRequest{CacheName: cache, LeaderboardName: name}))}
}

// with makes a leaderboard of ids with scores; none make a name only.
func (c boards) with(ctx context.Context, scores map[uint32]float64) board {
	b := c.in(ctx, cacheName, fresh("board"))
	if len(scores) > 0 {
		want[*responses.LeaderboardUpsertSuccess](b.Upsert(ctx, upsertOf(scores)))
	}
	return b
}

func upsertOf(scores map[uint32]float64) momento.LeaderboardUpsertRequest {
	var r momento.LeaderboardUpsertRequest
	for id, score := range scores {
		r.Elements = append(r.Elements, momento.LeaderboardUpsertElement{Id: id, Score: score})
	}
	return r
}

// placed is an answer as text: "rank:id=score".
func placed(response responses.LeaderboardFetchResponse, err error) string {
	var all []string
	for _, e := range want[*responses.LeaderboardFetchSuccess](response, err).Values() {
		all = append(all, fmt.Sprintf("%d:%d=%v", e.Rank, e.Id, e.Score))
	}
	return strings.Join(all, " ")
}

func (b board) ranks(ctx context.Context, from, to uint32) string {
	return placed(b.FetchByRank(ctx, momento.LeaderboardFetchByRankRequest{StartRank: from, EndRank: to}))
}

func (b board) length(ctx context.Context) uint32 {
	return want[*responses.LeaderboardLengthSuccess](b.Length(ctx)).Length()
}

func leaderboardChecks() {
	c := boards{must(momento.NewPreviewLeaderboardClient(config.LeaderboardDefaultWithLogger(quiet), credential(adminKey)))}
	defer c.Close()
	var all checks
	c.fetches(&all)
	c.changes(&all)
	c.refusals(&all)
	all.finish()
}

func (c boards) fetches(all *checks) {
	five := map[uint32]float64{10: 1, 3: 2, 4: 2, 5: 3.25, 6: 9007199254740991}
	down := ptr(momento.DESCENDING)
	all.run("fetch by rank", func(ctx context.Context) {
		b := c.with(ctx, five)
		same(b.ranks(ctx, 0, 3), "0:10=1 1:3=2 2:4=2")
		same(b.ranks(ctx, 3, 8000), "3:5=3.25 4:6=9.007199254740991e+15")
		same(b.ranks(ctx, 100, 200), "")
		same(placed(b.FetchByRank(ctx, momento.LeaderboardFetchByRankRequest{StartRank: 1, EndRank: 3, Order: down})), "1:5=3.25 2:4=2")
	})
	for i, f := range []struct {
		by   momento.LeaderboardFetchByScoreRequest
		want string
	}{
		{momento.LeaderboardFetchByScoreRequest{MaxScore: ptr(3.25)}, "0:10=1 1:3=2 2:4=2"},
		{momento.LeaderboardFetchByScoreRequest{MinScore: ptr(2.0), MaxScore: ptr(4.0), Order: down}, "1:5=3.25 2:4=2 3:3=2"},
		{momento.LeaderboardFetchByScoreRequest{MinScore: ptr(2.0), Offset: ptr(uint32(1)), Count: ptr(uint32(2))}, "2:4=2 3:5=3.25"},
		{momento.LeaderboardFetchByScoreRequest{MinScore: ptr(50.0), MaxScore: ptr(60.0)}, ""},
	} {
		all.run(fmt.Sprintf("fetch by score %d", i), func(ctx context.Context) {
			same(placed(c.with(ctx, five).FetchByScore(ctx, f.by)), f.want)
		})
	}
	all.run("ranks of ids, in the order asked, without those that are not there", func(ctx context.Context) {
		b := c.with(ctx, five)
		same(placed(b.GetRank(ctx, momento.LeaderboardGetRankRequest{Ids: []uint32{5, 77, 10}})), "3:5=3.25 0:10=1")
		same(placed(b.GetRank(ctx, momento.LeaderboardGetRankRequest{Ids: []uint32{5, 10}, Order: down})), "1:5=3.25 4:10=1")
	})
}

func (c boards) changes(all *checks) {
	all.run("upsert adds and moves", func(ctx context.Context) {
		b := c.with(ctx, map[uint32]float64{1: 100, 2: 200})
		want[*responses.LeaderboardUpsertSuccess](b.Upsert(ctx, upsertOf(map[uint32]float64{2: 50, 4294967295: 75})))
		same(b.ranks(ctx, 0, 9), "0:2=50 1:4294967295=75 2:1=100")
		same(b.length(ctx), uint32(3))
	})
	all.run("remove ids, present or not", func(ctx context.Context) {
		b := c.with(ctx, map[uint32]float64{1: 1, 2: 2, 3: 3})
		want[*responses.LeaderboardRemoveElementsSuccess](b.RemoveElements(ctx, momento.LeaderboardRemoveElementsRequest{Ids: []uint32{2, 77}}))
		same(b.ranks(ctx, 0, 9), "0:1=1 1:3=3")
	})
	all.run("delete, and what never was", func(ctx context.Context) {
		b := c.with(ctx, map[uint32]float64{1: 1})
		want[*responses.LeaderboardDeleteSuccess](b.Delete(ctx))
		want[*responses.LeaderboardDeleteSuccess](b.Delete(ctx))
		same(b.length(ctx), uint32(0))
		same(b.ranks(ctx, 0, 9), "")
		same(placed(b.GetRank(ctx, momento.LeaderboardGetRankRequest{Ids: []uint32{1}})), "")
		want[*responses.LeaderboardRemoveElementsSuccess](b.RemoveElements(ctx, momento.LeaderboardRemoveElementsRequest{Ids: []uint32{1}}))
	})
}

func (c boards) refusals(all *checks) {
	all.run("a page of eight thousand, and no more", func(ctx context.Context) {
		scores := map[uint32]float64{}
		for id := range uint32(8192) {
			scores[id] = float64(id)
		}
		b := c.with(ctx, scores)
		same(len(strings.Fields(b.ranks(ctx, 0, 8192))), 8192)
		refused(momento.InvalidArgumentError)(b.FetchByRank(ctx, momento.LeaderboardFetchByRankRequest{EndRank: 8193}))
		scores[9000] = 1
		refused(momento.InvalidArgumentError)(b.Upsert(ctx, upsertOf(scores)))
	})
	all.run("no cache", func(ctx context.Context) {
		refused(momento.CacheNotFoundError)(c.in(ctx, fresh("cache"), "b").Length(ctx))
	})
}
