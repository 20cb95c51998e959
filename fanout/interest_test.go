package fanout

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestWaitingTogether: readers that come while the leader is being asked share the answer if it will do, and are asked for
// otherwise.
func TestWaitingTogether(t *testing.T) {
	r := newRelay(t, Config{})
	publishMany(t, r.leader, room, 6)
	page := pageOf(t, 1)
	first := subscribe(t, r.mirror, room, Position{page, 5}, 0)
	r.ask(epoch)
	same := subscribe(t, r.mirror, room, Position{page, 5}, 0)
	newer := subscribe(t, r.mirror, room, Position{page, 6}, 0)
	fresh := subscribe(t, r.mirror, room, Position{}, 0)
	if changes, err := r.link.Changes(); err != nil || len(changes) != 0 {
		t.Fatalf("changes are %+v, %v, want none before the leader answered", changes, err)
	}
	r.pump(epoch)
	for _, s := range []*Subscription{first, same} {
		expect(t, s, "5@1 6@1")
	}
	expect(t, newer, "6@1")
	expect(t, fresh, "")
	if r.last != 1 {
		t.Fatalf("the leader was asked %d times, want once", r.last)
	}

	// Behind what was fetched the mirror knows that it knows not.
	older := subscribe(t, r.mirror, room, Position{page, 3}, 0)
	r.ask(epoch)
	beyond := subscribe(t, r.mirror, room, Position{page, 8}, 0) // 7 may be on its way
	r.send()
	publish(t, r.leader, room, 0)
	r.pump(epoch)
	expect(t, older, "3@1 4@1 5@1 6@1 7@1")
	expect(t, beyond, "")
	publish(t, r.leader, room, 0)
	r.pump(epoch)
	expect(t, beyond, "8@1")
	if r.last != 3 {
		t.Fatalf("the leader was asked %d times, want once more for what is older and once for what may be newer", r.last)
	}
	expect(t, subscribe(t, r.mirror, room, Position{page, 1}, 0), "1@1 2@1 3@1 4@1 5@1 6@1 7@1 8@1")
}

// TestCatchingUp: while a feed brings what is older, repeated and reordered items do no harm, and a mark tells how far
// it has come, not how far the mirror was.
func TestCatchingUp(t *testing.T) {
	b := newBroker(t, Config{})
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	page := pageOf(t, 1)
	item := func(n uint64) Item { return Item{Position{page, n}, encodePosition(Position{page, n})} }
	live := subscribe(t, b, room, Position{}, 0)
	f := begin(t, b, Position{page, 4})
	feed(t, f, Position{page, 5})
	older := subscribe(t, b, room, Position{page, 1}, 0)
	f = asked(t, f.link)
	if seen, replay := f.Seen(); !replay || seen != (Position{}) {
		t.Fatalf("the leader is asked for what follows %v, %t, want all", seen, replay)
	}
	if err := f.Begin(Position{page, 5}); err != nil {
		t.Fatal(err)
	}
	if err := f.Items([]Item{item(1), item(3), item(2), item(3), item(1)}, epoch); err != nil {
		t.Fatal(err)
	}
	if got := b.Stats(); got.Refused != 3 || got.Fed != 3 {
		t.Fatalf("%d items were refused and %d taken, want 3 and 3", got.Refused, got.Fed)
	}
	got, behind, err := f.HighWater(Position{page, 5})
	if want := (Missing{Position{page, 3}, Position{page, 5}}); err != nil || !behind || got != want {
		t.Fatalf("missing is %+v, %t, %v, want %+v", got, behind, err, want)
	}
	expect(t, older, "")
	if err := f.Items([]Item{item(4), item(5), item(6)}, epoch); err != nil {
		t.Fatal(err)
	}
	expect(t, older, "1@1 gap 1>2@1 3@1 4@1 5@1 6@1")
	expect(t, live, "5@1 6@1")
}

// TestLingerAgain: the pause begins when the last reader left for the last time.
func TestLingerAgain(t *testing.T) {
	b := newBroker(t, Config{Linger: 10 * time.Second})
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	at := func(s time.Duration, want int) {
		t.Helper()
		b.Sweep(epoch.Add(s * time.Second))
		if got := b.Interests(0); got != want {
			t.Fatalf("after %d s %d topics are wanted, want %d", s, got, want)
		}
	}
	subscribe(t, b, room, Position{}, 0).Close()
	at(5, 1)
	s := subscribe(t, b, room, Position{}, 5*time.Second)
	at(8, 1)
	s.Close()
	at(11, 1)
	at(17, 1)
	at(19, 0)
	if got := b.Stats().Topics; got != 1 {
		t.Fatalf("%d topics, want the one that may be forgotten later", got)
	}
	b.Sweep(epoch.Add(time.Hour))
	if got := b.Stats().Topics; got != 0 {
		t.Fatalf("%d topics after an idle hour", got)
	}
}

// TestLingerOutlastsForgetting: a topic is not forgotten while it is wanted, even if it was about to be.
func TestLingerOutlastsForgetting(t *testing.T) {
	b := newBroker(t, Config{ForgetAfter: time.Second, Linger: time.Hour})
	own(t, b, 0, 1)
	subscribe(t, b, room, Position{}, 0).Close()
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	subscribe(t, b, room, Position{}, time.Second/2).Close()
	b.Sweep(epoch.Add(3 * time.Second))
	if got := b.Stats(); got.Topics != 1 || got.Interests != 1 {
		t.Fatalf("%d topics and %d interests, want 1 and 1", got.Topics, got.Interests)
	}
}

// TestLingeringIsNotAskedFor on a new link: nobody reads it.
func TestLingeringIsNotAskedFor(t *testing.T) {
	r := newRelay(t, Config{})
	s := subscribe(t, r.mirror, room, Position{}, 0)
	r.pump(epoch)
	s.Close()
	l, err := r.mirror.Link(0)
	if err != nil {
		t.Fatal(err)
	}
	if changes, err := l.Changes(); err != nil || len(changes) != 0 {
		t.Fatalf("changes are %+v, %v, want none", changes, err)
	}
	if got := r.mirror.Interests(0); got != 0 {
		t.Fatalf("%d topics are wanted, want none", got)
	}
}

// TestWaitersComeAndGo: without a leader, readers that gave up leave nothing behind, and the others keep their place.
func TestWaitersComeAndGo(t *testing.T) {
	b := newBroker(t, Config{})
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	stays := subscribe(t, b, room, Position{Sequence: 1}, 0)
	for range 1000 {
		s := subscribe(t, b, room, Position{}, 0)
		expect(t, s, "")
		s.Close()
	}
	if got := len(stays.topic.interest.waiting); got > 50 {
		t.Fatalf("the list of one waiting reader has %d entries", got)
	}
	own(t, b, 0, 1)
	publish(t, b, room, 0)
	expect(t, stays, "1@1")
}

// TestMergeKeepsAge: what is filled in is no younger than what follows it, or it would keep that from expiring.
func TestMergeKeepsAge(t *testing.T) {
	at := func(n uint64) Item { return Item{Position: Position{1, n}} }
	l := newLog(7)
	l.push(at(3), 10)
	l.push(at(5), 20)
	if added := l.merge([]Item{at(2), at(3), at(4), at(6)}, 99); added != 3 {
		t.Fatalf("%d items added, want 3", added)
	}
	var numbers []uint64
	var ages []int64
	for i := range uint64(l.count) {
		s := l.at(7 + i)
		numbers, ages = append(numbers, s.Sequence), append(ages, s.at)
	}
	if !slices.Equal(numbers, []uint64{2, 3, 4, 5, 6}) || !slices.Equal(ages, []int64{10, 10, 20, 20, 99}) {
		t.Fatalf("the log holds %v of %v", numbers, ages)
	}
	if want := int64(5 * itemOverhead); l.bytes != want {
		t.Fatalf("the log counts %d bytes, want %d", l.bytes, want)
	}
}

// TestMergeIsBounded: what others have seen does not make a topic larger than it may be.
func TestMergeIsBounded(t *testing.T) {
	page := pageOf(t, 1)
	for _, config := range []Config{{TopicItems: 2}, {TopicBytes: 2 * (itemOverhead + 10)}} {
		b := newBroker(t, config)
		if err := b.Mirror(0); err != nil {
			t.Fatal(err)
		}
		s := subscribe(t, b, room, Position{}, 0)
		f := begin(t, b, Position{page, 4})
		feed(t, f, Position{page, 5})
		feed(t, f, Position{page, 6})
		elect(t, b, 2, seenOf(false, Position{page, 3}, Position{page, 4}))
		if got := b.Stats().Items; got != 2 {
			t.Fatalf("%d items are kept, want 2", got)
		}
		expect(t, s, "5@1 6@1 gap 6>6@2")
	}
}

// TestMuxQueue: the queue of a Mux neither grows while it is never empty nor keeps the room of a crowd.
func TestMuxQueue(t *testing.T) {
	b := ownedBroker(t, Config{})
	m := b.NewMux()
	const crowd = 1000
	for i := range crowd {
		open(t, m, uint32(i), Key{"chat", strconv.Itoa(i)}, Position{}, false)
	}
	portions(t, m, 1)
	for i := range crowd - 2 {
		m.Shut(Key{"chat", strconv.Itoa(i)})
	}
	portions(t, m, 1)
	if got := cap(m.queue); got > 50 {
		t.Fatalf("the queue of two topics has room for %d", got)
	}
	var buf [1]Event
	for range 2 {
		publish(t, b, Key{"chat", "998"}, 0)
		publish(t, b, Key{"chat", "999"}, 0)
	}
	for i := range 10_000 {
		key := Key{"chat", strconv.Itoa(998 + i%2)}
		publish(t, b, key, 0)
		if _, ok := m.Take(buf[:]); !ok {
			t.Fatal("nothing to take")
		}
	}
	if got := len(m.queue); got > 100 {
		t.Fatalf("the queue of two topics is %d long", got)
	}
}
