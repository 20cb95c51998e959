package store

import (
	"math"
	"slices"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// checkElementwise is checkChange for what is about the elements of dictionaries,
// sets and sorted sets.
func checkElementwise(cmd *Command) string {
	key := cmd.GetKey()
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_DictionarySet:
		return checkDictionarySet(key, op.DictionarySet)
	case *storev1.Command_DictionaryIncrement:
		return checkGrowth(key, [][]byte{op.DictionaryIncrement.GetField()}, op.DictionaryIncrement.GetTtl())
	case *storev1.Command_DictionaryAdd:
		return checkDictionaryAdd(key, op.DictionaryAdd)
	case *storev1.Command_DictionaryRemove:
		return checkCount(op.DictionaryRemove.GetFields())
	case *storev1.Command_SetAdd:
		return checkGrowth(key, op.SetAdd.GetElements(), op.SetAdd.GetTtl())
	case *storev1.Command_SetRemove:
		return checkCount(op.SetRemove.GetElements())
	case *storev1.Command_SetComplement:
		if bad := checkCount(op.SetComplement.GetElements()); bad != "" {
			return bad
		}
		return checkSizes(key, op.SetComplement.GetElements())
	case *storev1.Command_SetPop:
		return ""
	case *storev1.Command_SortedSetPut:
		if bad := checkScores(op.SortedSetPut.GetMembers(), op.SortedSetPut.GetScores()); bad != "" {
			return bad
		}
		return checkGrowth(key, op.SortedSetPut.GetMembers(), op.SortedSetPut.GetTtl())
	case *storev1.Command_SortedSetIncrement:
		if math.IsNaN(op.SortedSetIncrement.GetAmount()) {
			return badScore
		}
		return checkGrowth(key, [][]byte{op.SortedSetIncrement.GetMember()}, op.SortedSetIncrement.GetTtl())
	case *storev1.Command_SortedSetRemove:
		if ttl := op.SortedSetRemove.GetTtl(); ttl != nil {
			if bad := checkTTL(ttl.GetTtlMs()); bad != "" {
				return bad
			}
		}
		return checkCount(op.SortedSetRemove.GetMembers())
	case *storev1.Command_SortedSetUnion:
		return checkUnion(key, op.SortedSetUnion)
	default:
		return badOp
	}
}

// checkGrowth checks elements that are added to a collection.
func checkGrowth(key []byte, elements [][]byte, ttl *storev1.CollectionTtl) string {
	if bad := checkCount(elements); bad != "" {
		return bad
	}
	if bad := checkSizes(key, elements); bad != "" {
		return bad
	}
	return checkTTL(ttl.GetTtlMs())
}

func checkCount(elements [][]byte) string {
	if len(elements) > MaxElements {
		return badElements
	}
	return ""
}

func checkSizes(key []byte, elements [][]byte) string {
	for _, e := range elements {
		if len(key)+len(e) > MaxItemBytes {
			return badSize
		}
	}
	return ""
}

func checkDictionarySet(key []byte, op *storev1.DictionarySet) string {
	if len(op.GetFields()) != len(op.GetValues()) {
		return badPairs
	}
	for i, name := range op.GetFields() {
		if len(key)+len(name)+len(op.GetValues()[i]) > MaxItemBytes {
			return badSize
		}
	}
	return checkGrowth(key, op.GetFields(), op.GetTtl())
}

// checkScores checks members with their scores.
func checkScores(members [][]byte, scores []float64) string {
	switch {
	case len(members) != len(scores):
		return badPairs
	case slices.ContainsFunc(scores, math.IsNaN):
		return badScore
	}
	return ""
}

func checkUnion(key []byte, op *storev1.SortedSetUnion) string {
	switch a := op.GetAggregate(); {
	case a < storev1.Aggregate_AGGREGATE_SUM || a > storev1.Aggregate_AGGREGATE_MAX:
		return badAggregate
	case len(op.GetOwnWeights()) > MaxElements:
		return badElements
	case slices.ContainsFunc(op.GetOwnWeights(), func(w float32) bool { return w != w }):
		return badScore
	}
	if bad := checkScores(op.GetMembers(), op.GetScores()); bad != "" {
		return bad
	}
	if bad := checkSizes(key, op.GetMembers()); bad != "" {
		return bad
	}
	return checkTTL(op.GetTtlMs())
}

// checkQuery says what is wrong with a query, whatever the item holds, "" for
// nothing.
func checkQuery(q *Query) string {
	if bad := checkAddress(q.GetCache(), q.GetGeneration(), q.GetKey(), q.GetSpace()); bad != "" {
		return bad
	}
	switch op := q.GetOp().(type) {
	case *storev1.Query_Length_:
		if k := op.Length.GetKind(); k <= storev1.Kind_KIND_SCALAR || k >= kinds {
			return badKind
		}
	case *storev1.Query_DictionaryGet_:
		return checkCount(op.DictionaryGet.GetFields())
	case *storev1.Query_SetContains_:
		return checkCount(op.SetContains.GetElements())
	case *storev1.Query_SortedSetFetch_:
		if bad := checkOrder(op.SortedSetFetch.GetOrder()); bad != "" {
			return bad
		}
		return checkRange(op.SortedSetFetch.GetByScore())
	case *storev1.Query_SortedSetScores_:
		return checkCount(op.SortedSetScores.GetMembers())
	case *storev1.Query_SortedSetRanks_:
		if bad := checkOrder(op.SortedSetRanks.GetOrder()); bad != "" {
			return bad
		}
		return checkCount(op.SortedSetRanks.GetMembers())
	case *storev1.Query_SortedSetCount_:
		return checkRange(op.SortedSetCount.GetRange())
	}
	return ""
}

func checkOrder(order storev1.Order) string {
	if order != storev1.Order_ORDER_ASCENDING && order != storev1.Order_ORDER_DESCENDING {
		return badOrder
	}
	return ""
}

func checkRange(r *storev1.ScoreRange) string {
	if math.IsNaN(r.GetMin().GetScore()) || math.IsNaN(r.GetMax().GetScore()) {
		return badScore
	}
	return ""
}
