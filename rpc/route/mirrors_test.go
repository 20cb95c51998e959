package route

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// settled waits until a leader numbers the topics, and returns it and the others
// that vote.
func (w *world) settled() (leader cluster.NodeID, others []cluster.NodeID) {
	for {
		if leader = w.leader(); leader != "" && w.peer(leader).topics.Owns(uint32(theGroup)) {
			break
		}
		time.Sleep(tick)
	}
	for _, v := range w.voting {
		if v != leader {
			others = append(others, v)
		}
	}
	return leader, others
}

// A stream to the leader that is open and on which nothing ever comes is no way to
// it: who waits behind it is sent to another node in time.
func TestReadersBehindASilentLeaderAreSentAway(t *testing.T) {
	for name, from := range map[string]func(others []cluster.NodeID) cluster.NodeID{
		"a voter":                       func(others []cluster.NodeID) cluster.NodeID { return others[0] },
		"a node that has to ask around": func([]cluster.NodeID) cluster.NodeID { return "d" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				defer w.close()
				leader, others := w.settled()
				reader := w.peer(from(others))
				if _, err := reader.call(t.Context(), leader, func(context.Context, *peer) error { return nil }); err != nil {
					t.Fatal(err)
				}
				w.network.of(reader.name, func(c *connection) { c.deaf.Store(true) })
				w.network.set(true, w.all(func(wire wire) bool { return wire.to == reader.name && wire.from == leader })...)
				began := time.Now()
				s, err := reader.local.Subscribe(theGroup, fanout.Key{Cache: "chat", Topic: "room"}, fanout.Position{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if _, err := s.Next(t.Context()); !errors.Is(err, fanout.ErrDisowned) {
					t.Errorf("the reader was told %v", err)
				}
				if took := time.Since(began); took > dismissAfter+lookAfter {
					t.Errorf("it was sent away after %v", took)
				}
			})
		})
	}
}

// A node that others take for the leader, and that does not vote any more, looks
// for who leads now.
func TestANodeIsNotSentToItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		leader, _ := w.settled()
		term := w.votes[leader].term
		reader := w.peer("d")
		reader.router.learn(theGroup, guess{node: "b"}, &NotLeaderError{Group: theGroup, Leader: "d", Term: term + 1})
		s, err := reader.local.Subscribe(theGroup, fanout.Key{Cache: "chat", Topic: "room"}, fanout.Position{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(time.Second)
		if !s.Live() {
			at, _ := reader.router.guess(theGroup)
			t.Errorf("the leader %s is not found, %s is taken for it", leader, at.node)
		}
	})
}

// Once the leader of a later term has asked, nothing is taken in from an earlier
// one, whose numbers the later one may not know of.
func TestNothingComesFromALeaderWhoseTermIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		leader, others := w.settled()
		reader := w.peer("d")
		if _, err := reader.local.Survey(t.Context(), theGroup, w.votes[leader].term+1, 0); err != nil {
			t.Fatal(err)
		}
		s, err := reader.local.Subscribe(theGroup, fanout.Key{Cache: "chat", Topic: "room"}, fanout.Position{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(3 * time.Second)
		if s.Live() {
			t.Error("the reader listens to a leader whose term is over")
		}
		w.transfer(others[0])
		time.Sleep(2 * time.Second)
		if !s.Live() {
			t.Error("the reader does not listen to the leader of the new term")
		}
	})
}

// While all nodes reach each other a change of leaders costs nobody an item that
// was acknowledged, though it was on its way when the new leader asked, who had
// not been interested in the topic.
func TestNothingIsLostWhenALeadershipIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(n *network) { n.crossing = tick })
		defer w.close()
		w.settled()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		one := &witness{ledger: newLedger("room"), world: w, home: "d"}
		running.Go(func() { one.listen(ctx) })
		time.Sleep(5 * time.Second)
		for i := range 9 {
			leader, _ := w.settled()
			for range 3 {
				if err := one.publish(ctx, w.peer(leader)); err != nil {
					t.Fatal(err)
				}
			}
			w.transfer(w.voting[(i+1)%len(w.voting)])
			time.Sleep(5 * time.Second)
		}
		for _, s := range one.sent {
			if !one.has(s.value) {
				t.Errorf("%q was acknowledged and not heard", s.value)
			}
		}
		for _, wrong := range one.wrongs {
			t.Error(wrong)
		}
	})
}
