package route

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

var (
	firstStory = flag.Uint64("route.story", 1, "seed of the first story of mirrors")
	stories    = flag.Uint64("route.stories", 8, "how many stories of mirrors are played")
)

const (
	// back is how soon after all wires are whole everybody hears what is
	// published: half-open connections are given up within 15 seconds, and an
	// election takes three.
	back = 20 * time.Second
)

// Leaders move, wires are cut and mended, nodes end and come back, while all nodes
// publish and listen. However it goes there is one order, nobody hears anything
// twice or misses anything without a word, and once all is mended everybody
// hears on.
func TestMirrorsStory(t *testing.T) {
	for seed := *firstStory; seed < *firstStory+*stories; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newStory(t, seed).play() })
		})
	}
}

// story is what happens in a world, and who watches.
type story struct {
	*world
	luck      *rand.Rand
	ledgers   []*ledger
	witnesses []*witness
	log       []string
	began     time.Time
}

func newStory(t *testing.T, seed uint64) *story {
	s := &story{world: newWorld(t, seed), luck: rand.New(rand.NewPCG(seed, 2)), began: time.Now()}
	for _, topic := range []string{"news", "talk"} {
		l := newLedger(topic)
		s.ledgers = append(s.ledgers, l)
		for i, name := range s.names {
			s.witnesses = append(s.witnesses, &witness{ledger: l, world: s.world, home: name, strays: i%2 == 0})
		}
	}
	return s
}

// play tells the story to its end.
func (s *story) play() {
	defer s.close()
	ctx, cancel := context.WithCancel(s.ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	for _, w := range s.witnesses {
		listening.Go(func() { w.listen(ctx) })
	}
	for range 3 {
		s.trouble()
		s.recovers()
	}
	s.judge()
}

// trouble lets things happen while everybody publishes.
func (s *story) trouble() {
	ctx, cancel := context.WithCancel(s.ctx)
	var writing sync.WaitGroup
	for _, l := range s.ledgers {
		for i, name := range s.names {
			pace := time.Duration(20+s.luck.IntN(300)) * time.Millisecond
			writing.Go(func() {
				for ctx.Err() == nil {
					once, done := context.WithTimeout(ctx, time.Duration(i+1)*time.Second)
					_ = l.publish(once, s.peer(name))
					done()
					time.Sleep(pace)
				}
			})
		}
	}
	for range 4 + s.luck.IntN(8) {
		time.Sleep(time.Duration(s.luck.IntN(8000)) * time.Millisecond)
		s.happen()
	}
	time.Sleep(time.Duration(s.luck.IntN(20)) * time.Second)
	cancel()
	writing.Wait()
}

func (s *story) anyone() cluster.NodeID { return s.names[s.luck.IntN(len(s.names))] }

func (s *story) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%s %s", time.Since(s.began).Round(time.Millisecond), fmt.Sprintf(format, args...)))
}

// happen lets one thing happen.
func (s *story) happen() {
	one, other, leader := s.anyone(), s.anyone(), s.leader()
	switch s.luck.IntN(11) {
	case 0:
		s.note("%s hears nobody", leader)
		s.network.set(true, s.all(func(w wire) bool { return w.to == leader })...)
	case 1:
		s.note("nobody hears %s", leader)
		s.network.set(true, s.all(func(w wire) bool { return w.from == leader })...)
	case 2:
		s.note("%s is alone", one)
		s.network.set(true, s.all(func(w wire) bool { return w.from == one || w.to == one })...)
	case 3:
		s.note("the wire from %s to %s is cut", one, other)
		s.network.set(true, wire{one, other})
	case 4, 5:
		s.note("all wires are mended")
		s.network.mend()
	case 6:
		to := s.voting[s.luck.IntN(len(s.voting))]
		s.note("the leadership is handed from %s to %s", leader, to)
		s.transfer(to)
	case 7:
		s.note("%s ends and is started again", one)
		s.kill(one)
		time.Sleep(time.Duration(s.luck.IntN(3000)) * time.Millisecond)
		s.start(one)
	case 8:
		s.note("the connections of %s break", one)
		s.network.of(one, func(c *connection) { c.end(errBroken) })
	case 9:
		s.note("the connections of %s are half-open from now on", one)
		s.network.of(one, func(c *connection) { c.deaf.Store(true) })
	case 10:
		s.note("%s is frozen when it has proven that it leads", leader)
		s.freeze(leader)
		time.Sleep(time.Duration(1000+s.luck.IntN(7000)) * time.Millisecond)
		s.note("%s goes on", leader)
		s.thaw(leader)
	}
}

// recovers mends everything and demands that everybody hears on, soon.
func (s *story) recovers() {
	s.note("all is mended")
	s.network.mend()
	mended := time.Now()
	time.Sleep(time.Duration(s.luck.IntN(3000)) * time.Millisecond)
	for _, l := range s.ledgers {
		from := s.peer(s.anyone())
		for l.publish(s.ctx, from) != nil {
			if time.Since(mended) > back {
				s.fail("nothing can be published in %s through %s", l.topic, from.name)
			}
		}
		l.mu.Lock()
		value := l.sent[len(l.sent)-1].value
		l.mu.Unlock()
		for _, w := range s.witnesses {
			for w.ledger == l && !w.has(value) {
				if time.Since(mended) > back {
					s.fail("%s at %s, which is at %v, has not heard %q in %s", l.topic, w.home, w.seen, value, time.Since(mended))
				}
				time.Sleep(tick)
			}
		}
	}
	s.note("everybody hears after %s", time.Since(mended))
}

// judge looks at all that was heard.
func (s *story) judge() {
	time.Sleep(2 * time.Second)
	for _, w := range s.witnesses {
		w.lacksNothing()
	}
	for _, l := range s.ledgers {
		l.inOrder()
		for _, wrong := range l.wrongs {
			s.t.Error(wrong)
		}
	}
	if s.t.Failed() {
		s.fail("so the story went")
	}
	s.t.Log(len(s.ledgers[0].at), "heard of", len(s.ledgers[0].sent))
}

func (s *story) fail(format string, args ...any) {
	for _, line := range s.log {
		s.t.Log(line)
	}
	s.t.Log(s.String())
	s.t.Fatalf(format, args...)
}
