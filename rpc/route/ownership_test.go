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
		Survey: func(_ context.Context, _ cluster.GroupID, term uint64, _ func(fanout.Seen) error) []cluster.NodeID {
			survey(term)
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
			if _, err := l.Survey(t.Context(), 1, 6); err != nil {
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
	if _, err := l.Survey(t.Context(), 1, 7); !errors.Is(err, ErrNotExecuted) {
		t.Errorf("a late question of term 7: %v", err)
	}
	l.mirror(1) // a late beginning of the mirrors
	if !l.topics.Owns(1) {
		t.Error("the leader of term 8 stopped to number for nobody")
	}
	if _, err := l.Survey(t.Context(), 1, 9); err != nil || l.topics.Owns(1) {
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
