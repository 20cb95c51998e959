package main

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/momentohq/client-sdk-go/momento"
	"github.com/momentohq/client-sdk-go/responses"
	"github.com/momentohq/client-sdk-go/utils"
)

// sortedSets is the client under test with short names for what the checks
// repeat.
type sortedSets struct{ momento.CacheClient }

type scoresOf map[string]float64

func (c sortedSets) put(ctx context.Context, name string, scores scoresOf) string {
	if len(scores) > 0 {
		want[*responses.SortedSetPutElementsSuccess](c.SortedSetPutElements(ctx, &momento.SortedSetPutElementsRequest{
			CacheName: cacheName, SetName: name, Elements: momento.SortedSetElementsFromMap(scores),
		}))
	}
	return name
}

// with makes a sorted set; no scores make a name only.
func (c sortedSets) with(ctx context.Context, scores scoresOf) string {
	return c.put(ctx, fresh("sorted"), scores)
}

// shown is a fetch as text: "a=1 b=2.5", "" for an empty range, "miss".
func shown(response responses.SortedSetFetchResponse, err error) string {
	if _, miss := response.(*responses.SortedSetFetchMiss); miss && err == nil {
		return "miss"
	}
	var pairs []string
	for _, e := range want[*responses.SortedSetFetchHit](response, err).ValueStringElements() {
		pairs = append(pairs, fmt.Sprintf("%s=%v", e.Value, e.Score))
	}
	return strings.Join(pairs, " ")
}

func (c sortedSets) byRank(ctx context.Context, r momento.SortedSetFetchByRankRequest) string {
	r.CacheName = cacheName
	return shown(c.SortedSetFetchByRank(ctx, &r))
}

func (c sortedSets) byScore(ctx context.Context, r momento.SortedSetFetchByScoreRequest) string {
	r.CacheName = cacheName
	return shown(c.SortedSetFetchByScore(ctx, &r))
}

func (c sortedSets) length(ctx context.Context, name string) (responses.SortedSetLengthResponse, error) {
	return c.SortedSetLength(ctx, &momento.SortedSetLengthRequest{CacheName: cacheName, SetName: name})
}

func (c sortedSets) rank(ctx context.Context, name, member string, order momento.SortedSetOrder) (responses.SortedSetGetRankResponse, error) {
	return c.SortedSetGetRank(ctx, &momento.SortedSetGetRankRequest{CacheName: cacheName, SetName: name, Value: momento.String(member), Order: order})
}

func (c sortedSets) score(ctx context.Context, name, member string) (responses.SortedSetGetScoreResponse, error) {
	return c.SortedSetGetScore(ctx, &momento.SortedSetGetScoreRequest{CacheName: cacheName, SetName: name, Value: momento.String(member)})
}

func (c sortedSets) scores(ctx context.Context, name string, members ...string) (responses.SortedSetGetScoresResponse, error) {
	return c.SortedSetGetScores(ctx, &momento.SortedSetGetScoresRequest{CacheName: cacheName, SetName: name, Values: values(members...)})
}

func (c sortedSets) increment(ctx context.Context, name, member string, amount float64) (responses.SortedSetIncrementScoreResponse, error) {
	return c.SortedSetIncrementScore(ctx, &momento.SortedSetIncrementScoreRequest{
		CacheName: cacheName, SetName: name, Value: momento.String(member), Amount: amount,
	})
}

func (c sortedSets) remove(ctx context.Context, name string, members ...string) (responses.SortedSetRemoveElementsResponse, error) {
	return c.SortedSetRemoveElements(ctx, &momento.SortedSetRemoveElementsRequest{CacheName: cacheName, SetName: name, Values: values(members...)})
}

func (c sortedSets) lengthByScore(ctx context.Context, name string, low, high *float64) (responses.SortedSetLengthByScoreResponse, error) {
	return c.SortedSetLengthByScore(ctx, &momento.SortedSetLengthByScoreRequest{CacheName: cacheName, SetName: name, MinScore: low, MaxScore: high})
}

func (c sortedSets) holds(ctx context.Context, name, all string) {
	same(c.byRank(ctx, momento.SortedSetFetchByRankRequest{SetName: name}), all)
	if all == "miss" {
		want[*responses.SortedSetLengthMiss](c.length(ctx, name))
		nothing(ctx, c, name)
		return
	}
	same(want[*responses.SortedSetLengthHit](c.length(ctx, name)).Length(), uint32(len(strings.Fields(all))))
	same(kindOf(ctx, c, name), responses.ItemTypeSortedSet)
}

func sortedSetChecks() {
	c := sortedSets{cacheClient(adminKey)}
	defer c.Close()
	var all checks
	c.ranges(&all)
	c.places(&all)
	c.writes(&all)
	c.refusals(&all)
	checkLives(&all, c, "sorted", writes{
		"put element": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.SortedSetPutElementSuccess](c.SortedSetPutElement(ctx, &momento.SortedSetPutElementRequest{
				CacheName: cacheName, SetName: name, Value: momento.String("a"), Score: 1, Ttl: &ttl,
			}))
		},
		"put elements": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[*responses.SortedSetPutElementsSuccess](c.SortedSetPutElements(ctx, &momento.SortedSetPutElementsRequest{
				CacheName: cacheName, SetName: name, Elements: momento.SortedSetElementsFromMap(scoresOf{"b": 2}), Ttl: &ttl,
			}))
		},
		"increment": func(ctx context.Context, name string, ttl utils.CollectionTtl) {
			want[responses.SortedSetIncrementScoreSuccess](c.SortedSetIncrementScore(ctx, &momento.SortedSetIncrementScoreRequest{
				CacheName: cacheName, SetName: name, Value: momento.String("n"), Amount: 1, Ttl: &ttl,
			}))
		},
	}, func(ctx context.Context, name string) bool {
		response, err := c.length(ctx, name)
		_, hit := response.(*responses.SortedSetLengthHit)
		return err == nil && hit
	})
	all.finish()
}

func ptr[T any](v T) *T { return &v }

func (c sortedSets) ranges(all *checks) {
	const down = momento.DESCENDING
	five := scoresOf{"a": 1, "b": 2, "c": 2, "d": 3, "e": 4}
	for i, r := range []struct {
		by   any
		want string
	}{
		{momento.SortedSetFetchByRankRequest{}, "a=1 b=2 c=2 d=3 e=4"},
		{momento.SortedSetFetchByRankRequest{Order: down}, "e=4 d=3 c=2 b=2 a=1"},
		{momento.SortedSetFetchByRankRequest{StartRank: ptr(int32(1)), EndRank: ptr(int32(3))}, "b=2 c=2"},
		{momento.SortedSetFetchByRankRequest{StartRank: ptr(int32(1)), EndRank: ptr(int32(-1)), Order: down}, "d=3 c=2 b=2"},
		{momento.SortedSetFetchByRankRequest{StartRank: ptr(int32(-2))}, "d=3 e=4"},
		{momento.SortedSetFetchByRankRequest{EndRank: ptr(int32(-9))}, ""},
		{momento.SortedSetFetchByRankRequest{StartRank: ptr(int32(50))}, ""},
		{momento.SortedSetFetchByScoreRequest{}, "a=1 b=2 c=2 d=3 e=4"},
		{momento.SortedSetFetchByScoreRequest{MinScore: ptr(2.0), MaxScore: ptr(3.0)}, "b=2 c=2 d=3"},
		{momento.SortedSetFetchByScoreRequest{MinScore: ptr(2.0), MaxScore: ptr(3.0), Order: down}, "d=3 c=2 b=2"},
		{momento.SortedSetFetchByScoreRequest{MaxScore: ptr(1.5)}, "a=1"},
		{momento.SortedSetFetchByScoreRequest{Offset: ptr(uint32(1)), Count: ptr(uint32(2))}, "b=2 c=2"},
		{momento.SortedSetFetchByScoreRequest{Offset: ptr(uint32(1)), Count: ptr(uint32(2)), Order: down}, "d=3 c=2"},
		{momento.SortedSetFetchByScoreRequest{MinScore: ptr(2.0), Offset: ptr(uint32(3))}, "e=4"},
		{momento.SortedSetFetchByScoreRequest{Count: ptr(uint32(0))}, ""},
		{momento.SortedSetFetchByScoreRequest{MinScore: ptr(10.0)}, ""},
	} {
		all.run(fmt.Sprintf("range %d", i), func(ctx context.Context) {
			name := c.with(ctx, five)
			switch by := r.by.(type) {
			case momento.SortedSetFetchByRankRequest:
				by.SetName = name
				same(c.byRank(ctx, by), r.want)
			case momento.SortedSetFetchByScoreRequest:
				by.SetName = name
				same(c.byScore(ctx, by), r.want)
			}
		})
	}
	all.run("a range of no set is a miss", func(ctx context.Context) {
		same(c.byRank(ctx, momento.SortedSetFetchByRankRequest{SetName: fresh("sorted")}), "miss")
		same(c.byScore(ctx, momento.SortedSetFetchByScoreRequest{SetName: fresh("sorted")}), "miss")
	})
	all.run("length by score", func(ctx context.Context) {
		name := c.with(ctx, five)
		same(want[*responses.SortedSetLengthByScoreHit](c.lengthByScore(ctx, name, nil, nil)).Length(), uint32(5))
		same(want[*responses.SortedSetLengthByScoreHit](c.lengthByScore(ctx, name, ptr(2.0), ptr(3.0))).Length(), uint32(3))
		same(want[*responses.SortedSetLengthByScoreHit](c.lengthByScore(ctx, name, ptr(9.0), nil)).Length(), uint32(0))
		want[*responses.SortedSetLengthByScoreMiss](c.lengthByScore(ctx, fresh("sorted"), nil, nil))
	})
}

func (c sortedSets) places(all *checks) {
	all.run("ranks, in both orders", func(ctx context.Context) {
		name := c.with(ctx, scoresOf{"a": 1, "b": 2, "c": 2, "d": 3})
		for i, member := range []string{"a", "b", "c", "d"} {
			same(want[responses.SortedSetGetRankHit](c.rank(ctx, name, member, momento.ASCENDING)).Rank(), uint64(i))
			same(want[responses.SortedSetGetRankHit](c.rank(ctx, name, member, momento.DESCENDING)).Rank(), uint64(3-i))
		}
		want[*responses.SortedSetGetRankMiss](c.rank(ctx, name, "none", momento.ASCENDING))
		want[*responses.SortedSetGetRankMiss](c.rank(ctx, fresh("sorted"), "a", momento.ASCENDING))
	})
	all.run("scores", func(ctx context.Context) {
		name := c.with(ctx, scoresOf{"a": 1.5, "top": math.Inf(1)})
		same(want[*responses.SortedSetGetScoreHit](c.score(ctx, name, "a")).Score(), 1.5)
		same(want[*responses.SortedSetGetScoreHit](c.score(ctx, name, "top")).Score(), math.Inf(1))
		want[*responses.SortedSetGetScoreMiss](c.score(ctx, name, "none"))
		want[*responses.SortedSetGetScoreMiss](c.score(ctx, fresh("sorted"), "a"))
		many := want[*responses.SortedSetGetScoresHit](c.scores(ctx, name, "top", "none", "a"))
		same(many.ScoresMap(), map[string]float64{"a": 1.5, "top": math.Inf(1)})
		same(len(many.Responses()), 3)
		want[*responses.SortedSetGetScoreMiss](many.Responses()[1], nil)
		want[*responses.SortedSetGetScoresMiss](c.scores(ctx, fresh("sorted"), "a"))
	})
}

func (c sortedSets) writes(all *checks) {
	all.run("put adds and moves", func(ctx context.Context) {
		name := c.with(ctx, scoresOf{"b": 2, "a": 1})
		want[*responses.SortedSetPutElementSuccess](c.SortedSetPutElement(ctx, &momento.SortedSetPutElementRequest{
			CacheName: cacheName, SetName: name, Value: momento.String("a"), Score: 9,
		}))
		c.put(ctx, name, scoresOf{"c": -1})
		c.holds(ctx, name, "c=-1 b=2 a=9")
	})
	all.run("increment", func(ctx context.Context) {
		name := c.with(ctx, scoresOf{"a": 1})
		same(want[responses.SortedSetIncrementScoreSuccess](c.increment(ctx, name, "a", 2.5)).Score(), 3.5)
		same(want[responses.SortedSetIncrementScoreSuccess](c.increment(ctx, name, "new", -4)).Score(), -4.0)
		c.holds(ctx, name, "new=-4 a=3.5")
		born := c.with(ctx, nil)
		same(want[responses.SortedSetIncrementScoreSuccess](c.increment(ctx, born, "x", 7)).Score(), 7.0)
		c.holds(ctx, born, "x=7")
	})
	all.run("remove, present or not, until nothing is left", func(ctx context.Context) {
		name := c.with(ctx, scoresOf{"a": 1, "b": 2, "c": 3})
		want[*responses.SortedSetRemoveElementSuccess](c.SortedSetRemoveElement(ctx, &momento.SortedSetRemoveElementRequest{
			CacheName: cacheName, SetName: name, Value: momento.String("b"),
		}))
		c.holds(ctx, name, "a=1 c=3")
		want[*responses.SortedSetRemoveElementsSuccess](c.remove(ctx, name, "a", "none", "c"))
		c.holds(ctx, name, "miss")
		want[*responses.SortedSetRemoveElementsSuccess](c.remove(ctx, name, "a"))
	})
	all.run("what never was", func(ctx context.Context) { c.holds(ctx, fresh("sorted"), "miss") })
}

func (c sortedSets) refusals(all *checks) {
	all.run("a scalar is no sorted set", func(ctx context.Context) {
		name := scalarNamed(ctx, c)
		wrong := refused(momento.FailedPreconditionError)
		wrong(c.SortedSetFetchByRank(ctx, &momento.SortedSetFetchByRankRequest{CacheName: cacheName, SetName: name}))
		wrong(c.SortedSetFetchByScore(ctx, &momento.SortedSetFetchByScoreRequest{CacheName: cacheName, SetName: name}))
		wrong(c.length(ctx, name))
		wrong(c.lengthByScore(ctx, name, nil, nil))
		wrong(c.rank(ctx, name, "a", momento.ASCENDING))
		wrong(c.score(ctx, name, "a"))
		wrong(c.scores(ctx, name, "a"))
		wrong(c.increment(ctx, name, "a", 1))
		wrong(c.remove(ctx, name, "a"))
		wrong(c.SortedSetRemoveElement(ctx, &momento.SortedSetRemoveElementRequest{CacheName: cacheName, SetName: name, Value: momento.String("a")}))
		wrong(c.SortedSetPutElement(ctx, &momento.SortedSetPutElementRequest{CacheName: cacheName, SetName: name, Value: momento.String("a"), Score: 1}))
		wrong(c.SortedSetPutElements(ctx, &momento.SortedSetPutElementsRequest{
			CacheName: cacheName, SetName: name, Elements: momento.SortedSetElementsFromMap(scoresOf{"a": 1}),
		}))
	})
	all.run("a score that is no number, no name, and no cache", func(ctx context.Context) {
		refused(momento.InvalidArgumentError)(c.SortedSetPutElement(ctx, &momento.SortedSetPutElementRequest{
			CacheName: cacheName, SetName: fresh("sorted"), Value: momento.String("a"), Score: math.NaN(),
		}))
		refused(momento.InvalidArgumentError)(c.length(ctx, " "))
		refused(momento.CacheNotFoundError)(c.SortedSetLength(ctx, &momento.SortedSetLengthRequest{CacheName: fresh("cache"), SetName: "s"}))
	})
}
