package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestSet(t *testing.T) {
	r := newRig(t)
	for _, step := range []struct {
		op   any
		want string
		left uint64
	}{
		{elementsOf("b a b"), "a b", 0},
		{elementsOf("c a"), "a b c", 0},
		{&storev1.SetRemove{Elements: byteses("b", "nil")}, "a c", 2},
		{&storev1.SetRemove{Elements: byteses("nil")}, "a c", 2},
		{&storev1.SetComplement{Elements: byteses("d", "c", "e", "d")}, "d e", 2},
	} {
		got := r.do(0, "k", step.op)
		if got.GetStatus() != 0 || r.show(0, "k") != step.want || got.GetLength().GetLength() != step.left {
			t.Errorf("%v: %v, and there is %q, want %q", step.op, got, r.show(0, "k"), step.want)
		}
	}
	if got := r.m.Stats(); got.Sets != 1 || got.Bytes != 208+1+96+2*40+2 {
		t.Errorf("counted %+v", got)
	}
	got := r.ask(0, "k", &storev1.Query_SetContains{Elements: byteses("e", "nil", "d", "e")}).GetContained()
	if !got.GetFound() || !slices.Equal(got.GetPresent(), []bool{true, false, true, true}) {
		t.Errorf("contains %v", got)
	}
}

// Popping and sampling: every seed chooses, and no element is favoured.
func TestChoosingIsFair(t *testing.T) {
	const rounds = 30_000
	words := "a b c d e f g h i j"
	popped, sampled, first := map[string]int{}, map[string]int{}, map[string]int{}
	for seed := range uint64(rounds) {
		m := NewMachine()
		m.Apply(command(0, "k", elementsOf(words)))
		sample := texts(m.View(query("k", &storev1.Query_SetSample{Limit: 3, Seed: seed}), 0).GetValues().GetValues())
		pop := texts(m.Apply(command(0, "k", &storev1.SetPop{Count: 3, Seed: seed})).GetValues().GetValues())
		if len(sample) != 3 || len(pop) != 3 {
			t.Fatalf("sampled %v, popped %v", sample, pop)
		}
		first[pop[0]]++
		for i := range 3 {
			popped[pop[i]]++
			sampled[sample[i]]++
		}
	}
	// The deviation of such counts is below 80; six times that never happens.
	for _, e := range strings.Fields(words) {
		if popped[e] < 8520 || popped[e] > 9480 || sampled[e] < 8520 || sampled[e] > 9480 || first[e] < 2600 || first[e] > 3400 {
			t.Errorf("%s was popped %d times, first %d, sampled %d, of %d", e, popped[e], first[e], sampled[e], rounds)
		}
	}
}

func TestSampleTakesWhatThereIs(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", elementsOf("a b c"))
	for limit, want := range map[uint64]int{0: 0, 1: 1, 2: 2, 3: 3, 4: 3, 1 << 63: 3} {
		got := r.ask(0, "k", &storev1.Query_SetSample{Limit: limit, Seed: limit}).GetValues()
		elements := texts(got.GetValues())
		slices.Sort(elements)
		if !got.GetFound() || len(slices.Compact(elements)) != want {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
	if r.show(0, "k") != "a b c" {
		t.Errorf("sampling left %q", r.show(0, "k"))
	}
}

func TestPopIsBounded(t *testing.T) {
	m := NewMachine()
	for begin := 0; begin < 100_000; begin += 50_000 {
		op := elementsOf("")
		for i := range 50_000 {
			op.Elements = append(op.Elements, fmt.Append(nil, begin+i))
		}
		m.Apply(command(0, "k", op))
	}
	pop := func(op *storev1.SetPop) int {
		return len(m.Apply(command(0, "k", op)).GetValues().GetValues())
	}
	if n := pop(&storev1.SetPop{Count: 100_000}); n != MaxPopCount {
		t.Errorf("popped %d of a hundred thousand, want %d", n, MaxPopCount)
	}
	if n := pop(&storev1.SetPop{Count: 100, MaxBytes: 10*16 + 60}); n < 10 || n > 12 {
		t.Errorf("popped %d, there is room for ten or little more", n)
	}
	if n := pop(&storev1.SetPop{Count: 100, MaxBytes: 1}); n != 1 {
		t.Errorf("popped %d, the first always fits", n)
	}
	verify(t, m)
}

// A repeated pop answers the same and takes nothing more; what it holds counts.
func TestPopIsRemembered(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", elementsOf("a b c d"))
	pop := command(0, "k", &storev1.SetPop{Count: 2, Seed: 7})
	pop.Request = requestOf('g', 1, 1)
	once, twice := r.m.Apply(pop), r.m.Apply(pop)
	if once != twice || r.ask(0, "k", &storev1.Query_Length{Kind: storev1.Kind_KIND_SET}).GetLength().GetLength() != 2 {
		t.Errorf("popped %v, then %v", once, twice)
	}
	if got, want := r.m.Stats().RequestBytes, gatewayOverhead+answerOverhead+2*(40+1); got != want {
		t.Errorf("the answer counts %d, want %d", got, want)
	}
	verify(t, restored(t, snapshotBytes(t, r.m)))
}

func TestSetAnswersAreBounded(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", elementsOf("abc defg h"))
	for _, test := range []struct {
		op   any
		most uint64
		want Status
	}{
		{&storev1.Query_SetFetch{}, 3*16 + 8, 0},
		{&storev1.Query_SetFetch{}, 3*16 + 7, storev1.Status_STATUS_TOO_LARGE},
		{&storev1.Query_SetSample{Limit: 3}, 3*16 + 7, storev1.Status_STATUS_TOO_LARGE},
		{&storev1.Query_SetSample{Limit: 2}, 2*16 - 1, storev1.Status_STATUS_TOO_LARGE},
		{&storev1.Query_SetSample{Limit: 2}, 2 * 16, storev1.Status_STATUS_TOO_LARGE},
		{&storev1.Query_SetSample{Limit: 2}, 2*16 + 7, 0},
	} {
		q := query("k", test.op)
		q.MaxBytes = test.most
		if got := r.m.View(q, 0); got.GetStatus() != test.want {
			t.Errorf("%v within %d: %v", test.op, test.most, got)
		}
	}
}

// The numbers that seeds give are part of the meaning of the log. Never change
// these.
func TestChanceIsForEver(t *testing.T) {
	dice := chance(0)
	for _, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f} {
		if got := dice.next(); got != want {
			t.Errorf("drew %#x, want %#x", got, want)
		}
	}
	if got, want := fmt.Sprint(slices.Collect(chance(42).distinct(5, 100))), "[71 15 27 34 3]"; got != want {
		t.Errorf("drew %s, want %s", got, want)
	}
}
