package fanout

import (
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
