package api

import (
	"context"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// read returns the value of a scalar.
func (s *scs) read(ctx context.Context, key []byte) (*storev1.Result_Value, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: key, Op: &storev1.Query_Get_{Get: &storev1.Query_Get{}}})
	return result.GetValue(), err
}

// write checks and writes a scalar, and reports whether the condition held.
func (s *scs) write(ctx context.Context, key []byte, op *storev1.Set) (bool, error) {
	if err := callOf(ctx).checkItem(key, op.GetValue(), op.GetTtlMs()); err != nil {
		return false, err
	}
	result, err := s.apply(ctx, &storev1.Command{Key: key, Op: &storev1.Command_Set{Set: op}})
	return result.GetStored(), err
}

func (s *scs) Get(ctx context.Context, r *cachepb.GetRequest) (*cachepb.GetResponse, error) {
	value, err := s.read(ctx, r.GetCacheKey())
	switch {
	case err != nil:
		return nil, err
	case value.GetFound():
		return &cachepb.GetResponse{Result: cachepb.ECacheResult_Hit, CacheBody: value.GetValue()}, nil
	default:
		return &cachepb.GetResponse{Result: cachepb.ECacheResult_Miss}, nil
	}
}

func (s *scs) GetWithHash(ctx context.Context, r *cachepb.GetWithHashRequest) (*cachepb.GetWithHashResponse, error) {
	value, err := s.read(ctx, r.GetCacheKey())
	switch {
	case err != nil:
		return nil, err
	case value.GetFound():
		return &cachepb.GetWithHashResponse{Result: &cachepb.GetWithHashResponse_Found{
			Found: &cachepb.HashedValue{Value: value.GetValue(), Hash: store.Digest(value.GetValue())},
		}}, nil
	default:
		return &cachepb.GetWithHashResponse{Result: &cachepb.GetWithHashResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) Set(ctx context.Context, r *cachepb.SetRequest) (*cachepb.SetResponse, error) {
	_, err := s.write(ctx, r.GetCacheKey(), &storev1.Set{Value: r.GetCacheBody(), TtlMs: r.GetTtlMilliseconds()})
	if err != nil {
		return nil, err
	}
	return &cachepb.SetResponse{Result: cachepb.ECacheResult_Ok}, nil
}

// setIfCondition is the condition and what the value is compared with; false
// when none is set.
func setIfCondition(r *cachepb.SetIfRequest) (storev1.Condition, []byte, bool) {
	switch c := r.GetCondition().(type) {
	case *cachepb.SetIfRequest_Present:
		return storev1.Condition_CONDITION_PRESENT, nil, true
	case *cachepb.SetIfRequest_Absent:
		return storev1.Condition_CONDITION_ABSENT, nil, true
	case *cachepb.SetIfRequest_Equal:
		return storev1.Condition_CONDITION_EQUAL, c.Equal.GetValueToCheck(), true
	case *cachepb.SetIfRequest_NotEqual:
		return storev1.Condition_CONDITION_NOT_EQUAL, c.NotEqual.GetValueToCheck(), true
	case *cachepb.SetIfRequest_PresentAndNotEqual:
		return storev1.Condition_CONDITION_PRESENT_AND_NOT_EQUAL, c.PresentAndNotEqual.GetValueToCheck(), true
	case *cachepb.SetIfRequest_AbsentOrEqual:
		return storev1.Condition_CONDITION_ABSENT_OR_EQUAL, c.AbsentOrEqual.GetValueToCheck(), true
	default:
		return 0, nil, false
	}
}

var errNoCondition = invalid("no condition is set, choose one")

func (s *scs) SetIf(ctx context.Context, r *cachepb.SetIfRequest) (*cachepb.SetIfResponse, error) {
	condition, operand, ok := setIfCondition(r)
	if !ok {
		return nil, errNoCondition
	}
	stored, err := s.write(ctx, r.GetCacheKey(), &storev1.Set{
		Value: r.GetCacheBody(), TtlMs: r.GetTtlMilliseconds(), Condition: condition, Operand: operand,
	})
	switch {
	case err != nil:
		return nil, err
	case stored:
		return &cachepb.SetIfResponse{Result: &cachepb.SetIfResponse_Stored{Stored: &cachepb.Stored{}}}, nil
	default:
		return &cachepb.SetIfResponse{Result: &cachepb.SetIfResponse_NotStored{NotStored: &cachepb.NotStored{}}}, nil
	}
}

func (s *scs) SetIfNotExists(ctx context.Context, r *cachepb.SetIfNotExistsRequest) (*cachepb.SetIfNotExistsResponse, error) {
	stored, err := s.write(ctx, r.GetCacheKey(), &storev1.Set{
		Value: r.GetCacheBody(), TtlMs: r.GetTtlMilliseconds(), Condition: storev1.Condition_CONDITION_ABSENT,
	})
	switch {
	case err != nil:
		return nil, err
	case stored:
		return &cachepb.SetIfNotExistsResponse{Result: &cachepb.SetIfNotExistsResponse_Stored{Stored: &cachepb.Stored{}}}, nil
	default:
		return &cachepb.SetIfNotExistsResponse{Result: &cachepb.SetIfNotExistsResponse_NotStored{NotStored: &cachepb.NotStored{}}}, nil
	}
}

// setIfHashCondition is setIfCondition for digests.
func setIfHashCondition(r *cachepb.SetIfHashRequest) (storev1.Condition, []byte, bool) {
	switch c := r.GetCondition().(type) {
	case *cachepb.SetIfHashRequest_Unconditional:
		return storev1.Condition_CONDITION_UNSPECIFIED, nil, true
	case *cachepb.SetIfHashRequest_PresentAndHashEqual:
		return storev1.Condition_CONDITION_EQUAL, c.PresentAndHashEqual.GetHashToCheck(), true
	case *cachepb.SetIfHashRequest_PresentAndNotHashEqual:
		return storev1.Condition_CONDITION_PRESENT_AND_NOT_EQUAL, c.PresentAndNotHashEqual.GetHashToCheck(), true
	case *cachepb.SetIfHashRequest_AbsentOrHashEqual:
		return storev1.Condition_CONDITION_ABSENT_OR_EQUAL, c.AbsentOrHashEqual.GetHashToCheck(), true
	case *cachepb.SetIfHashRequest_AbsentOrNotHashEqual:
		return storev1.Condition_CONDITION_NOT_EQUAL, c.AbsentOrNotHashEqual.GetHashToCheck(), true
	default:
		return 0, nil, false
	}
}

func (s *scs) SetIfHash(ctx context.Context, r *cachepb.SetIfHashRequest) (*cachepb.SetIfHashResponse, error) {
	condition, operand, ok := setIfHashCondition(r)
	if !ok {
		return nil, errNoCondition
	}
	stored, err := s.write(ctx, r.GetCacheKey(), &storev1.Set{
		Value: r.GetCacheBody(), TtlMs: r.GetTtlMilliseconds(),
		Condition: condition, Operand: operand, OperandIsDigest: condition != storev1.Condition_CONDITION_UNSPECIFIED,
	})
	switch {
	case err != nil:
		return nil, err
	case stored:
		return &cachepb.SetIfHashResponse{Result: &cachepb.SetIfHashResponse_Stored{
			Stored: &cachepb.StoredHash{NewHash: store.Digest(r.GetCacheBody())},
		}}, nil
	default:
		return &cachepb.SetIfHashResponse{Result: &cachepb.SetIfHashResponse_NotStored{NotStored: &cachepb.NotStored{}}}, nil
	}
}

func (s *scs) Increment(ctx context.Context, r *cachepb.IncrementRequest) (*cachepb.IncrementResponse, error) {
	if err := checkKey(r.GetCacheKey()); err != nil {
		return nil, err
	}
	if err := callOf(ctx).checkTTL(r.GetTtlMilliseconds()); err != nil {
		return nil, err
	}
	result, err := s.apply(ctx, &storev1.Command{
		Key: r.GetCacheKey(),
		Op:  &storev1.Command_Increment{Increment: &storev1.Increment{Amount: r.GetAmount(), TtlMs: r.GetTtlMilliseconds()}},
	})
	if err != nil {
		return nil, err
	}
	return &cachepb.IncrementResponse{Value: result.GetNumber()}, nil
}
