package faults

import (
	"strings"
	"testing"
)

func TestLedgersAreAudited(t *testing.T) {
	push := func(value string, outcome Outcome) Op {
		return Op{In: Input{Do: PushBack, Value: value}, Outcome: outcome}
	}
	list := []Op{push("a", Done), push("b", Unknown), push("c", Done), push("d", Refused)}
	counter := []Op{push("", Done), push("", Done), push("", Unknown), push("", Refused)}
	for _, c := range []struct {
		name  string
		ops   []Op
		read  Action
		text  string
		wrong string
	}{
		{"all that was acknowledged", list, Fetch, "a\nc\n", ""},
		{"and what may have been made", list, Fetch, "a\nb\nc\n", ""},
		{"even late", list, Fetch, "a\nc\nb\n", ""},
		{"a loss", list, Fetch, "a\nb\n", "c was acknowledged and is gone"},
		{"a repetition", list, Fetch, "a\nc\nc\n", "c is there more than once"},
		{"a repetition of what may have been made", list, Fetch, "a\nb\nb\nc\n", "b is there more than once"},
		{"what was refused", list, Fetch, "a\nc\nd\n", "d was refused"},
		{"what nobody wrote", list, Fetch, "a\nc\nx\n", "nobody pushed"},
		{"another order", list, Fetch, "c\na\n", "in the order [c a]"},
		{"at least the acknowledged", counter, Get, "2", ""},
		{"at most the possible", counter, Get, "3", ""},
		{"too few", counter, Get, "1", "it is 1 after 2"},
		{"too many", counter, Get, "4", "it is 4 after 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			problems := auditKey(c.ops, c.read, Output{Found: c.text != "", Text: c.text})
			if got := strings.Join(problems, "; "); (c.wrong == "") != (got == "") || !strings.Contains(got, c.wrong) {
				t.Errorf("found %q, want %q", got, c.wrong)
			}
		})
	}
}
