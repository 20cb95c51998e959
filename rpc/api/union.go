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
// written. All that is read must have room in one answer's size, and what it adds
// to the destination in one request's, for it is one write.
func (s *scs) SortedSetUnionStore(ctx context.Context, r *cachepb.SortedSetUnionStoreRequest) (*cachepb.SortedSetUnionStoreResponse, error) {
	c := callOf(ctx)
	if err := c.checkUnion(r); err != nil {
		return nil, err
	}
	own, others := sources(r)
	u := union{
		aggregate: storev1.Aggregate(r.GetAggregate()), places: make(map[string]int),
		limit: c.bounds.RequestBytes, readLimit: c.bounds.AnswerBytes,
	}
	next := 0
	read := func(ctx context.Context, i int) (*storev1.Result, error) {
		return s.readSource(ctx, others[i].name, u.limit)
	}
	err := inOrder(ctx, len(others), unionWidth, read, func(result *storev1.Result) error {
		next++
		return u.add(result.GetRange(), others[next-1].weights)
	})
	if err != nil {
		return nil, err
	}
	result, err := s.apply(ctx, &storev1.Command{Key: r.GetSetName(), Op: &storev1.Command_SortedSetUnion{SortedSetUnion: &storev1.SortedSetUnion{
		Members: u.members, Scores: u.scores, OwnWeights: own, Aggregate: u.aggregate, TtlMs: r.GetTtlMilliseconds(),
	}}})
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

// source is a source of a union with its weights: one for each time it is named.
type source struct {
	name    []byte
	weights []float32
}

// sources are the weights of the destination, where it is a source itself, and
// all other sources, each of them once.
func sources(r *cachepb.SortedSetUnionStoreRequest) (own []float32, others []source) {
	places := make(map[string]int)
	for _, named := range r.GetSources() {
		name := named.GetSetName()
		if bytes.Equal(name, r.GetSetName()) {
			own = append(own, named.GetWeight())
			continue
		}
		at, known := places[string(name)]
		if !known {
			at = len(others)
			places[string(name)] = at
			others = append(others, source{name: name})
		}
		others[at].weights = append(others[at].weights, named.GetWeight())
	}
	return own, others
}

// readSource reads all of a source, the newest there is.
func (s *scs) readSource(ctx context.Context, name []byte, limit int) (*storev1.Result, error) {
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
	scores  []float64
	places  map[string]int
	// size counts what the members and scores take, read what all sources took;
	// the limits are the most of it.
	size, limit     int
	read, readLimit int
}

// memberShare is what a member takes beside its bytes, with its score.
const memberShare = 16

func (u *union) add(source *storev1.Result_Range, weights []float32) error {
	for i, member := range source.GetMembers() {
		size := len(member) + memberShare
		if u.read += size; u.read > u.readLimit {
			return unionTooLarge(u.readLimit)
		}
		at, known := u.places[string(member)]
		for _, weight := range weights {
			score := store.WeighScore(source.GetScores()[i], weight)
			if known {
				u.scores[at] = store.JoinScores(u.scores[at], score, u.aggregate)
				continue
			}
			if u.size += size; u.size > u.limit {
				return unionTooLarge(u.limit)
			}
			at, known = len(u.members), true
			u.places[string(member)] = at
			u.members, u.scores = append(u.members, member), append(u.scores, score)
		}
	}
	return nil
}
