package api

import (
	"context"
	"math"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// push is what the four calls that add to a list have in common.
type push struct {
	name     []byte
	end      storev1.End
	values   [][]byte
	ttl      uint64
	refresh  bool
	truncate uint32
}

// push adds to a list and returns its length.
func (s *scs) push(ctx context.Context, p push) (uint32, error) {
	c := callOf(ctx)
	if err := checkCollection(p.name); err != nil {
		return 0, err
	}
	if err := c.checkTTL(p.ttl); err != nil {
		return 0, err
	}
	if err := c.checkElements(p.name, p.values...); err != nil {
		return 0, err
	}
	if len(p.values) == 0 {
		// Nothing to add changes nothing, and is no reason to create a list.
		length, err := s.length(ctx, p.name)
		return narrow(length.GetLength()), err
	}
	result, err := s.apply(ctx, &storev1.Command{Key: p.name, Op: &storev1.Command_ListPush{ListPush: &storev1.ListPush{
		End:            p.end,
		Values:         p.values,
		Ttl:            &storev1.CollectionTtl{TtlMs: p.ttl, Refresh: p.refresh},
		TruncateToSize: p.truncate,
	}}})
	return narrow(result.GetLength().GetLength()), err
}

// narrow turns a length into the wire's, which has fewer bits than the store's.
func narrow(length uint64) uint32 { return uint32(min(length, math.MaxUint32)) }

func (s *scs) ListPushFront(ctx context.Context, r *cachepb.ListPushFrontRequest) (*cachepb.ListPushFrontResponse, error) {
	length, err := s.push(ctx, push{
		name: r.GetListName(), end: storev1.End_END_FRONT, values: [][]byte{r.GetValue()},
		ttl: r.GetTtlMilliseconds(), refresh: r.GetRefreshTtl(), truncate: r.GetTruncateBackToSize(),
	})
	if err != nil {
		return nil, err
	}
	return &cachepb.ListPushFrontResponse{ListLength: length}, nil
}

func (s *scs) ListPushBack(ctx context.Context, r *cachepb.ListPushBackRequest) (*cachepb.ListPushBackResponse, error) {
	length, err := s.push(ctx, push{
		name: r.GetListName(), end: storev1.End_END_BACK, values: [][]byte{r.GetValue()},
		ttl: r.GetTtlMilliseconds(), refresh: r.GetRefreshTtl(), truncate: r.GetTruncateFrontToSize(),
	})
	if err != nil {
		return nil, err
	}
	return &cachepb.ListPushBackResponse{ListLength: length}, nil
}

func (s *scs) ListConcatenateFront(ctx context.Context, r *cachepb.ListConcatenateFrontRequest) (*cachepb.ListConcatenateFrontResponse, error) {
	length, err := s.push(ctx, push{
		name: r.GetListName(), end: storev1.End_END_FRONT, values: r.GetValues(),
		ttl: r.GetTtlMilliseconds(), refresh: r.GetRefreshTtl(), truncate: r.GetTruncateBackToSize(),
	})
	if err != nil {
		return nil, err
	}
	return &cachepb.ListConcatenateFrontResponse{ListLength: length}, nil
}

func (s *scs) ListConcatenateBack(ctx context.Context, r *cachepb.ListConcatenateBackRequest) (*cachepb.ListConcatenateBackResponse, error) {
	length, err := s.push(ctx, push{
		name: r.GetListName(), end: storev1.End_END_BACK, values: r.GetValues(),
		ttl: r.GetTtlMilliseconds(), refresh: r.GetRefreshTtl(), truncate: r.GetTruncateFrontToSize(),
	})
	if err != nil {
		return nil, err
	}
	return &cachepb.ListConcatenateBackResponse{ListLength: length}, nil
}

// pop removes one entry at an end.
func (s *scs) pop(ctx context.Context, name []byte, end storev1.End) (*storev1.Result_Popped, error) {
	if err := checkCollection(name); err != nil {
		return nil, err
	}
	result, err := s.apply(ctx, &storev1.Command{Key: name, Op: &storev1.Command_ListPop{ListPop: &storev1.ListPop{End: end}}})
	return result.GetPopped(), err
}

func (s *scs) ListPopFront(ctx context.Context, r *cachepb.ListPopFrontRequest) (*cachepb.ListPopFrontResponse, error) {
	popped, err := s.pop(ctx, r.GetListName(), storev1.End_END_FRONT)
	switch {
	case err != nil:
		return nil, err
	case popped.GetFound():
		return &cachepb.ListPopFrontResponse{List: &cachepb.ListPopFrontResponse_Found{
			Found: &cachepb.PoppedFront{Front: popped.GetValue(), ListLength: narrow(popped.GetLength())},
		}}, nil
	default:
		return &cachepb.ListPopFrontResponse{List: &cachepb.ListPopFrontResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) ListPopBack(ctx context.Context, r *cachepb.ListPopBackRequest) (*cachepb.ListPopBackResponse, error) {
	popped, err := s.pop(ctx, r.GetListName(), storev1.End_END_BACK)
	switch {
	case err != nil:
		return nil, err
	case popped.GetFound():
		return &cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Found{
			Found: &cachepb.PoppedBack{Back: popped.GetValue(), ListLength: narrow(popped.GetLength())},
		}}, nil
	default:
		return &cachepb.ListPopBackResponse{List: &cachepb.ListPopBackResponse_Missing{Missing: missing}}, nil
	}
}

// slice is a slice in the store's words; nil is unbounded, as on the wire are
// unset and unbounded.
func slice(start, end *int32) *storev1.Slice {
	var s storev1.Slice
	if start != nil {
		wide := int64(*start)
		s.Start = &wide
	}
	if end != nil {
		wide := int64(*end)
		s.End = &wide
	}
	return &s
}

func (s *scs) ListFetch(ctx context.Context, r *cachepb.ListFetchRequest) (*cachepb.ListFetchResponse, error) {
	if err := checkCollection(r.GetListName()); err != nil {
		return nil, err
	}
	var start, end *int32
	if b, ok := r.GetStartIndex().(*cachepb.ListFetchRequest_InclusiveStart); ok {
		start = &b.InclusiveStart
	}
	if b, ok := r.GetEndIndex().(*cachepb.ListFetchRequest_ExclusiveEnd); ok {
		end = &b.ExclusiveEnd
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetListName(), Op: &storev1.Query_ListFetch_{
		ListFetch: &storev1.Query_ListFetch{Slice: slice(start, end)},
	}})
	if err != nil {
		return nil, err
	}
	values := result.GetValues()
	if !values.GetFound() || len(values.GetValues()) == 0 {
		return &cachepb.ListFetchResponse{List: &cachepb.ListFetchResponse_Missing{Missing: missing}}, nil
	}
	if err := callOf(ctx).checkAnswer(values.GetValues()); err != nil {
		return nil, err
	}
	return &cachepb.ListFetchResponse{List: &cachepb.ListFetchResponse_Found{Found: &cachepb.ListValues{Values: values.GetValues()}}}, nil
}

// checkAnswer refuses an answer that no client could take in, before it is
// encoded.
func (c *call) checkAnswer(values [][]byte) error {
	size, limit := 0, c.bounds.AnswerBytes
	for _, v := range values {
		size += len(v) + 2
	}
	if size > limit {
		return answerTooLarge(size, limit)
	}
	return nil
}

// length asks for a list's length.
func (s *scs) length(ctx context.Context, name []byte) (*storev1.Result_Length, error) {
	result, err := s.view(ctx, &storev1.Query{Key: name, Op: &storev1.Query_ListLength_{ListLength: &storev1.Query_ListLength{}}})
	return result.GetLength(), err
}

func (s *scs) ListLength(ctx context.Context, r *cachepb.ListLengthRequest) (*cachepb.ListLengthResponse, error) {
	if err := checkCollection(r.GetListName()); err != nil {
		return nil, err
	}
	length, err := s.length(ctx, r.GetListName())
	switch {
	case err != nil:
		return nil, err
	case length.GetFound():
		return &cachepb.ListLengthResponse{List: &cachepb.ListLengthResponse_Found{
			Found: &cachepb.Length{Length: narrow(length.GetLength())},
		}}, nil
	default:
		return &cachepb.ListLengthResponse{List: &cachepb.ListLengthResponse_Missing{Missing: missing}}, nil
	}
}

// cut runs a command that leaves a part of a list, and returns what is left; nil
// when there was no list.
func (s *scs) cut(ctx context.Context, command *storev1.Command) (*cachepb.RemainingLength, error) {
	result, err := s.apply(ctx, command)
	if err != nil || !result.GetLength().GetFound() {
		return nil, err
	}
	return &cachepb.RemainingLength{ListLength: narrow(result.GetLength().GetLength())}, nil
}

func (s *scs) ListRetain(ctx context.Context, r *cachepb.ListRetainRequest) (*cachepb.ListRetainResponse, error) {
	if err := checkCollection(r.GetListName()); err != nil {
		return nil, err
	}
	if err := callOf(ctx).checkTTL(r.GetTtlMilliseconds()); err != nil {
		return nil, err
	}
	var start, end *int32
	if b, ok := r.GetStartIndex().(*cachepb.ListRetainRequest_InclusiveStart); ok {
		start = &b.InclusiveStart
	}
	if b, ok := r.GetEndIndex().(*cachepb.ListRetainRequest_ExclusiveEnd); ok {
		end = &b.ExclusiveEnd
	}
	left, err := s.cut(ctx, &storev1.Command{Key: r.GetListName(), Op: &storev1.Command_ListRetain{ListRetain: &storev1.ListRetain{
		Slice: slice(start, end),
		Ttl:   &storev1.CollectionTtl{TtlMs: r.GetTtlMilliseconds(), Refresh: r.GetRefreshTtl()},
	}}})
	switch {
	case err != nil:
		return nil, err
	case left != nil:
		return &cachepb.ListRetainResponse{List: &cachepb.ListRetainResponse_Found{Found: left}}, nil
	default:
		return &cachepb.ListRetainResponse{List: &cachepb.ListRetainResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) ListRemove(ctx context.Context, r *cachepb.ListRemoveRequest) (*cachepb.ListRemoveResponse, error) {
	if err := checkCollection(r.GetListName()); err != nil {
		return nil, err
	}
	remove, ok := r.GetRemove().(*cachepb.ListRemoveRequest_AllElementsWithValue)
	if !ok {
		return nil, invalid("it is not said what to remove, set all_elements_with_value")
	}
	left, err := s.cut(ctx, &storev1.Command{Key: r.GetListName(), Op: &storev1.Command_ListRemove{
		ListRemove: &storev1.ListRemove{Value: remove.AllElementsWithValue},
	}})
	switch {
	case err != nil:
		return nil, err
	case left != nil:
		return &cachepb.ListRemoveResponse{List: &cachepb.ListRemoveResponse_Found{Found: left}}, nil
	default:
		return &cachepb.ListRemoveResponse{List: &cachepb.ListRemoveResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) ListErase(ctx context.Context, r *cachepb.ListEraseRequest) (*cachepb.ListEraseResponse, error) {
	if err := checkCollection(r.GetListName()); err != nil {
		return nil, err
	}
	var op storev1.ListErase
	switch e := r.GetErase().(type) {
	case *cachepb.ListEraseRequest_All:
		op.All = true
	case *cachepb.ListEraseRequest_Some:
		for _, piece := range e.Some.GetRanges() {
			op.Ranges = append(op.Ranges, &storev1.ListErase_Range{Begin: uint64(piece.GetBeginIndex()), Count: uint64(piece.GetCount())})
		}
	default:
		return nil, invalid("it is not said what to erase, set some ranges or all")
	}
	left, err := s.cut(ctx, &storev1.Command{Key: r.GetListName(), Op: &storev1.Command_ListErase{ListErase: &op}})
	switch {
	case err != nil:
		return nil, err
	case left != nil:
		return &cachepb.ListEraseResponse{List: &cachepb.ListEraseResponse_Found{Found: left}}, nil
	default:
		return &cachepb.ListEraseResponse{List: &cachepb.ListEraseResponse_Missing{Missing: missing}}, nil
	}
}
