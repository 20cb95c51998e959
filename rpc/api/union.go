package api

import (
	"bytes"
	"context"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// unionWidth is how many sources of a union are read at a time.
const unionWidth = 4

// SortedSetUnionStore reads the sources and replaces the destination. Sources may
// live anywhere, so each is read as it is at one moment of its own; only the
// destination, where it is a source itself, is read in the same moment as it is
// written. The sources together must have room in one request's size, for the
// union is one write.
func (s *scs) SortedSetUnionStore(ctx context.Context, r *cachepb.SortedSetUnionStoreRequest) (*cachepb.SortedSetUnionStoreResponse, error) {
	c := callOf(ctx)
	if err := c.checkUnion(r); err != nil {
		return nil, err
	}
	u := union{aggregate: storev1.Aggregate(r.GetAggregate()), scores: make(map[string]int), limit: c.door.limits.RequestBytes}
	op := &storev1.SortedSetUnion{Aggregate: u.aggregate, TtlMs: r.GetTtlMilliseconds()}
	var others []*cachepb.SortedSetUnionSource
	for _, source := range r.GetSources() {
		if bytes.Equal(source.GetSetName(), r.GetSetName()) {
			op.OwnWeights = append(op.OwnWeights, source.GetWeight())
		} else {
			others = append(others, source)
		}
	}
	next := 0
	read := func(ctx context.Context, i int) (*storev1.Result, error) {
		return s.source(ctx, others[i].GetSetName(), u.limit)
	}
	err := inOrder(ctx, len(others), unionWidth, read, func(source *storev1.Result) error {
		next++
		return u.add(source.GetRange(), others[next-1].GetWeight())
	})
	if err != nil {
		return nil, err
	}
	op.Members, op.Scores = u.members, u.joined
	result, err := s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SortedSetUnion{SortedSetUnion: op}})
	return answered(err, &cachepb.SortedSetUnionStoreResponse{Length: narrow(result.GetLength().GetLength())})
}

func (c *call) checkUnion(r *cachepb.SortedSetUnionStoreRequest) error {
	if err := checkCollection(r.GetSetName()); err != nil {
		return err
	}
	if len(r.GetSources()) == 0 {
		return invalid("a union of nothing, name at least one source")
	}
	for _, source := range r.GetSources() {
		if err := checkCollection(source.GetSetName()); err != nil {
			return err
		}
		if w := source.GetWeight(); w != w {
			return errNoNumber
		}
	}
	if a := r.GetAggregate(); a < cachepb.SortedSetAggregate_SUM || a > cachepb.SortedSetAggregate_MAX {
		return invalid("the aggregate is none of sum, min and max")
	}
	return c.checkTTL(r.GetTtlMilliseconds())
}

// source reads all of a source, the newest there is.
func (s *scs) source(ctx context.Context, name []byte, limit int) (*storev1.Result, error) {
	result, err := s.data.View(ctx, &storev1.Query{
		Cache: callOf(ctx).cache.GetName(), Key: name, MaxBytes: uint64(limit),
		Op: &storev1.Query_SortedSetFetch_{SortedSetFetch: &storev1.Query_SortedSetFetch{}},
	}, false)
	switch {
	case err != nil:
		return nil, err
	case result.GetStatus() == storev1.Status_STATUS_TOO_LARGE:
		return nil, unionTooLarge(limit)
	}
	return result, declined(result)
}

// union joins the sources of a union.
type union struct {
	aggregate storev1.Aggregate
	// members and their joined scores, and where each member is.
	members [][]byte
	joined  []float64
	scores  map[string]int
	// size counts what the members and scores take, limit is the most.
	size, limit int
}

// memberShare is what a member takes beside its bytes, with its score.
const memberShare = 16

func (u *union) add(source *storev1.Result_Range, weight float32) error {
	for i, member := range source.GetMembers() {
		score := store.WeighScore(source.GetScores()[i], weight)
		if at, known := u.scores[string(member)]; known {
			u.joined[at] = store.JoinScores(u.joined[at], score, u.aggregate)
			continue
		}
		if u.size += len(member) + memberShare; u.size > u.limit {
			return unionTooLarge(u.limit)
		}
		u.scores[string(member)] = len(u.members)
		u.members, u.joined = append(u.members, member), append(u.joined, score)
	}
	return nil
}
