package fanout

import (
	"errors"
	"testing"
	"time"
)

// TestRelayRefused: a leader that has no room for a topic is asked again, not at once and not for the others.
func TestRelayRefused(t *testing.T) {
	leader := ownedBroker(t, Config{MaxTopics: 1, ForgetAfter: time.Second})
	publish(t, leader, room, 0)
	r := connect(t, leader, newBroker(t, Config{}))
	fits := subscribe(t, r.mirror, room, Position{}, 0)
	other := Key{"chat", "other"}
	waits := subscribe(t, r.mirror, other, Position{}, 0)
	r.pump(epoch)
	if !fits.Live() || waits.Live() {
		t.Fatalf("live are %t and %t, want only the topic there is room for", fits.Live(), waits.Live())
	}
	if got := r.Requests(); len(got) != 0 {
		t.Fatalf("asked again at once: %+v", got)
	}
	fits.Close()
	later := epoch.Add(2 * time.Minute)
	r.mirror.Sweep(later)
	r.pump(later)
	for now := later; now.Before(later.Add(5 * time.Minute)); now = now.Add(time.Minute) {
		leader.Sweep(now)
	}
	r.Retry()
	r.pump(later)
	if !waits.Live() {
		t.Fatal("not live although there is room now")
	}
	r.Retry() // nothing is left to be asked
	if got := r.Requests(); len(got) != 0 {
		t.Fatalf("asked for what is there: %+v", got)
	}
}

// TestRelayCacheDroppedThere: the leader hears of a deleted and remade cache before this node, which already serves the
// new one.
func TestRelayCacheDroppedThere(t *testing.T) {
	r := newRelay(t, Config{})
	s := subscribe(t, r.mirror, room, Position{}, 0)
	r.pump(epoch)
	publish(t, r.leader, room, 0)
	r.leader.DropCache("chat")
	r.pump(epoch)
	r.Retry()
	r.pump(epoch)
	publish(t, r.leader, room, 0)
	r.pump(epoch)
	expect(t, s, "gap 0>0@1 1@1") // the second page of term 1
	if !s.Live() {
		t.Fatal("not live")
	}
}

// TestRelayLeaves: whoever loses a partition stops what was opened for it, and nothing else.
func TestRelayLeaves(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *Broker, r *Relay){
		"leave": func(_ *testing.T, _ *Broker, r *Relay) { r.Leave(0) },
		"owned here": func(t *testing.T, b *Broker, _ *Relay) {
			own(t, b, 0, 2)
		},
		"another relay": func(t *testing.T, b *Broker, _ *Relay) {
			if err := b.NewRelay().Join(0); err != nil {
				t.Fatal(err)
			}
		},
		"disowned": func(_ *testing.T, b *Broker, _ *Relay) { b.Disown(0) },
	} {
		t.Run(name, func(t *testing.T) {
			leader, b := ownedBroker(t, Config{}), newBroker(t, Config{})
			own(t, leader, 1, 1)
			r := connect(t, leader, b)
			if err := b.Mirror(1); err != nil {
				t.Fatal(err)
			}
			if err := r.Join(1); err != nil {
				t.Fatal(err)
			}
			subscribe(t, b, room, Position{}, 0)
			other := Key{"chat", "of partition 1"}
			s, err := b.Subscribe(1, other, Position{}, epoch)
			if err != nil {
				t.Fatal(err)
			}
			r.pump(epoch)
			end(t, b, r.Relay)
			if r.Joined(0) || !r.Joined(1) {
				t.Fatalf("joined are %t and %t, want only partition 1", r.Joined(0), r.Joined(1))
			}
			requests := r.Requests()
			if len(requests) != 1 || !requests[0].Shut || requests[0].Key != room {
				t.Fatalf("requests are %+v, want the end of %v", requests, room)
			}
			r.mux.Shut(room)
			if _, err := leader.Publish(1, other, epoch, encodePosition); err != nil {
				t.Fatal(err)
			}
			r.pump(epoch)
			expect(t, s, "1@1")
			r.Close()
			r.Close()
			if s.Live() || r.Joined(1) || !errors.Is(r.Join(1), ErrClosed) {
				t.Fatal("a closed relay goes on")
			}
		})
	}
}

// TestRelayJoinsAgain: the same node was elected once more, or was asked too early. Nothing is sent twice.
func TestRelayJoinsAgain(t *testing.T) {
	r := newRelay(t, Config{})
	s := subscribe(t, r.mirror, room, Position{}, 0)
	r.pump(epoch)
	publishMany(t, r.leader, room, 2)
	r.pump(epoch)
	if err := r.Join(0); err != nil {
		t.Fatal(err)
	}
	publish(t, r.leader, room, 0)
	r.pump(epoch)
	expect(t, s, "1@1 2@1 3@1")
	if r.sent != 3 || !s.Live() || r.leader.Stats().Subscriptions != 1 {
		t.Fatalf("%d items were sent, live %t, %d cursors", r.sent, s.Live(), r.leader.Stats().Subscriptions)
	}
}

// TestRelayDistrusts: what no leader sends ends the link and nothing more; what is no longer wanted does not even that.
func TestRelayDistrusts(t *testing.T) {
	page := pageOf(t, 1)
	bad := Position{maxPage + 1, 1}
	for name, p := range map[string]Portion{
		"a beginning":       {Kind: Begun, Position: bad},
		"a mark":            {Kind: HighWater, Position: bad},
		"an item":           {Kind: Told, Events: []Event{ItemEvent(Item{Position: bad})}},
		"item number 0":     {Kind: Told, Events: []Event{ItemEvent(Item{Position: Position{page, 0}})}},
		"a gap":             {Kind: Told, Events: []Event{GapEvent(Discontinuity{Page: bad.Page})}},
		"a kind of its own": {Kind: 99},
	} {
		r := newRelay(t, Config{})
		s := subscribe(t, r.mirror, room, Position{}, 0)
		r.pump(epoch)
		if p.Kind == Begun {
			if err := r.Join(0); err != nil {
				t.Fatal(err)
			}
			r.Requests()
		}
		p.Handle = r.last
		lost, ok := errors.AsType[*LinkLostError](r.Take(p, epoch))
		if !ok || lost.Partition != 0 || !errors.Is(lost, ErrBadPosition) || r.Joined(0) {
			t.Errorf("%s: %v, joined %t", name, lost, r.Joined(0))
		}
		expect(t, s, "")
		p.Handle = 77
		if err := r.Take(p, epoch); err != nil {
			t.Errorf("%s for nobody: %v", name, err)
		}
	}
}
