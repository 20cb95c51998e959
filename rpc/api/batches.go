package api

import (
	"context"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// batchWidth is how many keys of one batch are worked on at a time: enough to
// share log entries and read rounds, and a bound on the values held at once.
const batchWidth = 16

// inOrder runs do for 0 to n-1, at most width at a time, and hands the answers to
// emit in order. It stops at the first error and returns it, after everything it
// started has ended.
func inOrder[T any](ctx context.Context, n, width int, do func(ctx context.Context, i int) (T, error), emit func(T) error) (err error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	slots := make([]chan answer, min(n, width))
	for i := range slots {
		slots[i] = make(chan answer, 1)
	}
	started, taken := 0, 0
	for taken < n {
		for err == nil && started < n && started < taken+len(slots) {
			i := started
			started++
			go func() {
				var a answer
				defer func() {
					if p := recover(); p != nil {
						a.err = caught(p)
					}
					slots[i%len(slots)] <- a
				}()
				a.value, a.err = do(ctx, i)
			}()
		}
		if taken == started {
			return err
		}
		a := <-slots[taken%len(slots)]
		taken++
		if err == nil && a.err == nil {
			a.err = emit(a.value)
		}
		if err == nil && a.err != nil {
			err = a.err
			cancel()
		}
	}
	return err
}

func (s *scs) GetBatch(r *cachepb.GetBatchRequest, stream grpc.ServerStreamingServer[cachepb.GetBatchResponse]) error {
	items := r.GetItems()
	for _, item := range items {
		if err := checkKey(item.GetCacheKey()); err != nil {
			return err
		}
	}
	get := func(ctx context.Context, i int) (*cachepb.GetBatchResponse, error) {
		value, err := s.read(ctx, items[i].GetCacheKey())
		if err != nil {
			return nil, err
		}
		if !value.GetFound() {
			return &cachepb.GetBatchResponse{Result: cachepb.ECacheResult_Miss}, nil
		}
		return &cachepb.GetBatchResponse{Result: cachepb.ECacheResult_Hit, CacheBody: value.GetValue()}, nil
	}
	return inOrder(stream.Context(), len(items), batchWidth, get, stream.Send)
}

// SetBatch writes nothing when one of the items is wrong in itself. When a
// write fails, those before it are made and those after it may be.
func (s *scs) SetBatch(r *cachepb.SetBatchRequest, stream grpc.ServerStreamingServer[cachepb.SetBatchResponse]) error {
	items := r.GetItems()
	c := callOf(stream.Context())
	seen := make(map[string]struct{}, len(items))
	for _, item := range items {
		if err := c.checkItem(item.GetCacheKey(), item.GetCacheBody(), item.GetTtlMilliseconds()); err != nil {
			return err
		}
		seen[string(item.GetCacheKey())] = struct{}{}
	}
	width := batchWidth
	if len(seen) < len(items) {
		width = 1 // a key that is there twice must end up with its last value
	}
	set := func(ctx context.Context, i int) (*cachepb.SetBatchResponse, error) {
		_, err := s.write(ctx, items[i].GetCacheKey(), &storev1.Set{Value: items[i].GetCacheBody(), TtlMs: items[i].GetTtlMilliseconds()})
		return &cachepb.SetBatchResponse{Result: cachepb.ECacheResult_Ok}, err
	}
	return inOrder(c, len(items), width, set, stream.Send)
}

func (s *scs) KeysExist(ctx context.Context, r *cachepb.KeysExistRequest) (*cachepb.KeysExistResponse, error) {
	keys := r.GetCacheKeys()
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
	}
	exists := func(ctx context.Context, i int) (bool, error) {
		result, err := s.view(ctx, &storev1.Query{Key: keys[i], Op: &storev1.Query_Exists_{Exists: &storev1.Query_Exists{}}})
		return result.GetExists(), err
	}
	answer := &cachepb.KeysExistResponse{Exists: make([]bool, 0, len(keys))}
	err := inOrder(ctx, len(keys), batchWidth, exists, func(there bool) error {
		answer.Exists = append(answer.Exists, there)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}
