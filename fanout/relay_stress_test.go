package fanout

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stressCluster is three brokers on real goroutines: publishers, readers that move among the nodes, relays that
// break, and leadership that wanders.
type stressCluster struct {
	t      *testing.T
	nodes  [3]*Broker
	leader atomic.Int32
	wake   [3]chan struct{} // by Notify
	stop   chan struct{}
	clock  atomic.Int64
}

func (c *stressCluster) now() time.Time {
	return epoch.Add(time.Duration(c.clock.Add(int64(50 * time.Microsecond))))
}

func (c *stressCluster) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// TestRelayStress lets everything happen at once. Every reader checks its own stream; in the end all must stand where
// the leader is.
func TestRelayStress(t *testing.T) {
	const readers, items = 12, 4_000
	c := &stressCluster{t: t, stop: make(chan struct{})}
	for i := range c.nodes {
		c.wake[i] = make(chan struct{}, 1)
		c.nodes[i] = newBroker(t, Config{TopicItems: 32, Linger: time.Second, Notify: func(uint32) { ring(c.wake[i]) }})
		if err := c.nodes[i].Mirror(0); err != nil {
			t.Fatal(err)
		}
	}
	own(t, c.nodes[0], 0, 1)
	keys := []Key{{"chat", "a"}, {"chat", "b"}, {"news", "a"}}

	var publishing, meddling, relaying, reading sync.WaitGroup
	var published atomic.Int64
	for i := range 2 {
		publishing.Go(func() {
			for n := range items / 2 {
				c.insist(keys[(n+i)%len(keys)])
				published.Add(1)
			}
		})
	}
	for i := range c.nodes {
		relaying.Go(func() { c.relay(i) })
	}
	meddling.Go(func() {
		for term := uint64(2); !c.stopped(); term++ {
			for enough := published.Load() + 200; published.Load() < enough && !c.stopped(); {
				runtime.Gosched()
			}
			c.move(term)
		}
	})
	finish := make(chan struct{})
	ends := make([]atomic.Pointer[stressEnd], readers)
	for i := range readers {
		reading.Go(func() {
			c.read(keys[i%len(keys)], rand.New(rand.NewPCG(11, uint64(i))), finish, &ends[i])
		})
	}
	publishing.Wait()
	close(c.stop)
	meddling.Wait()
	last := make(map[Key]Position)
	for _, key := range keys {
		last[key] = c.insist(key)
	}
	for i := range ends { // until everybody has heard of it, unless somebody gave up
		for !t.Failed() {
			if e := ends[i].Load(); e != nil && e.at == last[keys[i%len(keys)]] {
				break
			}
			runtime.Gosched()
		}
	}
	close(finish)
	reading.Wait()
	for i := range c.nodes {
		c.nodes[i].Close()
		ring(c.wake[i])
	}
	relaying.Wait()
	for i, b := range c.nodes {
		if got := b.Stats(); got.Subscriptions != 0 || got.Interests != 0 || got.Topics != 0 {
			t.Errorf("node %d is left with %+v", i, got)
		}
	}
}

// stressEnd is where a reader stands.
type stressEnd struct{ at Position }

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// insist publishes at whoever leads.
func (c *stressCluster) insist(key Key) Position {
	for {
		p, err := c.nodes[c.leader.Load()].Publish(0, key, c.now(), encodePosition)
		if err == nil {
			return p
		}
		if !errors.Is(err, ErrNotOwner) {
			c.t.Error(err)
			return p
		}
		runtime.Gosched()
	}
}

// move hands leadership to the next node, after a survey.
func (c *stressCluster) move(term uint64) {
	old := c.leader.Load()
	next := (old + 1) % int32(len(c.nodes))
	if err := c.nodes[old].Mirror(0); err != nil {
		c.t.Error(err)
	}
	survey := c.nodes[next].NewSurvey(0)
	for _, b := range c.nodes {
		for seen := range b.Seen(0) {
			if err := survey.Adopt(seen); err != nil {
				c.t.Error(err)
			}
		}
	}
	if err := survey.Own(pageOf(c.t, term)); err != nil {
		c.t.Error(err)
	}
	c.leader.Store(next)
	for _, b := range c.nodes {
		b.Sweep(c.now())
	}
	for i := range c.wake {
		ring(c.wake[i])
	}
}

// relay keeps a node connected with the leader until the node is closed.
func (c *stressCluster) relay(i int) {
	random := rand.New(rand.NewPCG(13, uint64(i)))
	for {
		leader := c.nodes[c.leader.Load()]
		joined := c.nodes[i].NewRelay()
		err := joined.Join(0)
		switch {
		case errors.Is(err, ErrClosed):
			return
		case err != nil || leader == c.nodes[i]:
			joined.Close()
			<-c.wake[i]
			continue
		}
		r := &relay{Relay: joined, t: c.t, leader: leader, mirror: c.nodes[i], mux: leader.NewMux()}
		for r.Joined(0) {
			r.ask(c.now())
			r.send()
			for _, f := range r.frames {
				r.arrive(f, c.now())
			}
			r.frames = r.frames[:0]
			if !c.stopped() && random.IntN(200) == 0 {
				break // the connection broke
			}
			select {
			case <-r.mux.Ready():
			case <-c.wake[i]: // looks at everything, and so does the next connection
			}
		}
		r.Close()
		r.mux.Close()
	}
}

// read follows a topic from node to node.
func (c *stressCluster) read(key Key, random *rand.Rand, finish chan struct{}, end *atomic.Pointer[stressEnd]) {
	var (
		check = stressReader{t: c.t}
		sub   *Subscription
		buf   [16]Event
	)
	for {
		if sub == nil {
			from := check.seen
			if from.Page != 0 {
				from.Sequence++
			}
			s, err := c.nodes[random.IntN(len(c.nodes))].Subscribe(0, key, from, c.now())
			if err != nil {
				c.t.Error(err)
				return
			}
			sub = s
		}
		if check.seen.Page == 0 {
			check.seen = sub.Position()
		}
		n, err := sub.Take(buf[:1+random.IntN(len(buf))])
		if err != nil {
			c.t.Error(err)
			return
		}
		if check.seen.Page == 0 && n > 0 {
			check.seen = before(&buf[0]) // its place was found between the two looks
		}
		if !check.follow(buf[:n]) {
			return
		}
		end.Store(&stressEnd{check.seen})
		select {
		case <-finish:
			sub.Close()
			return
		default:
		}
		switch {
		case !c.stopped() && random.IntN(20) == 0:
			sub.Close()
			sub = nil
		case n == 0:
			select {
			case <-sub.Ready():
			case <-finish:
			}
		}
	}
}

// before is where a reader stood whose first event this is.
func before(e *Event) Position {
	if item, ok := e.Item(); ok {
		return item.behind()
	}
	gap, _ := e.Discontinuity()
	return Position{Sequence: gap.Last}
}
