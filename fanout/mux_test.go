package fanout

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// portions takes all that is ready, in short words, each with its handle.
func portions(t testing.TB, m *Mux, room int) []string {
	t.Helper()
	var told []string
	for buf := make([]Event, room); ; {
		p, ok := m.Take(buf)
		if !ok {
			return told
		}
		var words []string
		switch p.Kind {
		case Begun:
			words = append(words, fmt.Sprintf("begun %d@%d", p.Position.Sequence, PageOf(p.Position.Page).Term))
		case HighWater:
			words = append(words, fmt.Sprintf("mark %d@%d", p.Position.Sequence, PageOf(p.Position.Page).Term))
		case Over:
			words = append(words, p.Err.Error())
		case Told:
			for _, e := range p.Events {
				words = append(words, word(t, e))
			}
		}
		told = append(told, fmt.Sprintf("%d: %s", p.Handle, strings.Join(words, " ")))
	}
}

func expectPortions(t testing.TB, m *Mux, want ...string) {
	t.Helper()
	if got, want := strings.Join(portions(t, m, 3), "; "), strings.Join(want, "; "); got != want {
		t.Fatalf("told %q, want %q", got, want)
	}
}

func open(t testing.TB, m *Mux, handle uint32, key Key, seen Position, replay bool) {
	t.Helper()
	if err := m.Open(handle, 0, key, seen, replay, epoch); err != nil {
		t.Fatal(err)
	}
}

// TestMuxOpen goes through what a mirror may have seen of a topic whose log is 3@1 4@1 5@2 6@2.
func TestMuxOpen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		term   uint64
		number uint64
		replay bool
		want   string
	}{
		{"new items", 0, 0, false, ""},
		{"all", 0, 0, true, "1: gap 0>2@1 3@1 4@1; 1: gap 4>4@2 5@2 6@2"},
		{"the newest", 2, 6, true, ""},
		{"most", 2, 5, true, "1: 6@2"},
		{"the end of the last page", 1, 4, true, "1: gap 4>4@2 5@2 6@2"},
		{"part of the last page", 1, 3, true, "1: 4@1 gap 4>4@2 5@2; 1: 6@2"},
		{"too little", 1, 1, true, "1: gap 1>2@1 3@1 4@1; 1: gap 4>4@2 5@2 6@2"},
		{"more of the last page", 1, 9, true, "1: gap 9>4@2 5@2 6@2"},
		{"more than there is", 2, 9, true, "1: gap 0>6@2"},
		{"a page to come", 3, 1, true, "1: gap 0>4@2 5@2 6@2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := ownedBroker(t, Config{TopicItems: 4})
			publishMany(t, b, room, 4)
			own(t, b, 0, 2)
			publishMany(t, b, room, 2)
			m := b.NewMux()
			open(t, m, 1, room, Position{testPage(t, tt.term), tt.number}, tt.replay)
			want := []string{"1: begun 6@2"}
			if tt.want != "" {
				want = append(want, tt.want)
			}
			expectPortions(t, m, want...)
			publish(t, b, room, 0)
			expectPortions(t, m, "1: 7@2")
		})
	}
}

func TestMuxOpenRefuses(t *testing.T) {
	b := ownedBroker(t, Config{MaxTopics: 1})
	m := b.NewMux()
	for _, p := range []Position{{0, 1}, {maxPage + 1, 1}, {pageOf(t, 1), maxSequence + 1}} {
		if err := m.Open(1, 0, room, p, true, epoch); !errors.Is(err, ErrBadPosition) {
			t.Errorf("opened behind %v: %v, want ErrBadPosition", p, err)
		}
	}
	if err := m.Open(1, 9, room, Position{}, false, epoch); !errors.Is(err, ErrNotOwner) {
		t.Errorf("opened elsewhere: %v, want ErrNotOwner", err)
	}
	open(t, m, 1, room, Position{}, false)
	if err := m.Open(2, 0, Key{"chat", "other"}, Position{}, false, epoch); !errors.Is(err, ErrTooManyTopics) {
		t.Errorf("opened too many: %v, want ErrTooManyTopics", err)
	}
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	if err := m.Open(2, 0, room, Position{}, false, epoch); !errors.Is(err, ErrNotOwner) {
		t.Errorf("opened a mirror: %v, want ErrNotOwner", err)
	}
	m.Close()
	m.Close()
	<-m.Ready()
	own(t, b, 0, 2)
	if err := m.Open(3, 0, room, Position{}, false, epoch); !errors.Is(err, ErrClosed) {
		t.Errorf("opened after the end: %v, want ErrClosed", err)
	}
	expectPortions(t, m)
	if got := b.Stats().Subscriptions; got != 0 {
		t.Errorf("%d subscriptions left", got)
	}
}

// TestMuxFair: a topic with much to tell takes turns with the others, counted in events and in bytes.
func TestMuxFair(t *testing.T) {
	b := ownedBroker(t, Config{TopicBytes: 64 << 20})
	m := b.NewMux()
	other := Key{"chat", "other"}
	open(t, m, 1, room, Position{}, false)
	open(t, m, 2, other, Position{}, false)
	expectPortions(t, m, "1: begun 0@1", "2: begun 0@1")
	publishMany(t, b, room, 7)
	publishMany(t, b, other, 4)
	expectPortions(t, m, "1: 1@1 2@1 3@1", "2: 1@1 2@1 3@1", "1: 4@1 5@1 6@1", "2: 4@1", "1: 7@1")

	large := func(p Position) []byte {
		return append(encodePosition(p), strings.Repeat(" ", portionBytes/2)...)
	}
	for range 5 {
		if _, err := b.Publish(0, room, epoch, large); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, b, other, 0)
	expectPortions(t, m, "1: 8@1 9@1", "2: 5@1", "1: 10@1 11@1", "1: 12@1")
}

// TestMuxFallsBehind: what is not fetched in time is the topic's log's to drop.
func TestMuxFallsBehind(t *testing.T) {
	b := ownedBroker(t, Config{TopicItems: 2})
	m := b.NewMux()
	open(t, m, 1, room, Position{}, false)
	publishMany(t, b, room, 10)
	expectPortions(t, m, "1: begun 0@1", "1: gap 0>8@1 9@1 10@1")
}

// TestMuxMark: after items come two marks, then nothing; and never before the items.
func TestMuxMark(t *testing.T) {
	b := ownedBroker(t, Config{})
	m := b.NewMux()
	open(t, m, 1, room, Position{}, false)
	open(t, m, 2, Key{"chat", "quiet"}, Position{}, false)
	m.Mark()
	expectPortions(t, m, "1: begun 0@1", "2: begun 0@1")
	publishMany(t, b, room, 2)
	m.Mark() // nothing was told yet
	expectPortions(t, m, "1: 1@1 2@1")
	publishMany(t, b, room, 4)
	m.Mark()
	expectPortions(t, m, "1: 3@1 4@1 5@1", "1: 6@1", "1: mark 6@1")
	m.Mark()
	expectPortions(t, m, "1: mark 6@1")
	m.Mark()
	expectPortions(t, m, "1: mark 6@1")
	m.Mark()
	expectPortions(t, m)
	m.Shut(room)
	own(t, b, 0, 2) // a new page without an item is worth a mark, too
	expectPortions(t, m, "2: gap 0>0@2")
	m.Mark()
	expectPortions(t, m, "2: mark 0@2")
}

// TestMuxReplace: a topic that is opened again tells nothing under its old handle.
func TestMuxReplace(t *testing.T) {
	b := ownedBroker(t, Config{})
	m := b.NewMux()
	open(t, m, 1, room, Position{}, false)
	publishMany(t, b, room, 2)
	open(t, m, 2, room, Position{pageOf(t, 1), 1}, true)
	expectPortions(t, m, "2: begun 2@1", "2: 2@1")
	if got := b.Stats().Subscriptions; got != 1 {
		t.Fatalf("%d cursors, want 1", got)
	}
	m.Shut(room)
	m.Shut(room)
	publish(t, b, room, 0)
	expectPortions(t, m)
	if got := b.Stats().Subscriptions; got != 0 {
		t.Fatalf("%d cursors left", got)
	}
}

// TestMuxOver: the end of a topic is told once, after what was unread.
func TestMuxOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*testing.T, *Broker)
		want []string
	}{
		{"mirrored", func(t *testing.T, b *Broker) {
			if err := b.Mirror(0); err != nil {
				t.Fatal(err)
			}
		}, []string{"1: 1@1", "1: fanout: partition is not owned here"}},
		{"disowned", func(_ *testing.T, b *Broker) { b.Disown(0) }, []string{"1: 1@1", "1: fanout: partition is not owned here"}},
		{"abandoned", func(_ *testing.T, b *Broker) { b.Abandon(0) }, []string{"1: 1@1", "1: fanout: partition moved away"}},
		{"dismissed", func(_ *testing.T, b *Broker) { b.Dismiss(0) }, []string{"1: 1@1", "1: fanout: partition moved away"}},
		{"cache dropped", func(_ *testing.T, b *Broker) { b.DropCache("chat") }, []string{"1: fanout: cache was deleted"}},
		{"closed", func(_ *testing.T, b *Broker) { b.Close() }, []string{"1: 1@1", "1: fanout: closed"}},
	} {
		for _, asleep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asleep %t", tt.name, asleep), func(t *testing.T) {
				b := ownedBroker(t, Config{})
				m := b.NewMux()
				open(t, m, 1, room, Position{}, false)
				expectPortions(t, m, "1: begun 0@1")
				<-m.Ready()
				publish(t, b, room, 0)
				<-m.Ready()
				want := tt.want
				if asleep {
					expectPortions(t, m, "1: 1@1")
					want = want[len(want)-1:]
				}
				tt.end(t, b)
				if asleep {
					<-m.Ready()
				}
				expectPortions(t, m, want...)
				expectPortions(t, m)
				if got := b.Stats().Subscriptions; got != 0 {
					t.Errorf("%d cursors left", got)
				}
			})
		}
	}
}

// TestMuxWakes: one sleep for many topics, and no ring is lost.
func TestMuxWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const topics, rounds = 5, 20
		b := ownedBroker(t, Config{})
		m := b.NewMux()
		for i := range topics {
			open(t, m, uint32(i), Key{"chat", fmt.Sprint(i)}, Position{}, false)
		}
		go func() {
			for round := range rounds {
				for i := range topics {
					if i%2 == round%2 {
						publish(t, b, Key{"chat", fmt.Sprint(i)}, 0)
					}
				}
				synctest.Wait() // until the reader is asleep
			}
		}()
		var (
			buf [2]Event
			got int
		)
		for got < rounds*topics/2 {
			for p, ok := m.Take(buf[:]); ok; p, ok = m.Take(buf[:]) {
				got += len(p.Events)
			}
			if got < rounds*topics/2 {
				<-m.Ready() // a lost ring would be a deadlock, which synctest reports
			}
		}
	})
}

func TestMuxAllocations(t *testing.T) {
	b := ownedBroker(t, Config{})
	m := b.NewMux()
	const topics = 10
	keys := make([]Key, topics)
	for i := range keys {
		keys[i] = Key{"chat", fmt.Sprint(i)}
		open(t, m, uint32(i), keys[i], Position{}, false)
	}
	var (
		encoded = []byte("item")
		encode  = func(Position) []byte { return encoded }
		buf     [8]Event
	)
	round := func() {
		for _, key := range keys {
			if _, err := b.Publish(0, key, epoch, encode); err != nil {
				t.Fatal(err)
			}
		}
		for _, ok := m.Take(buf[:]); ok; _, ok = m.Take(buf[:]) {
		}
		m.Mark()
	}
	for range 2 * DefaultTopicItems {
		round() // until the rings have their size
	}
	if got := testing.AllocsPerRun(100, round); got >= strayAllocations {
		t.Fatalf("an item in each of ten topics makes %v allocations, want fewer than %d", got, strayAllocations)
	}
}
