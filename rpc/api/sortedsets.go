package api

import (
	"context"
	"math"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

var (
	errNoNumber = invalid("a score, a weight or a bound is not a number")
	errNoOrder  = invalid("the order is neither ascending nor descending")
)

// order is the order in the store's words.
func order(o cachepb.SortOrder) (storev1.Order, error) {
	switch o {
	case cachepb.SortOrder_ASCENDING:
		return storev1.Order_ORDER_ASCENDING, nil
	case cachepb.SortOrder_DESCENDING:
		return storev1.Order_ORDER_DESCENDING, nil
	default:
		return 0, errNoOrder
	}
}

func (s *scs) SortedSetPut(ctx context.Context, r *cachepb.SortedSetPutRequest) (*cachepb.SortedSetPutResponse, error) {
	if err := callOf(ctx).checkGrowth(r.GetSetName(), r); err != nil {
		return nil, err
	}
	op := &storev1.SortedSetPut{
		Members: make([][]byte, len(r.GetElements())), Scores: make([]float64, len(r.GetElements())),
		Ttl: collectionTTL(r),
	}
	for i, e := range r.GetElements() {
		if math.IsNaN(e.GetScore()) {
			return nil, errNoNumber
		}
		op.Members[i], op.Scores[i] = e.GetValue(), e.GetScore()
	}
	if err := callOf(ctx).checkElements(r.GetSetName(), op.GetMembers()...); err != nil {
		return nil, err
	}
	if len(op.GetMembers()) == 0 {
		_, err := s.count(ctx, r.GetSetName(), storev1.Kind_KIND_SORTED_SET)
		return answered(err, &cachepb.SortedSetPutResponse{})
	}
	_, err := s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SortedSetPut{SortedSetPut: op}})
	return answered(err, &cachepb.SortedSetPutResponse{})
}

func (s *scs) SortedSetFetch(ctx context.Context, r *cachepb.SortedSetFetchRequest) (*cachepb.SortedSetFetchResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	op, err := fetchOf(r)
	if err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetSetName(), Op: &storev1.Query_SortedSetFetch_{SortedSetFetch: op}})
	switch {
	case err != nil:
		return nil, err
	case !result.GetRange().GetFound():
		return &cachepb.SortedSetFetchResponse{SortedSet: &cachepb.SortedSetFetchResponse_Missing{Missing: missing}}, nil
	}
	// The form that was asked for is always there, however empty.
	found := &cachepb.SortedSetFetchFound{Elements: &cachepb.SortedSetFetchFound_Values{
		Values: &cachepb.SortedSetValues{Values: result.GetRange().GetMembers()},
	}}
	if r.GetWithScores() {
		found.Elements = &cachepb.SortedSetFetchFound_ValuesWithScores{ValuesWithScores: scoredElements(result.GetRange())}
	}
	return &cachepb.SortedSetFetchResponse{SortedSet: &cachepb.SortedSetFetchResponse_Found{Found: found}}, nil
}

func scoredElements(all *storev1.Result_Range) *cachepb.SortedSetElements {
	elements := make([]cachepb.SortedSetElement, len(all.GetMembers()))
	answer := &cachepb.SortedSetElements{Elements: make([]*cachepb.SortedSetElement, len(elements))}
	for i, member := range all.GetMembers() {
		elements[i].Value, elements[i].Score = member, all.GetScores()[i]
		answer.Elements[i] = &elements[i]
	}
	return answer
}

// fetchOf is the fetch in the store's words.
func fetchOf(r *cachepb.SortedSetFetchRequest) (op *storev1.Query_SortedSetFetch, err error) {
	op = new(storev1.Query_SortedSetFetch)
	if op.Order, err = order(r.GetOrder()); err != nil {
		return nil, err
	}
	switch by := r.GetRange().(type) {
	case *cachepb.SortedSetFetchRequest_ByIndex:
		var start, end *int32
		if b, ok := by.ByIndex.GetStart().(*cachepb.IndexRange_InclusiveStartIndex); ok {
			start = &b.InclusiveStartIndex
		}
		if b, ok := by.ByIndex.GetEnd().(*cachepb.IndexRange_ExclusiveEndIndex); ok {
			end = &b.ExclusiveEndIndex
		}
		op.Range = &storev1.Query_SortedSetFetch_ByIndex{ByIndex: slice(start, end)}
	case *cachepb.SortedSetFetchRequest_ByScore:
		scores := &storev1.ScoreRange{
			Min: bound(by.ByScore.GetMinScore()),
			Max: bound(by.ByScore.GetMaxScore()),
		}
		if err := checkScores(scores); err != nil {
			return nil, err
		}
		op.Range = &storev1.Query_SortedSetFetch_ByScore{ByScore: scores}
		op.Offset = uint64(by.ByScore.GetOffset())
		if count := by.ByScore.GetCount(); count >= 0 {
			limit := uint64(count)
			op.Limit = &limit
		}
	}
	return op, nil
}

// bound is a bound in the store's words, nil for none.
func bound(b *cachepb.ScoreBound) *storev1.ScoreBound {
	if b == nil {
		return nil
	}
	return &storev1.ScoreBound{Score: b.GetScore(), Exclusive: b.GetExclusive()}
}

func checkScores(r *storev1.ScoreRange) error {
	if math.IsNaN(r.GetMin().GetScore()) || math.IsNaN(r.GetMax().GetScore()) {
		return errNoNumber
	}
	return nil
}

func (s *scs) SortedSetGetScore(ctx context.Context, r *cachepb.SortedSetGetScoreRequest) (*cachepb.SortedSetGetScoreResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetSetName(), Op: &storev1.Query_SortedSetScores_{
		SortedSetScores: &storev1.Query_SortedSetScores{Members: r.GetValues()},
	}})
	if err != nil {
		return nil, err
	}
	scores := result.GetScores()
	if !scores.GetFound() {
		return &cachepb.SortedSetGetScoreResponse{SortedSet: &cachepb.SortedSetGetScoreResponse_Missing{Missing: missing}}, nil
	}
	parts := make([]cachepb.SortedSetGetScorePart, len(scores.GetScores()))
	found := &cachepb.SortedSetGetScoreFound{Elements: make([]*cachepb.SortedSetGetScorePart, len(parts))}
	for i, score := range scores.GetScores() {
		parts[i].Result, parts[i].Score = hitOrMiss(scores.GetPresent()[i]), score
		found.Elements[i] = &parts[i]
	}
	return &cachepb.SortedSetGetScoreResponse{SortedSet: &cachepb.SortedSetGetScoreResponse_Found{Found: found}}, nil
}

func (s *scs) SortedSetRemove(ctx context.Context, r *cachepb.SortedSetRemoveRequest) (*cachepb.SortedSetRemoveResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	var op storev1.SortedSetRemove
	switch d := r.GetRemoveElements().(type) {
	case *cachepb.SortedSetRemoveRequest_All:
		op.All = true
	case *cachepb.SortedSetRemoveRequest_Some:
		op.Members = d.Some.GetValues()
	default:
		return nil, invalid("it is not said what to remove, set some values or all")
	}
	_, err := s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SortedSetRemove{SortedSetRemove: &op}})
	return answered(err, &cachepb.SortedSetRemoveResponse{})
}

func (s *scs) SortedSetIncrement(ctx context.Context, r *cachepb.SortedSetIncrementRequest) (*cachepb.SortedSetIncrementResponse, error) {
	if err := callOf(ctx).checkGrowth(r.GetSetName(), r); err != nil {
		return nil, err
	}
	if err := callOf(ctx).checkElements(r.GetSetName(), r.GetValue()); err != nil {
		return nil, err
	}
	if math.IsNaN(r.GetAmount()) {
		return nil, errNoNumber
	}
	result, err := s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SortedSetIncrement{
		SortedSetIncrement: &storev1.SortedSetIncrement{Member: r.GetValue(), Amount: r.GetAmount(), Ttl: collectionTTL(r)},
	}})
	return answered(err, &cachepb.SortedSetIncrementResponse{Score: result.GetScore()})
}

func (s *scs) SortedSetGetRank(ctx context.Context, r *cachepb.SortedSetGetRankRequest) (*cachepb.SortedSetGetRankResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	from, err := order(r.GetOrder())
	if err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetSetName(), Op: &storev1.Query_SortedSetRanks_{
		SortedSetRanks: &storev1.Query_SortedSetRanks{Members: [][]byte{r.GetValue()}, Order: from},
	}})
	if err != nil {
		return nil, err
	}
	ranks := result.GetRanks()
	if !ranks.GetFound() || len(ranks.GetRanks()) != 1 {
		return &cachepb.SortedSetGetRankResponse{Rank: &cachepb.SortedSetGetRankResponse_Missing{Missing: missing}}, nil
	}
	return &cachepb.SortedSetGetRankResponse{Rank: &cachepb.SortedSetGetRankResponse_ElementRank{
		ElementRank: &cachepb.ElementRank{Result: hitOrMiss(ranks.GetPresent()[0]), Rank: ranks.GetRanks()[0]},
	}}, nil
}

func (s *scs) SortedSetLength(ctx context.Context, r *cachepb.SortedSetLengthRequest) (*cachepb.SortedSetLengthResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	length, err := s.count(ctx, r.GetSetName(), storev1.Kind_KIND_SORTED_SET)
	switch {
	case err != nil:
		return nil, err
	case length != nil:
		return &cachepb.SortedSetLengthResponse{SortedSet: &cachepb.SortedSetLengthResponse_Found{Found: length}}, nil
	default:
		return &cachepb.SortedSetLengthResponse{SortedSet: &cachepb.SortedSetLengthResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) SortedSetLengthByScore(ctx context.Context, r *cachepb.SortedSetLengthByScoreRequest) (*cachepb.SortedSetLengthByScoreResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	var scores storev1.ScoreRange
	switch low := r.GetMin().(type) {
	case *cachepb.SortedSetLengthByScoreRequest_InclusiveMin:
		scores.Min = &storev1.ScoreBound{Score: low.InclusiveMin}
	case *cachepb.SortedSetLengthByScoreRequest_ExclusiveMin:
		scores.Min = &storev1.ScoreBound{Score: low.ExclusiveMin, Exclusive: true}
	}
	switch high := r.GetMax().(type) {
	case *cachepb.SortedSetLengthByScoreRequest_InclusiveMax:
		scores.Max = &storev1.ScoreBound{Score: high.InclusiveMax}
	case *cachepb.SortedSetLengthByScoreRequest_ExclusiveMax:
		scores.Max = &storev1.ScoreBound{Score: high.ExclusiveMax, Exclusive: true}
	}
	if err := checkScores(&scores); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetSetName(), Op: &storev1.Query_SortedSetCount_{
		SortedSetCount: &storev1.Query_SortedSetCount{Range: &scores},
	}})
	switch {
	case err != nil:
		return nil, err
	case result.GetLength().GetFound():
		return &cachepb.SortedSetLengthByScoreResponse{SortedSet: &cachepb.SortedSetLengthByScoreResponse_Found{
			Found: &cachepb.Length{Length: narrow(result.GetLength().GetLength())},
		}}, nil
	default:
		return &cachepb.SortedSetLengthByScoreResponse{SortedSet: &cachepb.SortedSetLengthByScoreResponse_Missing{Missing: missing}}, nil
	}
}
