package fanout

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What the tests share: a broker at a fixed moment, items that say where they are, and a reader that tells its
// events in short words: "5" is item 5, "5@q" item 5 with its page, "gap 3>7" a discontinuity.

var (
	epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	room  = Key{Cache: "chat", Topic: "room"}
)

// tb is what the helpers need of *testing.T, *testing.B and *rapid.T.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// pageOf is the n-th page that the tests hand in.
func pageOf(t tb, term uint64) uint64 {
	t.Helper()
	number, err := Page{Term: term}.Number()
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func encodePosition(p Position) []byte { return fmt.Appendf(nil, "%d/%d", p.Page, p.Sequence) }

func newBroker(t testing.TB, config Config) *Broker {
	t.Helper()
	b, err := New(config, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ownedBroker owns partition 0 under the page of term 1.
func ownedBroker(t testing.TB, config Config) *Broker {
	t.Helper()
	b := newBroker(t, config)
	own(t, b, 0, 1)
	return b
}

func own(t testing.TB, b *Broker, partition uint32, term uint64) {
	t.Helper()
	if err := b.Own(partition, pageOf(t, term)); err != nil {
		t.Fatal(err)
	}
}

func publish(t testing.TB, b *Broker, key Key, at time.Duration) Position {
	t.Helper()
	p, err := b.Publish(0, key, epoch.Add(at), encodePosition)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func publishMany(t testing.TB, b *Broker, key Key, n int) {
	t.Helper()
	for range n {
		publish(t, b, key, 0)
	}
}

func subscribe(t testing.TB, b *Broker, key Key, from Position, at time.Duration) *Subscription {
	t.Helper()
	s, err := b.Subscribe(0, key, from, epoch.Add(at))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// take returns all that is ready, in short words, and checks that every item carries its own bytes.
func take(t testing.TB, s *Subscription) []string {
	t.Helper()
	var (
		told []string
		buf  [3]Event // smaller than most logs, so that batches have seams
	)
	for {
		n, err := s.Take(buf[:])
		if err != nil {
			return append(told, err.Error())
		}
		if n == 0 {
			return told
		}
		for _, e := range buf[:n] {
			told = append(told, word(t, e))
		}
	}
}

func word(t tb, e Event) string {
	t.Helper()
	if gap, ok := e.Discontinuity(); ok {
		return fmt.Sprintf("gap %d>%d@%d", gap.Last, gap.New, PageOf(gap.Page).Term)
	}
	item, ok := e.Item()
	if !ok {
		t.Fatalf("%+v is neither item nor discontinuity", e)
	}
	if want := string(encodePosition(item.Position)); strings.TrimRight(string(item.Encoded), " ") != want {
		t.Fatalf("item %v carries the bytes of %q", item.Position, item.Encoded)
	}
	return fmt.Sprintf("%d@%d", item.Sequence, PageOf(item.Page).Term)
}
