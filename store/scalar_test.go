package store

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func setOf(value string, ttl uint64) *storev1.Set {
	return &storev1.Set{Value: []byte(value), TtlMs: ttl}
}

// get returns a scalar, "missing" for none and the status for a refusal.
func (r *rig) get(at uint64, key string) string {
	result := r.ask(at, key, &storev1.Query_Get{})
	switch {
	case result.GetStatus() != storev1.Status_STATUS_OK:
		return result.GetStatus().String()
	case !result.GetValue().GetFound():
		return "missing"
	}
	return string(result.GetValue().GetValue())
}

func TestSetConditions(t *testing.T) {
	const (
		present = storev1.Condition_CONDITION_PRESENT
		absent  = storev1.Condition_CONDITION_ABSENT
		equal   = storev1.Condition_CONDITION_EQUAL
		differs = storev1.Condition_CONDITION_NOT_EQUAL
		exDiff  = storev1.Condition_CONDITION_PRESENT_AND_NOT_EQUAL
		noneEq  = storev1.Condition_CONDITION_ABSENT_OR_EQUAL
	)
	tests := []struct {
		condition                   storev1.Condition
		onNothing, onEqual, onOther bool
	}{
		{storev1.Condition_CONDITION_UNSPECIFIED, true, true, true},
		{present, false, true, true},
		{absent, true, false, false},
		{equal, false, true, false},
		{differs, true, false, true},
		{exDiff, false, false, true},
		{noneEq, true, true, false},
	}
	for _, test := range tests {
		for stored, want := range map[string]bool{"": test.onNothing, "same": test.onEqual, "other": test.onOther} {
			for _, digest := range []bool{false, true} {
				t.Run(fmt.Sprintf("%v on %q, digest %v", test.condition, stored, digest), func(t *testing.T) {
					r := newRig(t)
					before := "missing"
					if stored != "" {
						before = stored
						r.do(1, "k", setOf(stored, 100))
					}
					op := setOf("new", 500)
					op.Condition, op.Operand, op.OperandIsDigest = test.condition, []byte("same"), digest
					if digest {
						op.Operand = Digest([]byte("same"))
					}
					result := r.do(2, "k", op)
					if result.GetStored() != want || result.GetOutcome() == nil {
						t.Errorf("answered %v, want stored %v", result, want)
					}
					if after := r.get(2, "k"); want && after != "new" || !want && after != before {
						t.Errorf("the item is %q afterwards", after)
					}
					if at, _ := r.m.NextExpiry(); want && at != 502 || !want && stored != "" && at != 101 {
						t.Errorf("expires at %d", at)
					}
				})
			}
		}
	}
}

func TestIncrement(t *testing.T) {
	const ok, overflow, nan = storev1.Status_STATUS_OK, storev1.Status_STATUS_OVERFLOW, storev1.Status_STATUS_NOT_A_NUMBER
	tests := []struct {
		before string
		amount int64
		status Status
		after  string
	}{
		{"missing", 5, ok, "5"},
		{"missing", 0, ok, "0"},
		{"missing", math.MinInt64, ok, "-9223372036854775808"},
		{"5", -7, ok, "-2"},
		{"+5", 1, ok, "6"},
		{"05", 1, ok, "6"},
		{"-0", 0, ok, "0"},
		{strings.Repeat("0", 60) + "41", 1, ok, "42"},
		{"9223372036854775806", 1, ok, "9223372036854775807"},
		{"9223372036854775807", 1, overflow, ""},
		{"9223372036854775807", math.MinInt64, ok, "-1"},
		{"-9223372036854775808", -1, overflow, ""},
		{"-9223372036854775808", math.MaxInt64, ok, "-1"},
		{"-9223372036854775808", 0, ok, "-9223372036854775808"},
		{"9223372036854775808", 0, nan, ""},
		{"", 1, nan, ""},
		{" 5", 1, nan, ""},
		{"5 ", 1, nan, ""},
		{"1_000", 1, nan, ""},
		{"0x10", 1, nan, ""},
		{"5.0", 1, nan, ""},
		{strings.Repeat("0", 65), 1, nan, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s plus %d", test.before, test.amount), func(t *testing.T) {
			r := newRig(t)
			if test.before != "missing" {
				r.do(1, "k", setOf(test.before, 100))
			}
			result := r.do(2, "k", &storev1.Increment{Amount: test.amount, TtlMs: 300})
			want, expires := test.after, uint64(302)
			if test.status != ok {
				want, expires = test.before, 101
			} else if n, _ := strconv.ParseInt(test.after, 10, 64); result.GetNumber() != n || result.GetOutcome() == nil {
				t.Errorf("answered %v", result)
			}
			if result.GetStatus() != test.status {
				t.Errorf("status %v, want %v", result.GetStatus(), test.status)
			}
			if at, _ := r.m.NextExpiry(); r.get(2, "k") != want || at != expires {
				t.Errorf("the item is %q until %d, want %q until %d", r.get(2, "k"), at, want, expires)
			}
		})
	}
}

func TestWrongTypeChangesNothing(t *testing.T) {
	compare := setOf("new", 9)
	compare.Condition = storev1.Condition_CONDITION_NOT_EQUAL
	onList := []any{&storev1.Increment{Amount: 1, TtlMs: 9}, compare}
	onScalar := []any{
		pushOf(back, "a", 0), pushOf(back, "", 0), &storev1.ListPop{End: front},
		&storev1.ListRetain{Ttl: &storev1.CollectionTtl{TtlMs: 9, Refresh: true}},
		&storev1.ListRemove{Value: []byte("a")}, &storev1.ListErase{All: true},
	}
	r := newRig(t)
	r.do(1, "list", pushOf(back, "a b", 0))
	r.do(1, "scalar", setOf("a", 900))
	before := snapshotBytes(t, r.m)
	for key, ops := range map[string][]any{"list": onList, "scalar": onScalar} {
		for _, op := range ops {
			if got := r.do(1, key, op); got.GetStatus() != storev1.Status_STATUS_WRONG_TYPE || got.GetOutcome() != nil {
				t.Errorf("%T on a %s: %v", op, key, got)
			}
		}
	}
	for key, ops := range map[string][]any{"list": {&storev1.Query_Get{}}, "scalar": {&storev1.Query_ListFetch{}, &storev1.Query_ListLength{}}} {
		for _, op := range ops {
			if got := r.ask(1, key, op); got.GetStatus() != storev1.Status_STATUS_WRONG_TYPE {
				t.Errorf("%T on a %s: %v", op, key, got)
			}
		}
	}
	if string(snapshotBytes(t, r.m)) != string(before) {
		t.Errorf("a refused command changed something")
	}
}

func TestSetAndDeleteReplaceACollection(t *testing.T) {
	r := newRig(t)
	r.do(1, "k", pushOf(back, "a b", 0))
	if r.do(1, "k", setOf("text", 50)); r.get(1, "k") != "text" || r.m.Stats().Lists != 0 {
		t.Errorf("set over a list left %q, %+v", r.get(1, "k"), r.m.Stats())
	}
	r.do(1, "l", pushOf(back, "a b", 0))
	r.do(1, "l", &storev1.Delete{})
	r.do(1, "l", &storev1.Delete{}) // a missing one is no error
	r.do(1, "k", &storev1.Delete{})
	if got := r.m.Stats(); got.Items != 0 || got.Bytes != 0 || got.Caches != 1 {
		t.Errorf("left %+v", got)
	}
}

func TestUpdateTTL(t *testing.T) {
	const (
		overwrite = storev1.UpdateTtl_MODE_OVERWRITE
		increase  = storev1.UpdateTtl_MODE_INCREASE
		decrease  = storev1.UpdateTtl_MODE_DECREASE
		set       = storev1.Result_TTL_UPDATE_SET
		notSet    = storev1.Result_TTL_UPDATE_NOT_SET
	)
	tests := []struct {
		mode    storev1.UpdateTtl_Mode
		ttl     uint64 // at 100, when 900 of 1,000 remain
		answer  storev1.Result_TtlUpdate
		expires uint64
	}{
		{overwrite, 5000, set, 5100}, {overwrite, 5, set, 105}, {overwrite, 900, set, 1000},
		{increase, 901, set, 1001}, {increase, 900, notSet, 1000}, {increase, 899, notSet, 1000},
		{decrease, 899, set, 999}, {decrease, 900, notSet, 1000}, {decrease, 901, notSet, 1000},
	}
	for _, test := range tests {
		for _, create := range []any{setOf("v", 1000), pushOf(back, "a", 0)} {
			r := newRig(t)
			r.do(0, "k", create)
			got := r.do(100, "k", &storev1.UpdateTtl{Mode: test.mode, TtlMs: test.ttl})
			if at, _ := r.m.NextExpiry(); got.GetTtlUpdate() != test.answer || at != test.expires {
				t.Errorf("%v by %d of a %T: %v, expires at %d, want %v and %d", test.mode, test.ttl, create, got, at, test.answer, test.expires)
			}
			got = r.do(100, "none", &storev1.UpdateTtl{Mode: test.mode, TtlMs: test.ttl})
			if got.GetTtlUpdate() != storev1.Result_TTL_UPDATE_MISSING || got.GetOutcome() == nil {
				t.Errorf("%v of nothing: %v", test.mode, got)
			}
		}
	}
}

func TestRemainingLifeIsBelowWhatWasGiven(t *testing.T) {
	r := newRig(t)
	r.do(1000, "k", setOf("v", 500))
	for at, want := range map[uint64]uint64{0: 499, 1000: 499, 1001: 498, 1499: 0} {
		if got := r.ask(at, "k", &storev1.Query_ItemTtl{}).GetItemTtl(); !got.GetFound() || got.GetRemainingMs() != want {
			t.Errorf("at %d: %v, want %d", at, got, want)
		}
	}
	if got := r.ask(1000, "none", &storev1.Query_ItemTtl{}).GetItemTtl(); got == nil || got.GetFound() {
		t.Errorf("of nothing: %v", got)
	}
}
