package api

import (
	"context"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// scs serves the data calls: what is about any key is here, batches and each type
// of item have files of their own.
type scs struct {
	cachepb.UnimplementedScsServer
	data Data
}

// apply runs a command on the call's cache.
func (s *scs) apply(ctx context.Context, command *storev1.Command) (*storev1.Result, error) {
	command.Cache = callOf(ctx).cache.GetName()
	result, err := s.data.Apply(ctx, command)
	if err != nil {
		return nil, err
	}
	return result, declined(result)
}

// view asks a question about the call's cache. Clients that can live with an old
// answer say so in a header; every other value of it, known or not, gets the
// newest.
func (s *scs) view(ctx context.Context, query *storev1.Query) (*storev1.Result, error) {
	c := callOf(ctx)
	query.Cache, query.MaxBytes = c.cache.GetName(), uint64(c.bounds.AnswerBytes)
	result, err := s.data.View(ctx, query, c.header("read-concern") == "express")
	if err != nil {
		return nil, err
	}
	return result, declined(result)
}

var missing = &cachepb.Missing{}

func (s *scs) Delete(ctx context.Context, r *cachepb.DeleteRequest) (*cachepb.DeleteResponse, error) {
	if err := checkKey(r.GetCacheKey()); err != nil {
		return nil, err
	}
	_, err := s.apply(ctx, &storev1.Command{
		Key: r.GetCacheKey(),
		Op:  &storev1.Command_Delete{Delete: &storev1.Delete{}},
	})
	if err != nil {
		return nil, err
	}
	return &cachepb.DeleteResponse{}, nil
}

func (s *scs) UpdateTtl(ctx context.Context, r *cachepb.UpdateTtlRequest) (*cachepb.UpdateTtlResponse, error) {
	if err := checkKey(r.GetCacheKey()); err != nil {
		return nil, err
	}
	var op storev1.UpdateTtl
	switch u := r.GetUpdateTtl().(type) {
	case *cachepb.UpdateTtlRequest_OverwriteToMilliseconds:
		op = storev1.UpdateTtl{Mode: storev1.UpdateTtl_MODE_OVERWRITE, TtlMs: u.OverwriteToMilliseconds}
	case *cachepb.UpdateTtlRequest_IncreaseToMilliseconds:
		op = storev1.UpdateTtl{Mode: storev1.UpdateTtl_MODE_INCREASE, TtlMs: u.IncreaseToMilliseconds}
	case *cachepb.UpdateTtlRequest_DecreaseToMilliseconds:
		op = storev1.UpdateTtl{Mode: storev1.UpdateTtl_MODE_DECREASE, TtlMs: u.DecreaseToMilliseconds}
	default:
		return nil, invalid("no time to live is set, choose to overwrite, increase or decrease it")
	}
	if err := callOf(ctx).checkTTL(op.TtlMs); err != nil {
		return nil, err
	}
	result, err := s.apply(ctx, &storev1.Command{Key: r.GetCacheKey(), Op: &storev1.Command_UpdateTtl{UpdateTtl: &op}})
	if err != nil {
		return nil, err
	}
	switch result.GetTtlUpdate() {
	case storev1.Result_TTL_UPDATE_SET:
		return &cachepb.UpdateTtlResponse{Result: &cachepb.UpdateTtlResponse_Set{Set: &cachepb.TtlSet{}}}, nil
	case storev1.Result_TTL_UPDATE_NOT_SET:
		return &cachepb.UpdateTtlResponse{Result: &cachepb.UpdateTtlResponse_NotSet{NotSet: &cachepb.TtlNotSet{}}}, nil
	default:
		return &cachepb.UpdateTtlResponse{Result: &cachepb.UpdateTtlResponse_Missing{Missing: missing}}, nil
	}
}

func (s *scs) ItemGetTtl(ctx context.Context, r *cachepb.ItemGetTtlRequest) (*cachepb.ItemGetTtlResponse, error) {
	if err := checkKey(r.GetCacheKey()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{
		Key: r.GetCacheKey(),
		Op:  &storev1.Query_ItemTtl_{ItemTtl: &storev1.Query_ItemTtl{}},
	})
	if err != nil {
		return nil, err
	}
	if ttl := result.GetItemTtl(); ttl.GetFound() {
		return &cachepb.ItemGetTtlResponse{Result: &cachepb.ItemGetTtlResponse_Found{
			Found: &cachepb.RemainingTtl{RemainingTtlMillis: ttl.GetRemainingMs()},
		}}, nil
	}
	return &cachepb.ItemGetTtlResponse{Result: &cachepb.ItemGetTtlResponse_Missing{Missing: missing}}, nil
}

// itemTypes are the store's kinds in the words of the wire.
var itemTypes = map[storev1.Kind]cachepb.ItemType{
	storev1.Kind_KIND_SCALAR:     cachepb.ItemType_SCALAR,
	storev1.Kind_KIND_DICTIONARY: cachepb.ItemType_DICTIONARY,
	storev1.Kind_KIND_SET:        cachepb.ItemType_SET,
	storev1.Kind_KIND_LIST:       cachepb.ItemType_LIST,
	storev1.Kind_KIND_SORTED_SET: cachepb.ItemType_SORTED_SET,
}

func (s *scs) ItemGetType(ctx context.Context, r *cachepb.ItemGetTypeRequest) (*cachepb.ItemGetTypeResponse, error) {
	if err := checkKey(r.GetCacheKey()); err != nil {
		return nil, err
	}
	result, err := s.view(ctx, &storev1.Query{
		Key: r.GetCacheKey(),
		Op:  &storev1.Query_ItemType_{ItemType: &storev1.Query_ItemType{}},
	})
	if err != nil {
		return nil, err
	}
	if kind, ok := itemTypes[result.GetKind()]; ok {
		return &cachepb.ItemGetTypeResponse{Result: &cachepb.ItemGetTypeResponse_Found{Found: &cachepb.StoredType{ItemType: kind}}}, nil
	}
	return &cachepb.ItemGetTypeResponse{Result: &cachepb.ItemGetTypeResponse_Missing{Missing: missing}}, nil
}
