package test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	leaderboardpb "github.com/mayfly-broker/mayfly/proto/leaderboard"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Items of every type outlive each node that may lead them, one after the other,
// and read the same by whichever node is left.
func TestEveryTypeOutlivesItsLeader(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	collections := gather(t, c.Nodes[0].Server)
	want, err := collections.read(t, c.Nodes[1].Server)
	if err != nil || strings.Contains(want, "missing") {
		t.Fatalf("after the writes there is %q, %v", want, err)
	}
	for i, n := range c.Nodes {
		end := []func(testing.TB){n.Kill, n.Stop, n.Kill}[i]
		end(t)
		for _, other := range c.Except(n) {
			harness.Eventually(t, harness.Patience, "everything by "+other.Name, func() (bool, string) {
				got, err := collections.read(t, other.Server)
				if err == nil && got != want {
					t.Fatalf("by %s without %s there is %q, want %q", other.Name, n.Name, got, want)
				}
				return err == nil, fmt.Sprint(err)
			})
		}
		n.Start(t)
	}
}

// collected are collections whose names begin with a word of their own, so that
// they are spread over the groups.
type collected []string

const perCollection = 500

// gather writes some collections of each type.
func gather(t *testing.T, server *harness.Server) collected {
	t.Helper()
	scs, boards := cachepb.NewScsClient(server.Conn(t)), leaderboardpb.NewLeaderboardClient(server.Conn(t))
	ctx, done := server.InCache(t, "story"), make([]error, 0, 100)
	const life = 3_600_000
	var names collected
	for i := range 8 {
		name := fmt.Sprint("collection-", i)
		names = append(names, name)
		d := &cachepb.DictionarySetRequest{DictionaryName: []byte(name + "-d"), TtlMilliseconds: life}
		z := &cachepb.SortedSetPutRequest{SetName: []byte(name + "-z"), TtlMilliseconds: life}
		s := &cachepb.SetUnionRequest{SetName: []byte(name + "-s"), TtlMilliseconds: life}
		b := &leaderboardpb.UpsertElementsRequest{Leaderboard: name}
		for n := range perCollection {
			element := fmt.Appendf(nil, "%d", n*7919%perCollection)
			d.Items = append(d.Items, &cachepb.DictionaryField{Field: element, Value: element})
			z.Elements = append(z.Elements, &cachepb.SortedSetElement{Value: element, Score: float64(n % 17)})
			s.Elements = append(s.Elements, element)
			b.Elements = append(b.Elements, &leaderboardpb.Element{Id: uint32(n), Score: float64(n % 13)})
		}
		done = append(done,
			only(scs.DictionarySet(ctx, d)), only(scs.SetUnion(ctx, s)), only(scs.SortedSetPut(ctx, z)), only(boards.UpsertElements(ctx, b)),
			only(scs.DictionaryIncrement(ctx, &cachepb.DictionaryIncrementRequest{DictionaryName: d.DictionaryName, Field: []byte("7"), Amount: 5, TtlMilliseconds: life})),
			only(scs.SetPop(ctx, &cachepb.SetPopRequest{SetName: s.SetName, Count: 100})),
			only(scs.SortedSetIncrement(ctx, &cachepb.SortedSetIncrementRequest{SetName: z.SetName, Value: []byte("9"), Amount: 0.5, TtlMilliseconds: life})),
			only(boards.RemoveElements(ctx, &leaderboardpb.RemoveElementsRequest{Leaderboard: name, Ids: []uint32{3, 4}})),
		)
	}
	for i, err := range done {
		if err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	return names
}

// read is everything that was gathered, as text.
func (names collected) read(t *testing.T, server *harness.Server) (string, error) {
	t.Helper()
	scs, boards := cachepb.NewScsClient(server.Conn(t)), leaderboardpb.NewLeaderboardClient(server.Conn(t))
	ctx, cancel := context.WithTimeout(server.InCache(t, "story"), harness.Patience)
	defer cancel()
	var all strings.Builder
	for _, name := range names {
		d, err := scs.DictionaryFetch(ctx, &cachepb.DictionaryFetchRequest{DictionaryName: []byte(name + "-d")})
		if err != nil {
			return "", err
		}
		s, err := scs.SetFetch(ctx, &cachepb.SetFetchRequest{SetName: []byte(name + "-s")})
		if err != nil {
			return "", err
		}
		z, err := scs.SortedSetFetch(ctx, &cachepb.SortedSetFetchRequest{SetName: []byte(name + "-z"), WithScores: true})
		if err != nil {
			return "", err
		}
		b, err := boards.GetByRank(ctx, &leaderboardpb.GetByRankRequest{
			Leaderboard: name, RankRange: &leaderboardpb.RankRange{EndExclusive: perCollection}, Order: leaderboardpb.Order_DESCENDING,
		})
		if err != nil {
			return "", err
		}
		elements := s.GetFound().GetElements()
		slices.SortFunc(elements, slices.Compare)
		if len(d.GetFound().GetItems()) != perCollection || len(elements) != perCollection-100 ||
			len(z.GetFound().GetValuesWithScores().GetElements()) != perCollection || len(b.GetElements()) != perCollection-2 {
			all.WriteString("something is missing from " + name)
		}
		fmt.Fprintln(&all, d.GetFound().GetItems(), elements, z.GetFound().GetValuesWithScores().GetElements(), b.GetElements())
	}
	return all.String(), nil
}
