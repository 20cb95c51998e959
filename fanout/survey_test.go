package fanout

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// seenOf makes what a node has seen: positions, oldest first; the last one without an item if bare.
func seenOf(bare bool, positions ...Position) Seen {
	s := Seen{Key: room, Last: positions[len(positions)-1]}
	if bare {
		positions = positions[:len(positions)-1]
	}
	for _, p := range positions {
		s.Items = append(s.Items, Item{Position: p, Encoded: encodePosition(p)})
	}
	return s
}

// TestAdopt: whatever the nodes saw, in whatever order they answer, the new leader has it all and numbers above it.
func TestAdopt(t *testing.T) {
	at := func(term, number uint64) Position { return Position{pageOf(t, term), number} }
	for _, tt := range []struct {
		name   string
		others []Seen
		want   string // of a reader that saw 2@1 here, where 1@1 2@1 4@1 are known
		next   uint64
	}{
		{"nothing", nil, "gap 2>3@1 4@1 gap 4>4@5", 5},
		{"less", []Seen{seenOf(false, at(1, 1), at(1, 2))}, "gap 2>3@1 4@1 gap 4>4@5", 5},
		{"the hole", []Seen{seenOf(false, at(1, 3), at(1, 4))}, "3@1 4@1 gap 4>4@5", 5},
		{"more", []Seen{seenOf(false, at(1, 4), at(1, 5), at(1, 6))}, "gap 2>3@1 4@1 5@1 6@1 gap 6>6@5", 7},
		{"more, and the hole elsewhere", []Seen{seenOf(false, at(1, 6)), seenOf(false, at(1, 3), at(1, 5))}, "3@1 4@1 5@1 6@1 gap 6>6@5", 7},
		{"a position without its item", []Seen{seenOf(true, at(1, 5), at(1, 9))}, "gap 2>3@1 4@1 5@1 gap 5>9@5", 10},
		{"a newer page", []Seen{seenOf(false, at(1, 3), at(2, 5), at(3, 6))}, "3@1 4@1 gap 4>4@2 5@2 gap 5>5@3 6@3 gap 6>6@5", 7},
		{"a page that began anew", []Seen{seenOf(false, at(3, 1))}, "gap 2>3@1 4@1 gap 4>0@3 1@3 gap 1>1@5", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, backwards := range []bool{false, true} {
				b := newBroker(t, Config{})
				if err := b.Mirror(0); err != nil {
					t.Fatal(err)
				}
				s := subscribe(t, b, room, Position{}, 0)
				f := begin(t, b, at(1, 0))
				for _, n := range []uint64{1, 2} {
					feed(t, f, at(1, n))
				}
				expect(t, s, "1@1 2@1")
				feed(t, f, at(1, 4))
				others := slices.Clone(tt.others)
				if backwards {
					slices.Reverse(others)
				}
				elect(t, b, 5, append(others, others...)...) // twice is as good as once
				expect(t, s, tt.want)
				if got := publish(t, b, room, 0); got != at(5, tt.next) {
					t.Fatalf("the first item got %v, want number %d", got, tt.next)
				}
				late := subscribe(t, b, room, at(1, 1), 0)
				told := take(t, late)
				if len(told) < 4 || told[0] != "1@1" || told[1] != "2@1" {
					t.Fatalf("a client of the old leader was told %v", told)
				}
			}
		})
	}
}

// elect lets a broker own partition 0 after a survey.
func elect(t testing.TB, b *Broker, term uint64, answers ...Seen) {
	t.Helper()
	survey := b.NewSurvey(0)
	for _, seen := range answers {
		if err := survey.Adopt(seen); err != nil {
			t.Fatal(err)
		}
	}
	if err := survey.Own(pageOf(t, term)); err != nil {
		t.Fatal(err)
	}
}

func feed(t testing.TB, f *Feed, p Position) {
	t.Helper()
	if err := f.Items([]Item{{Position: p, Encoded: encodePosition(p)}}, epoch); err != nil {
		t.Fatal(err)
	}
}

// TestAdoptUnknown: a node that never heard of a topic leads it on.
func TestAdoptUnknown(t *testing.T) {
	b := newBroker(t, Config{TopicItems: 2})
	page := pageOf(t, 1)
	seen := seenOf(false, Position{page, 7}, Position{page, 8}, Position{page, 9})
	elect(t, b, 2, seen)
	s := subscribe(t, b, room, Position{page, 7}, 0)
	expect(t, s, "gap 6>7@1 8@1 9@1 gap 9>9@2")
	if got := publish(t, b, room, 0); got.Sequence != 10 {
		t.Fatalf("the first item has number %d, want 10", got.Sequence)
	}
}

func TestAdoptRefuses(t *testing.T) {
	b := newBroker(t, Config{})
	page := pageOf(t, 2)
	at := func(n uint64) Position { return Position{page, n} }
	outOfOrder := seenOf(false, at(2), at(1))
	outOfOrder.Last = at(9)
	survey := b.NewSurvey(0)
	for name, seen := range map[string]Seen{
		"no page":        seenOf(false, Position{0, 1}),
		"absurd page":    seenOf(false, Position{1 << 60, 1}),
		"absurd number":  seenOf(false, Position{page, 1 << 63}),
		"number 0":       seenOf(false, at(0)),
		"out of order":   outOfOrder,
		"above the last": {Key: room, Last: at(1), Items: []Item{{Position: at(2)}}},
	} {
		if err := survey.Adopt(seen); !errors.Is(err, ErrBadPosition) {
			t.Errorf("%s: %v, want ErrBadPosition", name, err)
		}
	}
	if err := survey.Adopt(seenOf(false, at(5))); err != nil {
		t.Fatal(err)
	}
	for _, term := range []uint64{1, 2} {
		if err := survey.Own(pageOf(t, term)); !errors.Is(err, ErrStalePage) {
			t.Errorf("owned under term %d after 2 was seen: %v, want ErrStalePage", term, err)
		}
	}
	if err := survey.Own(pageOf(t, 3)); err != nil {
		t.Fatal(err)
	}
	if err := survey.Adopt(seenOf(false, at(6))); !errors.Is(err, ErrOwned) {
		t.Errorf("adopted after owning: %v, want ErrOwned", err)
	}
	for what, s := range map[string]*Survey{"once more": survey, "another survey": b.NewSurvey(0)} {
		if err := s.Own(pageOf(t, 3)); !errors.Is(err, ErrOwned) {
			t.Errorf("%s: owned again under the same page: %v, want ErrOwned", what, err)
		}
	}
	small := newBroker(t, Config{MaxTopics: 1}).NewSurvey(0)
	if err := small.Adopt(seenOf(false, at(5))); err != nil {
		t.Fatal(err)
	}
	other := seenOf(false, at(5))
	other.Key.Topic = "other"
	if err := small.Adopt(other); !errors.Is(err, ErrTooManyTopics) {
		t.Errorf("adopted too many: %v, want ErrTooManyTopics", err)
	}
}

// TestSurveyIsItsOwn: whatever happens to the partition between the answers and the election's end, the new leader
// numbers above all that was answered. A relay that looks for the old leader at that moment, as it does at any, once
// made a broker forget the answers; it then gave out numbers below those that clients had seen.
func TestSurveyIsItsOwn(t *testing.T) {
	for name, meanwhile := range map[string]func(t *testing.T, b *Broker){
		"nothing": func(*testing.T, *Broker) {},
		"a relay's new link": func(t *testing.T, b *Broker) {
			if _, err := b.Link(0); err != nil {
				t.Fatal(err)
			}
		},
		"a leader of the past": func(t *testing.T, b *Broker) {
			subscribe(t, b, room, Position{}, 0)
			begin(t, b, Position{pageOf(t, 1), 3})
		},
		"disowned": func(_ *testing.T, b *Broker) { b.Disown(0) },
		"dismissed": func(t *testing.T, b *Broker) {
			b.Dismiss(0)
			b.Sweep(epoch.Add(time.Hour))
		},
		"owned under an older page": func(t *testing.T, b *Broker) {
			own(t, b, 0, 1)
			publish(t, b, room, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBroker(t, Config{})
			if err := b.Mirror(0); err != nil {
				t.Fatal(err)
			}
			survey := b.NewSurvey(0)
			if err := survey.Adopt(seenOf(false, Position{pageOf(t, 1), 68})); err != nil {
				t.Fatal(err)
			}
			meanwhile(t, b)
			if err := survey.Own(pageOf(t, 2)); err != nil {
				t.Fatal(err)
			}
			if got, want := publish(t, b, room, 0), (Position{pageOf(t, 2), 69}); got != want {
				t.Fatalf("the first item got %v, want %v", got, want)
			}
			resumed := subscribe(t, b, room, Position{pageOf(t, 1), 68}, 0)
			expect(t, resumed, "68@1 gap 68>68@2 69@2")
		})
	}
}

// TestSurveyIsLetGo: an election that was lost leaves nothing behind, not even its pages.
func TestSurveyIsLetGo(t *testing.T) {
	b := newBroker(t, Config{})
	if err := b.NewSurvey(0).Adopt(seenOf(false, Position{pageOf(t, 9), 5})); err != nil {
		t.Fatal(err)
	}
	own(t, b, 0, 3)
	if got := publish(t, b, room, 0); got.Sequence != 1 {
		t.Fatalf("the first item got %v, want number 1", got)
	}
}

// TestSurveyIsBounded: many nodes' answers take no more than a topic and a broker may keep.
func TestSurveyIsBounded(t *testing.T) {
	page := pageOf(t, 1)
	for _, tt := range []struct {
		name   string
		config Config
		want   int
	}{
		{"items", Config{TopicItems: 3}, 3},
		{"bytes", Config{TopicBytes: 2 * (itemOverhead + 10)}, 2},
		{"one that is too large", Config{TopicBytes: 5}, 1},
		{"all together", Config{TopicBytes: 2 * (itemOverhead + 10), TotalBytes: 2 * (itemOverhead + 10)}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(t, tt.config)
			survey := b.NewSurvey(0)
			for n := range uint64(50) {
				for _, topic := range []string{"room", "other"} {
					seen := seenOf(false, Position{page, n + 1})
					seen.Key.Topic = topic
					if err := survey.Adopt(seen); err != nil {
						t.Fatal(err)
					}
				}
			}
			for key, seen := range survey.topics {
				if len(seen.Items) > tt.want {
					t.Errorf("the survey holds %d items of %v, want %d at most", len(seen.Items), key, tt.want)
				}
			}
			if err := survey.Own(pageOf(t, 2)); err != nil {
				t.Fatal(err)
			}
			got := b.Stats()
			if got.Bytes > b.config.TotalBytes {
				t.Errorf("%d bytes are kept, want %d at most", got.Bytes, b.config.TotalBytes)
			}
			for seen := range b.Seen(0) {
				if seen.Last.Sequence != 50 || len(seen.Items) > tt.want {
					t.Errorf("%v continues behind %v with %d items, want 50 and %d at most", seen.Key, seen.Last, len(seen.Items), tt.want)
				}
			}
		})
	}
}

// TestLeadershipMoves there and back: everybody is told once, at once, though no item follows.
func TestLeadershipMoves(t *testing.T) {
	config := Config{}
	a, b := newBroker(t, config), newBroker(t, config)
	own(t, a, 0, 1)
	r := connect(t, a, b)
	atA := subscribe(t, a, room, Position{}, 0)
	atB := subscribe(t, b, room, Position{}, 0)
	r.pump(epoch)
	publishMany(t, a, room, 3)
	r.pump(epoch)
	expect(t, atA, "1@1 2@1 3@1")
	expect(t, atB, "1@1 2@1 3@1")

	if err := a.Mirror(0); err != nil {
		t.Fatal(err)
	}
	expect(t, atA, "")
	elect(t, b, 2, slices.Collect(a.Seen(0))...)
	expect(t, atB, "gap 3>3@2")
	back := connect(t, b, a)
	back.pump(epoch)
	expect(t, atA, "gap 3>3@2")
	publish(t, b, room, 0)
	back.pump(epoch)
	expect(t, atA, "4@2")
	expect(t, atB, "4@2")
	if back.sent != 1 {
		t.Errorf("%d items crossed the link back, want 1", back.sent)
	}

	own(t, b, 0, 3) // elected again: the mirror hears it over the same link
	back.pump(epoch)
	expect(t, atA, "gap 4>4@3")
	expect(t, atB, "gap 4>4@3")

	// A reader that waits for a leader is served by its own node if that comes to lead.
	back.link.Close()
	fresh := subscribe(t, a, room, Position{}, 0)
	resumed := subscribe(t, a, room, Position{pageOf(t, 2), 4}, 0)
	unknown := subscribe(t, a, Key{"chat", "unknown"}, Position{}, 0)
	expect(t, fresh, "")
	own(t, a, 0, 4)
	expect(t, fresh, "")
	expect(t, resumed, "4@2 gap 4>4@4")
	expect(t, atA, "gap 4>4@4")
	publish(t, a, room, 0)
	publish(t, a, Key{"chat", "unknown"}, 0)
	for _, s := range []*Subscription{fresh, resumed, atA} {
		expect(t, s, "5@4")
		if !s.Live() {
			t.Error("a reader at the leader is not live")
		}
	}
	expect(t, unknown, "1@4")
}
