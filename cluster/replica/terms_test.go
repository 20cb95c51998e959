package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// newSleeper is three nodes of which n1 leads and believes so for ten seconds
// after it heard of anybody last: while it is held, it is like a process that
// was stopped and looks at its state before it looks at its mail.
func newSleeper(t *testing.T) (c *trio, sleeper *Group) {
	c = newCluster(trioNames, trioNames)
	c.tune = func(name cluster.NodeID, cfg *Config) {
		if name == "n1" {
			cfg.tuning.heartbeat, cfg.tuning.lease = 10*time.Second, 10*time.Second
		}
	}
	for _, name := range c.names {
		c.start(t, name)
	}
	until(t, "n1 leads", func() bool {
		g := c.leader(t).Group(1)
		return g.node == "n1" || g.TransferLeadership(timeout(t), "n1") == nil && c.leader(t).Node() == "n1"
	})
	return c, c.group("n1")
}

// staleReads counts the reads that n1 confirms without showing what was
// acknowledged before they began, while n1 sleeps, others take over, and n1
// wakes up. Of a leader that looks at its mail, reads wait while it is held.
func staleReads(t *testing.T, looks bool, prove func(g *Group) error) (stale, confirmed int) {
	c, g := newSleeper(t)
	g.fence.prove = func() error { return prove(g) }
	var mu sync.Mutex
	var acked []string
	write := func(prefix string, except ...cluster.NodeID) {
		_, line := c.proposeAnywhere(t, prefix, except...)
		mu.Lock()
		defer mu.Unlock()
		acked = append(acked, line)
	}
	read := func() {
		mu.Lock()
		must := slices.Clone(acked)
		mu.Unlock()
		if g.Confirm(timeout(t)) != nil {
			return
		}
		seen := count(c.node("n1").journal(1).all())
		mu.Lock()
		defer mu.Unlock()
		confirmed++
		if slices.ContainsFunc(must, func(line string) bool { return seen[line] == 0 }) {
			stale++
		}
	}
	write("before")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					read()
				}
			}
		})
	}
	until(t, "n1 serves reads", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return confirmed > 20
	})
	c.hold("n1")
	for i := range 3 {
		write(fmt.Sprint("after ", i), "n1")
	}
	// Reads that begin now must not be served from what n1 has.
	var late atomic.Int64
	for range 4 {
		wg.Go(func() {
			read()
			late.Add(1)
		})
	}
	until(t, "late reads wait, or are done", func() bool { return looks && g.fence.waitedFor() || late.Load() == 4 })
	c.release("n1")
	until(t, "n1 follows", func() bool { return !g.IsLeader() })
	close(stop)
	wg.Wait()
	return stale, confirmed
}

// waitedFor tells whether a read waits for the next round.
func (f *fence) waitedFor() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next != nil
}

// A leader that sleeps while others go on confirms no stale read. The same
// readers catch one that only asks itself.
func TestSleepingLeaderReadsNothingStale(t *testing.T) {
	t.Parallel()
	stale, confirmed := staleReads(t, true, (*Group).prove)
	if stale > 0 {
		t.Errorf("%d of %d confirmed reads were stale", stale, confirmed)
	}
	stale, confirmed = staleReads(t, false, func(g *Group) error {
		if v := g.view.Load(); !g.leads(v.Term) {
			return ErrNotLeader
		}
		return nil
	})
	t.Logf("%d of %d reads of a leader that only asks itself were stale", stale, confirmed)
	if stale == 0 {
		t.Error("a leader that only asks itself was not caught, so this test proves nothing")
	}
}

// Answers that lie in a buffer while their leader sleeps prove nothing to a
// read that begins when they are old.
func TestAnswersOfARunningRoundAreTooOld(t *testing.T) {
	c, g := newSleeper(t)
	c.proposeAnywhere(t, "before")
	var ready sync.WaitGroup
	ready.Add(2)
	var once sync.Map
	c.answered = func(from, to cluster.NodeID) {
		if from == "n1" {
			if _, twice := once.LoadOrStore(to, true); !twice {
				ready.Done()
				// The answer is on its way; the network keeps it from here on.
				until(t, "n1 is held", func() bool {
					c.wires.mu.Lock()
					defer c.wires.mu.Unlock()
					return c.held["n1"] != nil
				})
			}
		}
	}
	first := make(chan error, 1)
	go func() { first <- g.Confirm(timeout(t)) }()
	ready.Wait()
	if g.fence.waitedFor() {
		t.Error("a round under way takes more reads in")
	}
	c.hold("n1")
	_, line := c.proposeAnywhere(t, "after", "n1")
	second := make(chan error, 1)
	go func() {
		err := g.Confirm(timeout(t))
		if err == nil && !slices.Contains(c.node("n1").journal(1).all(), line) {
			err = errors.New("a stale read was confirmed")
		}
		second <- err
	}()
	until(t, "the second read waits", func() bool { return g.fence.waitedFor() })
	c.release("n1")
	if err := <-first; err != nil && !errors.Is(err, ErrNotLeader) {
		t.Errorf("the first read: %v", err)
	}
	if err := <-second; !errors.Is(err, ErrNotLeader) {
		t.Errorf("the second read: %v", err)
	}
}

// Reads with several voters write nothing, unless nobody can be asked.
func TestReadsWriteNothing(t *testing.T) {
	for name, write := range map[string]bool{"asked": false, "nobody to ask": true, "asking fails": true} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(trioNames, trioNames)
			c.tune = func(_ cluster.NodeID, cfg *Config) {
				switch name {
				case "nobody to ask":
					cfg.Terms = nil
				case "asking fails":
					cfg.Terms = func(context.Context, cluster.NodeID, []Ref) ([]uint64, error) { return []uint64{1, 2, 3}, nil }
				}
			}
			for _, n := range c.names {
				c.start(t, n)
			}
			until(t, "one leader serves all five reads", func() bool {
				n, _ := c.proposeAnywhere(t, "line")
				g := n.Group(1)
				before, _ := g.Leadership()
				last := g.raft.LastIndex()
				for range 5 {
					if err := g.Confirm(timeout(t)); err != nil && !errors.Is(err, ErrNotLeader) {
						t.Fatal(err)
					}
				}
				now := g.raft.LastIndex()
				if after, _ := g.Leadership(); after != before || !after.Leading {
					return false // another election, another entry
				}
				if wrote := now > last; wrote != write {
					t.Errorf("the log grew from %d to %d", last, now)
				}
				return true
			})
		})
	}
}

// Only the very replica that was asked for answers.
func TestTermsOfWhoLivesHere(t *testing.T) {
	n := open(t, joiner("", "n2"))
	if err := n.StartReplica(timeout(t), 1, 5); err != nil {
		t.Fatal(err)
	}
	n.Group(1).raft.CurrentTerm()
	m := open(t, singleNode(""))
	g := m.lead(t, 1)
	if got := m.Terms([]Ref{{1, 1}, {1, 2}, {9, 1}, {0, 1}, {1, 1}}); got[0] != g.Term() || got[0] == 0 || got[1] != 0 || got[2] != 0 || got[3] != m.Group(0).Term() || got[4] != got[0] {
		t.Errorf("terms %v", got)
	}
	if got := n.Terms([]Ref{{0, 1}, {1, 5}}); !slices.Equal(got, []uint64{0, 0}) {
		t.Errorf("of a node that waits: %v", got)
	}
	_ = g.stop.trip(errors.New("the disk is gone"))
	if got := m.Terms([]Ref{{1, 1}}); got[0] != 0 {
		t.Errorf("a stopped replica answers %v", got)
	}
}

// A round needs a majority of every configuration in force.
func TestPoll(t *testing.T) {
	conf := func(voters ...string) *configuration { return &configuration{voters: voters} }
	for name, c := range map[string]struct {
		now  inForce
		yes  string
		no   string
		want string
	}{
		"one of two others":           {inForce{newest: conf("a", "b", "c")}, "b", "", "won"},
		"one against":                 {inForce{newest: conf("a", "b", "c")}, "c", "b", "won"},
		"both against":                {inForce{newest: conf("a", "b", "c")}, "", "bc", "lost"},
		"nobody yet":                  {inForce{newest: conf("a", "b", "c")}, "", "b", ""},
		"two voters":                  {inForce{newest: conf("a", "b")}, "", "", ""},
		"two voters, both":            {inForce{newest: conf("a", "b")}, "b", "", "won"},
		"two voters, against":         {inForce{newest: conf("a", "b")}, "", "b", "lost"},
		"half is no majority":         {inForce{newest: conf("a", "b", "c", "d")}, "b", "", ""},
		"without a vote":              {inForce{newest: conf("b", "c", "d")}, "b", "", ""},
		"without a vote, two":         {inForce{newest: conf("b", "c", "d")}, "bd", "", "won"},
		"new only":                    {inForce{newest: conf("a", "b", "c", "d", "e"), before: conf("a", "b", "c", "f")}, "de", "", ""},
		"new and old":                 {inForce{newest: conf("a", "b", "c", "d", "e"), before: conf("a", "b", "c", "d")}, "bc", "", "won"},
		"old is lost":                 {inForce{newest: conf("a", "b", "c"), before: conf("a", "d")}, "b", "d", "lost"},
		"an answer after the outcome": {inForce{newest: conf("a", "b", "c")}, "bc", "", "won"},
	} {
		p := newPoll(7, "a", &c.now)
		for _, id := range c.yes {
			p.answer(string(id), 7, nil)
		}
		for i, id := range c.no {
			if i%2 == 0 {
				p.answer(string(id), 8, nil)
			} else {
				p.answer(string(id), 7, errors.New("unreachable"))
			}
		}
		got := ""
		switch {
		case p.won:
			got = "won"
		case p.over:
			got = "lost"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Questions of all groups to one node share its calls, and leave only after
// they were asked.
func TestQuestionsShareCalls(t *testing.T) {
	var mu sync.Mutex
	var calls [][]Ref
	gate := make(chan struct{})
	cfg := Config{tuning: quick(), Terms: func(_ context.Context, _ cluster.NodeID, refs []Ref) ([]uint64, error) {
		mu.Lock()
		calls = append(calls, refs)
		mu.Unlock()
		<-gate
		return make([]uint64, len(refs)), nil
	}}
	d := newTermDesk(cfg)
	answers := make(chan error, 100)
	put := func(group int) {
		d.put("n2", Ref{cluster.GroupID(group), 1}, func(_ uint64, err error) { answers <- err })
	}
	put(1)
	until(t, "the first call is under way", func() bool { mu.Lock(); defer mu.Unlock(); return len(calls) == 1 })
	for g := range 17 {
		put(g)
		put(g) // takes the place of the one before
	}
	close(gate)
	for range 18 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	d.close()
	if len(calls) != 2 || len(calls[0]) != 1 || len(calls[1]) != 17 || len(answers) != 0 {
		t.Errorf("%d calls, %d answers too many", len(calls), len(answers))
	}
	put(1)
	if err := <-answers; !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
