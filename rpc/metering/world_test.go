package metering

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// shelf is a Store of one machine, whose answers can be lost.
type shelf struct {
	mu      sync.Mutex
	machine *store.Machine
	at      uint64
	// refuse is what the next commands end with, and are not carried out.
	refuse error
	// swallow: they are carried out, and nobody hears of it.
	swallow bool
	applied int
}

func newShelf() *shelf { return &shelf{machine: store.NewMachine(), at: 1} }

func (s *shelf) ApplySystem(_ context.Context, command *storev1.Command) (*storev1.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return nil, s.refuse
	}
	s.applied++
	command.Generation, command.AtMs = store.SystemGeneration, s.at
	result := s.machine.Apply(proto.CloneOf(command))
	if s.swallow {
		return nil, route.ErrUnknownOutcome
	}
	return result, nil
}

func (s *shelf) ViewSystem(_ context.Context, query *storev1.Query) (*storev1.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query.Generation = store.SystemGeneration
	return s.machine.View(query, s.at), nil
}

// fail makes the next commands fail.
func (s *shelf) fail(with error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = with
}

var (
	_ Store = (*shelf)(nil)
	_ Store = (*route.Router)(nil)
)

// noon is the beginning of an hour.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newMeter(b Bounds) *Meter { return NewMeter(Rules{Separators: DefaultSeparators}, b) }

// reportOf reads what is stored of the hours around noon.
func reportOf(t *testing.T, s Store, by By) *Report {
	t.Helper()
	in, err := RangeOf(noon.Add(-24*time.Hour), noon.Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	report, err := NewReader(s).Report(t.Context(), in, by)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// show writes rows as short text.
func show(rows []Row) (lines []string) {
	for _, r := range rows {
		line := fmt.Sprintf("%s %s %d", r.Cache, r.Name, r.Requests())
		if r.Hour > 0 {
			line = r.Hour.Start().Format("15h ") + line
		}
		lines = append(lines, line)
	}
	return lines
}

func read(cache, topicPrefix, token string) Subject {
	return Subject{Cache: cache, Prefix: topicPrefix, Holder: Holder{ByToken, token}}
}

var oneRead = &Counts{Reads: 1, Units: 1, BytesIn: 10, BytesOut: 100}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q, want\n%q", what, got, want)
	}
}

// some draws any counts.
func some(r *rand.Rand) Counts {
	n := func() uint64 { return r.Uint64N(1000) }
	return Counts{n(), n(), n(), n(), n(), n(), n(), n(), n()}
}

// flush is Flush at a time that is made up: what is counted afterwards belongs to it.
func flush(w *Writer, next time.Time) (left int) {
	w.collect(next)
	w.write(context.Background())
	return w.rows
}
