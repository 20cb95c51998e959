package route

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// bare makes a Local without replicas, which asks others by survey.
func bare(t *testing.T, config fanout.Config, survey func(term uint64)) *Local {
	t.Helper()
	topics, err := fanout.New(config, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(topics.Close)
	return NewLocal(LocalConfig{
		Topics: topics,
		Encode: func(fanout.Position, Message) []byte { return nil },
		Survey: func(_ context.Context, _ cluster.GroupID, page uint64, _ func(fanout.Seen) error) []cluster.NodeID {
			survey(fanout.PageOf(page).Term)
			return nil
		},
	})
}

// Whoever was elected last numbers, however slowly those before find out: what
// they would number after they were asked, nobody else would know.
func TestLaterTermHasTheLastWord(t *testing.T) {
	var l *Local
	l = bare(t, fanout.Config{}, func(term uint64) {
		if term == 5 { // while this one asks, another is elected and asks this one
			if _, err := l.Survey(t.Context(), 1, 6, 0); err != nil {
				t.Error(err)
			}
		}
	})
	l.own(1, 0, 5)
	if l.topics.Owns(1) {
		t.Error("the leader of term 5 numbers after that of term 6 has asked it")
	}
	l.own(1, 0, 8)
	if !l.topics.Owns(1) {
		t.Fatal("the leader of term 8 does not number")
	}
	if _, err := l.Survey(t.Context(), 1, 7, 0); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("a late question of term 7: %v", err)
	}
	l.mirror(1) // a late beginning of the mirrors
	if !l.topics.Owns(1) {
		t.Error("the leader of term 8 stopped to number for nobody")
	}
	if _, err := l.Survey(t.Context(), 1, 9, 0); err != nil || l.topics.Owns(1) {
		t.Errorf("asked by the leader of term 9: %v, numbers on: %v", err, l.topics.Owns(1))
	}
}

// A group that was led when it was bound is followed from then on: its numbering
// goes on, and nobody is told of an error.
func TestNumberingBeginsOnce(t *testing.T) {
	topics, err := fanout.New(fanout.Config{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer topics.Close()
	var log bytes.Buffer
	l := NewLocal(LocalConfig{Topics: topics, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	l.own(1, 0, 5)
	l.own(1, 0, 5)
	if !l.topics.Owns(1) || log.Len() > 0 {
		t.Errorf("after the second beginning: numbering %v, log %q", l.topics.Owns(1), log.String())
	}
}

// A group that is brought back offline may go on in an earlier term than those who
// were lost had come to. A node that kept running, and was asked by one of these,
// answers the leader of the group as it is now, and takes nothing from before.
func TestGroupBroughtBackIsLedInAnEarlierTerm(t *testing.T) {
	page := func(epoch, term uint64) uint64 {
		n, err := fanout.Page{Epoch: epoch, Term: term}.Number()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	l := bare(t, fanout.Config{}, noSurvey)
	if _, err := l.Survey(t.Context(), 1, 9, page(0, 9)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Survey(t.Context(), 1, 7, page(1, 7)); err != nil {
		t.Errorf("the leader of a group that was brought back is refused: %v", err)
	}
	line := &line{m: &Mirrors{local: l}}
	for begun, over := range map[uint64]bool{page(0, 9): true, page(1, 6) + 3: true, page(1, 7): false, page(1, 7) + 3: false} {
		if got := line.deposed(1, fanout.Portion{Kind: fanout.Begun, Position: fanout.Position{Page: begun}}); got != over {
			t.Errorf("a topic begins with page %v: over %v, want %v", fanout.PageOf(begun), got, over)
		}
	}
	for _, late := range []struct{ term, page uint64 }{{9, page(0, 9)}, {10, page(0, 10)}, {6, page(1, 6)}, {6, 0}} {
		if _, err := l.Survey(t.Context(), 1, late.term, late.page); !errors.Is(err, ErrNotExecuted) {
			t.Errorf("asked in term %d with page %v: %v", late.term, fanout.PageOf(late.page), err)
		}
	}
	// A node of a version that tells its term only leads the group as it is now.
	if _, err := l.Survey(t.Context(), 1, 8, 0); err != nil {
		t.Errorf("asked by an older version in term 8: %v", err)
	}
	if _, err := l.Survey(t.Context(), 1, 7, page(1, 7)); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("a late question of term 7: %v", err)
	}
	for _, none := range []struct{ term, page uint64 }{{0, 0}, {1 << 63, 0}, {9, page(1, 10)}, {9, page(1, 9) + 1}, {9, page(1, 9) | 1<<60}} {
		if _, err := l.Survey(t.Context(), 2, none.term, none.page); !errors.Is(err, ErrInvalid) {
			t.Errorf("asked in term %d with page %d: %v", none.term, none.page, err)
		}
	}
	l.own(1, 1, 7)
	l.own(1, 0, 12)
	if l.topics.Owns(1) {
		t.Error("a leader whose term is over numbers")
	}
	if l.own(1, 1, 8); !l.topics.Owns(1) {
		t.Error("the leader of the group as it is now does not number")
	}
}

// A replica that was made since a group was brought back knows that its earlier
// leaders are over, before anybody asks.
func TestReplicaOutlivesTheLost(t *testing.T) {
	l := bare(t, fanout.Config{}, noSurvey)
	l.outlive(1, 0)
	if l.outlive(1, 2); l.fences[1].page.Load() == 0 {
		t.Fatal("nothing was shut out")
	}
	if l.own(1, 1, 99); l.topics.Owns(1) {
		t.Error("a leader from before numbers")
	}
	if l.own(1, 2, 1); !l.topics.Owns(1) {
		t.Error("the first leader since does not number")
	}
}
