package fanout

import (
	"errors"
	"runtime"
	"testing"
	"time"
)

func TestNotOwned(t *testing.T) {
	b := newBroker(t, Config{})
	refuse := func(when string, partition uint32, want error) {
		t.Helper()
		if b.Owns(partition) {
			t.Fatalf("%s: partition %d is owned", when, partition)
		}
		if _, err := b.Publish(partition, room, epoch, encodePosition); !errors.Is(err, want) {
			t.Fatalf("%s: publish says %v, want %v", when, err, want)
		}
		if _, err := b.Subscribe(partition, room, Position{}, epoch); !errors.Is(err, want) {
			t.Fatalf("%s: subscribe says %v, want %v", when, err, want)
		}
	}
	refuse("at birth", 0, ErrNotOwner)
	b.Disown(7)
	b.Abandon(7)
	own(t, b, 3, 1)
	refuse("another is owned", 2, ErrNotOwner)
	refuse("beyond all", 4, ErrNotOwner)
	refuse("absurd", 1<<32-1, ErrNotOwner)
	b.Disown(3)
	refuse("disowned", 3, ErrNotOwner)
	own(t, b, 3, 2)
	b.Abandon(3)
	refuse("abandoned", 3, ErrNotOwner)
	own(t, b, 3, 3)
	b.Close()
	refuse("closed", 3, ErrClosed)
	refuse("closed, never owned", 9, ErrClosed)
	if err := b.Own(3, pageOf(t, 4)); !errors.Is(err, ErrClosed) {
		t.Fatalf("Own after Close: %v, want ErrClosed", err)
	}
	b.Close()
}

func TestOwnRefusesBadPages(t *testing.T) {
	b := newBroker(t, Config{})
	reset, err := Page{Term: 9, Reset: 1}.Number()
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []uint64{0, 1, reset, 1 << 53, 1<<64 - 1} {
		if err := b.Own(0, page); err == nil {
			t.Fatalf("Own took page %d", page)
		}
	}
	if err := b.Own(maxPartitions, pageOf(t, 1)); err == nil {
		t.Fatal("Own took a partition out of range")
	}
	own(t, b, 0, 5)
	own(t, b, 0, 5) // again: nothing new
	for _, term := range []uint64{1, 4} {
		if err := b.Own(0, pageOf(t, term)); !errors.Is(err, ErrStalePage) {
			t.Fatalf("Own with term %d after 5: %v, want ErrStalePage", term, err)
		}
	}
	b.Disown(0)
	if err := b.Own(0, pageOf(t, 5)); !errors.Is(err, ErrStalePage) {
		t.Fatalf("Own with the page of a lost ownership: %v, want ErrStalePage", err)
	}
	own(t, b, 1, 1) // partitions do not care about each other
}

// TestOwnAgain: leadership is lost and comes back. Readers stay, are told once, and numbers go on.
func TestOwnAgain(t *testing.T) {
	b := ownedBroker(t, Config{TopicItems: 5})
	quick := subscribe(t, b, room, Position{}, 0)
	slow := subscribe(t, b, room, Position{}, 0)
	unused := subscribe(t, b, Key{"chat", "unused"}, Position{}, 0)
	publishMany(t, b, room, 3)
	expect(t, quick, "1@1 2@1 3@1")

	b.Disown(0)
	expect(t, quick, "")
	own(t, b, 0, 2)
	expect(t, quick, "gap 3>3@2") // at once, though no item follows
	expect(t, quick, "")
	expect(t, unused, "gap 0>0@2")
	publish(t, b, room, 0)
	expect(t, quick, "4@2")
	expect(t, slow, "1@1 2@1 3@1 gap 3>3@2 4@2")

	own(t, b, 0, 3) // renewed without a pause
	publishMany(t, b, room, 5)
	expect(t, quick, "gap 4>4@3 5@3 6@3 7@3 8@3 9@3")
	own(t, b, 0, 4)
	own(t, b, 0, 5) // twice while nobody looked: told once
	expect(t, quick, "gap 9>9@5")
	publish(t, b, room, 0)
	expect(t, slow, "gap 4>5@3 6@3 7@3 8@3 9@3 gap 9>9@5 10@5")
}

// TestOwnAgainWakes: a reader that waits is woken by the new page itself.
func TestOwnAgainWakes(t *testing.T) {
	b := ownedBroker(t, Config{})
	s := subscribe(t, b, room, Position{}, 0)
	expect(t, s, "")
	own(t, b, 0, 2)
	<-s.Ready()
	expect(t, s, "gap 0>0@2")
}

func TestAbandon(t *testing.T) {
	b := ownedBroker(t, Config{})
	own(t, b, 1, 1)
	s := subscribe(t, b, room, Position{}, 0)
	elsewhere, err := b.Subscribe(1, room, Position{}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	publishMany(t, b, room, 2)
	b.Abandon(0)
	expect(t, s, "1@1 2@1 fanout: partition moved away")
	expect(t, elsewhere, "")
	own(t, b, 0, 2)
	if got := publish(t, b, room, 0); got != (Position{pageOf(t, 2), 1}) {
		t.Fatalf("first item after an abandoned ownership is %v", got)
	}
	expect(t, s, "fanout: partition moved away")
	s.Close()
	expect(t, s, "fanout: closed")
	// The old topic's unread items went with its last reader.
	if got := b.Stats(); got.Items != 1 || got.Topics != 2 {
		t.Fatalf("stats are %+v, want 1 item in 2 topics", got)
	}
}

func TestDropCache(t *testing.T) {
	b := ownedBroker(t, Config{})
	own(t, b, 5, 1)
	other := Key{"news", room.Topic}
	var (
		waiting = subscribe(t, b, room, Position{}, 0)
		unread  = subscribe(t, b, room, Position{}, 0)
		spared  = subscribe(t, b, other, Position{}, 0)
	)
	far, err := b.Subscribe(5, Key{"chat", "far"}, Position{}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	first := publish(t, b, room, 0)
	publish(t, b, other, 0)
	expect(t, waiting, "1@1")
	b.DropCache("chat")
	<-waiting.Ready()
	for _, s := range []*Subscription{waiting, unread, far} {
		expect(t, s, "fanout: cache was deleted")
	}
	expect(t, spared, "1@1")
	if got := b.Stats(); got.Topics != 1 || got.Items != 1 {
		t.Fatalf("stats are %+v, want 1 topic with 1 item", got)
	}

	again := publish(t, b, room, 0)
	if again.Sequence != 1 || again.Page <= first.Page {
		t.Fatalf("first item of the new cache is %v, the old one's was %v", again, first)
	}
	expect(t, unread, "fanout: cache was deleted")
	b.DropCache("chat")
	if third := publish(t, b, room, 0); third.Sequence != 1 || third.Page <= again.Page {
		t.Fatalf("first item of the third cache is %v, the second one's was %v", third, again)
	}
	b.DropCache("no such cache")
}

// TestPagesExhausted: with a full reset counter topics keep their counters instead of repeating positions.
func TestPagesExhausted(t *testing.T) {
	b := ownedBroker(t, Config{Retention: time.Minute, ForgetAfter: time.Minute})
	p, err := b.partition(0)
	if err != nil {
		t.Fatal(err)
	}
	p.page.Store(pageOf(t, 1) + maxReset - 1)
	old := Key{"chat", "old"}
	publish(t, b, old, 0)
	b.DropCache("chat") // takes the last value
	if got := b.Stats(); got.PagesExhausted != 1 || got.Topics != 0 {
		t.Fatalf("stats are %+v, want no topic and no page left", got)
	}
	first := publish(t, b, room, 0)
	s := subscribe(t, b, room, Position{}, 0)
	b.DropCache("chat")
	expect(t, s, "fanout: cache was deleted")
	if got := b.Stats(); got.Topics != 1 || got.Items != 0 {
		t.Fatalf("stats are %+v, want 1 topic without items", got)
	}
	b.Sweep(epoch.Add(time.Hour))
	b.Sweep(epoch.Add(2 * time.Hour))
	if got := publish(t, b, room, 2*time.Hour); got != (Position{first.Page, 2}) {
		t.Fatalf("item after a drop without a page left is %v, want number 2 on page %d", got, first.Page)
	}
	publish(t, b, old, 2*time.Hour)
	b.DropCache("chat") // leaves two counters that nobody uses again
	own(t, b, 0, 2)
	if got := b.Stats().PagesExhausted; got != 0 {
		t.Fatalf("%d partitions without pages after a new term", got)
	}
	b.Sweep(epoch.Add(3*time.Hour + time.Minute))
	b.Sweep(epoch.Add(4 * time.Hour))
	if got := b.Stats().Topics; got != 0 {
		t.Fatalf("%d topics left after a new term and idle hours", got)
	}
}

func TestClose(t *testing.T) {
	b := ownedBroker(t, Config{})
	waiting := subscribe(t, b, room, Position{}, 0)
	unread := subscribe(t, b, room, Position{}, 0)
	publishMany(t, b, room, 2)
	expect(t, waiting, "1@1 2@1")
	b.Close()
	<-waiting.Ready()
	expect(t, waiting, "fanout: closed")
	expect(t, unread, "1@1 2@1 fanout: closed") // a graceful end
	waiting.Close()
	unread.Close()
	if got := b.Stats(); got.Items != 0 || got.Bytes != 0 || got.Subscriptions != 0 || got.Topics != 0 {
		t.Fatalf("stats after the end are %+v", got)
	}
}

// TestDisownWaits: when Disown returns, nothing is being numbered any more.
func TestDisownWaits(t *testing.T) {
	b := ownedBroker(t, Config{})
	returned := make(chan struct{})
	_, err := b.Publish(0, room, epoch, func(p Position) []byte {
		go func() {
			b.Disown(0)
			close(returned)
		}()
		for b.Owns(0) {
			runtime.Gosched() // until Disown has begun
		}
		for range 1000 {
			runtime.Gosched()
			select {
			case <-returned:
				t.Error("Disown returned in the middle of a publish")
				return nil
			default:
			}
		}
		return encodePosition(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	<-returned
}

// The base of an ownership stays while forgotten topics move its page on.
func TestBase(t *testing.T) {
	b, err := New(Config{ForgetAfter: time.Second, Retention: time.Second}, epoch)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := b.Base(0); got != 0 {
		t.Errorf("never owned: %d", got)
	}
	base, _ := Page{Term: 3}.Number()
	if err := b.Own(0, base); err != nil {
		t.Fatal(err)
	}
	publish := func(at time.Time) (p Position) {
		p, err := b.Publish(0, Key{Cache: "c", Topic: "t"}, at, func(Position) []byte { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	publish(epoch)
	b.Sweep(epoch.Add(2 * time.Second)) // the item goes
	b.Sweep(epoch.Add(4 * time.Second)) // and the topic
	if p := publish(epoch.Add(4 * time.Second)); p.Page == base || BaseOf(p.Page) != base || b.Base(0) != base {
		t.Errorf("page %v, base %v", PageOf(p.Page), PageOf(b.Base(0)))
	}
	b.Disown(0)
	if got := b.Base(0); got != 0 {
		t.Errorf("not owned any more: %d", got)
	}
}
