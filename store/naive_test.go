package store

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// naive is what a machine should do, written without any care for speed and
// without a look at how the machine does it. It answers well-formed commands
// only.
type naive struct {
	clock  uint64
	caches map[string]*naiveCache
	// answers by gateway and sequence, marks and times by gateway.
	answers map[string]map[uint64]*Result
	marks   map[string]uint64
	seen    map[string]uint64
	// chosen is what the machine popped last: which it chose is its own affair.
	chosen []string
}

type naiveCache struct {
	generation uint64
	forgetAt   uint64
	items      map[naiveKey]*naiveItem
}

type naiveKey struct {
	space storev1.Space
	key   string
}

type naiveItem struct {
	kind    storev1.Kind
	values  []string // of a list, or one for a scalar
	fields  map[string]string
	scores  map[string]float64 // of sets, too
	expires uint64
}

func (it *naiveItem) empty() bool {
	return it.kind != storev1.Kind_KIND_SCALAR && len(it.values)+len(it.fields)+len(it.scores) == 0
}

func (it *naiveItem) list() bool   { return it.kind == storev1.Kind_KIND_LIST }
func (it *naiveItem) scalar() bool { return it.kind == storev1.Kind_KIND_SCALAR }

func newNaive() *naive {
	return &naive{
		caches: map[string]*naiveCache{}, answers: map[string]map[uint64]*Result{},
		marks: map[string]uint64{}, seen: map[string]uint64{},
	}
}

func status(s Status) *Result { return &Result{Status: s} }

func (n *naive) apply(cmd *Command) *Result {
	n.clock = max(n.clock, cmd.GetAtMs())
	for name, c := range n.caches {
		if c.forgetAt != 0 && c.forgetAt <= n.clock {
			delete(n.caches, name)
		}
	}
	for id, seen := range n.seen {
		if seen+120_000 <= n.clock {
			delete(n.seen, id)
			delete(n.marks, id)
			delete(n.answers, id)
		}
	}
	id := cmd.GetRequest()
	if id == nil {
		return n.execute(cmd)
	}
	gateway := string(id.GetGateway())
	n.seen[gateway] = n.clock
	n.marks[gateway] = max(n.marks[gateway], id.GetDoneBelow())
	if id.GetSequence() < n.marks[gateway] {
		return status(storev1.Status_STATUS_REQUEST_FORGOTTEN)
	}
	if first := n.answers[gateway][id.GetSequence()]; first != nil {
		return first
	}
	if n.answers[gateway] == nil {
		n.answers[gateway] = map[uint64]*Result{}
	}
	result := n.execute(cmd)
	n.answers[gateway][id.GetSequence()] = result
	return result
}

func (n *naive) execute(cmd *Command) *Result {
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_Tick:
		return &Result{}
	case *storev1.Command_Sweep:
		return n.sweep(int(op.Sweep.GetLimit()))
	case *storev1.Command_Evict:
		return n.evict(cmd, op.Evict)
	}
	c := n.caches[cmd.GetCache()]
	retire, isRetire := cmd.GetOp().(*storev1.Command_Retire)
	buried := c != nil && c.forgetAt != 0 && c.generation == cmd.GetGeneration()
	switch {
	case buried && isRetire && retire.Retire.GetDeleted():
		return &Result{}
	case c != nil && cmd.GetGeneration() < c.generation, buried:
		return status(storev1.Status_STATUS_STALE_GENERATION)
	case c == nil || cmd.GetGeneration() > c.generation:
		c = &naiveCache{generation: cmd.GetGeneration(), items: map[naiveKey]*naiveItem{}}
		n.caches[cmd.GetCache()] = c
	}
	if isRetire {
		if retire.Retire.GetDeleted() {
			c.items, c.forgetAt = nil, n.clock+600_000
		}
		return &Result{}
	}
	key := naiveKey{cmd.GetSpace(), string(cmd.GetKey())}
	if it := c.items[key]; it != nil && it.expires <= n.clock {
		delete(c.items, key)
	}
	result := n.change(c, key, cmd)
	if it := c.items[key]; it != nil && it.empty() {
		delete(c.items, key)
	}
	return result
}

func (n *naive) evict(cmd *Command, op *storev1.Evict) *Result {
	c := n.caches[cmd.GetCache()]
	if c == nil || c.forgetAt != 0 || c.generation != cmd.GetGeneration() {
		return status(storev1.Status_STATUS_STALE_GENERATION)
	}
	var gone evicted
	for _, k := range op.GetKeys() {
		key := naiveKey{cmd.GetSpace(), string(k)}
		it := c.items[key]
		switch {
		case it == nil:
		case it.expires <= n.clock:
			delete(c.items, key)
		case op.GetKinds()&(1<<it.kind) != 0:
			delete(c.items, key)
			gone.items++
			gone.bytes += it.size(string(k))
		}
	}
	return evictedOf(gone)
}

// size is the documented formula, spelled out.
func (it *naiveItem) size(key string) uint64 {
	type cost struct{ item, element int }
	of := map[storev1.Kind]cost{
		storev1.Kind_KIND_SCALAR: {208, 0}, storev1.Kind_KIND_LIST: {208 + 160, 40}, storev1.Kind_KIND_DICTIONARY: {208 + 96, 64},
		storev1.Kind_KIND_SET: {208 + 96, 40}, storev1.Kind_KIND_SORTED_SET: {208 + 160, 96},
	}[it.kind]
	n := of.item + len(key)
	for _, v := range it.values {
		n += of.element + len(v)
	}
	for f, v := range it.fields {
		n += of.element + len(f) + len(v)
	}
	for m := range it.scores {
		n += of.element + len(m)
	}
	return uint64(n)
}

func (n *naive) sweep(limit int) *Result {
	type due struct {
		expires uint64
		cache   string
		item    naiveKey
	}
	var all []due
	for name, c := range n.caches {
		for key, it := range c.items {
			if it.expires <= n.clock {
				all = append(all, due{it.expires, name, key})
			}
		}
	}
	slices.SortFunc(all, func(a, b due) int {
		return cmp.Or(cmp.Compare(a.expires, b.expires), cmp.Compare(a.cache, b.cache),
			cmp.Compare(a.item.space, b.item.space), cmp.Compare(a.item.key, b.item.key))
	})
	all = all[:min(limit, len(all))]
	for _, d := range all {
		delete(n.caches[d.cache].items, d.item)
	}
	return sweptOf(uint32(len(all)))
}

func (n *naive) change(c *naiveCache, key naiveKey, cmd *Command) *Result {
	it := c.items[key]
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_Delete:
		delete(c.items, key)
		return &Result{}
	case *storev1.Command_UpdateTtl:
		return n.updateTTL(it, op.UpdateTtl)
	case *storev1.Command_Set:
		return n.set(c, key, op.Set)
	case *storev1.Command_Increment:
		return n.increment(c, key, op.Increment)
	}
	if result, known := n.changeElements(c, key, cmd); known {
		return result
	}
	if it != nil && !it.list() {
		return status(storev1.Status_STATUS_WRONG_TYPE)
	}
	if op, ok := cmd.GetOp().(*storev1.Command_ListPush); ok {
		if it == nil && len(op.ListPush.GetValues()) > 0 {
			it = &naiveItem{kind: storev1.Kind_KIND_LIST, expires: n.clock + op.ListPush.GetTtl().GetTtlMs()}
			c.items[key] = it
		}
		if it != nil && len(op.ListPush.GetValues()) > 0 {
			n.push(it, op.ListPush)
		}
	} else if op, ok := cmd.GetOp().(*storev1.Command_ListPop); ok {
		return n.pop(it, op.ListPop)
	} else if it != nil {
		n.shorten(it, cmd)
	}
	r := &Result{Outcome: &storev1.Result_Length_{Length: &storev1.Result_Length{}}}
	if it != nil {
		r.GetLength().Found, r.GetLength().Length = true, uint64(len(it.values))
	}
	return r
}

func (n *naive) updateTTL(it *naiveItem, op *storev1.UpdateTtl) *Result {
	answer := storev1.Result_TTL_UPDATE_MISSING
	if it != nil {
		answer = storev1.Result_TTL_UPDATE_NOT_SET
		left := it.expires - n.clock
		if op.GetMode() == storev1.UpdateTtl_MODE_OVERWRITE ||
			op.GetMode() == storev1.UpdateTtl_MODE_INCREASE && op.GetTtlMs() > left ||
			op.GetMode() == storev1.UpdateTtl_MODE_DECREASE && op.GetTtlMs() < left {
			it.expires = n.clock + op.GetTtlMs()
			answer = storev1.Result_TTL_UPDATE_SET
		}
	}
	return &Result{Outcome: &storev1.Result_TtlUpdate_{TtlUpdate: answer}}
}

func (n *naive) set(c *naiveCache, key naiveKey, op *storev1.Set) *Result {
	it := c.items[key]
	if it != nil && !it.scalar() && op.GetCondition() >= storev1.Condition_CONDITION_EQUAL {
		return status(storev1.Status_STATUS_WRONG_TYPE)
	}
	same := it != nil && it.scalar() && it.values[0] == string(op.GetOperand())
	if op.GetOperandIsDigest() {
		same = it != nil && it.scalar() && string(Digest([]byte(it.values[0]))) == string(op.GetOperand())
	}
	ok := map[storev1.Condition]bool{
		storev1.Condition_CONDITION_UNSPECIFIED:           true,
		storev1.Condition_CONDITION_PRESENT:               it != nil,
		storev1.Condition_CONDITION_ABSENT:                it == nil,
		storev1.Condition_CONDITION_EQUAL:                 same,
		storev1.Condition_CONDITION_NOT_EQUAL:             !same,
		storev1.Condition_CONDITION_PRESENT_AND_NOT_EQUAL: it != nil && !same,
		storev1.Condition_CONDITION_ABSENT_OR_EQUAL:       it == nil || same,
	}[op.GetCondition()]
	if ok {
		c.items[key] = &naiveItem{kind: storev1.Kind_KIND_SCALAR, values: []string{string(op.GetValue())}, expires: n.clock + op.GetTtlMs()}
	}
	return &Result{Outcome: &storev1.Result_Stored{Stored: ok}}
}

func (n *naive) increment(c *naiveCache, key naiveKey, op *storev1.Increment) *Result {
	it := c.items[key]
	number := int64(0)
	if it != nil {
		if !it.scalar() {
			return status(storev1.Status_STATUS_WRONG_TYPE)
		}
		var err error
		if number, err = strconv.ParseInt(it.values[0], 10, 64); err != nil {
			return status(storev1.Status_STATUS_NOT_A_NUMBER)
		}
	}
	sum := new(big.Int).Add(big.NewInt(number), big.NewInt(op.GetAmount()))
	if !sum.IsInt64() {
		return status(storev1.Status_STATUS_OVERFLOW)
	}
	c.items[key] = &naiveItem{kind: storev1.Kind_KIND_SCALAR, values: []string{sum.String()}, expires: n.clock + op.GetTtlMs()}
	return numberOf(sum.Int64())
}

func (n *naive) push(it *naiveItem, op *storev1.ListPush) {
	values, most := texts(op.GetValues()), int(op.GetTruncateToSize())
	if op.GetEnd() == storev1.End_END_BACK {
		it.values = append(slices.Clone(it.values), values...)
		if extra := len(it.values) - most; most > 0 && extra > 0 {
			it.values = it.values[extra:]
		}
	} else {
		it.values = append(values, it.values...)
		if most > 0 && len(it.values) > most {
			it.values = it.values[:most]
		}
	}
	if op.GetTtl().GetRefresh() {
		it.expires = n.clock + op.GetTtl().GetTtlMs()
	}
}

func (n *naive) pop(it *naiveItem, op *storev1.ListPop) *Result {
	if it == nil {
		return &Result{Outcome: &storev1.Result_Popped_{Popped: &storev1.Result_Popped{}}}
	}
	at := 0
	if op.GetEnd() == storev1.End_END_BACK {
		at = len(it.values) - 1
	}
	v := it.values[at]
	it.values = slices.Delete(slices.Clone(it.values), at, at+1)
	return popped([]byte(v), len(it.values))
}

// shorten carries out what only takes entries away, entry by entry.
func (n *naive) shorten(it *naiveItem, cmd *Command) {
	gone := func(int, string) bool { return false }
	switch op := cmd.GetOp().(type) {
	case *storev1.Command_ListRemove:
		gone = func(_ int, v string) bool { return v == string(op.ListRemove.GetValue()) }
	case *storev1.Command_ListErase:
		gone = func(i int, _ string) bool {
			for _, r := range op.ListErase.GetRanges() {
				if uint64(i) >= r.GetBegin() && uint64(i)-r.GetBegin() < r.GetCount() {
					return true
				}
			}
			return op.ListErase.GetAll()
		}
	case *storev1.Command_ListRetain:
		gone = func(i int, _ string) bool { return !inSlice(op.ListRetain.GetSlice(), i, len(it.values)) }
		if op.ListRetain.GetTtl().GetRefresh() {
			it.expires = n.clock + op.ListRetain.GetTtl().GetTtlMs()
		}
	}
	var kept []string
	for i, v := range it.values {
		if !gone(i, v) {
			kept = append(kept, v)
		}
	}
	it.values = kept
}

func inSlice(s *storev1.Slice, i, length int) bool {
	after := func(bound *int64) bool {
		at := *bound
		if at < 0 {
			at += int64(length)
		}
		return int64(i) >= at
	}
	return (s == nil || s.Start == nil || after(s.Start)) && (s == nil || s.End == nil || !after(s.End))
}

// view answers a query as of a time.
func (n *naive) view(q *Query, at uint64) *Result {
	var it *naiveItem
	if c := n.caches[q.GetCache()]; c != nil && q.GetGeneration() <= c.generation {
		if q.GetGeneration() < c.generation || c.forgetAt != 0 {
			return status(storev1.Status_STATUS_STALE_GENERATION)
		}
		it = c.items[naiveKey{q.GetSpace(), string(q.GetKey())}]
	}
	if it != nil && it.expires <= n.clock {
		it = nil
	}
	if it != nil && it.expires <= at {
		return status(storev1.Status_STATUS_CLOCK_BEHIND)
	}
	switch op := q.GetOp().(type) {
	case *storev1.Query_Exists_:
		return &Result{Outcome: &storev1.Result_Exists{Exists: it != nil}}
	case *storev1.Query_ItemType_:
		if it == nil {
			return kindOf(storev1.Kind_KIND_UNSPECIFIED)
		}
		return kindOf(it.kind)
	case *storev1.Query_ItemTtl_:
		if it == nil {
			return &Result{Outcome: &storev1.Result_ItemTtl_{ItemTtl: &storev1.Result_ItemTtl{}}}
		}
		return remainingOf(it.expires - max(at, n.clock) - 1)
	case *storev1.Query_Get_:
		if it != nil && !it.scalar() {
			return status(storev1.Status_STATUS_WRONG_TYPE)
		}
		v := &storev1.Result_Value{Found: it != nil}
		if it != nil {
			v.Value = []byte(it.values[0])
		}
		return &Result{Outcome: &storev1.Result_Value_{Value: v}}
	case *storev1.Query_ListLength_:
		if it != nil && !it.list() {
			return status(storev1.Status_STATUS_WRONG_TYPE)
		}
		l := &storev1.Result_Length{Found: it != nil}
		if it != nil {
			l.Length = uint64(len(it.values))
		}
		return &Result{Outcome: &storev1.Result_Length_{Length: l}}
	case *storev1.Query_ListFetch_:
		if it != nil && !it.list() {
			return status(storev1.Status_STATUS_WRONG_TYPE)
		}
		vs := &storev1.Result_Values{}
		for i := 0; it != nil && i < len(it.values); i++ {
			if inSlice(op.ListFetch.GetSlice(), i, len(it.values)) {
				vs.Found, vs.Values = true, append(vs.Values, []byte(it.values[i]))
			}
		}
		return within(q, 2*len(vs.Values), &Result{Outcome: &storev1.Result_Values_{Values: vs}})
	}
	return n.viewElements(it, q)
}
