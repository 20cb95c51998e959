package fanout

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

func TestSweepForgets(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute, ForgetAfter: 5 * time.Minute})
	first := publish(t, b, room, 0)
	at := func(d time.Duration, wantTopics, wantItems int64) {
		t.Helper()
		b.Sweep(epoch.Add(d))
		if got := b.Stats(); got.Topics != wantTopics || got.Items != wantItems {
			t.Fatalf("after %v: %d topics and %d items, want %d and %d", d, got.Topics, got.Items, wantTopics, wantItems)
		}
	}
	const late = 2 * time.Second // more than one tick of both timelines
	at(59*time.Second, 1, 1)
	at(60*time.Second+late, 1, 0)
	at(4*time.Minute, 1, 0)
	if got := publish(t, b, room, 4*time.Minute); got.Sequence != 2 {
		t.Fatalf("second item has number %d", got.Sequence)
	}
	at(5*time.Minute-time.Second, 1, 1)
	at(5*time.Minute+late, 1, 0) // the first plan to forget it is void
	at(9*time.Minute-time.Second, 1, 0)
	at(9*time.Minute+late, 0, 0)
	if got := publish(t, b, room, 10*time.Minute); got.Sequence != 1 || got.Page <= first.Page {
		t.Fatalf("first item after being forgotten is %v, want number 1 on a page above %d", got, first.Page)
	}
}

// TestSubscriptionKeepsTopic: a topic with a reader is never forgotten; after the last one left it is, in time.
func TestSubscriptionKeepsTopic(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute, ForgetAfter: 5 * time.Minute})
	s := subscribe(t, b, room, Position{}, 0)
	publishMany(t, b, room, 2)
	for m := range 60 {
		b.Sweep(epoch.Add(time.Duration(m) * time.Minute))
	}
	if got := b.Stats().Topics; got != 1 {
		t.Fatalf("%d topics, want 1", got)
	}
	expect(t, s, "gap 0>2@1")
	s.Close() // at minute 59, by the last sweep
	b.Sweep(epoch.Add(63 * time.Minute))
	if got := b.Stats().Topics; got != 1 {
		t.Fatalf("%d topics four minutes after the last reader left, want 1", got)
	}
	b.Sweep(epoch.Add(66 * time.Minute))
	if got := b.Stats().Topics; got != 0 {
		t.Fatalf("%d topics seven minutes after the last reader left, want 0", got)
	}
}

// TestPublishDropsExpired: a topic in use needs no sweep to stay within its retention.
func TestPublishDropsExpired(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute})
	publishMany(t, b, room, 3)
	publish(t, b, room, 59*time.Second)
	publish(t, b, room, 60*time.Second)
	if got := b.Stats().Items; got != 2 {
		t.Fatalf("%d items kept, want 2", got)
	}
}

// TestItemsKeepTopic: a topic is not forgotten while it has items, even if it would be by its last use.
func TestItemsKeepTopic(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute, ForgetAfter: time.Second})
	subscribe(t, b, room, Position{}, 0).Close() // plans to forget it
	publish(t, b, room, 0)
	b.Sweep(epoch.Add(2 * time.Second))
	b.Sweep(epoch.Add(4 * time.Second))
	expect(t, subscribe(t, b, room, Position{Sequence: 1}, 5*time.Second), "1@1")
}

// TestResetsAreCheap: topics used once and forgotten by the thousand take few pages, and never the same twice.
func TestResetsAreCheap(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Second, ForgetAfter: time.Second})
	highest := make(map[Key]uint64)
	const rounds, topics = 100, 50
	for round := range rounds {
		now := time.Duration(round) * 3 * time.Second
		for i := range topics {
			key := Key{"chat", fmt.Sprint(i)}
			p := publish(t, b, key, now)
			if p.Page <= highest[key] || p.Sequence != 1 {
				t.Fatalf("round %d: %v got %v after page %d", round, key, p, highest[key])
			}
			highest[key] = p.Page
		}
		b.Sweep(epoch.Add(now + 1500*time.Millisecond))
		b.Sweep(epoch.Add(now + 2900*time.Millisecond))
	}
	p, err := b.partition(0)
	if err != nil {
		t.Fatal(err)
	}
	if used := PageOf(p.page.Load()).Reset; used > rounds {
		t.Fatalf("%d forgotten topics took %d resets, want at most %d", rounds*topics, used, rounds)
	}
}

// TestMillionTopics: what was used once leaves memory where it was.
func TestMillionTopics(t *testing.T) {
	const topics = manyTopics
	b := ownedBroker(t, Config{MaxTopics: topics + 1})
	busy := subscribe(t, b, room, Position{}, 0)
	encoded := make([]byte, 64)
	before := heap()
	for i := range topics {
		key := Key{Cache: "chat", Topic: fmt.Sprintf("room-%d", i)}
		if _, err := b.Publish(0, key, epoch, func(Position) []byte { return encoded }); err != nil {
			t.Fatal(err)
		}
	}
	alive := heap() - before
	if got := b.Stats().Topics; got != topics+1 {
		t.Fatalf("%d topics, want %d", got, topics+1)
	}
	for now := time.Duration(0); now < 7*time.Minute; now += 10 * time.Second {
		b.Sweep(epoch.Add(now))
	}
	left := heap() - before
	runtime.KeepAlive(b)
	t.Logf("per topic: %d bytes with an item, %d bytes when all were forgotten", alive/topics, left/topics)
	if got := b.Stats(); got.Topics != 1 || got.Items != 0 || got.Bytes != 0 {
		t.Fatalf("stats after the sweep are %+v, want one topic", got)
	}
	if alive > 450*topics {
		t.Errorf("a topic with one small item takes %d bytes, want at most 450", alive/topics)
	}
	if left > 2<<20 {
		t.Errorf("%d bytes are left of a million forgotten topics, want at most 2 MiB", left)
	}
	busy.Close()
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// TestSweepVisitsOnlyWhatIsDue: a sweep visits what is due, not what is there.
func TestSweepVisitsOnlyWhatIsDue(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute})
	for i := range 100 {
		key := Key{"chat", fmt.Sprint(i)}
		publish(t, b, key, 0)
		subscribe(t, b, key, Position{}, 0)
	}
	b.Sweep(epoch.Add(2 * time.Minute))
	for _, l := range []*timeline{b.aging, b.idling} {
		if left := l.pop(); left != nil {
			t.Fatalf("topic %v without items but with a reader is planned for a visit", left.key)
		}
	}
}

// TestBurstGivesRoomBack: the ring of a log shrinks when most of its items expired.
func TestBurstGivesRoomBack(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute})
	for range 256 {
		publish(t, b, room, 0)
	}
	publish(t, b, room, 50*time.Second)
	b.Sweep(epoch.Add(61 * time.Second))
	p, err := b.partition(0)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.shard(room).topics[room].log.slots); got > 8 {
		t.Fatalf("a log of one item has room for %d", got)
	}
	expect(t, subscribe(t, b, room, Position{Sequence: 257}, 61*time.Second), "257@1")
}

// TestTimelineJump: after a pause of years a sweep goes once around, not through every tick.
func TestTimelineJump(t *testing.T) {
	l := newTimeline(int64(time.Minute))
	l.add(new(topic), int64(time.Second))
	taken, calls := 0, 0
	const later = int64(50 * 365 * 24 * time.Hour)
	for batch, ok := l.take(later); ok; batch, ok = l.take(later) {
		taken += len(batch)
		if calls++; calls > len(l.buckets) {
			t.Fatalf("more than %d calls", calls)
		}
	}
	if taken != 1 {
		t.Fatalf("%d topics taken, want 1", taken)
	}
}

// TestTimeline compares with a sorted list: nothing early, nothing more than a tick late, nothing lost.
func TestTimeline(t *testing.T) {
	const horizon = int64(time.Minute)
	l := newTimeline(horizon)
	random := rand.New(rand.NewPCG(1, 2))
	due := make(map[*topic]int64)
	now := int64(0)
	for range 3000 {
		switch random.IntN(20) {
		case 0:
			now += random.Int64N(3 * horizon) // a long pause
		default:
			now += random.Int64N(horizon / 50)
		}
		for batch, ok := l.take(now); ok; batch, ok = l.take(now) {
			for _, x := range batch {
				at, known := due[x]
				if !known {
					t.Fatal("a topic was taken twice")
				}
				if at > now {
					t.Fatalf("due at %d, taken at %d", at, now)
				}
				delete(due, x)
			}
		}
		for _, at := range due {
			if at+l.tick <= now {
				t.Fatalf("due at %d, not taken at %d", at, now)
			}
		}
		for range random.IntN(4) {
			x := new(topic)
			due[x] = now + random.Int64N(horizon+1)
			l.add(x, due[x])
		}
	}
	// What is left comes in order, as fine as a tick.
	var order []int64
	for x := l.pop(); x != nil; x = l.pop() {
		order = append(order, due[x]/l.tick)
		delete(due, x)
	}
	if len(due) != 0 {
		t.Fatalf("%d topics were lost", len(due))
	}
	for i := 1; i < len(order); i++ {
		if order[i] < order[i-1]-1 {
			t.Fatalf("popped out of order: %v", order)
		}
	}
}

// TestTooManyTopics: more topics than may be remembered make those be forgotten that nobody listens to, the longest
// unused first and those with items last. Whoever comes back to one finds another page.
func TestTooManyTopics(t *testing.T) {
	const most = 1000
	b := ownedBroker(t, Config{MaxTopics: most, Retention: time.Minute, ForgetAfter: 5 * time.Minute})
	key := func(kind string, i int) Key { return Key{"chat", fmt.Sprint(kind, i)} }
	for i := range 10 {
		publish(t, b, key("listened", i), 0)
		defer subscribe(t, b, key("listened", i), Position{}, 0).Close()
	}
	first := publish(t, b, key("older", 0), 0)
	for i := range 100 {
		publish(t, b, key("older", i), 0)
	}
	for i := range 300 {
		publish(t, b, key("old", i), 30*time.Second)
	}
	b.Sweep(epoch.Add(2 * time.Minute)) // they have no items any more
	for i := range 400 {
		publish(t, b, key("new", i), 2*time.Minute)
	}
	for i := range 500 {
		publish(t, b, key("more", i), 2*time.Minute)
		if n := b.Stats().Topics; n > most {
			t.Fatalf("%d topics, the most is %d", n, most)
		}
	}
	for kind, want := range map[string]bool{"listened": true, "new": true, "more": true} {
		s := subscribe(t, b, key(kind, 0), Position{Sequence: 1}, 2*time.Minute)
		if events := take(t, s); (len(events) > 0) != want {
			t.Errorf("%s0 has %v, want something: %v", kind, events, want)
		}
		s.Close()
	}
	again := publish(t, b, key("older", 0), 2*time.Minute)
	if again.Sequence != 1 || again.Page <= first.Page {
		t.Errorf("a topic that was forgotten goes on with %v after %v", again, first)
	}
	for i := range 10 * most {
		publish(t, b, key("flood", i), 3*time.Minute)
	}
	if n := b.Stats().Topics; n > most {
		t.Errorf("%d topics after a flood, the most is %d", n, most)
	}
	expect(t, subscribe(t, b, key("listened", 3), Position{Sequence: 1}, 2*time.Minute), "gap 0>1@1")
}

// TestTooManyInUse: topics that are all listened to make no room, and are still aged.
func TestTooManyInUse(t *testing.T) {
	b := ownedBroker(t, Config{MaxTopics: 400, Retention: time.Minute})
	for i := range 400 {
		key := Key{"chat", fmt.Sprint(i)}
		publish(t, b, key, 0)
		defer subscribe(t, b, key, Position{}, 0).Close()
	}
	if _, err := b.Publish(0, room, epoch, encodePosition); err != ErrTooManyTopics { //nolint:errorlint // it is documented
		t.Errorf("one more: %v, want ErrTooManyTopics", err)
	}
	b.Sweep(epoch.Add(2 * time.Minute))
	if n := b.Stats().Items; n != 0 {
		t.Errorf("%d items are kept past their time", n)
	}
}
