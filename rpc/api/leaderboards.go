package api

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	leaderboardpb "github.com/mayfly-broker/mayfly/proto/leaderboard"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	// maxRanked is how many elements one call may name or ask for; SDKs document
	// it (protocol.md 10.1).
	maxRanked = 8192
	// leaderboardLife is how long a leaderboard lives after its last write.
	leaderboardLife = 7 * 24 * time.Hour
)

// leaderboards serves leaderboards: sorted sets in a key space of their own,
// whose members are ids. An id is four bytes, the most significant first, so that
// equal scores are in the order of ids.
type leaderboards struct {
	leaderboardpb.UnimplementedLeaderboardServer
	data *scs
}

func memberOf(id uint32) []byte { return binary.BigEndian.AppendUint32(nil, id) }

func membersOf(ids []uint32) ([][]byte, error) {
	if len(ids) > maxRanked {
		return nil, invalid("%d ids in one call, the most is %d", len(ids), maxRanked)
	}
	members, all := make([][]byte, len(ids)), make([]byte, 0, 4*len(ids))
	for i, id := range ids {
		all = binary.BigEndian.AppendUint32(all, id)
		members[i] = all[4*i : 4*i+4 : 4*i+4]
	}
	return members, nil
}

// apply changes a leaderboard.
func (l *leaderboards) apply(ctx context.Context, name string, command *storev1.Command) error {
	command.Key, command.Space = []byte(name), storev1.Space_SPACE_LEADERBOARDS
	_, err := l.data.apply(ctx, command)
	return err
}

// view asks about a leaderboard.
func (l *leaderboards) view(ctx context.Context, name string, query *storev1.Query) (*storev1.Result, error) {
	if err := checkCollection([]byte(name)); err != nil {
		return nil, err
	}
	query.Key, query.Space = []byte(name), storev1.Space_SPACE_LEADERBOARDS
	return l.data.view(ctx, query)
}

// life is the life that a write gives, as far as the cache allows it.
func (c *call) leaderboardTTL() *storev1.CollectionTtl {
	return &storev1.CollectionTtl{TtlMs: uint64(min(leaderboardLife, c.maxTTL()) / time.Millisecond), Refresh: true}
}

func (l *leaderboards) DeleteLeaderboard(ctx context.Context, r *leaderboardpb.DeleteLeaderboardRequest) (*leaderboardpb.DeleteLeaderboardResponse, error) {
	if err := checkCollection([]byte(r.GetLeaderboard())); err != nil {
		return nil, err
	}
	err := l.apply(ctx, r.GetLeaderboard(), &storev1.Command{Op: &storev1.Command_Delete{Delete: &storev1.Delete{}}})
	return answered(err, &leaderboardpb.DeleteLeaderboardResponse{})
}

func (l *leaderboards) UpsertElements(ctx context.Context, r *leaderboardpb.UpsertElementsRequest) (*leaderboardpb.UpsertElementsResponse, error) {
	if err := checkCollection([]byte(r.GetLeaderboard())); err != nil {
		return nil, err
	}
	if n := len(r.GetElements()); n == 0 || n > maxRanked {
		return nil, invalid("%d elements in one call, it takes 1 to %d", n, maxRanked)
	}
	op := &storev1.SortedSetPut{Ttl: callOf(ctx).leaderboardTTL()}
	for _, e := range r.GetElements() {
		if math.IsNaN(e.GetScore()) {
			return nil, errNoNumber
		}
		op.Members, op.Scores = append(op.Members, memberOf(e.GetId())), append(op.Scores, e.GetScore())
	}
	err := l.apply(ctx, r.GetLeaderboard(), &storev1.Command{Op: &storev1.Command_SortedSetPut{SortedSetPut: op}})
	return answered(err, &leaderboardpb.UpsertElementsResponse{})
}

func (l *leaderboards) RemoveElements(ctx context.Context, r *leaderboardpb.RemoveElementsRequest) (*leaderboardpb.RemoveElementsResponse, error) {
	if err := checkCollection([]byte(r.GetLeaderboard())); err != nil {
		return nil, err
	}
	members, err := membersOf(r.GetIds())
	if err != nil {
		return nil, err
	}
	err = l.apply(ctx, r.GetLeaderboard(), &storev1.Command{Op: &storev1.Command_SortedSetRemove{
		SortedSetRemove: &storev1.SortedSetRemove{Members: members, Ttl: callOf(ctx).leaderboardTTL()},
	}})
	return answered(err, &leaderboardpb.RemoveElementsResponse{})
}

func (l *leaderboards) GetLeaderboardLength(ctx context.Context, r *leaderboardpb.GetLeaderboardLengthRequest) (*leaderboardpb.GetLeaderboardLengthResponse, error) {
	result, err := l.view(ctx, r.GetLeaderboard(), &storev1.Query{Op: &storev1.Query_Length_{
		Length: &storev1.Query_Length{Kind: storev1.Kind_KIND_SORTED_SET},
	}})
	return answered(err, &leaderboardpb.GetLeaderboardLengthResponse{Count: narrow(result.GetLength().GetLength())})
}

func boardOrder(o leaderboardpb.Order) (storev1.Order, error) {
	switch o {
	case leaderboardpb.Order_ASCENDING:
		return storev1.Order_ORDER_ASCENDING, nil
	case leaderboardpb.Order_DESCENDING:
		return storev1.Order_ORDER_DESCENDING, nil
	default:
		return 0, errNoOrder
	}
}

func (l *leaderboards) GetByRank(ctx context.Context, r *leaderboardpb.GetByRankRequest) (*leaderboardpb.GetByRankResponse, error) {
	first, end := int64(r.GetRankRange().GetStartInclusive()), int64(r.GetRankRange().GetEndExclusive())
	if first >= end || end-first > maxRanked {
		return nil, invalid("the ranks %d to %d, a range holds 1 to %d of them", first, end, maxRanked)
	}
	elements, err := l.fetch(ctx, r.GetLeaderboard(), r.GetOrder(), &storev1.Query_SortedSetFetch{
		Range: &storev1.Query_SortedSetFetch_ByIndex{ByIndex: &storev1.Slice{Start: &first, End: &end}},
	})
	return answered(err, &leaderboardpb.GetByRankResponse{Elements: elements})
}

func (l *leaderboards) GetByScore(ctx context.Context, r *leaderboardpb.GetByScoreRequest) (*leaderboardpb.GetByScoreResponse, error) {
	limit := uint64(r.GetLimitElements())
	if limit > maxRanked {
		return nil, invalid("a limit of %d elements, the most is %d", limit, maxRanked)
	}
	var scores storev1.ScoreRange
	if low, ok := r.GetScoreRange().GetMin().(*leaderboardpb.ScoreRange_MinInclusive); ok {
		scores.Min = &storev1.ScoreBound{Score: low.MinInclusive}
	}
	if high, ok := r.GetScoreRange().GetMax().(*leaderboardpb.ScoreRange_MaxExclusive); ok {
		scores.Max = &storev1.ScoreBound{Score: high.MaxExclusive, Exclusive: true}
	}
	if err := checkScores(&scores); err != nil {
		return nil, err
	}
	elements, err := l.fetch(ctx, r.GetLeaderboard(), r.GetOrder(), &storev1.Query_SortedSetFetch{
		Range:  &storev1.Query_SortedSetFetch_ByScore{ByScore: &scores},
		Offset: uint64(r.GetOffset()), Limit: &limit,
	})
	return answered(err, &leaderboardpb.GetByScoreResponse{Elements: elements})
}

// fetch reads a part of a leaderboard.
func (l *leaderboards) fetch(
	ctx context.Context, name string, o leaderboardpb.Order, op *storev1.Query_SortedSetFetch,
) (elements []*leaderboardpb.RankedElement, err error) {
	if op.Order, err = boardOrder(o); err != nil {
		return nil, err
	}
	result, err := l.view(ctx, name, &storev1.Query{Op: &storev1.Query_SortedSetFetch_{SortedSetFetch: op}})
	if err != nil {
		return nil, err
	}
	all := result.GetRange()
	for i, member := range all.GetMembers() {
		elements = append(elements, &leaderboardpb.RankedElement{
			Id: idOf(member), Rank: narrow(all.GetFirstRank() + uint64(i)), Score: all.GetScores()[i],
		})
	}
	return elements, nil
}

// idOf is the id of a member; nothing but ids gets into a leaderboard.
func idOf(member []byte) uint32 {
	if len(member) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32(member)
}

func (l *leaderboards) GetRank(ctx context.Context, r *leaderboardpb.GetRankRequest) (*leaderboardpb.GetRankResponse, error) {
	elements, err := l.ranks(ctx, r.GetLeaderboard(), r.GetIds(), r.GetOrder(), false)
	return answered(err, &leaderboardpb.GetRankResponse{Elements: elements})
}

func (l *leaderboards) GetCompetitionRank(ctx context.Context, r *leaderboardpb.GetCompetitionRankRequest) (*leaderboardpb.GetCompetitionRankResponse, error) {
	from := leaderboardpb.Order_DESCENDING
	if r.Order != nil {
		from = r.GetOrder()
	}
	elements, err := l.ranks(ctx, r.GetLeaderboard(), r.GetIds(), from, true)
	return answered(err, &leaderboardpb.GetCompetitionRankResponse{Elements: elements})
}

// ranks reads the places of ids, in the order asked, without those that are not
// there.
func (l *leaderboards) ranks(
	ctx context.Context, name string, ids []uint32, o leaderboardpb.Order, competition bool,
) (elements []*leaderboardpb.RankedElement, err error) {
	from, err := boardOrder(o)
	if err != nil {
		return nil, err
	}
	members, err := membersOf(ids)
	if err != nil {
		return nil, err
	}
	result, err := l.view(ctx, name, &storev1.Query{Op: &storev1.Query_SortedSetRanks_{
		SortedSetRanks: &storev1.Query_SortedSetRanks{Members: members, Order: from, Competition: competition},
	}})
	if err != nil {
		return nil, err
	}
	all := result.GetRanks()
	for i, present := range all.GetPresent() {
		if present {
			elements = append(elements, &leaderboardpb.RankedElement{Id: ids[i], Rank: narrow(all.GetRanks()[i]), Score: all.GetScores()[i]})
		}
	}
	return elements, nil
}
