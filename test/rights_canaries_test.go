package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	leaderboardpb "github.com/mayfly-broker/mayfly/proto/leaderboard"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// canaryLife is long enough that a refused change of a time to live, which would be to
// a minute, can be seen.
const canaryLife = 10 * time.Minute

// canaries are items that are to be as they were when everybody has been refused.
type canaries struct {
	node  *harness.Node
	c     clients
	board leaderboardpb.LeaderboardClient
}

func newCanaries(t *testing.T, node *harness.Node) canaries {
	t.Helper()
	conn := node.Conn(t)
	return canaries{node, clientsOf(conn), leaderboardpb.NewLeaderboardClient(conn)}
}

// put places an item of the kind where there is a cache.
func (k canaries) put(t *testing.T, is kind, at place) {
	t.Helper()
	ctx, key, life := k.node.InCache(t, at.cache), []byte(at.name), uint64(canaryLife.Milliseconds())
	var err error
	switch is {
	case aScalar:
		_, err = k.c.scs.Set(ctx, &cachepb.SetRequest{CacheKey: key, CacheBody: []byte("7"), TtlMilliseconds: life})
	case aList:
		_, err = k.c.scs.ListConcatenateBack(ctx, &cachepb.ListConcatenateBackRequest{ListName: key, Values: [][]byte{[]byte("17"), []byte("b"), []byte("c")}, TtlMilliseconds: life})
	case aDictionary:
		_, err = k.c.scs.DictionarySet(ctx, &cachepb.DictionarySetRequest{DictionaryName: key, TtlMilliseconds: life, Items: []*cachepb.DictionaryField{{Field: []byte("17"), Value: []byte("7")}, {Field: []byte("f"), Value: []byte("v")}}})
	case aSet:
		_, err = k.c.scs.SetUnion(ctx, &cachepb.SetUnionRequest{SetName: key, Elements: [][]byte{[]byte("17"), []byte("e")}, TtlMilliseconds: life})
	case aSortedSet:
		_, err = k.c.scs.SortedSetPut(ctx, &cachepb.SortedSetPutRequest{SetName: key, TtlMilliseconds: life, Elements: []*cachepb.SortedSetElement{{Value: []byte("17"), Score: 1}, {Value: []byte("e"), Score: 2}}})
	case aLeaderboard:
		_, err = k.board.UpsertElements(ctx, &leaderboardpb.UpsertElementsRequest{Leaderboard: at.name, Elements: []*leaderboardpb.Element{{Id: 2, Score: 1}, {Id: 3, Score: 2}}})
	}
	if err != nil {
		t.Fatalf("%s at %v: %v", is, at, err)
	}
}

// look tells what is there, in a way that can be compared.
func (k canaries) look(t *testing.T, is kind, at place) string {
	t.Helper()
	ctx, key := k.node.InCache(t, at.cache), []byte(at.name)
	var found proto.Message
	var err error
	switch is {
	case aScalar:
		found, err = k.c.scs.Get(ctx, &cachepb.GetRequest{CacheKey: key})
	case aList:
		found, err = k.c.scs.ListFetch(ctx, &cachepb.ListFetchRequest{ListName: key})
	case aDictionary:
		found, err = k.c.scs.DictionaryFetch(ctx, &cachepb.DictionaryFetchRequest{DictionaryName: key})
	case aSet:
		found, err = k.c.scs.SetContains(ctx, &cachepb.SetContainsRequest{SetName: key, Elements: [][]byte{[]byte("17"), []byte("e"), []byte("story")}})
	case aSortedSet:
		found, err = k.c.scs.SortedSetFetch(ctx, &cachepb.SortedSetFetchRequest{SetName: key, WithScores: true, Range: &cachepb.SortedSetFetchRequest_ByIndex{ByIndex: &cachepb.IndexRange{}}})
	case aLeaderboard:
		found, err = k.board.GetByRank(ctx, &leaderboardpb.GetByRankRequest{Leaderboard: at.name, RankRange: &leaderboardpb.RankRange{EndExclusive: 9}})
	}
	if err != nil {
		t.Fatalf("%s at %v: %v", is, at, err)
	}
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q, %s", raw, k.life(t, is, at))
}

// life tells whether an item has the life that a canary is given.
func (k canaries) life(t *testing.T, is kind, at place) string {
	t.Helper()
	if is == aLeaderboard {
		return "for ever"
	}
	answer, err := k.c.scs.ItemGetTtl(k.node.InCache(t, at.cache), &cachepb.ItemGetTtlRequest{CacheKey: []byte(at.name)})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Duration(answer.GetFound().GetRemainingTtlMillis()) * time.Millisecond; left <= canaryLife/2 || left > canaryLife {
		return "for " + left.String()
	}
	return "for its time"
}

// ears hear every topic, and whether anybody was heard who was refused.
type ears struct {
	node *harness.Node
	c    clients
	subs map[place]pubsubpb.Pubsub_SubscribeClient
}

func listenEverywhere(t *testing.T, node *harness.Node) *ears {
	t.Helper()
	e := &ears{node: node, c: clientsOf(node.Conn(t)), subs: make(map[place]pubsubpb.Pubsub_SubscribeClient)}
	for _, at := range places {
		if at.cache == noCache {
			continue
		}
		sub, err := e.c.pubsub.Subscribe(node.Context(t), &pubsubpb.SubscribeRequest{CacheName: at.cache, Topic: at.name})
		if err == nil {
			_, err = sub.Recv() // the heartbeat, so it listens
		}
		if err != nil {
			t.Fatal(err)
		}
		e.subs[at] = sub
	}
	return e
}

// heard publishes a marker on each topic, waits for it, and returns what came before it
// from others.
func (e *ears) heard(t *testing.T, marker string) (others []string) {
	t.Helper()
	for at, sub := range e.subs {
		if _, err := e.c.pubsub.Publish(e.node.Context(t), text(at.cache, at.name, marker)); err != nil {
			t.Fatal(err)
		}
		for {
			item, err := sub.Recv()
			if err != nil {
				t.Fatalf("%v: %v", at, err)
			}
			value := item.GetItem().GetValue()
			if item.GetItem() == nil {
				continue
			}
			if value.GetText() == marker {
				break
			}
			if !strings.HasPrefix(value.GetText(), "marker ") {
				others = append(others, fmt.Sprintf("%v: %q", at, value.String()))
			}
		}
	}
	return others
}
