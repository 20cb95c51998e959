package api

import (
	"context"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func (s *scs) DictionaryGet(ctx context.Context, r *cachepb.DictionaryGetRequest) (*cachepb.DictionaryGetResponse, error) {
	if err := checkCollection(r.GetDictionaryName()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetDictionaryName(), Op: &storev1.Query_DictionaryGet_{
		DictionaryGet: &storev1.Query_DictionaryGet{Fields: r.GetFields()},
	}})
	if err != nil {
		return nil, err
	}
	fields := result.GetFields()
	if !fields.GetFound() {
		return &cachepb.DictionaryGetResponse{Dictionary: &cachepb.DictionaryGetResponse_Missing{Missing: missing}}, nil
	}
	parts := make([]cachepb.DictionaryGetPart, len(fields.GetValues()))
	found := &cachepb.DictionaryGetFound{Items: make([]*cachepb.DictionaryGetPart, len(parts))}
	for i, value := range fields.GetValues() {
		parts[i].Result, parts[i].CacheBody = hitOrMiss(fields.GetPresent()[i]), value
		found.Items[i] = &parts[i]
	}
	return &cachepb.DictionaryGetResponse{Dictionary: &cachepb.DictionaryGetResponse_Found{Found: found}}, nil
}

func (s *scs) DictionaryFetch(ctx context.Context, r *cachepb.DictionaryFetchRequest) (*cachepb.DictionaryFetchResponse, error) {
	if err := checkCollection(r.GetDictionaryName()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{Key: r.GetDictionaryName(), Op: &storev1.Query_DictionaryFetch_{
		DictionaryFetch: &storev1.Query_DictionaryFetch{},
	}})
	if err != nil {
		return nil, err
	}
	all := result.GetDictionary()
	if !all.GetFound() {
		return &cachepb.DictionaryFetchResponse{Dictionary: &cachepb.DictionaryFetchResponse_Missing{Missing: missing}}, nil
	}
	fields := make([]cachepb.DictionaryField, len(all.GetFields()))
	found := &cachepb.DictionaryFetchFound{Items: make([]*cachepb.DictionaryField, len(fields))}
	for i, name := range all.GetFields() {
		fields[i].Field, fields[i].Value = name, all.GetValues()[i]
		found.Items[i] = &fields[i]
	}
	return &cachepb.DictionaryFetchResponse{Dictionary: &cachepb.DictionaryFetchResponse_Found{Found: found}}, nil
}

func (s *scs) DictionarySet(ctx context.Context, r *cachepb.DictionarySetRequest) (*cachepb.DictionarySetResponse, error) {
	op := &storev1.DictionarySet{
		Fields: make([][]byte, len(r.GetItems())), Values: make([][]byte, len(r.GetItems())),
		Ttl: collectionTTL(r),
	}
	if err := callOf(ctx).checkGrowth(r.GetDictionaryName(), r); err != nil {
		return nil, err
	}
	for i, item := range r.GetItems() {
		if err := callOf(ctx).checkElement(r.GetDictionaryName(), item.GetField(), item.GetValue()); err != nil {
			return nil, err
		}
		op.Fields[i], op.Values[i] = item.GetField(), item.GetValue()
	}
	if len(op.Fields) == 0 {
		_, err := s.count(ctx, r.GetDictionaryName(), storev1.Kind_KIND_DICTIONARY)
		return answered(err, &cachepb.DictionarySetResponse{})
	}
	_, err := s.apply(ctx, &storev1.Command{Key: r.GetDictionaryName(), Op: &storev1.Command_DictionarySet{DictionarySet: op}})
	return answered(err, &cachepb.DictionarySetResponse{})
}

func (s *scs) DictionaryIncrement(ctx context.Context, r *cachepb.DictionaryIncrementRequest) (*cachepb.DictionaryIncrementResponse, error) {
	if err := callOf(ctx).checkGrowth(r.GetDictionaryName(), r); err != nil {
		return nil, err
	}
	if err := callOf(ctx).checkElement(r.GetDictionaryName(), r.GetField()); err != nil {
		return nil, err
	}
	result, err := s.apply(ctx, &storev1.Command{Key: r.GetDictionaryName(), Op: &storev1.Command_DictionaryIncrement{
		DictionaryIncrement: &storev1.DictionaryIncrement{Field: r.GetField(), Amount: r.GetAmount(), Ttl: collectionTTL(r)},
	}})
	return answered(err, &cachepb.DictionaryIncrementResponse{Value: result.GetNumber()})
}

func (s *scs) DictionaryDelete(ctx context.Context, r *cachepb.DictionaryDeleteRequest) (*cachepb.DictionaryDeleteResponse, error) {
	if err := checkCollection(r.GetDictionaryName()); err != nil {
		return nil, err
	}
	var op storev1.DictionaryRemove
	switch d := r.GetDelete().(type) {
	case *cachepb.DictionaryDeleteRequest_All:
		op.All = true
	case *cachepb.DictionaryDeleteRequest_Some:
		op.Fields = d.Some.GetFields()
	default:
		return nil, invalid("it is not said what to delete, set some fields or all")
	}
	_, err := s.apply(ctx, &storev1.Command{Key: r.GetDictionaryName(), Op: &storev1.Command_DictionaryRemove{DictionaryRemove: &op}})
	return answered(err, &cachepb.DictionaryDeleteResponse{})
}

func (s *scs) DictionaryLength(ctx context.Context, r *cachepb.DictionaryLengthRequest) (*cachepb.DictionaryLengthResponse, error) {
	if err := checkCollection(r.GetDictionaryName()); err != nil {
		return nil, err
	}
	length, err := s.count(ctx, r.GetDictionaryName(), storev1.Kind_KIND_DICTIONARY)
	switch {
	case err != nil:
		return nil, err
	case length != nil:
		return &cachepb.DictionaryLengthResponse{Dictionary: &cachepb.DictionaryLengthResponse_Found{Found: length}}, nil
	default:
		return &cachepb.DictionaryLengthResponse{Dictionary: &cachepb.DictionaryLengthResponse_Missing{Missing: missing}}, nil
	}
}
