package store

import storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"

// View answers a query as of the given time, in milliseconds since the Unix
// epoch: normally the leader's clock. It changes nothing; the result is
// read-only and shares the stored bytes.
//
// Expiry is decided by the log alone, so an item that would expire between the
// partition's clock and that time is neither shown nor denied: the answer is
// STATUS_CLOCK_BEHIND, and the caller asks again after a tick was committed.
func (m *Machine) View(q *Query, at uint64) *Result {
	if bad := checkQuery(q); bad != "" {
		return invalid(bad)
	}
	it, refusal := m.look(q, at)
	if refusal != nil {
		return refusal
	}
	switch op := q.GetOp().(type) {
	case *storev1.Query_Get_:
		return viewScalar(it)
	case *storev1.Query_Exists_:
		if it == nil {
			return missing
		}
		return exists
	case *storev1.Query_ItemType_:
		if it == nil {
			return kindOf(storev1.Kind_KIND_UNSPECIFIED)
		}
		return kindOf(it.kind())
	case *storev1.Query_ItemTtl_:
		if it == nil {
			return noTTL
		}
		return remainingOf(remaining(it, max(at, m.clock)))
	case *storev1.Query_ListFetch_:
		return viewSlice(it, q, op.ListFetch.GetSlice())
	case *storev1.Query_ListLength_:
		return viewLength(it, storev1.Kind_KIND_LIST)
	case *storev1.Query_Length_:
		return viewLength(it, op.Length.GetKind())
	default:
		return viewElements(it, q)
	}
}

// viewElements answers what is about the elements of a collection that is no
// list.
func viewElements(it *item, q *Query) *Result {
	switch op := q.GetOp().(type) {
	case *storev1.Query_DictionaryGet_:
		return viewFields(it, q, op.DictionaryGet.GetFields())
	case *storev1.Query_DictionaryFetch_:
		return viewDictionary(it, q)
	case *storev1.Query_SetFetch_:
		return viewSet(it, q)
	case *storev1.Query_SetSample_:
		return viewSample(it, q, op.SetSample)
	case *storev1.Query_SetContains_:
		return viewContained(it, op.SetContains.GetElements())
	case *storev1.Query_SortedSetFetch_:
		return viewRange(it, q, op.SortedSetFetch)
	case *storev1.Query_SortedSetScores_:
		return viewScores(it, op.SortedSetScores.GetMembers())
	case *storev1.Query_SortedSetRanks_:
		return viewRanks(it, op.SortedSetRanks)
	case *storev1.Query_SortedSetCount_:
		return viewCount(it, op.SortedSetCount)
	default:
		return invalid(badOp)
	}
}

// look finds the item a query is about, nil when there is none.
func (m *Machine) look(q *Query, at uint64) (it *item, refusal *Result) {
	c, known := m.caches.Get(q.GetCache())
	if !known || q.GetGeneration() > c.generation {
		return nil, nil
	}
	if q.GetGeneration() < c.generation || c.forgetAt != 0 {
		return nil, stale
	}
	if s := c.space(q.GetSpace()); s != nil {
		it = s.items[string(q.GetKey())]
	}
	switch {
	case it == nil || it.expires <= m.clock:
		return nil, nil
	case it.expires <= at:
		return nil, behind
	}
	return it, nil
}

func viewScalar(it *item) *Result {
	switch {
	case it == nil:
		return noValue
	case it.held != nil:
		return notScalar
	}
	return valueOf(it.value)
}

// entryShare is the least that an entry of a list takes of an answer, which is
// how far a query's bound is a list's as well.
const entryShare = 2

func viewSlice(it *item, q *Query, s *storev1.Slice) *Result {
	switch {
	case it == nil:
		return noValues
	case it.list() == nil:
		return notList
	}
	begin, end := bounds(s, it.list().length)
	switch {
	case begin == end:
		return noValues
	case q.GetMaxBytes() > 0 && uint64(end-begin)*entryShare > q.GetMaxBytes():
		return tooLarge
	}
	return valuesOf(it.list().slice(begin, end))
}
