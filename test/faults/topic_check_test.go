package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// published is a publication of each value, one every ten milliseconds, that took
// two.
func published(values ...string) (all []Publication) {
	for i, v := range values {
		call := time.Duration(10*i) * time.Millisecond
		all = append(all, Publication{Value: v, Call: call, Return: call + 2*time.Millisecond, Outcome: Done})
	}
	return all
}

// saw is a reader's log from words: "v@page.number" is an item, "last>page.number"
// a discontinuity, "+" a new stream, "-" the end of one; each a millisecond after
// the item in its place was published.
func saw(name string, words ...string) ReaderLog {
	log := ReaderLog{Name: name, Events: []Event{{Kind: Began, Stream: 1}}}
	var at Event
	for i, w := range words {
		e := Event{At: time.Duration(10*i+3) * time.Millisecond, Kind: Item}
		switch {
		case w == "+":
			e.Kind, e.Page, e.Sequence = Began, at.Page, at.Sequence
		case w == "-":
			e.Kind = Ended
		case strings.Contains(w, ">"):
			e.Kind = Gap
			mustScan(w, "%d>%d.%d", &e.Last, &e.Page, &e.Sequence)
			at = e
		default:
			mustScan(strings.ReplaceAll(w, "@", " "), "%s %d.%d", &e.Value, &e.Page, &e.Sequence)
			at = e
		}
		log.Events = append(log.Events, e)
	}
	return log
}

func mustScan(text, format string, into ...any) {
	if _, err := fmt.Sscanf(text, format, into...); err != nil {
		panic(fmt.Sprintf("%q: %v", text, err))
	}
}

func TestTopicsAreJudged(t *testing.T) {
	abc := published("a", "b", "c")
	refused := published("a", "b", "c")
	refused[1].Outcome, refused[1].Error = Refused, "busy"
	perhaps := published("a", "b", "c")
	perhaps[1].Outcome = Unknown
	for _, c := range []struct {
		name      string
		published []Publication
		readers   []ReaderLog
		wrong     string // part of the only problem, empty for none
	}{
		{"all see all", abc, []ReaderLog{saw("x", "a@1.1", "b@1.2", "c@1.3"), saw("y", "a@1.1", "b@1.2", "c@1.3")}, ""},
		{"a reader goes on at another node", abc, []ReaderLog{saw("x", "a@1.1", "-", "+", "b@1.2", "c@1.3")}, ""},
		{"a gap is announced", abc, []ReaderLog{saw("x", "a@1.1", "1>1.2", "c@1.3")}, ""},
		{"a gap at the end is announced", abc, []ReaderLog{saw("x", "a@1.1", "b@1.2", "2>1.3")}, ""},
		{"an unknown item is lost", perhaps, []ReaderLog{saw("x", "a@1.1", "c@1.2")}, ""},
		{"an unknown item comes", perhaps, []ReaderLog{saw("x", "a@1.1", "b@1.2", "c@1.3")}, ""},
		{"a new page", abc, []ReaderLog{saw("x", "a@1.1", "1>2.1", "c@2.2")}, ""},

		{"two orders", abc, []ReaderLog{saw("x", "a@1.1", "0>2.1", "b@2.2", "c@2.3")}, "was told that it was at 0"},
		{"one place, two items", abc, []ReaderLog{saw("x", "a@1.1", "b@1.2", "c@1.3"), saw("y", "a@1.1", "1>1.1", "b@1.2", "c@1.3")}, "go on behind 1 of page 1"},
		{"another value in a place", abc[:2], []ReaderLog{saw("x", "a@1.1", "b@1.2"), saw("y", "b@1.1", "1>1.2")}, "is a for one reader and b for y"},
		{"a duplicate", abc, []ReaderLog{saw("x", "a@1.1", "b@1.2", "b@1.2", "c@1.3")}, "sent 2 of page 1 again"},
		{"a page that shrinks", abc, []ReaderLog{saw("x", "a@2.1", "1>1.7", "c@1.8")}, "go on behind 7 of page 1"},
		{"a silent gap", perhaps, []ReaderLog{saw("x", "a@1.1", "c@1.3")}, "sent 3 of page 1 without a discontinuity"},
		{"a silent page", perhaps, []ReaderLog{saw("x", "a@1.1", "c@2.2")}, "sent 2 of page 2 without a discontinuity"},
		{"an item was acknowledged and never numbered", abc, []ReaderLog{saw("x", "a@1.1", "c@1.2")}, "missed b without"},
		{"the last item is missed in silence", abc, []ReaderLog{saw("x", "a@1.1", "b@1.2", "+")}, "missed c without"},
		{"a reader is left without a stream", abc[:2], []ReaderLog{saw("x", "a@1.1", "b@1.2", "-")}, "has no stream at the end"},
		{"a refused item comes", refused, []ReaderLog{saw("x", "a@1.1", "b@1.2", "c@1.3")}, "had been refused: busy"},
		{"an invented item", abc[:1], []ReaderLog{saw("x", "a@1.1", "z@1.2")}, "nobody published"},
		{"an order that the publishers did not have", abc, []ReaderLog{saw("x", "a@1.1", "c@1.2", "b@1.3")}, "acknowledged before the other was published"},
	} {
		t.Run(c.name, func(t *testing.T) {
			problems := CheckTopic(c.published, c.readers, true).Problems
			if c.wrong == "" && len(problems) > 0 {
				t.Errorf("nothing is wrong, but: %q", problems)
			}
			if c.wrong != "" && !strings.Contains(strings.Join(problems, "; "), c.wrong) {
				t.Errorf("found %q, want what says %q", problems, c.wrong)
			}
		})
	}
}

// While items may still be on their way, the last ones are not missed yet.
func TestTheTailIsJudgedWhenItIsQuiet(t *testing.T) {
	if problems := CheckTopic(published("a", "b"), []ReaderLog{saw("x", "a@1.1")}, false).Problems; len(problems) > 0 {
		t.Error(problems)
	}
}

func TestNumbersThatGoBackAreCounted(t *testing.T) {
	for second, back := range map[string]int{"3>2.3": 0, "3>2.2": 1, "3>2.0": 1} {
		x, y := saw("x", "a@1.1", "b@1.2", "c@1.3", second), saw("y", "a@1.1", "b@1.2", "c@1.3", second)
		for i := range y.Events {
			y.Events[i].Node = "n2"
		}
		if v := CheckTopic(published("a", "b", "c"), []ReaderLog{x, y}, true); v.Turns != 1 || v.Back != back {
			t.Errorf("%s: %d of %d turns went back, want %d of 1", second, v.Back, v.Turns, back)
		}
	}
}
