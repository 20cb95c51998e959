package store

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// What dictionaries, sets and sorted sets have in common.

func lifeOf(ms uint64, refresh bool) *storev1.CollectionTtl {
	return &storev1.CollectionTtl{TtlMs: ms, Refresh: refresh}
}

// fieldsOf reads "a=1 b=2".
func fieldsOf(pairs string) *storev1.DictionarySet {
	op := &storev1.DictionarySet{Ttl: lifeOf(1000, false)}
	for _, pair := range strings.Fields(pairs) {
		name, value, _ := strings.Cut(pair, "=")
		op.Fields, op.Values = append(op.Fields, []byte(name)), append(op.Values, []byte(value))
	}
	return op
}

func elementsOf(words string) *storev1.SetAdd {
	return &storev1.SetAdd{Elements: byteses(strings.Fields(words)...), Ttl: lifeOf(1000, false)}
}

// membersOf reads "a=1 b=2.5".
func membersOf(pairs string) *storev1.SortedSetPut {
	op := &storev1.SortedSetPut{Ttl: lifeOf(1000, false)}
	for _, pair := range strings.Fields(pairs) {
		member, text, _ := strings.Cut(pair, "=")
		var score float64
		if _, err := fmt.Sscan(text, &score); err != nil {
			panic(err)
		}
		op.Members, op.Scores = append(op.Members, []byte(member)), append(op.Scores, score)
	}
	return op
}

// show is what is under a key, in its order, whatever it is.
func (r *rig) show(at uint64, key string) string {
	r.t.Helper()
	switch kind := r.ask(at, key, &storev1.Query_ItemType{}).GetKind(); kind {
	case storev1.Kind_KIND_UNSPECIFIED:
		return "nothing"
	case storev1.Kind_KIND_SCALAR:
		return r.get(at, key)
	case storev1.Kind_KIND_LIST:
		return strings.Join(r.entries(at, key), " ")
	case storev1.Kind_KIND_SET:
		return strings.Join(texts(r.ask(at, key, &storev1.Query_SetFetch{}).GetValues().GetValues()), " ")
	case storev1.Kind_KIND_DICTIONARY:
		d := r.ask(at, key, &storev1.Query_DictionaryFetch{}).GetDictionary()
		pairs := make([]string, len(d.GetFields()))
		for i, name := range d.GetFields() {
			pairs[i] = fmt.Sprintf("%s=%s", name, d.GetValues()[i])
		}
		return strings.Join(pairs, " ")
	default:
		return ranged(r.ask(at, key, &storev1.Query_SortedSetFetch{}))
	}
}

// ranged is a range as text: the first rank, then members with scores.
func ranged(result *Result) string {
	got := result.GetRange()
	if !got.GetFound() {
		return "no range"
	}
	pairs := make([]string, len(got.GetMembers()))
	for i, member := range got.GetMembers() {
		pairs[i] = fmt.Sprintf("%s=%v", member, got.GetScores()[i])
	}
	if first := got.GetFirstRank(); first > 0 {
		pairs = append([]string{fmt.Sprintf("from %d:", first)}, pairs...)
	}
	return strings.Join(pairs, " ")
}

func TestElementTTL(t *testing.T) {
	writes := map[string]func(ttl *storev1.CollectionTtl) any{
		"dictionary set": func(ttl *storev1.CollectionTtl) any {
			op := fieldsOf("f=1")
			op.Ttl = ttl
			return op
		},
		"dictionary increment": func(ttl *storev1.CollectionTtl) any {
			return &storev1.DictionaryIncrement{Field: []byte("f"), Ttl: ttl}
		},
		"dictionary add": func(ttl *storev1.CollectionTtl) any {
			op := rowsOf(1, "f")
			op.Ttl = ttl
			return op
		},
		"set add": func(ttl *storev1.CollectionTtl) any {
			op := elementsOf("e")
			op.Ttl = ttl
			return op
		},
		"sorted set put": func(ttl *storev1.CollectionTtl) any {
			op := membersOf("m=1")
			op.Ttl = ttl
			return op
		},
		"sorted set increment": func(ttl *storev1.CollectionTtl) any {
			return &storev1.SortedSetIncrement{Member: []byte("m"), Amount: 1, Ttl: ttl}
		},
	}
	for name, write := range writes {
		for _, test := range []struct {
			name    string
			second  *storev1.CollectionTtl // at 100, after a life of 1000 was given at 0
			expires uint64
		}{
			{"creating applies it without refresh", nil, 1000},
			{"no refresh keeps a shorter one", lifeOf(5000, false), 1000},
			{"no refresh keeps a longer one", lifeOf(10, false), 1000},
			{"refresh lengthens", lifeOf(5000, true), 5100},
			{"refresh shortens", lifeOf(50, true), 150},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				r := newRig(t)
				r.do(0, "k", write(lifeOf(1000, false)))
				if test.second != nil {
					r.do(100, "k", write(test.second))
				}
				if got, _ := r.m.NextExpiry(); got != test.expires {
					t.Errorf("expires at %d, want %d", got, test.expires)
				}
				r.do(test.expires, "", &storev1.Tick{})
				if got := r.show(test.expires, "k"); got != "nothing" {
					t.Errorf("on time there still is %s", got)
				}
			})
		}
	}
}

func TestTakingElementsKeepsTheLife(t *testing.T) {
	r := newRig(t)
	r.do(0, "d", fieldsOf("a=1 b=2"))
	r.do(0, "s", elementsOf("a b c d"))
	r.do(0, "z", membersOf("a=1 b=2"))
	r.do(100, "d", &storev1.DictionaryRemove{Fields: byteses("a")})
	r.do(100, "s", &storev1.SetRemove{Elements: byteses("a")})
	r.do(100, "s", &storev1.SetPop{Count: 1})
	r.do(100, "s", &storev1.SetComplement{Elements: byteses("x", "y")})
	r.do(100, "z", &storev1.SortedSetRemove{Members: byteses("a")})
	for _, key := range []string{"d", "s", "z"} {
		if got := r.ask(100, key, &storev1.Query_ItemTtl{}).GetItemTtl().GetRemainingMs(); got != 899 {
			t.Errorf("%s lives %d ms, want 899", key, got)
		}
	}
	r.do(100, "z", &storev1.SortedSetRemove{Ttl: lifeOf(5000, true)})
	if got := r.ask(100, "z", &storev1.Query_ItemTtl{}).GetItemTtl().GetRemainingMs(); got != 4999 {
		t.Errorf("a removal that renews leaves %d ms, want 4999", got)
	}
}

// everyOp are operations on one type each, by the kind they work on.
func everyOp() map[storev1.Kind][]any {
	life := lifeOf(1000, false)
	return map[storev1.Kind][]any{
		storev1.Kind_KIND_SCALAR: {&storev1.Increment{TtlMs: 9}, setIf(storev1.Condition_CONDITION_EQUAL), &storev1.Query_Get{}},
		storev1.Kind_KIND_LIST: {
			pushOf(back, "a", 0), pushOf(back, "", 0), &storev1.ListPop{End: back}, &storev1.ListRetain{Ttl: life}, &storev1.ListRemove{}, &storev1.ListErase{All: true},
			&storev1.Query_ListFetch{}, &storev1.Query_ListLength{},
		},
		storev1.Kind_KIND_DICTIONARY: {
			fieldsOf("a=1"), fieldsOf(""), &storev1.DictionaryIncrement{Ttl: life}, rowsOf(1, "r"), &storev1.DictionaryRemove{}, &storev1.DictionaryRemove{All: true},
			&storev1.Query_DictionaryGet{}, &storev1.Query_DictionaryFetch{}, &storev1.Query_Length{Kind: storev1.Kind_KIND_DICTIONARY},
		},
		storev1.Kind_KIND_SET: {
			elementsOf("a"), elementsOf(""), &storev1.SetRemove{}, &storev1.SetRemove{All: true}, &storev1.SetComplement{}, &storev1.SetPop{}, &storev1.SetPop{Count: 1},
			&storev1.Query_SetFetch{}, &storev1.Query_SetSample{}, &storev1.Query_SetContains{}, &storev1.Query_Length{Kind: storev1.Kind_KIND_SET},
		},
		storev1.Kind_KIND_SORTED_SET: {
			membersOf("a=1"), membersOf(""), &storev1.SortedSetIncrement{Ttl: life}, &storev1.SortedSetRemove{}, &storev1.SortedSetRemove{All: true},
			&storev1.SortedSetUnion{OwnWeights: []float32{1}, TtlMs: 1},
			&storev1.Query_SortedSetFetch{}, &storev1.Query_SortedSetScores{}, &storev1.Query_SortedSetRanks{}, &storev1.Query_SortedSetCount{},
			&storev1.Query_Length{Kind: storev1.Kind_KIND_SORTED_SET},
		},
	}
}

func setIf(c storev1.Condition) *storev1.Set {
	op := setOf("v", 9)
	op.Condition = c
	return op
}

func TestNoTypeIsTakenForAnother(t *testing.T) {
	makers := map[storev1.Kind]any{
		storev1.Kind_KIND_SCALAR: setOf("7", 1000), storev1.Kind_KIND_LIST: pushOf(back, "a b", 0), storev1.Kind_KIND_DICTIONARY: fieldsOf("a=1 b=2"),
		storev1.Kind_KIND_SET: elementsOf("a b"), storev1.Kind_KIND_SORTED_SET: membersOf("a=1 b=2"),
	}
	for kind, maker := range makers {
		r := newRig(t)
		r.do(0, "k", maker)
		before := r.show(0, "k")
		for other, ops := range everyOp() {
			for _, op := range ops {
				var got *Result
				if query("k", op).GetOp() != nil {
					got = r.ask(0, "k", op)
				} else if other != kind {
					got = r.do(0, "k", op)
				}
				if want := other != kind; got != nil && (got.GetStatus() == storev1.Status_STATUS_WRONG_TYPE) != want {
					t.Errorf("%T on a %v: %v", op, kind, got)
				}
			}
		}
		if after := r.show(0, "k"); after != before {
			t.Errorf("a %v that was %q is %q after others were refused", kind, before, after)
		}
		// What takes any type takes this one.
		if got := r.do(0, "k", setOf("over", 1000)); !got.GetStored() || r.show(0, "k") != "over" {
			t.Errorf("a scalar over a %v: %v, %q", kind, got, r.show(0, "k"))
		}
		r.do(0, "k", &storev1.Delete{})
		r.do(0, "k", maker)
		if r.do(0, "k", &storev1.Delete{}); r.show(0, "k") != "nothing" || r.m.Stats().Bytes != 0 {
			t.Errorf("a deleted %v leaves %q, %+v", kind, r.show(0, "k"), r.m.Stats())
		}
	}
}

func TestNothingThereIsAnAnswer(t *testing.T) {
	r := newRig(t)
	for kind, ops := range everyOp() {
		if kind == storev1.Kind_KIND_SCALAR {
			continue
		}
		for _, op := range ops {
			if query("none", op).GetOp() == nil {
				continue
			}
			got := r.ask(0, "none", op)
			if got.GetStatus() != storev1.Status_STATUS_OK || got.GetOutcome() == nil || strings.Contains(fmt.Sprint(got), "found") {
				t.Errorf("%T of nothing: %v", op, got)
			}
		}
	}
	for _, op := range []any{
		fieldsOf(""), &storev1.DictionaryRemove{Fields: byteses("a")}, &storev1.DictionaryRemove{All: true},
		elementsOf(""), &storev1.SetRemove{Elements: byteses("a")}, &storev1.SetRemove{All: true},
		&storev1.SetComplement{Elements: byteses("a")}, &storev1.SetPop{Count: 3},
		membersOf(""), &storev1.SortedSetRemove{Members: byteses("a")}, &storev1.SortedSetRemove{All: true},
		&storev1.SortedSetUnion{TtlMs: 1}, &storev1.SortedSetUnion{TtlMs: 1, OwnWeights: []float32{2}},
	} {
		if got := r.do(0, "none", op); got.GetStatus() != storev1.Status_STATUS_OK || r.show(0, "none") != "nothing" {
			t.Errorf("%T on nothing: %v, and then there is %s", op, got, r.show(0, "none"))
		}
	}
}

func TestNoCollectionIsEmpty(t *testing.T) {
	for _, test := range []struct{ make, end any }{
		{fieldsOf("a=1 b=2"), &storev1.DictionaryRemove{Fields: byteses("b", "a", "a")}},
		{fieldsOf("a=1 b=2"), &storev1.DictionaryRemove{All: true}},
		{elementsOf("a b"), &storev1.SetRemove{Elements: byteses("a", "b", "c")}},
		{elementsOf("a b"), &storev1.SetRemove{All: true}},
		{elementsOf("a b"), &storev1.SetPop{Count: 2}},
		{elementsOf("a b"), &storev1.SetComplement{Elements: byteses("b", "a")}},
		{membersOf("a=1 b=2"), &storev1.SortedSetRemove{Members: byteses("b", "a")}},
		{membersOf("a=1 b=2"), &storev1.SortedSetRemove{All: true}},
		{membersOf("a=1 b=2"), &storev1.SortedSetUnion{TtlMs: 5}},
	} {
		r := newRig(t)
		r.do(0, "k", test.make)
		r.m.Snapshot() // so that the item is copied before it goes
		if got := r.do(1, "k", test.end); got.GetStatus() != 0 || r.show(1, "k") != "nothing" || r.m.Stats().Items != 0 {
			t.Errorf("%T: %v, and then there is %q, %+v", test.end, got, r.show(1, "k"), r.m.Stats())
		}
	}
}

// What is not there costs no copy of what a snapshot shares.
func TestTakingWhatIsNotThereCopiesNothing(t *testing.T) {
	r := newRig(t)
	c := func() *cache { c, _ := r.m.caches.Get("c"); return c }
	for key, ops := range map[string][]any{
		"d": {fieldsOf("a=1"), &storev1.DictionaryRemove{Fields: byteses("x")}, fieldsOf("")},
		"s": {elementsOf("a"), &storev1.SetRemove{Elements: byteses("x")}, &storev1.SetPop{}, elementsOf("")},
		"z": {membersOf("a=1"), &storev1.SortedSetRemove{Members: byteses("x")}, membersOf("")},
	} {
		r.do(0, key, ops[0])
		r.m.Snapshot()
		before := c().items[key]
		for _, op := range ops[1:] {
			if r.do(0, key, op); c().items[key] != before {
				t.Errorf("%T: the item was copied", op)
			}
		}
	}
}

// A write after a freeze copies a path, not the collection.
func TestFreezingLargeCollectionsIsCheap(t *testing.T) {
	m := NewMachine()
	add, put, set := elementsOf(""), membersOf(""), fieldsOf("")
	for i := range 100_000 {
		e := fmt.Appendf(nil, "%06d", i)
		add.Elements, put.Members, set.Fields = append(add.Elements, e), append(put.Members, e), append(set.Fields, e)
		put.Scores, set.Values = append(put.Scores, float64(i*7919%100_000)), append(set.Values, e)
	}
	for key, op := range map[string]any{"s": add, "z": put, "d": set} {
		m.Apply(command(0, key, op))
	}
	allocated := testing.AllocsPerRun(10, func() {
		m.Snapshot()
		m.Apply(command(0, "s", elementsOf("050000x")))
		m.Apply(command(0, "z", membersOf("050000=3.5")))
		m.Apply(command(0, "d", fieldsOf("050000=x")))
	})
	if allocated > 300 {
		t.Errorf("a write to each of three large collections after a freeze makes %v allocations", allocated)
	}
}

func TestElementsAreChecked(t *testing.T) {
	large := bytes.Repeat([]byte{'x'}, MaxItemBytes)
	many := make([][]byte, MaxElements+1)
	life, nan := lifeOf(9, false), math.NaN()
	for name, op := range map[string]any{
		"dictionary: no life":           &storev1.DictionarySet{Fields: byteses("a"), Values: byteses("b")},
		"dictionary: a field too many":  &storev1.DictionarySet{Fields: byteses("a", "b"), Values: byteses("b"), Ttl: life},
		"dictionary: too large":         &storev1.DictionarySet{Fields: byteses("a"), Values: [][]byte{large[1:]}, Ttl: life},
		"dictionary: too many":          &storev1.DictionarySet{Fields: many, Values: many, Ttl: life},
		"dictionary: increment, life":   &storev1.DictionaryIncrement{Field: []byte("a")},
		"dictionary: increment, large":  &storev1.DictionaryIncrement{Field: large, Ttl: life},
		"dictionary: add, no life":      &storev1.DictionaryAdd{Fields: byteses("a"), Amounts: []int64{1}},
		"dictionary: add, no row":       &storev1.DictionaryAdd{Fields: byteses("a"), Ttl: life},
		"dictionary: add, uneven rows":  &storev1.DictionaryAdd{Fields: byteses("a", "b"), Amounts: []int64{1, 2, 3}, Ttl: life},
		"dictionary: add, rows alone":   &storev1.DictionaryAdd{Amounts: []int64{1}, Ttl: life},
		"dictionary: add, long rows":    &storev1.DictionaryAdd{Fields: byteses("a"), Amounts: make([]int64, MaxRow+1), Ttl: life},
		"dictionary: add, large":        &storev1.DictionaryAdd{Fields: [][]byte{large[640:]}, Amounts: []int64{1}, Ttl: life},
		"dictionary: add, a large rest": &storev1.DictionaryAdd{Fields: byteses("a"), Amounts: []int64{1}, Rest: large, Ttl: life},
		"dictionary: add, too many":     &storev1.DictionaryAdd{Fields: many, Amounts: make([]int64, len(many)), Ttl: life},
		"dictionary: remove too many":   &storev1.DictionaryRemove{Fields: many},
		"set: no life":                  &storev1.SetAdd{Elements: byteses("a")},
		"set: too large":                &storev1.SetAdd{Elements: [][]byte{large}, Ttl: life},
		"set: too many":                 &storev1.SetAdd{Elements: many, Ttl: life},
		"set: remove too many":          &storev1.SetRemove{Elements: many},
		"set: complement too many":      &storev1.SetComplement{Elements: many},
		"set: complement too large":     &storev1.SetComplement{Elements: [][]byte{large}},
		"sorted set: no life":           &storev1.SortedSetPut{Members: byteses("a"), Scores: []float64{1}},
		"sorted set: a score too few":   &storev1.SortedSetPut{Members: byteses("a"), Ttl: life},
		"sorted set: NaN":               &storev1.SortedSetPut{Members: byteses("a"), Scores: []float64{nan}, Ttl: life},
		"sorted set: too large":         &storev1.SortedSetPut{Members: [][]byte{large}, Scores: []float64{1}, Ttl: life},
		"sorted set: too many":          &storev1.SortedSetPut{Members: many, Scores: make([]float64, len(many)), Ttl: life},
		"sorted set: increment by NaN":  &storev1.SortedSetIncrement{Member: []byte("a"), Amount: nan, Ttl: life},
		"sorted set: increment, life":   &storev1.SortedSetIncrement{Member: []byte("a")},
		"sorted set: remove, life of 0": &storev1.SortedSetRemove{Ttl: lifeOf(0, false)},
		"sorted set: remove too many":   &storev1.SortedSetRemove{Members: many},
		"union: no life":                &storev1.SortedSetUnion{},
		"union: unknown aggregate":      &storev1.SortedSetUnion{Aggregate: 3, TtlMs: 9},
		"union: weight NaN":             &storev1.SortedSetUnion{OwnWeights: []float32{float32(nan)}, TtlMs: 9},
		"union: too many weights":       &storev1.SortedSetUnion{OwnWeights: make([]float32, MaxElements+1), TtlMs: 9},
		"union: NaN":                    &storev1.SortedSetUnion{Members: byteses("a"), Scores: []float64{nan}, TtlMs: 9},
		"union: a score too few":        &storev1.SortedSetUnion{Members: byteses("a"), TtlMs: 9},
		"union: too large":              &storev1.SortedSetUnion{Members: [][]byte{large}, Scores: []float64{1}, TtlMs: 9},
		"query: kind of a scalar":       &storev1.Query_Length{Kind: storev1.Kind_KIND_SCALAR},
		"query: no kind":                &storev1.Query_Length{},
		"query: too many fields":        &storev1.Query_DictionaryGet{Fields: many},
		"query: too many elements":      &storev1.Query_SetContains{Elements: many},
		"query: too many members":       &storev1.Query_SortedSetScores{Members: many},
		"query: too many ranks":         &storev1.Query_SortedSetRanks{Members: many},
		"query: ranks of no order":      &storev1.Query_SortedSetRanks{Order: 2},
		"query: fetch of no order":      &storev1.Query_SortedSetFetch{Order: -1},
		"query: count to NaN":           &storev1.Query_SortedSetCount{Range: &storev1.ScoreRange{Max: &storev1.ScoreBound{Score: nan}}},
		"query: fetch from NaN": &storev1.Query_SortedSetFetch{Range: &storev1.Query_SortedSetFetch_ByScore{
			ByScore: &storev1.ScoreRange{Min: &storev1.ScoreBound{Score: nan}}}},
	} {
		m := NewMachine()
		got := m.View(query("k", op), 0)
		if query("k", op).GetOp() == nil {
			got = m.Apply(command(0, "k", op))
		}
		if got.GetStatus() != storev1.Status_STATUS_INVALID || got.GetDetail() == "" || got.GetDetail() == badOp {
			t.Errorf("%s: %v", name, got)
		}
		if m.Stats().Items != 0 {
			t.Errorf("%s: refused, and there is an item", name)
		}
	}
	elsewhere := command(0, "k", setOf("v", 9))
	if elsewhere.Space = 2; NewMachine().Apply(elsewhere).GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("a space that nobody knows was taken")
	}
	ticking := command(0, "", &storev1.Tick{})
	if ticking.Space = 1; NewMachine().Apply(ticking).GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("a tick in a space was taken")
	}
}

func TestCollectionLengthIsBounded(t *testing.T) {
	m := NewMachine()
	for key, op := range map[string]any{"d": fieldsOf("a=1"), "s": elementsOf("a"), "z": membersOf("a=1")} {
		m.Apply(command(1, key, op))
	}
	c, _ := m.caches.Get("c")
	// Collections of that many would take gigabytes.
	c.items["d"].held.(*dictionary).fields.length = MaxCollectionLength
	c.items["s"].held.(*set).elements.length = MaxCollectionLength
	c.items["z"].held.(*sortedSet).byScore.length = MaxCollectionLength
	for key, op := range map[string]any{"d": fieldsOf("b=1"), "s": elementsOf("b"), "z": membersOf("b=1")} {
		if got := m.Apply(command(1, key, op)); got.GetStatus() != storev1.Status_STATUS_INVALID {
			t.Errorf("one more than fits, %s: %v", key, got)
		}
	}
}

func TestSpacesAreApart(t *testing.T) {
	r := newRig(t)
	board := func(at uint64, op any) *Result {
		cmd := command(at, "k", op)
		cmd.Space = storev1.Space_SPACE_LEADERBOARDS
		result := r.m.Apply(cmd)
		verify(t, r.m)
		return result
	}
	r.do(0, "k", setOf("scalar", 500))
	board(0, membersOf("m=1"))
	if r.show(0, "k") != "scalar" || r.m.Stats().Items != 2 {
		t.Errorf("beside a leaderboard there is %q, %+v", r.show(0, "k"), r.m.Stats())
	}
	q := query("k", &storev1.Query_SortedSetFetch{})
	q.Space = storev1.Space_SPACE_LEADERBOARDS
	if got := ranged(r.m.View(q, 0)); got != "m=1" {
		t.Errorf("the leaderboard is %q", got)
	}
	if r.do(0, "k", &storev1.Delete{}); ranged(r.m.View(q, 0)) != "m=1" {
		t.Errorf("a deleted item took the leaderboard with it")
	}
	if got := restored(t, snapshotBytes(t, r.m)); ranged(got.View(q, 0)) != "m=1" {
		t.Errorf("the leaderboard is not in the snapshot")
	}
	r.do(1000, "", &storev1.Sweep{Limit: 9})
	if r.m.Stats() != (Stats{Caches: 1}) {
		t.Errorf("swept, and left %+v", r.m.Stats())
	}
}

// Of two that expire together the items go first.
func TestSweepGoesBySpace(t *testing.T) {
	r := newRig(t)
	cmd := command(0, "a", membersOf("m=1"))
	cmd.Space = storev1.Space_SPACE_LEADERBOARDS
	r.m.Apply(cmd)
	r.do(0, "b", setOf("v", 1000))
	r.do(1000, "", &storev1.Sweep{Limit: 1})
	if c, _ := r.m.caches.Get("c"); len(c.items) != 0 || len(c.boards.items) != 1 {
		t.Errorf("%d items and %d leaderboards are left", len(c.items), len(c.boards.items))
	}
}

func TestFlushTakesEverySpace(t *testing.T) {
	r := newRig(t)
	cmd := command(0, "a", membersOf("m=1"))
	cmd.Space = storev1.Space_SPACE_LEADERBOARDS
	r.m.Apply(cmd)
	retire := command(1, "", &storev1.Retire{})
	retire.Generation = 2
	r.m.Apply(retire)
	if verify(t, r.m); r.m.Stats().Items != 0 {
		t.Errorf("a flush left %+v", r.m.Stats())
	}
}

// Reads of the same large answer share the stored bytes.
func TestAnswersShareTheStoredBytes(t *testing.T) {
	r := newRig(t)
	value := bytes.Repeat([]byte("x"), 1<<20)
	r.do(0, "s", &storev1.SetAdd{Elements: [][]byte{value}, Ttl: lifeOf(9, false)})
	got := r.ask(0, "s", &storev1.Query_SetFetch{}).GetValues().GetValues()
	if len(got) != 1 || &got[0][0] != &value[0] || !slices.Equal(got[0], value) {
		t.Errorf("a fetch copied the element")
	}
}
