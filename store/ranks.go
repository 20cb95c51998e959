package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// What is asked of sorted sets.

// viewRange answers a part of a sorted set in either order.
func viewRange(it *item, q *Query, op *storev1.Query_SortedSetFetch) *Result {
	s, ok := held[*sortedSet](it)
	switch {
	case !ok:
		return notSortedSet
	case s == nil:
		return noRange
	}
	begin, end := s.selected(op)
	n, first := end-begin, begin
	if n == 0 {
		return emptyRange
	}
	descending := op.GetOrder() == storev1.Order_ORDER_DESCENDING
	if descending {
		first = s.count() - end
	}
	// What each member takes at least is known before any of them is looked at.
	if !fits(n, 0, q.GetMaxBytes()) {
		return tooLarge
	}
	answer := &storev1.Result_Range{Found: true, FirstRank: uint64(first), Members: make([][]byte, n), Scores: make([]float64, n)}
	var content uint64
	i, step := 0, 1
	if descending {
		i, step = n-1, -1
	}
	for e := range s.byScore.span(begin, end) {
		if content += uint64(len(e.member)); !fits(n, content, q.GetMaxBytes()) {
			return tooLarge
		}
		answer.Members[i], answer.Scores[i] = bytesOf(e.member), e.score
		i += step
	}
	return &Result{Outcome: &storev1.Result_Range_{Range: answer}}
}

// selected returns the places, in ascending order, that a fetch selects.
func (s *sortedSet) selected(op *storev1.Query_SortedSetFetch) (begin, end int) {
	n := s.count()
	descending := op.GetOrder() == storev1.Order_ORDER_DESCENDING
	begin, end = 0, n
	switch r := op.GetRange().(type) {
	case *storev1.Query_SortedSetFetch_ByIndex:
		begin, end = bounds(r.ByIndex, n)
		if descending {
			begin, end = n-end, n-begin
		}
	case *storev1.Query_SortedSetFetch_ByScore:
		begin, end = s.within(r.ByScore)
	}
	skip := int(min(op.GetOffset(), uint64(end-begin)))
	take := end - begin - skip
	if op.Limit != nil {
		take = int(min(op.GetLimit(), uint64(take)))
	}
	if descending {
		end -= skip
		return end - take, end
	}
	begin += skip
	return begin, begin + take
}

// within returns the places of the scores in a range.
func (s *sortedSet) within(r *storev1.ScoreRange) (begin, end int) {
	end = s.count()
	if low := r.GetMin(); low != nil {
		begin = s.below(low.GetScore(), low.GetExclusive())
	}
	if high := r.GetMax(); high != nil {
		end = s.below(high.GetScore(), !high.GetExclusive())
	}
	return min(begin, end), end
}

func viewCount(it *item, op *storev1.Query_SortedSetCount) *Result {
	s, ok := held[*sortedSet](it)
	switch {
	case !ok:
		return notSortedSet
	case s == nil:
		return noLength
	}
	begin, end := s.within(op.GetRange())
	return lengthOf(end - begin)
}

func viewScores(it *item, members [][]byte) *Result {
	s, ok := held[*sortedSet](it)
	switch {
	case !ok:
		return notSortedSet
	case s == nil:
		return noScores
	}
	answer := &storev1.Result_Scores{Found: true, Present: make([]bool, len(members)), Scores: make([]float64, len(members))}
	for i, member := range members {
		_, e, known := s.find(textOf(member))
		answer.Scores[i], answer.Present[i] = e.score, known
	}
	return &Result{Outcome: &storev1.Result_Scores_{Scores: answer}}
}

func viewRanks(it *item, op *storev1.Query_SortedSetRanks) *Result {
	s, ok := held[*sortedSet](it)
	switch {
	case !ok:
		return notSortedSet
	case s == nil:
		return noRanks
	}
	n := len(op.GetMembers())
	answer := &storev1.Result_Ranks{Found: true, Present: make([]bool, n), Ranks: make([]uint64, n), Scores: make([]float64, n)}
	for i, member := range op.GetMembers() {
		_, e, known := s.find(textOf(member))
		if known {
			answer.Ranks[i] = uint64(s.rank(e, op))
		}
		answer.Present[i], answer.Scores[i] = known, e.score
	}
	return &Result{Outcome: &storev1.Result_Ranks_{Ranks: answer}}
}

// rank returns how many members come before e, which is one of them, in the
// order asked.
func (s *sortedSet) rank(e scored, op *storev1.Query_SortedSetRanks) int {
	descending := op.GetOrder() == storev1.Order_ORDER_DESCENDING
	switch {
	case op.GetCompetition() && descending:
		return s.count() - s.below(e.score, true)
	case op.GetCompetition():
		return s.below(e.score, false)
	case descending:
		return s.count() - 1 - s.place(e)
	default:
		return s.place(e)
	}
}
