package api

import (
	"context"
	"math/rand/v2"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func (s *scs) SetFetch(ctx context.Context, r *cachepb.SetFetchRequest) (*cachepb.SetFetchResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetSetName(), Op: &storev1.Query_SetFetch_{SetFetch: &storev1.Query_SetFetch{}}})
	if err != nil {
		return nil, err
	}
	if found := elementsOf(result); found != nil {
		return &cachepb.SetFetchResponse{Set: &cachepb.SetFetchResponse_Found{Found: found}}, nil
	}
	return &cachepb.SetFetchResponse{Set: &cachepb.SetFetchResponse_Missing{Missing: missing}}, nil
}

// elementsOf are the elements of an answer, nil when there is no set.
func elementsOf(result *storev1.Result) *cachepb.SetElements {
	if !result.GetValues().GetFound() {
		return nil
	}
	return &cachepb.SetElements{Elements: result.GetValues().GetValues()}
}

// SetSample draws the seed here: the store that chooses by it knows no chance.
func (s *scs) SetSample(ctx context.Context, r *cachepb.SetSampleRequest) (*cachepb.SetSampleResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	found, err := s.sample(ctx, r.GetSetName(), r.GetLimit())
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		return &cachepb.SetSampleResponse{Set: &cachepb.SetSampleResponse_Found{Found: found}}, nil
	default:
		return &cachepb.SetSampleResponse{Set: &cachepb.SetSampleResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) sample(ctx context.Context, name []byte, limit uint64) (*cachepb.SetElements, error) {
	result, err := s.view(ctx, &storev1.Query{Key: name, Op: &storev1.Query_SetSample_{
		SetSample: &storev1.Query_SetSample{Limit: limit, Seed: rand.Uint64()},
	}})
	return elementsOf(result), err
}

func (s *scs) SetUnion(ctx context.Context, r *cachepb.SetUnionRequest) (*cachepb.SetUnionResponse, error) {
	if err := callOf(ctx).checkGrowth(r.GetSetName(), r); err != nil {
		return nil, err
	}
	if err := callOf(ctx).checkElements(r.GetSetName(), r.GetElements()...); err != nil {
		return nil, err
	}
	if len(r.GetElements()) == 0 {
		_, err := s.count(ctx, r.GetSetName(), storev1.Kind_KIND_SET)
		return answered(err, &cachepb.SetUnionResponse{})
	}
	_, err := s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SetAdd{
		SetAdd: &storev1.SetAdd{Elements: r.GetElements(), Ttl: collectionTTL(r)},
	}})
	return answered(err, &cachepb.SetUnionResponse{})
}

func (s *scs) SetDifference(ctx context.Context, r *cachepb.SetDifferenceRequest) (*cachepb.SetDifferenceResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	command, err := difference(ctx, r)
	if err != nil {
		return nil, err
	}
	result, err := s.apply(ctx, command)
	switch {
	case err != nil:
		return nil, err
	case result.GetLength().GetFound():
		return &cachepb.SetDifferenceResponse{Set: &cachepb.SetDifferenceResponse_Found{Found: &cachepb.SetDifferenceFound{}}}, nil
	default:
		return &cachepb.SetDifferenceResponse{Set: &cachepb.SetDifferenceResponse_Missing{Missing: missing}}, nil
	}
}

// difference is what the request does to the set.
func difference(ctx context.Context, r *cachepb.SetDifferenceRequest) (*storev1.Command, error) {
	switch d := r.GetDifference().(type) {
	case *cachepb.SetDifferenceRequest_Minuend:
		if err := callOf(ctx).checkElements(r.GetSetName(), d.Minuend.GetElements()...); err != nil {
			return nil, err
		}
		return &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SetComplement{
			SetComplement: &storev1.SetComplement{Elements: d.Minuend.GetElements()},
		}}, nil
	case *cachepb.SetDifferenceRequest_Subtrahend:
		switch sub := d.Subtrahend.GetSubtrahendSet().(type) {
		case *cachepb.Subtrahend_Identity:
			return &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SetRemove{SetRemove: &storev1.SetRemove{All: true}}}, nil
		case *cachepb.Subtrahend_Set:
			return &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SetRemove{
				SetRemove: &storev1.SetRemove{Elements: sub.Set.GetElements()},
			}}, nil
		}
	}
	return nil, invalid("it is not said which difference, set a minuend, or a subtrahend with elements or identity")
}

func (s *scs) SetContains(ctx context.Context, r *cachepb.SetContainsRequest) (*cachepb.SetContainsResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetSetName(), Op: &storev1.Query_SetContains_{
		SetContains: &storev1.Query_SetContains{Elements: r.GetElements()},
	}})
	if err != nil {
		return nil, err
	}
	if contained := result.GetContained(); contained.GetFound() {
		return &cachepb.SetContainsResponse{Set: &cachepb.SetContainsResponse_Found{
			Found: &cachepb.SetContainsFound{Contains: contained.GetPresent()},
		}}, nil
	}
	return &cachepb.SetContainsResponse{Set: &cachepb.SetContainsResponse_Missing{Missing: missing}}, nil
}

func (s *scs) SetLength(ctx context.Context, r *cachepb.SetLengthRequest) (*cachepb.SetLengthResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	length, err := s.count(ctx, r.GetSetName(), storev1.Kind_KIND_SET)
	switch {
	case err != nil:
		return nil, err
	case length != nil:
		return &cachepb.SetLengthResponse{Set: &cachepb.SetLengthResponse_Found{Found: length}}, nil
	default:
		return &cachepb.SetLengthResponse{Set: &cachepb.SetLengthResponse_Missing{Missing: missing}}, nil
	}
}

// SetPop takes no more than an answer can carry: what does not arrive would be
// lost.
func (s *scs) SetPop(ctx context.Context, r *cachepb.SetPopRequest) (*cachepb.SetPopResponse, error) {
	if err := checkCollection(r.GetSetName()); err != nil {
		return nil, err
	}
	var found *cachepb.SetElements
	var err error
	if r.GetCount() == 0 {
		found, err = s.sample(ctx, r.GetSetName(), 0) // changes nothing, and needs no place in the log
	} else {
		var result *storev1.Result
		result, err = s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SetPop{SetPop: &storev1.SetPop{
			Count: r.GetCount(), Seed: rand.Uint64(), MaxBytes: uint64(callOf(ctx).bounds.AnswerBytes),
		}}})
		found = elementsOf(result)
	}
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		return &cachepb.SetPopResponse{Set: &cachepb.SetPopResponse_Found{Found: found}}, nil
	default:
		return &cachepb.SetPopResponse{Set: &cachepb.SetPopResponse_Missing{Missing: missing}}, nil
	}
}
