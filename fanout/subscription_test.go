package fanout

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ownedBroker(t, Config{})
		s := subscribe(t, b, room, Position{}, 0)
		time.AfterFunc(time.Hour, func() { publishMany(t, b, room, 2) })
		began := time.Now()
		for _, want := range []string{"1@1", "2@1"} {
			e, err := s.Next(t.Context())
			if err != nil || word(t, e) != want {
				t.Fatalf("Next is %+v, %v, want %s", e, err, want)
			}
		}
		if waited := time.Since(began); waited != time.Hour {
			t.Fatalf("waited %v, want an hour", waited)
		}
	})
}

func TestNextAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ownedBroker(t, Config{})
		s := subscribe(t, b, room, Position{}, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Next without an item: %v, want the deadline", err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Fatalf("waited %v, want a minute", waited)
		}
		publishMany(t, b, room, 3)
		// What needs no waiting succeeds even when the context is done.
		var buf [5]Event
		if n, err := s.NextBatch(ctx, buf[:]); n != 3 || err != nil {
			t.Fatalf("NextBatch is %d, %v, want 3 events", n, err)
		}
		if n, err := s.NextBatch(ctx, nil); n != 0 || err != nil {
			t.Fatalf("NextBatch without room is %d, %v", n, err)
		}
	})
}

// TestNextEnds: each way to end a subscription reaches a reader that is asleep.
func TestNextEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*Broker, *Subscription)
		want error
	}{
		{"closed", func(_ *Broker, s *Subscription) { s.Close() }, ErrClosed},
		{"broker closed", func(b *Broker, _ *Subscription) { b.Close() }, ErrClosed},
		{"cache dropped", func(b *Broker, _ *Subscription) { b.DropCache(room.Cache) }, ErrCacheDropped},
		{"abandoned", func(b *Broker, _ *Subscription) { b.Abandon(0) }, ErrDisowned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := ownedBroker(t, Config{})
				s := subscribe(t, b, room, Position{}, 0)
				ended := make(chan error)
				go func() {
					_, err := s.Next(t.Context())
					ended <- err
				}()
				synctest.Wait()
				tt.end(b, s)
				if err := <-ended; !errors.Is(err, tt.want) {
					t.Fatalf("Next ended with %v, want %v", err, tt.want)
				}
				if _, err := s.Next(t.Context()); !errors.Is(err, tt.want) {
					t.Fatalf("Next after the end: %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// TestWake: a stream's loop waits on one channel, and a heartbeat rings it too.
func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := ownedBroker(t, Config{})
		s := subscribe(t, b, room, Position{}, 0)
		time.AfterFunc(5*time.Second, s.Wake)
		time.AfterFunc(7*time.Second, func() { publish(t, b, room, 0) })
		var (
			began = time.Now()
			rang  []time.Duration
			buf   [4]Event
		)
		for range 2 {
			if n, err := s.Take(buf[:]); n != 0 || err != nil {
				t.Fatalf("took %d, %v, want nothing yet", n, err)
			}
			<-s.Ready()
			rang = append(rang, time.Since(began))
		}
		if rang[0] != 5*time.Second || rang[1] != 7*time.Second {
			t.Fatalf("rang after %v, want 5 s and 7 s", rang)
		}
		if n, err := s.Take(buf[:]); n != 1 || err != nil {
			t.Fatalf("took %d, %v, want the item", n, err)
		}
	})
}

// TestReadyAfterEveryTake: a reader may wait after any Take, whatever it returned.
func TestReadyAfterEveryTake(t *testing.T) {
	for capacity := 1; capacity <= 5; capacity++ {
		synctest.Test(t, func(t *testing.T) {
			b := ownedBroker(t, Config{})
			s := subscribe(t, b, room, Position{}, 0)
			const bursts, burst = 5, 4
			go func() {
				for range bursts {
					publishMany(t, b, room, burst)
					synctest.Wait() // until the reader is asleep
				}
			}()
			buf := make([]Event, capacity)
			for got := 0; got < bursts*burst; {
				n, err := s.Take(buf)
				if err != nil {
					t.Fatal(err)
				}
				if got += n; got < bursts*burst {
					<-s.Ready() // a lost ring would be a deadlock, which synctest reports
				}
			}
		})
	}
}

// TestWaitingList: readers that leave while they wait disturb nobody, in whatever order they go.
func TestWaitingList(t *testing.T) {
	const readers = 6
	for leaver := range readers {
		b := ownedBroker(t, Config{})
		var subs []*Subscription
		for range readers {
			s := subscribe(t, b, room, Position{}, 0)
			expect(t, s, "") // lists it
			subs = append(subs, s)
		}
		subs[leaver].Close()
		subs[(leaver+3)%readers].Close()
		publish(t, b, room, 0)
		for i, s := range subs {
			if i == leaver || i == (leaver+3)%readers {
				expect(t, s, "fanout: closed")
				continue
			}
			select {
			case <-s.Ready():
			default:
				t.Fatalf("reader %d was not woken after %d left", i, leaver)
			}
			expect(t, s, "1@1")
		}
	}
}

// TestReadersComeAndGo: on a topic where nothing is published, who left leaves nothing behind.
func TestReadersComeAndGo(t *testing.T) {
	b := ownedBroker(t, Config{})
	stays := subscribe(t, b, room, Position{}, 0)
	expect(t, stays, "")
	for range 1000 {
		s := subscribe(t, b, room, Position{}, 0)
		expect(t, s, "")
		s.Close()
	}
	if got := len(stays.topic.audience.waiting); got != 1 {
		t.Fatalf("%d readers are listed, want 1", got)
	}
	// A crowd's list goes when the crowd has left and the next item woke the rest.
	crowd := make([]*Subscription, 1000)
	for i := range crowd {
		crowd[i] = subscribe(t, b, room, Position{}, 0)
		expect(t, crowd[i], "")
	}
	for _, s := range crowd {
		s.Close()
	}
	publish(t, b, room, 0)
	expect(t, stays, "1@1")
	if got := cap(stays.topic.audience.waiting); got > 20 {
		t.Fatalf("the list of one reader has room for %d", got)
	}
}

// TestBusyReaderIsNotListed: who has not come back from sending costs the publisher nothing.
func TestBusyReaderIsNotListed(t *testing.T) {
	b := ownedBroker(t, Config{})
	s := subscribe(t, b, room, Position{}, 0)
	expect(t, s, "")
	publish(t, b, room, 0)
	<-s.Ready()
	publishMany(t, b, room, 3)
	select {
	case <-s.Ready():
		t.Fatal("a reader that did not wait was woken")
	default:
	}
	expect(t, s, "1@1 2@1 3@1 4@1")
}

func TestAllocations(t *testing.T) {
	b := ownedBroker(t, Config{})
	var subs []*Subscription
	for range 10 {
		subs = append(subs, subscribe(t, b, room, Position{}, 0))
	}
	var (
		encoded = []byte("item")
		encode  = func(Position) []byte { return encoded }
		ctx     = t.Context()
		buf     [8]Event
	)
	round := func() {
		if _, err := b.Publish(0, room, epoch, encode); err != nil {
			t.Fatal(err)
		}
		for _, s := range subs {
			if n, err := s.NextBatch(ctx, buf[:]); n != 1 || err != nil {
				t.Fatalf("%d events, %v", n, err)
			}
		}
	}
	for range 2 * DefaultTopicItems {
		round() // until the ring has its size
	}
	if got := testing.AllocsPerRun(100, round); got >= 1 {
		t.Fatalf("one item to ten readers makes %v allocations, want none", got)
	}
}
