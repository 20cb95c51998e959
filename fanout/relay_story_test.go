package fanout

import (
	"testing"
	"time"
)

// Stories that the model of a cluster found, shortened.

// TestEndBeforeNewInterest: a reader asks for more, leaves, the interest ends, another comes, and only then does the relay
// look. The end of the old feed must come before the new one, or it would end that.
func TestEndBeforeNewInterest(t *testing.T) {
	r := newRelay(t, Config{})
	publishMany(t, r.leader, room, 2)
	first := subscribe(t, r.mirror, room, Position{}, 0)
	r.pump(epoch)
	older := subscribe(t, r.mirror, room, Position{pageOf(t, 1), 1}, 0)
	older.Close()
	first.Close()
	r.mirror.Sweep(epoch.Add(11 * time.Second))
	s := subscribe(t, r.mirror, room, Position{}, 11*time.Second)
	changes, err := r.link.Changes()
	if err != nil || len(changes) != 2 || !changes[0].Closed || changes[1].Closed {
		t.Fatalf("changes are %+v, %v, want an end and a beginning", changes, err)
	}
	if err := changes[1].Feed.Begin(Position{pageOf(t, 1), 2}); err != nil || !s.Live() {
		t.Fatalf("the new feed began with %v, live %t", err, s.Live())
	}
}

// TestStrayed: a client comes from the new leader to a node that thinks it still leads, before reading anything there the
// node learns better. The client must neither be sent back nor see an item twice.
func TestStrayed(t *testing.T) {
	for _, waits := range []bool{false, true} {
		past, leader := ownedBroker(t, Config{}), newBroker(t, Config{})
		own(t, leader, 0, 2)
		publishMany(t, leader, room, 2)
		s := subscribe(t, past, room, Position{pageOf(t, 2), 3}, 0) // it has seen 2@2
		r := connect(t, leader, past)
		if waits {
			expect(t, s, "") // finds out that it has to ask
			if s.Live() {
				t.Fatal("a strayed reader is live")
			}
		}
		r.pump(epoch)
		expect(t, s, "")
		publish(t, leader, room, 0)
		r.pump(epoch)
		expect(t, s, "3@2")
		if !s.Live() {
			t.Fatal("not live at the new leader's mirror")
		}
	}
}

// TestCursorOfThePast: a node still reads from one that leads no longer and mirrors the new leader itself. What comes
// through may be late, but nothing is left out in silence, and what is passed on is true.
func TestCursorOfThePast(t *testing.T) {
	past, leader := ownedBroker(t, Config{}), newBroker(t, Config{})
	m := past.NewMux()
	open(t, m, 1, room, Position{}, false)
	expectPortions(t, m, "1: begun 0@1")
	own(t, leader, 0, 2)
	r := connect(t, leader, past)
	s := subscribe(t, past, room, Position{}, 0)
	publish(t, leader, room, 0)
	r.pump(epoch)
	expectPortions(t, m, "1: gap 0>0@2 1@2", "1: fanout: partition is not owned here")
	expect(t, s, "")
	publish(t, leader, room, 0)
	r.pump(epoch)
	expect(t, s, "2@2")
}

// TestClaimFromNowhere: the only reader names a place on a page to come, and the leader comes to that page before it has
// told the mirror anything.
func TestClaimFromNowhere(t *testing.T) {
	r := newRelay(t, Config{})
	s := subscribe(t, r.mirror, room, Position{pageOf(t, 2), 1}, 0)
	r.ask(epoch)
	own(t, r.leader, 0, 2)
	r.pump(epoch)
	if !s.Live() {
		t.Fatal("the reader waits for ever")
	}
	publish(t, r.leader, room, 0)
	r.pump(epoch)
	expect(t, s, "1@2")
}
