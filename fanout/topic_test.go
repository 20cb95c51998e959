package fanout

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestPositions(t *testing.T) {
	b := ownedBroker(t, Config{})
	other := Key{Cache: "chat", Topic: "other"}
	sameName := Key{Cache: "news", Topic: room.Topic}
	for i := range uint64(3) {
		for _, key := range []Key{room, other, sameName} {
			if got, want := publish(t, b, key, 0), (Position{pageOf(t, 1), i + 1}); got != want {
				t.Fatalf("%v got position %v, want %v", key, got, want)
			}
		}
	}
}

// TestLimits publishes items of 100 bytes (164 as counted) and looks what an early bird can still replay.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		every  time.Duration
		want   string
	}{
		{"all fit", Config{TopicItems: 6}, 0, "1@1 2@1 3@1 4@1 5@1 6@1"},
		{"count", Config{TopicItems: 3}, 0, "gap 0>3@1 4@1 5@1 6@1"},
		{"count of one", Config{TopicItems: 1}, 0, "gap 0>5@1 6@1"},
		{"bytes, exactly", Config{TopicBytes: 2 * 164}, 0, "gap 0>4@1 5@1 6@1"},
		{"bytes, one short", Config{TopicBytes: 2*164 - 1}, 0, "gap 0>5@1 6@1"},
		{"newest is kept whatever its size", Config{TopicBytes: 10}, 0, "gap 0>5@1 6@1"},
		{"age", Config{Retention: 30 * time.Second}, 10 * time.Second, "gap 0>3@1 4@1 5@1 6@1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := ownedBroker(t, tt.config)
			var now time.Duration
			for i := range 6 {
				now = time.Duration(i) * tt.every
				_, err := b.Publish(0, room, epoch.Add(now), func(p Position) []byte {
					return fmt.Appendf(make([]byte, 0, 100), "%-100s", encodePosition(p))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			s := subscribe(t, b, room, Position{Sequence: 1}, now)
			expect(t, s, tt.want)
		})
	}
}

// TestFallBehind: a reader that sleeps too long meets exactly one discontinuity, with exact bounds, each time.
func TestFallBehind(t *testing.T) {
	b := ownedBroker(t, Config{TopicItems: 4})
	s := subscribe(t, b, room, Position{}, 0)
	publishMany(t, b, room, 2)
	expect(t, s, "1@1 2@1")
	publishMany(t, b, room, 4)
	expect(t, s, "3@1 4@1 5@1 6@1")
	publishMany(t, b, room, 5)
	expect(t, s, "gap 6>7@1 8@1 9@1 10@1 11@1")
	publishMany(t, b, room, 1000)
	expect(t, s, "gap 11>1007@1 1008@1 1009@1 1010@1 1011@1")
	if got := b.Stats().Discontinuities; got != 2 {
		t.Fatalf("%d discontinuities counted, want 2", got)
	}
}

// TestFallBehindMidBatch: items vanish between two takes of one reader.
func TestFallBehindMidBatch(t *testing.T) {
	b := ownedBroker(t, Config{TopicItems: 4})
	s := subscribe(t, b, room, Position{}, 0)
	publishMany(t, b, room, 3)
	var one [1]Event
	if n, err := s.Take(one[:]); n != 1 || err != nil || word(t, one[0]) != "1@1" {
		t.Fatalf("took %d, %v, %v", n, one, err)
	}
	publishMany(t, b, room, 3) // 3 to 6 are kept; 2 is lost
	if n, err := s.Take(one[:]); n != 1 || err != nil || word(t, one[0]) != "gap 1>2@1" {
		t.Fatalf("took %d, %v, %v", n, one, err)
	}
	publishMany(t, b, room, 1) // 4 to 7 are kept; 3 is lost although it was about to come
	expect(t, s, "gap 2>3@1 4@1 5@1 6@1 7@1")
}

// TestExpiredUnread: a reader that was told nothing until all had expired learns how far the topic went.
func TestExpiredUnread(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute})
	s := subscribe(t, b, room, Position{}, 0)
	publishMany(t, b, room, 3)
	b.Sweep(epoch.Add(2 * time.Minute))
	expect(t, s, "gap 0>3@1")
	expect(t, s, "")
	publish(t, b, room, 2*time.Minute)
	expect(t, s, "4@1")
}

func TestEncodePanicPublishesNothing(t *testing.T) {
	b := ownedBroker(t, Config{})
	func() {
		defer func() { _ = recover() }()
		_, _ = b.Publish(0, room, epoch, func(Position) []byte { panic("encoder") })
	}()
	if got := publish(t, b, room, 0); got.Sequence != 1 {
		t.Fatalf("first item after a failed one has number %d", got.Sequence)
	}
	expect(t, subscribe(t, b, room, Position{Sequence: 1}, 0), "1@1")
}

// TestKeyIsolation: names are not run together, and the bound on topics holds.
func TestKeyIsolation(t *testing.T) {
	b := ownedBroker(t, Config{MaxTopics: 2})
	for _, key := range []Key{{"a", "bc"}, {"ab", "c"}} {
		publish(t, b, key, 0)
		defer subscribe(t, b, key, Position{}, 0).Close() // keeps it
	}
	if got := b.Stats().Topics; got != 2 {
		t.Fatalf("%d topics, want 2", got)
	}
	_, err := b.Publish(0, Key{"abc", ""}, epoch, encodePosition)
	if !errors.Is(err, ErrTooManyTopics) {
		t.Fatalf("third topic: %v, want ErrTooManyTopics", err)
	}
	if _, err := b.Subscribe(0, Key{"abc", ""}, Position{}, epoch); !errors.Is(err, ErrTooManyTopics) {
		t.Fatalf("subscription to a third topic: %v, want ErrTooManyTopics", err)
	}
	publish(t, b, Key{"a", "bc"}, 0)
	if got := b.Stats().Topics; got != 2 {
		t.Fatalf("%d topics after a refused one, want 2", got)
	}
}

func TestTotalBytes(t *testing.T) {
	const cost = 100 + itemOverhead
	b := ownedBroker(t, Config{TopicBytes: 4 * cost, TotalBytes: 10 * cost, Retention: time.Minute})
	encode := func(p Position) []byte { return fmt.Appendf(nil, "%-100s", encodePosition(p)) }
	key := func(i int) Key { return Key{"chat", fmt.Sprint(i)} }
	for i := range 5 {
		b.Sweep(epoch.Add(time.Duration(i) * 10 * time.Second))
		for range 3 {
			// The topics' items are ten seconds apart, far more than the timeline's resolution.
			if _, err := b.Publish(0, key(i), epoch.Add(time.Duration(i)*10*time.Second), encode); err != nil {
				t.Fatal(err)
			}
			if got := b.Stats().Bytes; got > 10*cost {
				t.Fatalf("%d bytes kept, want at most %d", got, 10*cost)
			}
		}
	}
	for i, want := range []string{"gap 0>3@1", "gap 0>2@1 3@1", "1@1 2@1 3@1", "1@1 2@1 3@1", "1@1 2@1 3@1"} {
		s := subscribe(t, b, key(i), Position{Sequence: 1}, 40*time.Second)
		expect(t, s, want)
	}
	if got := b.Stats(); got.Items != 10 || got.Bytes != 10*cost {
		t.Fatalf("%d items of %d bytes kept, want 10 of %d", got.Items, got.Bytes, 10*cost)
	}
}

// TestOneItemAboveTheTotal: even then the broker keeps its bound, and says what it dropped.
func TestOneItemAboveTheTotal(t *testing.T) {
	b := ownedBroker(t, Config{TopicBytes: 100, TotalBytes: 100})
	s := subscribe(t, b, room, Position{}, 0)
	if _, err := b.Publish(0, room, epoch, func(Position) []byte { return make([]byte, 1000) }); err != nil {
		t.Fatal(err)
	}
	if got := b.Stats(); got.Bytes != 0 || got.Items != 0 {
		t.Fatalf("kept %+v", got)
	}
	expect(t, s, "gap 0>1@1")
}

func TestStats(t *testing.T) {
	b := ownedBroker(t, Config{TopicItems: 3})
	s := subscribe(t, b, room, Position{}, 0)
	idle := subscribe(t, b, Key{"chat", "quiet"}, Position{}, 0)
	publishMany(t, b, room, 5)
	take(t, s)
	want := Stats{
		Topics: 2, Subscriptions: 2, Items: 3, Bytes: 3 * int64(len(encodePosition(Position{pageOf(t, 1), 1}))+itemOverhead),
		Published: 5, Delivered: 3, Discontinuities: 1,
	}
	if got := b.Stats(); got != want {
		t.Fatalf("stats are %+v, want %+v", got, want)
	}
	s.Close()
	s.Close()
	idle.Close()
	want.Subscriptions = 0
	if got := b.Stats(); got != want {
		t.Fatalf("stats after closing are %+v, want %+v", got, want)
	}
}
