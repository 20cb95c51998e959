package fanout

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestResume goes through the rows of the wire contract's table of resume requests. Terms stand for pages; after the first
// look two more items are published, which must follow without a gap.
func TestResume(t *testing.T) {
	const items, kept = 10, 4 // 7, 8, 9, 10 are kept
	for _, tt := range []struct {
		name       string
		term, from uint64
		want, live string
	}{
		{"number 0 is live only", 0, 0, "", "11@2 12@2"},
		{"number 0 with a page is live only", 2, 0, "", "11@2 12@2"},
		{"number 0 with an old page is live only", 1, 0, "", "11@2 12@2"},
		{"oldest kept", 2, 7, "7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"newest kept", 2, 10, "10@2", "11@2 12@2"},
		{"next", 2, 11, "", "11@2 12@2"},
		{"one older than kept", 2, 6, "gap 5>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"first, long gone", 2, 1, "gap 0>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"older page", 1, 8, "gap 7>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"newer page", 3, 8, "gap 7>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"older page, number far above", 1, 500, "gap 499>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"no page, kept", 0, 8, "8@2 9@2 10@2", "11@2 12@2"},
		{"no page, next", 0, 11, "", "11@2 12@2"},
		{"no page, older than kept", 0, 3, "gap 2>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"no page, first", 0, 1, "gap 0>6@2 7@2 8@2 9@2 10@2", "11@2 12@2"},
		{"one beyond next", 2, 12, "gap 11>10@2", "11@2 12@2"},
		{"far beyond next", 2, 1 << 63, "gap 9223372036854775807>10@2", "11@2 12@2"},
		{"largest number", 2, 1<<64 - 1, "gap 18446744073709551614>10@2", "11@2 12@2"},
		{"no page, beyond next", 0, 40, "gap 39>10@2", "11@2 12@2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(t, Config{TopicItems: kept})
			own(t, b, 0, 2)
			publishMany(t, b, room, items)
			s := subscribe(t, b, room, Position{Page: testPage(t, tt.term), Sequence: tt.from}, 0)
			expect(t, s, tt.want)
			publishMany(t, b, room, 2)
			expect(t, s, tt.live)
		})
	}
}

// TestResumeEmpty asks for a place in a topic without kept items: never used, or all expired.
func TestResumeEmpty(t *testing.T) {
	for _, tt := range []struct {
		name       string
		published  int // all past retention by now
		term, from uint64
		want, live string
	}{
		{"unused, live", 0, 0, 0, "", "1@2"},
		{"unused, first", 0, 2, 1, "", "1@2"},
		{"unused, first without page", 0, 0, 1, "", "1@2"},
		{"unused, beyond", 0, 2, 5, "gap 4>0@2", "1@2"},
		{"unused, older page", 0, 1, 5, "gap 4>0@2", "1@2"},
		{"unused, first of an older page", 0, 1, 1, "gap 0>0@2", "1@2"},
		{"expired, live", 3, 0, 0, "", "4@2"},
		{"expired, next", 3, 2, 4, "", "4@2"},
		{"expired, first", 3, 2, 1, "gap 0>3@2", "4@2"},
		{"expired, last", 3, 2, 3, "gap 2>3@2", "4@2"},
		{"expired, older page", 3, 1, 9, "gap 8>3@2", "4@2"},
		{"expired, beyond", 3, 2, 9, "gap 8>3@2", "4@2"},
	} {
		for _, swept := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				b := newBroker(t, Config{Retention: time.Minute})
				own(t, b, 0, 2)
				publishMany(t, b, room, tt.published)
				if swept {
					b.Sweep(epoch.Add(62 * time.Second))
				}
				s := subscribe(t, b, room, Position{Page: testPage(t, tt.term), Sequence: tt.from}, time.Minute)
				expect(t, s, tt.want)
				publish(t, b, room, time.Minute)
				expect(t, s, tt.live)
			})
		}
	}
}

// TestResumeAcrossPages asks a topic that changed its page twice without being forgotten. Its log is 1-3 on
// term 1, 4-6 on term 2, 7-9 on term 3, of which the newest 8 are kept.
func TestResumeAcrossPages(t *testing.T) {
	for _, tt := range []struct {
		name       string
		term, from uint64
		want       string
	}{
		{"live", 0, 0, ""},
		{"current page", 3, 8, "8@3 9@3"},
		{"kept part of an old page", 1, 3, "3@1 gap 3>3@2 4@2 5@2 6@2 gap 6>6@3 7@3 8@3 9@3"},
		{"older than kept on an old page", 1, 1, "gap 0>1@1 2@1 3@1 gap 3>3@2 4@2 5@2 6@2 gap 6>6@3 7@3 8@3 9@3"},
		{"end of an old page", 1, 4, "gap 3>3@2 4@2 5@2 6@2 gap 6>6@3 7@3 8@3 9@3"},
		{"end of the previous page", 2, 7, "gap 6>6@3 7@3 8@3 9@3"},
		{"saw more of the old page than this node", 2, 9, "gap 8>6@3 7@3 8@3 9@3"},
		{"number of an older page", 3, 5, "gap 4>6@3 7@3 8@3 9@3"},
		{"no page", 0, 5, "gap 4>6@3 7@3 8@3 9@3"},
		{"unknown newer page", 9, 5, "gap 4>6@3 7@3 8@3 9@3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(t, Config{TopicItems: 8})
			for term := range uint64(3) {
				own(t, b, 0, term+1)
				publishMany(t, b, room, 3)
			}
			s := subscribe(t, b, room, Position{Page: testPage(t, tt.term), Sequence: tt.from}, 0)
			expect(t, s, tt.want)
			publish(t, b, room, 0)
			expect(t, s, "10@3")
		})
	}
}

// TestPosition is about the hand-over: a client told this anchor and coming back for the next number loses nothing.
func TestPosition(t *testing.T) {
	b := ownedBroker(t, Config{})
	fresh := subscribe(t, b, room, Position{}, 0)
	if got, want := fresh.Position(), (Position{Page: pageOf(t, 1)}); got != want {
		t.Fatalf("anchor in an unused topic is %v, want %v", got, want)
	}
	publishMany(t, b, room, 3)
	late := subscribe(t, b, room, Position{}, 0)
	anchor := late.Position()
	if want := (Position{Page: pageOf(t, 1), Sequence: 3}); anchor != want {
		t.Fatalf("anchor of a late subscription is %v, want %v", anchor, want)
	}
	if got := fresh.Position(); got.Sequence != 0 {
		t.Fatalf("anchor moved to %v before anything was read", got)
	}
	late.Close()
	publish(t, b, room, 0)
	anchor.Sequence++
	expect(t, subscribe(t, b, room, anchor, 0), "4@1")
	expect(t, fresh, "1@1 2@1 3@1 4@1")
	if got := fresh.Position(); got.Sequence != 4 {
		t.Fatalf("anchor after four items is %v", got)
	}
}

func testPage(t testing.TB, term uint64) uint64 {
	if term == 0 {
		return 0
	}
	return pageOf(t, term)
}

// expect takes all that is ready and compares it with words separated by spaces, where a gap counts as two.
func expect(t testing.TB, s *Subscription, want string) {
	t.Helper()
	if got := strings.Join(take(t, s), " "); !slices.Equal(strings.Fields(got), strings.Fields(want)) {
		t.Fatalf("subscription told %q, want %q", got, want)
	}
}
