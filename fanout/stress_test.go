package fanout

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStress lets publishers, readers that come, go, lag and resume, sweeps, changes of ownership and deleted caches run
// at once. Every reader checks its own stream; in the end those that stayed must all be at the last position.
func TestStress(t *testing.T) {
	const (
		publishers, readers = 4, 20
		perPublisher        = 2_000
	)
	var (
		b       = newBroker(t, Config{TopicItems: 32, TopicBytes: 4096, TotalBytes: 8192, Retention: time.Second})
		topics  = []Key{{"chat", "a"}, {"chat", "b"}, {"news", "a"}}
		doomed  = Key{"doomed", "a"}
		clock   atomic.Int64
		now     = func() time.Time { return epoch.Add(time.Duration(clock.Add(int64(50 * time.Microsecond)))) }
		highest [3]struct {
			sync.Mutex
			Position
		}
	)
	own(t, b, 0, 1)

	var publishing, meddling, reading, staying sync.WaitGroup
	staying.Add(readers)
	stop := make(chan struct{})
	published := func() int64 { return b.Stats().Published }
	for range publishers {
		publishing.Go(func() {
			for i := range perPublisher {
				k := i % len(topics)
				p, ok := insist(t, b, topics[k], now)
				if _, also := insist(t, b, doomed, now); !ok || !also {
					return
				}
				h := &highest[k]
				h.Lock()
				if p.Compare(h.Position) > 0 {
					h.Position = p
				}
				h.Unlock()
			}
		})
	}
	meddling.Go(func() {
		for term := uint64(2); ; term++ {
			for enough := published() + 300; published() < enough; runtime.Gosched() {
				select {
				case <-stop:
					return
				default:
				}
			}
			b.Sweep(now())
			b.DropCache(doomed.Cache)
			if term%3 == 0 {
				b.Disown(0)
				runtime.Gosched()
			}
			if err := b.Own(0, pageOf(t, term)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var last [readers]Position
	for i := range readers {
		reading.Go(func() {
			r := stressReader{t: t, b: b, key: topics[i%len(topics)], random: rand.New(rand.NewPCG(7, uint64(i)))}
			r.run(stop, staying.Done, now)
			last[i] = r.seen
		})
		meddling.Go(func() { churn(t, b, doomed, stop, now) })
	}
	publishing.Wait()
	close(stop)
	meddling.Wait()
	for k, key := range topics { // wakes the readers, so that all learn that it is time to stay
		p, err := b.Publish(0, key, now(), encodePosition)
		if err != nil {
			t.Fatal(err)
		}
		highest[k].Position = p
	}
	staying.Wait()
	if got := b.Stats().Subscriptions; got != readers {
		t.Errorf("%d subscriptions are open, want %d", got, readers)
	}

	b.Close() // readers drain, then end
	reading.Wait()
	for i, got := range last {
		h := &highest[i%len(topics)]
		if got.Sequence != h.Sequence {
			t.Errorf("reader %d ended at number %d, want %d", i, got.Sequence, h.Sequence)
		}
	}
	if got := b.Stats(); got.Subscriptions != 0 || got.Topics != 0 || got.Items != 0 || got.Bytes != 0 {
		t.Errorf("the end left %+v", got)
	}
}

// stressReader is a client: it reads at an uneven pace, and now and then loses its connection and resumes.
type stressReader struct {
	t      *testing.T
	b      *Broker
	key    Key
	random *rand.Rand
	seen   Position
}

func (r *stressReader) run(stop chan struct{}, stays func(), now func() time.Time) {
	var (
		sub *Subscription
		buf [16]Event
	)
	stays = sync.OnceFunc(stays)
	defer stays() // also when it failed
	for {
		if sub == nil {
			from := r.seen
			if from.Page != 0 {
				from.Sequence++
			}
			s, err := r.b.Subscribe(0, r.key, from, now())
			if errors.Is(err, ErrNotOwner) {
				runtime.Gosched()
				continue
			}
			if err != nil {
				r.t.Error(err)
				return
			}
			sub = s
			if r.seen.Page == 0 {
				r.seen = sub.Position()
			}
		}
		n, err := sub.Take(buf[:1+r.random.IntN(len(buf))])
		if err != nil {
			if !errors.Is(err, ErrClosed) {
				r.t.Error(err)
			}
			sub.Close()
			return
		}
		if !r.follow(buf[:n]) {
			return
		}
		select {
		case <-stop: // from here on it stays to the end
			stays()
			<-sub.Ready()
			continue
		default:
		}
		switch r.random.IntN(20) {
		case 0:
			sub.Close()
			sub = nil
		case 1, 2:
			runtime.Gosched() // falls behind
		default:
			<-sub.Ready()
		}
	}
}

// follow checks that each event continues the one before.
func (r *stressReader) follow(events []Event) bool {
	for _, e := range events {
		if gap, ok := e.Discontinuity(); ok {
			if gap.Last != r.seen.Sequence || gap.Page < r.seen.Page || gap.New < gap.Last {
				r.t.Errorf("after %v came %+v", r.seen, gap)
				return false
			}
			r.seen = Position{gap.Page, gap.New}
			continue
		}
		item, _ := e.Item()
		if !item.follows(r.seen) || string(item.Encoded) != fmt.Sprintf("%d/%d", item.Page, item.Sequence) {
			r.t.Errorf("after %v came item %v with bytes %q", r.seen, item.Position, item.Encoded)
			return false
		}
		r.seen = item.Position
	}
	return true
}

// insist publishes until the partition is owned.
func insist(t *testing.T, b *Broker, key Key, now func() time.Time) (Position, bool) {
	for {
		p, err := b.Publish(0, key, now(), encodePosition)
		switch {
		case err == nil:
			return p, true
		case errors.Is(err, ErrNotOwner):
			runtime.Gosched()
		default:
			t.Error(err)
			return p, false
		}
	}
}

// churn subscribes to a topic whose cache is deleted over and over.
func churn(t *testing.T, b *Broker, key Key, stop chan struct{}, now func() time.Time) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		s, err := b.Subscribe(0, key, Position{Sequence: 1}, now())
		if errors.Is(err, ErrNotOwner) {
			runtime.Gosched()
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		var buf [4]Event
		for range 3 {
			if _, err := s.Take(buf[:]); err != nil && !errors.Is(err, ErrCacheDropped) {
				t.Error(err)
			}
		}
		s.Close()
	}
}
