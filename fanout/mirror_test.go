package fanout

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestMirror is the life of a mirrored topic as its readers see it.
func TestMirror(t *testing.T) {
	r := newRelay(t, Config{TopicItems: 8})
	publishMany(t, r.leader, room, 3)
	first := subscribe(t, r.mirror, room, Position{}, 0)
	if first.Live() {
		t.Fatal("a subscription is live before the leader was asked")
	}
	expect(t, first, "")
	r.pump(epoch)
	<-first.Ready()
	if !first.Live() {
		t.Fatal("a subscription is not live after the leader answered")
	}
	if got, want := first.Position(), (Position{pageOf(t, 1), 3}); got != want {
		t.Fatalf("a fresh subscription stands at %v, want %v", got, want)
	}
	publishMany(t, r.leader, room, 2)
	second := subscribe(t, r.mirror, room, Position{}, 0)
	if !second.Live() {
		t.Fatal("a second subscription has to wait")
	}
	r.pump(epoch)
	expect(t, first, "4@1 5@1")
	expect(t, second, "4@1 5@1")
	if r.sent != 2 {
		t.Fatalf("%d items crossed the link, want 2", r.sent)
	}

	// What the mirror has needs no leader; what it has not is fetched, and once for all.
	here := subscribe(t, r.mirror, room, Position{pageOf(t, 1), 5}, 0)
	expect(t, here, "5@1")
	older := subscribe(t, r.mirror, room, Position{pageOf(t, 1), 2}, 0)
	oldest := subscribe(t, r.mirror, room, Position{Sequence: 1}, 0)
	expect(t, older, "")
	r.pump(epoch)
	expect(t, older, "2@1 3@1 4@1 5@1")
	expect(t, oldest, "1@1 2@1 3@1 4@1 5@1")
	expect(t, first, "")
	again := subscribe(t, r.mirror, room, Position{pageOf(t, 1), 1}, 0)
	expect(t, again, "1@1 2@1 3@1 4@1 5@1")
	if r.sent != 7 {
		t.Fatalf("%d items crossed the link, want 2 live and 5 older ones", r.sent)
	}
	publishMany(t, r.leader, room, 1)
	r.pump(epoch)
	for _, s := range []*Subscription{first, second, here, older, oldest, again} {
		expect(t, s, "6@1")
		s.Close()
	}
	r.mirror.Sweep(epoch.Add(5 * time.Second))
	if got := r.mirror.Interests(0); got != 1 {
		t.Fatalf("%d topics are wanted while the interest lingers, want 1", got)
	}
	r.mirror.Sweep(epoch.Add(11 * time.Second))
	r.pump(epoch)
	if got := r.mirror.Interests(0); got != 0 {
		t.Fatalf("%d topics are wanted, want none", got)
	}
	if got := r.leader.Stats().Subscriptions; got != 0 {
		t.Fatalf("the leader still serves %d cursors", got)
	}
}

// TestFeed tells a mirror what links bring, as its two readers hear it: one that was there from the start at 3@2, and
// one that reads only in the end.
func TestFeed(t *testing.T) {
	at := func(term, number uint64) Position { return Position{pageOf(t, term), number} }
	type step func(*Feed) error
	items := func(positions ...Position) step {
		return func(f *Feed) error {
			var all []Item
			for _, p := range positions {
				all = append(all, Item{Position: p, Encoded: encodePosition(p)})
			}
			return f.Items(all, epoch)
		}
	}
	gap := func(p Position) step { return func(f *Feed) error { return f.Gap(p) } }
	for _, tt := range []struct {
		name    string
		steps   []step
		told    string // after each step
		late    string
		refused int64
	}{
		{"in order", []step{items(at(2, 4)), items(at(2, 5), at(2, 6))}, "4@2 5@2 6@2", "4@2 5@2 6@2", 0},
		{"twice", []step{items(at(2, 4)), items(at(2, 4), at(2, 5)), items(at(2, 4))}, "4@2 5@2", "4@2 5@2", 2},
		{"out of order", []step{items(at(2, 5)), items(at(2, 4)), items(at(2, 6))}, "gap 3>4@2 5@2 6@2", "gap 3>4@2 5@2 6@2", 1},
		{"a hole", []step{items(at(2, 4), at(2, 7))}, "4@2 gap 4>6@2 7@2", "4@2 gap 4>6@2 7@2", 0},
		{"the tail is lost", []step{items(at(2, 4)), gap(at(2, 9))}, "4@2 gap 4>9@2", "4@2 gap 4>9@2", 0},
		{"a gap, then its item", []step{gap(at(2, 9)), items(at(2, 10))}, "gap 3>9@2 10@2", "gap 3>9@2 10@2", 0},
		{"a gap, then a hole", []step{gap(at(2, 9)), items(at(2, 12))}, "gap 3>9@2 gap 9>11@2 12@2", "gap 3>11@2 12@2", 0},
		{"a gap of the past", []step{items(at(2, 4)), gap(at(2, 3)), gap(at(2, 4)), gap(at(1, 9))}, "4@2", "4@2", 0},
		{"a new page", []step{gap(at(4, 3)), items(at(4, 4))}, "gap 3>3@4 4@4", "gap 3>3@4 4@4", 0},
		{"a new page that begins anew", []step{gap(at(4, 0)), items(at(4, 1))}, "gap 3>0@4 1@4", "gap 3>0@4 1@4", 0},
		{"an item of a new page", []step{items(at(4, 4))}, "gap 3>3@4 4@4", "gap 3>3@4 4@4", 0},
		{"an old page", []step{items(at(1, 4), at(1, 99)), items(at(2, 4))}, "4@2", "4@2", 2},
		{"a page below one seen", []step{gap(at(4, 3)), items(at(2, 4)), items(at(3, 4)), items(at(4, 4))}, "gap 3>3@4 4@4", "gap 3>3@4 4@4", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(t, Config{})
			if err := b.Mirror(0); err != nil {
				t.Fatal(err)
			}
			quick, late := subscribe(t, b, room, Position{}, 0), subscribe(t, b, room, Position{}, 0)
			f := begin(t, b, at(2, 3))
			var told []string
			for _, step := range tt.steps {
				if err := step(f); err != nil {
					t.Fatal(err)
				}
				told = append(told, take(t, quick)...)
			}
			if got := strings.Join(told, " "); got != tt.told {
				t.Errorf("told %q, want %q", got, tt.told)
			}
			expect(t, late, tt.late)
			if got := b.Stats().Refused; got != tt.refused {
				t.Errorf("%d items refused, want %d", got, tt.refused)
			}
		})
	}
}

// begin answers the one topic that a mirror asks for, on a new link.
func begin(t testing.TB, b *Broker, newest Position) *Feed {
	t.Helper()
	l, err := b.Link(0)
	if err != nil {
		t.Fatal(err)
	}
	f := asked(t, l)
	if err := f.Begin(newest); err != nil {
		t.Fatal(err)
	}
	return f
}

// asked returns the one feed that a link asks for.
func asked(t testing.TB, l *Link) *Feed {
	t.Helper()
	changes, err := l.Changes()
	if err != nil || len(changes) != 1 || changes[0].Closed {
		t.Fatalf("changes are %+v, %v, want one feed to begin", changes, err)
	}
	return changes[0].Feed
}

func TestFeedRefuses(t *testing.T) {
	b := newBroker(t, Config{})
	if _, err := b.Link(0); !errors.Is(err, ErrNotMirrored) {
		t.Fatalf("a link of nothing: %v, want ErrNotMirrored", err)
	}
	if err := b.Mirror(maxPartitions); err == nil {
		t.Fatal("mirrored a partition out of range")
	}
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	s := subscribe(t, b, room, Position{}, 0)
	l, err := b.Link(0)
	if err != nil {
		t.Fatal(err)
	}
	f := asked(t, l)
	page := pageOf(t, 2)
	good := Position{page, 3}
	refuse := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	refuse("items before it began", f.Items([]Item{{Position: good}}, epoch), ErrStaleFeed)
	refuse("a gap before it began", f.Gap(good), ErrStaleFeed)
	bad := []Position{{}, {0, 5}, {maxPage + 1, 5}, {page, maxSequence + 1}, {1<<64 - 1, 1<<64 - 1}}
	for _, p := range bad {
		refuse("begin", f.Begin(p), ErrBadPosition)
	}
	if err := f.Begin(good); err != nil {
		t.Fatal(err)
	}
	refuse("begin again", f.Begin(good), ErrStaleFeed)
	for _, p := range append(bad, Position{page, 0}) {
		refuse("items", f.Items([]Item{{Position: p}}, epoch), ErrBadPosition)
	}
	for _, p := range bad {
		refuse("gap", f.Gap(p), ErrBadPosition)
		_, _, err := f.HighWater(p)
		refuse("high water", err, ErrBadPosition)
	}
	expect(t, s, "")
	if err := b.Own(0, page); !errors.Is(err, ErrStalePage) {
		t.Fatalf("owned under a page already seen: %v, want ErrStalePage", err)
	}

	// A newer link asks anew, and only its leader may go on, if it knows as much.
	newer, err := b.Link(0)
	if err != nil {
		t.Fatal(err)
	}
	if s.Live() {
		t.Fatal("live although the new leader has not answered")
	}
	refuse("items of the old link", f.Items([]Item{{Position: good.next()}}, epoch), ErrStaleLink)
	_, err = l.Changes()
	refuse("changes of the old link", err, ErrStaleLink)
	l.Close() // does not touch the new one
	f = asked(t, newer)
	refuse("begin with a leader of the past", f.Begin(Position{pageOf(t, 1), 99}), ErrStaleLeader)
	refuse("begin with a leader that forgot", f.Begin(Position{page, 2}), ErrStaleLeader)
	if err := f.Begin(good); err != nil {
		t.Fatal(err)
	}
	if !s.Live() {
		t.Fatal("not live on the new link")
	}
	newer.Close()
	if s.Live() {
		t.Fatal("live without a link")
	}
	refuse("items of a closed link", f.Items([]Item{{Position: good.next()}}, epoch), ErrStaleLink)
}

// TestHighWater: the last item is lost, and nothing follows that would show it.
func TestHighWater(t *testing.T) {
	r := newRelay(t, Config{})
	s := subscribe(t, r.mirror, room, Position{}, 0)
	r.pump(epoch)
	publishMany(t, r.leader, room, 2)
	r.send()
	r.frames = nil // lost
	r.pump(epoch)
	expect(t, s, "")
	r.mux.Mark()
	r.send()
	if len(r.frames) != 1 || r.frames[0].Kind != HighWater {
		t.Fatalf("after a mark the leader has %+v to tell, want a high-water mark", r.frames)
	}
	f := r.feeds[r.frames[0].Handle]
	page := pageOf(t, 1)
	got, behind, err := f.HighWater(r.frames[0].Position)
	if want := (Missing{Position{page, 0}, Position{page, 2}}); err != nil || !behind || got != want {
		t.Fatalf("missing is %+v, %t, %v, want %+v", got, behind, err, want)
	}
	r.pump(epoch) // asks for the range
	expect(t, s, "1@1 2@1")
	for range 3 {
		r.mux.Mark()
	}
	r.pump(epoch)
	expect(t, s, "")
	if got := r.leader.Stats(); got.Delivered != 4 || got.Discontinuities != 0 {
		t.Fatalf("the leader told %d items and %d gaps, want 4 and none", got.Delivered, got.Discontinuities)
	}
}

// TestInterestRaces: a reader that comes while the end of the interest is under way gets every item from then on.
func TestInterestRaces(t *testing.T) {
	const late = 11 * time.Second
	for _, tt := range []struct {
		name string
		come func(r *relay, subscribe func())
	}{
		{"before the sweep", func(r *relay, subscribe func()) {
			subscribe()
			r.mirror.Sweep(epoch.Add(late))
		}},
		{"before the relay looks", func(r *relay, subscribe func()) {
			r.mirror.Sweep(epoch.Add(late))
			subscribe()
		}},
		{"before the leader knows", func(r *relay, subscribe func()) {
			r.mirror.Sweep(epoch.Add(late))
			if changes, err := r.link.Changes(); err != nil || len(changes) != 1 || !changes[0].Closed {
				r.t.Fatalf("changes are %+v, %v, want the end of the feed", changes, err)
			}
			subscribe()
			r.mux.Shut(room)
		}},
		{"after all", func(r *relay, subscribe func()) {
			r.mirror.Sweep(epoch.Add(late))
			r.pump(epoch)
			subscribe()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(t, Config{})
			first := subscribe(t, r.mirror, room, Position{}, 0)
			r.pump(epoch)
			publish(t, r.leader, room, 0)
			r.pump(epoch)
			first.Close()
			r.mirror.Sweep(epoch) // sees nobody
			var s *Subscription
			tt.come(r, func() { s = subscribe(t, r.mirror, room, Position{}, late) })
			r.pump(epoch)
			if !s.Live() {
				t.Fatal("the new reader is not live")
			}
			publish(t, r.leader, room, 0)
			r.pump(epoch)
			expect(t, s, "2@1")
			if got := r.mirror.Interests(0); got != 1 {
				t.Fatalf("%d topics are wanted, want 1", got)
			}
		})
	}
}

// TestNotify: the relay is told when it should look, and can look from within.
func TestNotify(t *testing.T) {
	told := 0
	var b *Broker
	b = newBroker(t, Config{Notify: func(partition uint32) {
		told++
		if b.Interests(partition) < 0 || partition != 0 {
			t.Errorf("told of partition %d", partition)
		}
		b.Owns(partition)
		_, _ = b.Link(7) // would be a deadlock under the broker's lock
	}})
	if err := b.Mirror(0); err != nil {
		t.Fatal(err)
	}
	looks := func(what string, want bool) {
		t.Helper()
		if (told > 0) != want {
			t.Fatalf("%s: told %d times, want any: %t", what, told, want)
		}
		told = 0
	}
	looks("nothing happened", false)
	s := subscribe(t, b, room, Position{}, 0)
	looks("first reader, no link", true)
	f := begin(t, b, Position{pageOf(t, 1), 5})
	told = 0
	subscribe(t, b, room, Position{}, 0).Close()
	looks("second reader of a fed topic", false)
	other := subscribe(t, b, Key{"chat", "other"}, Position{}, 0)
	looks("first reader, a link", true)
	older := subscribe(t, b, room, Position{Sequence: 2}, 0)
	looks("a reader that needs more than is here", true)
	older.Close()
	if err := f.Renew(); err != nil {
		t.Fatal(err)
	}
	looks("a renewal", true)
	s.Close()
	other.Close()
	f.link.Changes()
	told = 0
	b.Sweep(epoch)
	looks("interest lingers", false)
	b.Sweep(epoch.Add(11 * time.Second))
	looks("interest ends", true)
	f.link.Changes()
	s = subscribe(t, b, room, Position{}, 0)
	told = 0
	f.link.Close()
	if _, err := f.link.Changes(); !errors.Is(err, ErrStaleLink) {
		t.Fatalf("changes of a closed link: %v", err)
	}
	looks("the link is lost", true)
	s.Close()
}

// TestMirrorEnds: each way in which the subscriptions of a mirror end, or not.
func TestMirrorEnds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		end       func(*Broker)
		told      string
		waiting   string // by one that has no place yet
		kept      bool   // what was seen
		wantsMore int
	}{
		{"dismissed", func(b *Broker) { b.Dismiss(0) }, "1@1 2@1 fanout: partition moved away", "fanout: partition moved away", true, 2},
		{"abandoned", func(b *Broker) { b.Abandon(0) }, "1@1 2@1 fanout: partition moved away", "fanout: partition moved away", false, 0},
		{"cache dropped", func(b *Broker) { b.DropCache("chat") }, "fanout: cache was deleted", "fanout: cache was deleted", false, 0},
		{"closed", func(b *Broker) { b.Close() }, "1@1 2@1 fanout: closed", "fanout: closed", false, 0},
		{"disowned", func(b *Broker) { b.Disown(0) }, "1@1 2@1", "", true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRelay(t, Config{})
			s := subscribe(t, r.mirror, room, Position{}, 0)
			r.pump(epoch)
			publishMany(t, r.leader, room, 2)
			r.pump(epoch)
			waiting := subscribe(t, r.mirror, Key{"chat", "waiting"}, Position{}, 0)
			expect(t, waiting, "")
			tt.end(r.mirror)
			<-waitingOr(waiting, tt.waiting == "")
			expect(t, waiting, tt.waiting)
			expect(t, s, tt.told)
			if s.Live() || waiting.Live() {
				t.Error("live after the end")
			}
			kept := false
			for seen := range r.mirror.Seen(0) {
				kept = kept || seen.Key == room && seen.Last.Sequence == 2 && len(seen.Items) == 2
			}
			if kept != tt.kept {
				t.Errorf("what was seen is kept: %t, want %t", kept, tt.kept)
			}
			if got := r.mirror.Interests(0); got != tt.wantsMore {
				t.Errorf("%d topics are wanted, want %d", got, tt.wantsMore)
			}
			s.Close()
			waiting.Close()
			if got := r.mirror.Stats().Subscriptions; got != 0 {
				t.Errorf("%d subscriptions left", got)
			}
		})
	}
}

// waitingOr is the reader's channel, or one that needs no waiting.
func waitingOr(s *Subscription, quiet bool) <-chan struct{} {
	if quiet {
		c := make(chan struct{})
		close(c)
		return c
	}
	return s.Ready()
}

// TestDismissedComeBack: who subscribes after a dismissal is served as soon as there is a leader.
func TestDismissedComeBack(t *testing.T) {
	r := newRelay(t, Config{})
	old := subscribe(t, r.mirror, room, Position{}, 0)
	r.pump(epoch)
	r.link.Close()
	publish(t, r.leader, room, 0)
	r.mirror.Dismiss(0)
	expect(t, old, "fanout: partition moved away")
	s := subscribe(t, r.mirror, room, old.Position().next(), 0)
	expect(t, s, "")
	again := connect(t, r.leader, r.mirror)
	again.pump(epoch)
	expect(t, s, "1@1")
}
