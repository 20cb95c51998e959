package store

import (
	"strings"
	"testing"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func TestDictionary(t *testing.T) {
	r := newRig(t)
	for _, step := range []struct {
		op   any
		want string
	}{
		{fieldsOf("b=2 a=1"), "a=1 b=2"},
		{fieldsOf("c=3 a=one"), "a=one b=2 c=3"},
		{fieldsOf("d=x d=y"), "a=one b=2 c=3 d=y"},
		{&storev1.DictionaryRemove{Fields: byteses("b", "nil", "d")}, "a=one c=3"},
		{&storev1.DictionaryIncrement{Field: []byte("c"), Amount: 4, Ttl: lifeOf(9, false)}, "a=one c=7"},
		{&storev1.DictionaryIncrement{Field: []byte("n"), Amount: -2, Ttl: lifeOf(9, false)}, "a=one c=7 n=-2"},
		{&storev1.DictionarySet{Fields: byteses(""), Values: byteses(""), Ttl: lifeOf(9, false)}, "= a=one c=7 n=-2"},
	} {
		if got := r.do(0, "k", step.op); got.GetStatus() != 0 || r.show(0, "k") != step.want {
			t.Errorf("%v: %v, and there is %q, want %q", step.op, got, r.show(0, "k"), step.want)
		}
	}
	if got := r.m.Stats(); got.Dictionaries != 1 || got.Items != 1 || got.Bytes != 208+1+96+4*64+uint64(len("aonec7n-2")) {
		t.Errorf("counted %+v", got)
	}
	got := r.ask(0, "k", &storev1.Query_DictionaryGet{Fields: byteses("n", "nil", "", "n")}).GetFields()
	if want := "-2,,,-2"; strings.Join(texts(got.GetValues()), ",") != want || !got.GetFound() {
		t.Errorf("got %v, want %q", got, want)
	}
	if p := got.GetPresent(); len(p) != 4 || !p[0] || p[1] || !p[2] || !p[3] {
		t.Errorf("present are %v", p)
	}
}

func TestDictionaryIncrementRefuses(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", fieldsOf("text=x max=9223372036854775807 plus=+5 empty="))
	for field, want := range map[string]Status{
		"text": storev1.Status_STATUS_NOT_A_NUMBER, "empty": storev1.Status_STATUS_NOT_A_NUMBER,
		"max": storev1.Status_STATUS_OVERFLOW, "plus": storev1.Status_STATUS_OK, "new": storev1.Status_STATUS_OK,
	} {
		op := &storev1.DictionaryIncrement{Field: []byte(field), Amount: 1, Ttl: lifeOf(9, true)}
		if got := r.do(0, "k", op); got.GetStatus() != want {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
	if got, want := r.show(0, "k"), "empty= max=9223372036854775807 new=1 plus=6 text=x"; got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
}

func TestDictionaryAnswersAreBounded(t *testing.T) {
	r := newRig(t)
	r.do(0, "k", fieldsOf("ab=12345 c=6"))
	for _, test := range []struct {
		op   any
		most uint64 // that is just enough
	}{
		{&storev1.Query_DictionaryFetch{}, 2*16 + 9},
		{&storev1.Query_DictionaryGet{Fields: byteses("ab", "ab", "nil")}, 3*16 + 10},
	} {
		for most, want := range map[uint64]Status{0: 0, test.most: 0, test.most - 1: storev1.Status_STATUS_TOO_LARGE} {
			q := query("k", test.op)
			q.MaxBytes = most
			if got := r.m.View(q, 0); got.GetStatus() != want {
				t.Errorf("%T within %d: %v", test.op, most, got)
			}
		}
	}
}
