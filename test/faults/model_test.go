package faults

import (
	"testing"
	"time"
)

// at is an operation between two moments, counted in milliseconds.
func at(call, back int, in Input, out Output) Op {
	return Op{
		Client: call % 5, Key: "k", In: in, Out: out, Outcome: Done,
		Call: time.Duration(call) * time.Millisecond, Return: time.Duration(back) * time.Millisecond,
	}
}

// perhaps is an operation that nobody knows the outcome of.
func perhaps(call, back int, in Input) Op {
	op := at(call, back, in, Output{})
	op.Outcome = Unknown
	return op
}

func TestHistoriesAreJudged(t *testing.T) {
	set := func(v string) Input { return Input{Do: Set, Value: v} }
	hit := func(v string) Output { return Output{Found: true, Text: v} }
	get, inc := Input{Do: Get}, Input{Do: Increment, Amount: 1}
	push := func(v string) Input { return Input{Do: PushBack, Value: v} }
	for _, c := range []struct {
		name string
		ops  []Op
		good bool
	}{
		{"a read sees the write before it", []Op{at(0, 1, set("a"), Output{}), at(2, 3, get, hit("a"))}, true},
		{"a stale read", []Op{at(0, 1, set("a"), Output{}), at(2, 3, set("b"), Output{}), at(4, 5, get, hit("a"))}, false},
		{"a read beside a write sees either", []Op{at(0, 9, set("a"), Output{}), at(1, 2, get, Output{}), at(3, 4, get, hit("a"))}, true},
		{"a read beside a write, and back again", []Op{at(0, 9, set("a"), Output{}), at(1, 2, get, hit("a")), at(3, 4, get, Output{})}, false},
		{"an unknown write never happened", []Op{perhaps(0, 1, set("a")), at(2, 3, get, Output{})}, true},
		{"an unknown write happened late", []Op{perhaps(0, 1, set("a")), at(2, 3, get, Output{}), at(4, 5, get, hit("a"))}, true},
		{"an unknown write happened and was undone", []Op{perhaps(0, 1, set("a")), at(2, 3, get, hit("a")), at(4, 5, get, Output{})}, false},
		{"a lost write", []Op{at(0, 1, set("a"), Output{}), at(2, 3, get, Output{})}, false},
		{"two increments", []Op{at(0, 5, inc, Output{Number: 2}), at(1, 4, inc, Output{Number: 1})}, true},
		{"an increment that was lost", []Op{at(0, 5, inc, Output{Number: 1}), at(6, 7, inc, Output{Number: 1})}, false},
		{"an increment that was applied twice", []Op{at(0, 5, inc, Output{Number: 1}), at(6, 7, inc, Output{Number: 3})}, false},
		{"an unknown increment counts once at most", []Op{perhaps(0, 1, inc), at(2, 3, get, hit("2"))}, false},
		{"a text is no number", []Op{at(0, 1, set("a"), Output{}), at(2, 3, inc, Output{Declined: true})}, true},
		{"one of two absents wins", []Op{
			at(0, 5, Input{Do: SetAbsent, Value: "a"}, Output{Found: true}), at(1, 4, Input{Do: SetAbsent, Value: "b"}, Output{}), at(6, 7, get, hit("a")),
		}, true},
		{"two absents win", []Op{
			at(0, 5, Input{Do: SetAbsent, Value: "a"}, Output{Found: true}), at(1, 4, Input{Do: SetAbsent, Value: "b"}, Output{Found: true}),
		}, false},
		{"a swap", []Op{
			at(0, 1, set("a"), Output{}), at(2, 3, Input{Do: SetEqual, Check: "a", Value: "b"}, Output{Found: true}), at(4, 5, get, hit("b")),
		}, true},
		{"a delete", []Op{at(0, 1, set("a"), Output{}), at(2, 3, Input{Do: Delete}, Output{}), at(4, 5, get, Output{})}, true},
		{"pushes in order", []Op{
			at(0, 1, push("a"), Output{Number: 1}), at(2, 3, push("b"), Output{Number: 2}), at(4, 5, Input{Do: Fetch}, Output{Found: true, Text: "a\nb\n"}),
		}, true},
		{"pushes out of order", []Op{
			at(0, 1, push("a"), Output{Number: 1}), at(2, 3, push("b"), Output{Number: 2}), at(4, 5, Input{Do: Fetch}, Output{Found: true, Text: "b\na\n"}),
		}, false},
		{"a push that was repeated", []Op{
			at(0, 1, push("a"), Output{Number: 1}), at(4, 5, Input{Do: Length}, Output{Found: true, Number: 2}),
		}, false},
		{"a value popped twice", []Op{
			at(0, 1, push("a"), Output{Number: 1}), at(2, 5, Input{Do: PopFront}, Output{Found: true, Text: "a"}), at(3, 6, Input{Do: PopBack}, Output{Found: true, Text: "a"}),
		}, false},
		{"both ends", []Op{
			at(0, 1, push("b"), Output{Number: 1}), at(2, 3, Input{Do: PushFront, Value: "a"}, Output{Number: 2}), at(4, 5, push("c"), Output{Number: 3}),
			at(6, 7, Input{Do: PopBack}, Output{Found: true, Text: "c", Number: 2}), at(8, 9, Input{Do: PopFront}, Output{Found: true, Text: "a", Number: 1}),
		}, true},
		{"every equal value goes", []Op{
			at(0, 1, push("a"), Output{Number: 1}), at(2, 3, push("b"), Output{Number: 2}), at(4, 5, push("a"), Output{Number: 3}),
			at(6, 7, Input{Do: Remove, Value: "a"}, Output{Found: true, Number: 1}), at(8, 9, Input{Do: Fetch}, Output{Found: true, Text: "b\n"}),
		}, true},
		{"an empty list is none", []Op{at(0, 1, Input{Do: PopBack}, Output{}), at(2, 3, Input{Do: Length}, Output{}), at(4, 5, Input{Do: Fetch}, Output{})}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Check(c.ops)
			if got := len(v.Wrong) == 0; got != c.good || len(v.Undecided) > 0 {
				t.Errorf("found good: %v, want %v; undecided %v", got, c.good, v.Undecided)
			}
		})
	}
}

// A call that was refused is none, and an unfinished read tells nothing.
func TestRefusedCallsAreLeftOut(t *testing.T) {
	refused := at(2, 3, Input{Do: Set, Value: "b"}, Output{})
	refused.Outcome = Refused
	lost := at(3, 4, Input{Do: Get}, Output{Found: true, Text: "never there"})
	lost.Outcome = Unknown
	v := Check([]Op{at(0, 1, Input{Do: Set, Value: "a"}, Output{}), refused, lost, at(4, 5, Input{Do: Get}, Output{Found: true, Text: "b"})})
	if len(v.Wrong) != 1 || v.Ops != 2 {
		t.Errorf("a read of what was refused: %d wrong of %d operations, want 1 of 2", len(v.Wrong), v.Ops)
	}
}
