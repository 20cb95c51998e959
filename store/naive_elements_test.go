package store

import (
	"cmp"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// What the naive machine does with dictionaries, sets and sorted sets.

// kindOfOp is the type of item an operation works on, 0 for none of these.
func kindOfOp(op any) storev1.Kind {
	switch op.(type) {
	case *storev1.Command_DictionarySet, *storev1.Command_DictionaryIncrement, *storev1.Command_DictionaryAdd, *storev1.Command_DictionaryRemove,
		*storev1.Query_DictionaryGet_, *storev1.Query_DictionaryFetch_:
		return storev1.Kind_KIND_DICTIONARY
	case *storev1.Command_SetAdd, *storev1.Command_SetRemove, *storev1.Command_SetComplement, *storev1.Command_SetPop,
		*storev1.Query_SetFetch_, *storev1.Query_SetSample_, *storev1.Query_SetContains_:
		return storev1.Kind_KIND_SET
	case *storev1.Command_SortedSetPut, *storev1.Command_SortedSetIncrement, *storev1.Command_SortedSetRemove, *storev1.Command_SortedSetUnion,
		*storev1.Query_SortedSetFetch_, *storev1.Query_SortedSetScores_, *storev1.Query_SortedSetRanks_, *storev1.Query_SortedSetCount_:
		return storev1.Kind_KIND_SORTED_SET
	}
	return 0
}

// changeElements is change for these types; known is false for a command about
// something else.
func (n *naive) changeElements(c *naiveCache, key naiveKey, cmd *Command) (r *Result, known bool) {
	kind := kindOfOp(cmd.GetOp())
	if kind == 0 {
		return nil, false
	}
	it := c.items[key]
	if op := cmd.GetSortedSetUnion(); op != nil {
		return n.union(c, key, op), true
	}
	if it != nil && it.kind != kind {
		return status(storev1.Status_STATUS_WRONG_TYPE), true
	}
	there := it != nil
	if !there {
		it = &naiveItem{kind: kind, fields: map[string]string{}, scores: map[string]float64{}}
	}
	// The item is copied, so that a refusal leaves the original alone.
	was := *it
	was.fields, was.scores = maps.Clone(it.fields), maps.Clone(it.scores)
	it = &was
	result, ttl := n.edit(it, there, cmd)
	if result.GetStatus() != storev1.Status_STATUS_OK || !there && it.empty() {
		return result, true
	}
	if !there || ttl.GetRefresh() {
		it.expires = n.clock + ttl.GetTtlMs()
	}
	c.items[key] = it
	return result, true
}

// edit changes the elements of an item, and returns the life that the command
// gives, nil when it gives none.
func (n *naive) edit(it *naiveItem, there bool, cmd *Command) (*Result, *storev1.CollectionTtl) {
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_DictionarySet:
		for i, f := range op.DictionarySet.GetFields() {
			it.fields[string(f)] = string(op.DictionarySet.GetValues()[i])
		}
		if len(op.DictionarySet.GetFields()) == 0 {
			return &Result{}, nil
		}
		return &Result{}, op.DictionarySet.GetTtl()
	case *storev1.Command_DictionaryIncrement:
		return n.incrementField(it, op.DictionaryIncrement), op.DictionaryIncrement.GetTtl()
	case *storev1.Command_DictionaryAdd:
		if len(op.DictionaryAdd.GetFields()) == 0 {
			return &Result{}, nil
		}
		return n.addRows(it, op.DictionaryAdd), op.DictionaryAdd.GetTtl()
	case *storev1.Command_DictionaryRemove:
		for f := range it.fields {
			if op.DictionaryRemove.GetAll() || slices.Contains(texts(op.DictionaryRemove.GetFields()), f) {
				delete(it.fields, f)
			}
		}
		return &Result{}, nil
	case *storev1.Command_SetAdd:
		for _, e := range texts(op.SetAdd.GetElements()) {
			it.scores[e] = 0
		}
		if len(op.SetAdd.GetElements()) == 0 {
			return &Result{}, nil
		}
		return &Result{}, op.SetAdd.GetTtl()
	case *storev1.Command_SetRemove:
		for e := range it.scores {
			if op.SetRemove.GetAll() || slices.Contains(texts(op.SetRemove.GetElements()), e) {
				delete(it.scores, e)
			}
		}
		return naiveLength(there, len(it.scores)), nil
	case *storev1.Command_SetComplement:
		rest := map[string]float64{}
		for _, e := range texts(op.SetComplement.GetElements()) {
			if _, stored := it.scores[e]; there && !stored {
				rest[e] = 0
			}
		}
		it.scores = rest
		return naiveLength(there, len(rest)), nil
	case *storev1.Command_SetPop:
		return n.popElements(it, there, op.SetPop), nil
	case *storev1.Command_SortedSetPut:
		for i, e := range texts(op.SortedSetPut.GetMembers()) {
			it.scores[e] = op.SortedSetPut.GetScores()[i]
		}
		if len(op.SortedSetPut.GetMembers()) == 0 {
			return &Result{}, nil
		}
		return &Result{}, op.SortedSetPut.GetTtl()
	case *storev1.Command_SortedSetIncrement:
		member := string(op.SortedSetIncrement.GetMember())
		it.scores[member] += op.SortedSetIncrement.GetAmount()
		if math.IsNaN(it.scores[member]) {
			return status(storev1.Status_STATUS_OVERFLOW), nil
		}
		return scoreOf(it.scores[member]), op.SortedSetIncrement.GetTtl()
	default:
		op2 := cmd.GetSortedSetRemove()
		for e := range it.scores {
			if op2.GetAll() || slices.Contains(texts(op2.GetMembers()), e) {
				delete(it.scores, e)
			}
		}
		return &Result{}, op2.GetTtl()
	}
}

func naiveLength(found bool, n int) *Result {
	l := &storev1.Result_Length{Found: found}
	if found {
		l.Length = uint64(n)
	}
	return &Result{Outcome: &storev1.Result_Length_{Length: l}}
}

func (n *naive) incrementField(it *naiveItem, op *storev1.DictionaryIncrement) *Result {
	number := int64(0)
	if text, known := it.fields[string(op.GetField())]; known {
		var err error
		if number, err = strconv.ParseInt(text, 10, 64); err != nil {
			return status(storev1.Status_STATUS_NOT_A_NUMBER)
		}
	}
	sum := new(big.Int).Add(big.NewInt(number), big.NewInt(op.GetAmount()))
	if !sum.IsInt64() {
		return status(storev1.Status_STATUS_OVERFLOW)
	}
	it.fields[string(op.GetField())] = sum.String()
	return numberOf(sum.Int64())
}

// popElements takes out what the machine chose, if it may choose that.
func (n *naive) popElements(it *naiveItem, there bool, op *storev1.SetPop) *Result {
	if !there {
		return &Result{Outcome: &storev1.Result_Values_{Values: &storev1.Result_Values{}}}
	}
	most, size := int(op.GetCount()), uint64(0)
	for i, e := range n.chosen {
		_, known := it.scores[e]
		if size += 16 + uint64(len(e)); !known || i >= most || i > 0 && op.GetMaxBytes() > 0 && size > op.GetMaxBytes() {
			return nil
		}
		delete(it.scores, e)
	}
	if len(n.chosen) < most && len(it.scores) > 0 {
		// There is only one reason to stop early: nothing left would have fitted,
		// or what came up next would not.
		if op.GetMaxBytes() == 0 || size+16+longest(it.scores) <= op.GetMaxBytes() {
			return nil
		}
	}
	return valuesOf(byteses(n.chosen...))
}

func longest(elements map[string]float64) (n uint64) {
	for e := range elements {
		n = max(n, uint64(len(e)))
	}
	return n
}

func (n *naive) union(c *naiveCache, key naiveKey, op *storev1.SortedSetUnion) *Result {
	it := c.items[key]
	if len(op.GetOwnWeights()) > 0 && it != nil && it.kind != storev1.Kind_KIND_SORTED_SET {
		return status(storev1.Status_STATUS_WRONG_TYPE)
	}
	all := map[string][]float64{}
	for i, e := range texts(op.GetMembers()) {
		all[e] = append(all[e], op.GetScores()[i])
	}
	for _, w := range op.GetOwnWeights() {
		if it == nil {
			break
		}
		for e, score := range it.scores {
			product := score * float64(w)
			if math.IsNaN(product) {
				product = 0
			}
			all[e] = append(all[e], product)
		}
	}
	delete(c.items, key)
	union := &naiveItem{kind: storev1.Kind_KIND_SORTED_SET, scores: map[string]float64{}, expires: n.clock + op.GetTtlMs()}
	for e, scores := range all {
		union.scores[e] = scores[0]
		for _, s := range scores[1:] {
			switch op.GetAggregate() {
			case storev1.Aggregate_AGGREGATE_MIN:
				union.scores[e] = math.Min(union.scores[e], s)
			case storev1.Aggregate_AGGREGATE_MAX:
				union.scores[e] = math.Max(union.scores[e], s)
			default:
				if union.scores[e] += s; math.IsNaN(union.scores[e]) {
					union.scores[e] = 0
				}
			}
		}
	}
	if len(all) > 0 {
		c.items[key] = union
	}
	return naiveLength(true, len(all))
}

// viewElements is view for these types.
func (n *naive) viewElements(it *naiveItem, q *Query) *Result {
	kind := kindOfOp(q.GetOp())
	if op := q.GetLength(); op != nil {
		kind = op.GetKind()
	}
	if it != nil && it.kind != kind {
		return status(storev1.Status_STATUS_WRONG_TYPE)
	}
	found := it != nil
	if !found {
		it = &naiveItem{}
	}
	switch op := q.GetOp().(type) {
	case *storev1.Query_Length_:
		return naiveLength(found, len(it.values)+len(it.fields)+len(it.scores))
	case *storev1.Query_DictionaryGet_:
		return it.lookUp(found, op.DictionaryGet.GetFields(), q.GetMaxBytes())
	case *storev1.Query_DictionaryFetch_:
		answer, size := &storev1.Result_Dictionary{Found: found}, 0
		for _, f := range slices.Sorted(maps.Keys(it.fields)) {
			size += 16 + len(f) + len(it.fields[f])
			answer.Fields, answer.Values = append(answer.Fields, []byte(f)), append(answer.Values, []byte(it.fields[f]))
		}
		return within(q, size, &Result{Outcome: &storev1.Result_Dictionary_{Dictionary: answer}})
	case *storev1.Query_SetFetch_:
		return it.elements(found, q)
	case *storev1.Query_SetSample_:
		return n.sample(it, found, q)
	case *storev1.Query_SetContains_:
		answer := &storev1.Result_Contained{Found: found}
		for _, e := range texts(op.SetContains.GetElements()) {
			if _, known := it.scores[e]; found {
				answer.Present = append(answer.Present, known)
			}
		}
		return &Result{Outcome: &storev1.Result_Contained_{Contained: answer}}
	default:
		return it.viewSorted(found, q)
	}
}

func within(q *Query, size int, r *Result) *Result {
	if q.GetMaxBytes() > 0 && uint64(size) > q.GetMaxBytes() {
		return status(storev1.Status_STATUS_TOO_LARGE)
	}
	return r
}

func (it *naiveItem) lookUp(found bool, fields [][]byte, most uint64) *Result {
	answer, size := &storev1.Result_Fields{Found: found}, 0
	for _, f := range fields {
		if !found {
			break
		}
		v, known := it.fields[string(f)]
		answer.Present, answer.Values = append(answer.Present, known), append(answer.Values, []byte(v))
		size += 16 + len(v)
	}
	return within(&Query{MaxBytes: most}, size, &Result{Outcome: &storev1.Result_Fields_{Fields: answer}})
}

func (it *naiveItem) elements(found bool, q *Query) *Result {
	answer, size := &storev1.Result_Values{Found: found}, 0
	for _, e := range slices.Sorted(maps.Keys(it.scores)) {
		answer.Values = append(answer.Values, []byte(e))
		size += 16 + len(e)
	}
	return within(q, size, &Result{Outcome: &storev1.Result_Values_{Values: answer}})
}

// sample accepts what the machine chose, if it may choose that. It expects an
// answer without bound.
func (n *naive) sample(it *naiveItem, found bool, q *Query) *Result {
	limit := q.GetSetSample().GetLimit()
	if !found || limit >= uint64(len(it.scores)) {
		return it.elements(found, q)
	}
	for i, e := range n.chosen {
		if _, known := it.scores[e]; !known || slices.Contains(n.chosen[:i], e) {
			return nil
		}
	}
	if uint64(len(n.chosen)) != limit {
		return nil
	}
	return valuesOf(byteses(n.chosen...))
}

func (it *naiveItem) viewSorted(found bool, q *Query) *Result {
	sorted := func(order storev1.Order) []string {
		all := slices.SortedFunc(maps.Keys(it.scores), func(a, b string) int {
			return cmp.Or(cmp.Compare(it.scores[a], it.scores[b]), cmp.Compare(a, b))
		})
		if order == storev1.Order_ORDER_DESCENDING {
			slices.Reverse(all)
		}
		return all
	}
	switch op := q.GetOp().(type) {
	case *storev1.Query_SortedSetCount_:
		n := 0
		for _, score := range it.scores {
			if inScores(op.SortedSetCount.GetRange(), score) {
				n++
			}
		}
		return naiveLength(found, n)
	case *storev1.Query_SortedSetScores_:
		answer := &storev1.Result_Scores{Found: found}
		for _, e := range texts(op.SortedSetScores.GetMembers()) {
			if score, known := it.scores[e]; found {
				answer.Present, answer.Scores = append(answer.Present, known), append(answer.Scores, score)
			}
		}
		return &Result{Outcome: &storev1.Result_Scores_{Scores: answer}}
	case *storev1.Query_SortedSetRanks_:
		answer := &storev1.Result_Ranks{Found: found}
		all := sorted(op.SortedSetRanks.GetOrder())
		for _, e := range texts(op.SortedSetRanks.GetMembers()) {
			if !found {
				break
			}
			score, known := it.scores[e]
			rank := max(0, slices.Index(all, e))
			if op.SortedSetRanks.GetCompetition() && known {
				rank = slices.IndexFunc(all, func(other string) bool { return it.scores[other] == score })
			}
			answer.Present, answer.Scores = append(answer.Present, known), append(answer.Scores, score)
			answer.Ranks = append(answer.Ranks, uint64(rank))
		}
		return &Result{Outcome: &storev1.Result_Ranks_{Ranks: answer}}
	default:
		return it.fetch(found, q, sorted(q.GetSortedSetFetch().GetOrder()))
	}
}

func inScores(r *storev1.ScoreRange, score float64) bool {
	low, high := r.GetMin(), r.GetMax()
	return (low == nil || score > low.GetScore() || score == low.GetScore() && !low.GetExclusive()) &&
		(high == nil || score < high.GetScore() || score == high.GetScore() && !high.GetExclusive())
}

func (it *naiveItem) fetch(found bool, q *Query, all []string) *Result {
	op, size := q.GetSortedSetFetch(), 0
	answer := &storev1.Result_Range{Found: found}
	var first *int
	skipped := uint64(0)
	for i, e := range all {
		if op.GetByIndex() != nil && !inSlice(op.GetByIndex(), i, len(all)) ||
			op.GetByScore() != nil && !inScores(op.GetByScore(), it.scores[e]) {
			continue
		}
		if skipped++; skipped <= op.GetOffset() || op.Limit != nil && uint64(len(answer.Members)) == op.GetLimit() {
			continue
		}
		if first == nil {
			first = &i
		}
		answer.Members, answer.Scores = append(answer.Members, []byte(e)), append(answer.Scores, it.scores[e])
		size += 16 + len(e)
	}
	if first != nil {
		answer.FirstRank = uint64(*first)
	}
	return within(q, size, &Result{Outcome: &storev1.Result_Range_{Range: answer}})
}
