package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

const (
	front = storev1.End_END_FRONT
	back  = storev1.End_END_BACK
)

// pushOf pushes each word of the text.
func pushOf(end storev1.End, words string, truncate uint32) *storev1.ListPush {
	return &storev1.ListPush{
		End: end, Values: byteses(strings.Fields(words)...), TruncateToSize: truncate,
		Ttl: &storev1.CollectionTtl{TtlMs: 1000},
	}
}

func sliceOf(bounds ...any) *storev1.Slice {
	s := &storev1.Slice{}
	if n, ok := bounds[0].(int); ok {
		start := int64(n)
		s.Start = &start
	}
	if n, ok := bounds[1].(int); ok {
		end := int64(n)
		s.End = &end
	}
	return s
}

func TestPushKeepsOrderAndTruncatesTheOtherEnd(t *testing.T) {
	tests := []struct {
		before   string
		end      storev1.End
		push     string
		truncate uint32
		want     string
	}{
		{"", back, "a", 0, "a"},
		{"a b", back, "c d", 0, "a b c d"},
		{"a b", front, "c d", 0, "c d a b"},
		{"a b", front, "c", 0, "c a b"},
		{"a b c", back, "d", 3, "b c d"},
		{"a b c", front, "d", 3, "d a b"},
		{"a b c d e", back, "f g h", 3, "f g h"},
		{"a b c", back, "d e f", 4, "c d e f"},
		{"a b c", front, "d e f", 4, "d e f a"},
		{"a b", back, "c d e f", 2, "e f"},
		{"a b", front, "c d e f", 2, "c d"},
		{"", back, "a b c", 2, "b c"},
		{"", front, "a b c", 2, "a b"},
		{"a b c d", back, "e", 2, "d e"},
		{"a", back, "b", 1, "b"},
		{"a", front, "b", 9, "b a"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %v %s to %d", test.before, test.end, test.push, test.truncate), func(t *testing.T) {
			r := newRig(t)
			if test.before != "" {
				r.do(1, "k", pushOf(back, test.before, 0))
			}
			result := r.do(1, "k", pushOf(test.end, test.push, test.truncate))
			want := strings.Fields(test.want)
			if got := result.GetLength(); !got.GetFound() || got.GetLength() != uint64(len(want)) {
				t.Errorf("answered %v, want %d", result, len(want))
			}
			if got := r.entries(1, "k"); !slices.Equal(got, want) {
				t.Errorf("list is %q, want %q", got, want)
			}
		})
	}
}

func TestEmptyPushChangesNothing(t *testing.T) {
	r := newRig(t)
	if got := r.do(1, "k", pushOf(back, "", 0)).GetLength(); got == nil || got.GetFound() {
		t.Errorf("on no list: %v", got)
	}
	if r.m.Stats().Items != 0 {
		t.Errorf("an empty push created a list")
	}
	r.do(1, "k", pushOf(back, "a b c", 0))
	empty := pushOf(back, "", 1)
	empty.Ttl = &storev1.CollectionTtl{TtlMs: 99999, Refresh: true}
	if got := r.do(2, "k", empty).GetLength(); got.GetLength() != 3 {
		t.Errorf("on a list of three: %v", got)
	}
	if got := r.ask(2, "k", &storev1.Query_ItemTtl{}).GetItemTtl().GetRemainingMs(); got != 998 {
		t.Errorf("remaining %d, want 998: an empty push renewed the list", got)
	}
}

// The worked values of the protocol: ten entries 0 to 9, and one entry.
func TestSlices(t *testing.T) {
	const none = "none"
	tests := []struct {
		list       string
		start, end any
		want       string
	}{
		{"0 1 2 3 4 5 6 7 8 9", 5, none, "5 6 7 8 9"},
		{"0 1 2 3 4 5 6 7 8 9", 5, 0, ""},
		{"0 1 2 3 4 5 6 7 8 9", -5, none, "5 6 7 8 9"},
		{"0 1 2 3 4 5 6 7 8 9", -5, 0, ""},
		{"0 1 2 3 4 5 6 7 8 9", none, 5, "0 1 2 3 4"},
		{"0 1 2 3 4 5 6 7 8 9", none, -5, "0 1 2 3 4"},
		{"0 1 2 3 4 5 6 7 8 9", 2, 6, "2 3 4 5"},
		{"0 1 2 3 4 5 6 7 8 9", 2, -6, "2 3"},
		{"0 1 2 3 4 5 6 7 8 9", -7, -2, "3 4 5 6 7"},
		{"0 1 2 3 4 5 6 7 8 9", -2, -6, ""},
		{"0 1 2 3 4 5 6 7 8 9", none, none, "0 1 2 3 4 5 6 7 8 9"},
		{"0 1 2 3 4 5 6 7 8 9", 8, 99, "8 9"},
		{"0 1 2 3 4 5 6 7 8 9", -99, 2, "0 1"},
		{"0 1 2 3 4 5 6 7 8 9", 10, none, ""},
		{"0 1 2 3 4 5 6 7 8 9", -1 << 62, 1 << 62, "0 1 2 3 4 5 6 7 8 9"},
		{"x", -1, 1, "x"},
		{"x", 1, -1, ""},
		{"x", 0, -1, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%v to %v", test.start, test.end), func(t *testing.T) {
			r := newRig(t)
			r.do(1, "k", pushOf(back, test.list, 0))
			s := sliceOf(test.start, test.end)
			want := strings.Fields(test.want)

			fetched := r.ask(1, "k", &storev1.Query_ListFetch{Slice: s}).GetValues()
			if fetched.GetFound() != (len(want) > 0) || !slices.Equal(texts(fetched.GetValues()), want) {
				t.Errorf("fetched %v, want %q", fetched, want)
			}
			retained := r.do(1, "k", &storev1.ListRetain{Slice: s, Ttl: &storev1.CollectionTtl{TtlMs: 5}}).GetLength()
			if !retained.GetFound() || retained.GetLength() != uint64(len(want)) {
				t.Errorf("retained %v, want %d", retained, len(want))
			}
			if got := r.entries(1, "k"); !slices.Equal(got, want) {
				t.Errorf("list is %q, want %q", got, want)
			}
			if exists := r.ask(1, "k", &storev1.Query_Exists{}).GetExists(); exists != (len(want) > 0) {
				t.Errorf("exists: %v", exists)
			}
		})
	}
}

func TestPop(t *testing.T) {
	r := newRig(t)
	r.do(1, "k", pushOf(back, "a b c", 0))
	for _, step := range []struct {
		end   storev1.End
		value string
		left  uint64
	}{{front, "a", 2}, {back, "c", 1}, {back, "b", 0}} {
		got := r.do(1, "k", &storev1.ListPop{End: step.end}).GetPopped()
		if !got.GetFound() || string(got.GetValue()) != step.value || got.GetLength() != step.left {
			t.Errorf("popped %v, want %q and %d left", got, step.value, step.left)
		}
	}
	if got := r.do(1, "k", &storev1.ListPop{End: front}).GetPopped(); got == nil || got.GetFound() {
		t.Errorf("popped %v off no list", got)
	}
	if got := r.ask(1, "k", &storev1.Query_ItemType{}); got.GetKind() != storev1.Kind_KIND_UNSPECIFIED || got.GetOutcome() == nil {
		t.Errorf("type of the emptied list: %v", got)
	}
}

func TestRemoveDropsEveryEqualEntry(t *testing.T) {
	r := newRig(t)
	r.do(1, "k", pushOf(back, "x a x x b x", 0))
	for _, step := range []struct{ value, left string }{{"nil", "x a x x b x"}, {"x", "a b"}, {"a", "b"}, {"b", ""}} {
		got := r.do(1, "k", &storev1.ListRemove{Value: []byte(step.value)}).GetLength()
		want := strings.Fields(step.left)
		if !got.GetFound() || got.GetLength() != uint64(len(want)) || !slices.Equal(r.entries(1, "k"), want) {
			t.Errorf("after removing %q: %v, %q", step.value, got, r.entries(1, "k"))
		}
	}
	if got := r.do(1, "k", &storev1.ListRemove{Value: []byte("b")}).GetLength(); got == nil || got.GetFound() {
		t.Errorf("on no list: %v", got)
	}
}

func TestListLengthIsBounded(t *testing.T) {
	m := NewMachine()
	m.Apply(command(1, "k", pushOf(back, "a b c", 0)))
	c, _ := m.caches.Get("c")
	c.items["k"].list().length = MaxCollectionLength - 1 // a list of that many takes gigabytes
	if got := m.Apply(command(1, "k", pushOf(back, "d e", 0))); got.GetStatus() != storev1.Status_STATUS_INVALID {
		t.Errorf("two more than fit by one: %v", got)
	}
	if got := m.Apply(command(1, "k", pushOf(back, "d", 0))); got.GetLength().GetLength() != MaxCollectionLength {
		t.Errorf("the last that fits: %v", got)
	}
	if got := m.Apply(command(1, "k", pushOf(back, "e", MaxCollectionLength))); got.GetLength().GetLength() != MaxCollectionLength {
		t.Errorf("one more, truncated: %v", got)
	}
}

// What is not there costs no copy of what a snapshot shares.
func TestRemovingNothingCopiesNothing(t *testing.T) {
	r := newRig(t)
	r.do(1, "k", pushOf(back, "a b", 0))
	c, _ := r.m.caches.Get("c")
	before := c.items["k"]
	r.m.Snapshot()
	r.do(1, "k", &storev1.ListRemove{Value: []byte("x")})
	r.do(1, "k", &storev1.ListErase{Ranges: []*storev1.ListErase_Range{{Begin: 2, Count: 1}}})
	if c.items["k"] != before {
		t.Errorf("the item was copied")
	}
}

func TestErase(t *testing.T) {
	type ranges = []*storev1.ListErase_Range
	const all = 1<<64 - 1
	tests := []struct {
		name string
		op   *storev1.ListErase
		want string
	}{
		{"nothing", &storev1.ListErase{}, "0 1 2 3 4 5"},
		{"all", &storev1.ListErase{All: true}, ""},
		{"middle", &storev1.ListErase{Ranges: ranges{{Begin: 2, Count: 2}}}, "0 1 4 5"},
		{"two, backwards", &storev1.ListErase{Ranges: ranges{{Begin: 4, Count: 1}, {Begin: 0, Count: 1}}}, "1 2 3 5"},
		{"overlapping", &storev1.ListErase{Ranges: ranges{{Begin: 1, Count: 3}, {Begin: 2, Count: 1}, {Begin: 3, Count: 2}}}, "0 5"},
		{"one inside another", &storev1.ListErase{Ranges: ranges{{Begin: 1, Count: 4}, {Begin: 2, Count: 1}}}, "0 5"},
		{"past the end", &storev1.ListErase{Ranges: ranges{{Begin: 4, Count: all}, {Begin: all, Count: all}}}, "0 1 2 3"},
		{"count of none", &storev1.ListErase{Ranges: ranges{{Begin: 1}}}, "0 1 2 3 4 5"},
		{"everything by range", &storev1.ListErase{Ranges: ranges{{Count: 3}, {Begin: 3, Count: 3}}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			r.do(1, "k", pushOf(back, "0 1 2 3 4 5", 0))
			want := strings.Fields(test.want)
			got := r.do(1, "k", test.op).GetLength()
			if !got.GetFound() || got.GetLength() != uint64(len(want)) || !slices.Equal(r.entries(1, "k"), want) {
				t.Errorf("answered %v, list is %q, want %q", got, r.entries(1, "k"), want)
			}
			if got := r.do(1, "none", test.op).GetLength(); got == nil || got.GetFound() {
				t.Errorf("on no list: %v", got)
			}
		})
	}
}

func TestEmptyValuesAreEntries(t *testing.T) {
	r := newRig(t)
	r.do(1, "k", &storev1.ListPush{End: back, Values: [][]byte{nil, {}, []byte("a")}, Ttl: &storev1.CollectionTtl{TtlMs: 9}})
	if got := r.ask(1, "k", &storev1.Query_ListLength{}).GetLength().GetLength(); got != 3 {
		t.Fatalf("length %d, want 3", got)
	}
	if got := r.do(1, "k", &storev1.ListRemove{}).GetLength().GetLength(); got != 1 {
		t.Errorf("%d left after removing the empty ones, want 1", got)
	}
}

func TestListTTL(t *testing.T) {
	renew := func(ms uint64, refresh bool) *storev1.ListPush {
		return &storev1.ListPush{End: back, Values: byteses("x"), Ttl: &storev1.CollectionTtl{TtlMs: ms, Refresh: refresh}}
	}
	tests := []struct {
		name    string
		ops     []any // one each 100 ms, from 0
		expires uint64
	}{
		{"creating applies it without refresh", []any{renew(1000, false)}, 1000},
		{"no refresh keeps a shorter one", []any{renew(1000, false), renew(5000, false)}, 1000},
		{"no refresh keeps a longer one", []any{renew(1000, false), renew(10, false)}, 1000},
		{"refresh lengthens", []any{renew(1000, false), renew(5000, true)}, 5100},
		{"refresh shortens", []any{renew(1000, false), renew(50, true)}, 150},
		{"pop keeps it", []any{renew(1000, true), renew(1000, true), &storev1.ListPop{End: back}}, 1100},
		{"remove keeps it", []any{renew(1000, true), &storev1.ListRemove{Value: []byte("y")}}, 1000},
		{"retain refreshes", []any{renew(1000, true), &storev1.ListRetain{Ttl: &storev1.CollectionTtl{TtlMs: 70, Refresh: true}}}, 170},
		{"retain does not", []any{renew(1000, true), &storev1.ListRetain{Ttl: &storev1.CollectionTtl{TtlMs: 70}}}, 1000},
		{"expired is created anew", []any{renew(100, true), renew(900, false)}, 1000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			var at uint64
			for i, op := range test.ops {
				at = uint64(100 * i)
				r.do(at, "k", op)
			}
			if got, _ := r.m.NextExpiry(); got != test.expires {
				t.Errorf("expires at %d, want %d", got, test.expires)
			}
			if got := r.ask(test.expires-1, "k", &storev1.Query_Exists{}); !got.GetExists() {
				t.Errorf("gone a millisecond early: %v", got)
			}
			r.do(test.expires, "", &storev1.Tick{})
			if got := r.ask(test.expires, "k", &storev1.Query_Exists{}); got.GetExists() || got.GetStatus() != 0 {
				t.Errorf("still there on time: %v", got)
			}
		})
	}
}
