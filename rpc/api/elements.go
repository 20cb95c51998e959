package api

import (
	"context"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// What the calls about elements of dictionaries, sets and sorted sets share.

// giver is a request that gives a collection its life.
type giver interface {
	GetTtlMilliseconds() uint64
	GetRefreshTtl() bool
}

// collectionTTL is the life in the store's words.
func collectionTTL(r giver) *storev1.CollectionTtl {
	return &storev1.CollectionTtl{TtlMs: r.GetTtlMilliseconds(), Refresh: r.GetRefreshTtl()}
}

// checkGrowth checks a write that may create a collection, all but its elements.
func (c *call) checkGrowth(name []byte, r giver) error {
	if err := checkCollection(name); err != nil {
		return err
	}
	return c.checkTTL(r.GetTtlMilliseconds())
}

// checkElement checks one element of a collection: the limit of elements holds
// for each of its parts, that of items for the name and all parts together.
func (c *call) checkElement(name []byte, parts ...[]byte) error {
	size := len(name)
	for _, part := range parts {
		if limit := c.bounds.ElementBytes; len(part) > limit {
			return elementTooLarge(limit)
		}
		size += len(part)
	}
	if limit := c.maxItem(); size > limit {
		return itemTooLarge(limit)
	}
	return nil
}

// count asks how many elements a collection of that kind has, nil when there is
// none. A write of nothing asks it too: that changes nothing, and is refused for
// a key of another type.
func (s *scs) count(ctx context.Context, name []byte, kind storev1.Kind) (*cachepb.Length, error) {
	result, err := s.view(ctx, &storev1.Query{Key: name, Op: &storev1.Query_Length_{Length: &storev1.Query_Length{Kind: kind}}})
	if err != nil || !result.GetLength().GetFound() {
		return nil, err
	}
	return &cachepb.Length{Length: narrow(result.GetLength().GetLength())}, nil
}

// answered is the answer, unless there was an error.
func answered[A any](err error, answer *A) (*A, error) {
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func hitOrMiss(hit bool) cachepb.ECacheResult {
	if hit {
		return cachepb.ECacheResult_Hit
	}
	return cachepb.ECacheResult_Miss
}
