package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// trio is the nodes of a cluster: three that founded it together, or any number
// of which the first did.
type trio struct {
	*wires
	names    []cluster.NodeID
	founders []cluster.NodeID
	dirs     map[cluster.NodeID]string // empty: in memory
	tune     func(cluster.NodeID, *Config)
	asked    atomic.Int64                  // questions for terms that were answered
	answered func(from, to cluster.NodeID) // after an answer was made
	numbers  uint64                        // the last replica number given out

	mu    sync.Mutex
	nodes map[cluster.NodeID]*node
}

var trioNames = []cluster.NodeID{"n1", "n2", "n3"}

func newCluster(names, founders []cluster.NodeID) *trio {
	return &trio{
		wires: newWires(), names: names, founders: founders, numbers: cluster.FirstReplica,
		dirs: make(map[cluster.NodeID]string), nodes: make(map[cluster.NodeID]*node),
	}
}

func newTrio(t *testing.T) *trio {
	c := newCluster(trioNames, trioNames)
	for _, name := range c.names {
		c.dirs[name] = t.TempDir()
		c.start(t, name)
	}
	return c
}

// newFleet is a lone founder and others that hold nothing yet.
func newFleet(t *testing.T, names ...cluster.NodeID) *trio {
	c := newCluster(names, names[:1])
	for _, name := range c.names {
		c.dirs[name] = t.TempDir()
		c.start(t, name)
	}
	return c
}

func (c *trio) start(t testing.TB, name cluster.NodeID) {
	t.Helper()
	cfg := Config{
		Dir: c.dirs[name], Node: name, ClusterID: "trio", DataGroups: 1, Founders: c.founders,
		Network: c.of(name), Terms: c.asker(name), tuning: quick(),
	}
	if c.tune != nil {
		c.tune(name, &cfg)
	}
	n := open(t, cfg)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[name] = n
}

// restart kills a node as far as others can tell and starts it from its disk.
func (c *trio) restart(t *testing.T, name cluster.NodeID) {
	t.Helper()
	c.isolate(name, true)
	c.node(name).close(t)
	c.isolate(name, false)
	c.start(t, name)
}

// quick is the usual tuning, at a pace for tests.
func quick() tuning {
	q := defaultTuning()
	q.heartbeat, q.lease, q.commit = 250*time.Millisecond, 200*time.Millisecond, 20*time.Millisecond
	q.trailingLogs, q.snapshotThreshold = 16, 64
	q.snapshotInterval = 100 * time.Millisecond
	return q
}

func (c *trio) node(name cluster.NodeID) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[name]
}

// group is a node's replica of group 1, nil when it has none.
func (c *trio) group(name cluster.NodeID) *Group { return c.node(name).Group(1) }

// leader waits for a node that leads group 1, other than the given ones.
func (c *trio) leader(t testing.TB, except ...cluster.NodeID) *node {
	t.Helper()
	var found *node
	until(t, "somebody leads", func() bool {
		for _, name := range c.names {
			n := c.node(name)
			if g := n.Group(1); g != nil && g.IsLeader() && !slices.Contains(except, name) {
				found = n
			}
		}
		return found != nil
	})
	return found
}

// until waits for a condition that others bring about.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for ctx := timeout(t); !holds(); {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// proposeAnywhere has some leader execute a line. After an unknown outcome it
// tries with another line, since leaders may change at any time.
func (c *trio) proposeAnywhere(t *testing.T, prefix string, except ...cluster.NodeID) (*node, string) {
	t.Helper()
	for i := 0; ; i++ {
		n, line := c.leader(t, except...), fmt.Sprint(prefix, " ", i)
		if _, err := n.Group(1).Propose(timeout(t), []byte(line)); err == nil {
			return n, line
		} else if !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrClosed) {
			t.Fatalf("Propose(%q): %v", line, err)
		}
	}
}

// change has the leader change its group, as often as it takes.
func (c *trio) change(t *testing.T, what string, do func(g *Group, index uint64) (uint64, error)) {
	t.Helper()
	for ctx := timeout(t); ; {
		g := c.leader(t).Group(1)
		now := g.Configuration()
		_, err := do(g, now.Index)
		if err == nil {
			return
		}
		again := errors.Is(err, ErrConflict) || errors.Is(err, ErrNotLeader) || errors.Is(err, ErrUnknownOutcome) || errors.Is(err, ErrBehind) || errors.Is(err, ErrClosed)
		if !again || ctx.Err() != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// learn makes a replica of group 1 on a node and adds it as a learner.
func (c *trio) learn(t *testing.T, name cluster.NodeID) cluster.Replica {
	t.Helper()
	c.numbers++
	r := cluster.Replica{Node: name, Number: c.numbers}
	if err := c.node(name).StartReplica(timeout(t), 1, r.Number); err != nil {
		t.Fatal(err)
	}
	c.change(t, "AddLearner", func(g *Group, index uint64) (uint64, error) { return g.AddLearner(timeout(t), r, index) })
	return r
}

// join makes a node's replica a voter as soon as it is near its leader.
func (c *trio) join(t *testing.T, name cluster.NodeID) cluster.Replica {
	t.Helper()
	r := c.learn(t, name)
	until(t, "the learner is near", func() bool {
		leader := c.leader(t).Group(1).Progress()
		return c.group(name).Progress().Near(leader)
	})
	c.change(t, "Promote", func(g *Group, index uint64) (uint64, error) { return g.Promote(timeout(t), r, index) })
	return r
}

// leave takes a node's replica out of group 1 and deletes it.
func (c *trio) leave(t *testing.T, name cluster.NodeID) {
	t.Helper()
	r := cluster.Replica{Node: name, Number: c.group(name).Number()}
	c.change(t, "Remove", func(g *Group, index uint64) (uint64, error) {
		if g == c.group(name) {
			to := slices.DeleteFunc(g.Configuration().Voters, func(v cluster.Replica) bool { return v == r })[0]
			if err := g.TransferLeadership(timeout(t), to.Node); err != nil {
				return 0, err
			}
			return 0, ErrNotLeader // and look for the new one
		}
		return g.Remove(timeout(t), r, index)
	})
	n := c.node(name)
	if err := errors.Join(n.RemoveReplica(timeout(t), 1, r.Number), n.Purge(1, r.Number)); err != nil {
		t.Errorf("removing the replica of %s: %v", name, err)
	}
}

// voters waits until the leader says that these nodes vote, and no others.
func (c *trio) voters(t *testing.T, want ...cluster.NodeID) {
	t.Helper()
	until(t, fmt.Sprint("the voters are ", want), func() bool {
		now := c.leader(t).Group(1).Configuration()
		var names []cluster.NodeID
		for _, r := range now.Voters {
			names = append(names, r.Node)
		}
		return now.Committed && slices.Equal(names, want)
	})
}

// load is writers and readers at work on group 1, and what they were promised.
type load struct {
	t    *testing.T
	c    *trio
	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	acked map[string]any // and the position it was given
	reads int
}

func (c *trio) begin(t *testing.T) *load {
	l := &load{t: t, c: c, stop: make(chan struct{}), acked: make(map[string]any)}
	for w := range 4 {
		l.wg.Go(func() { l.write(w) })
	}
	l.wg.Go(l.read)
	return l
}

// somewhere picks a replica of group 1, nil for a node without one.
func (l *load) somewhere(rnd *rand.Rand) *Group {
	return l.c.group(l.c.names[rnd.IntN(len(l.c.names))])
}

func (l *load) over() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

func (l *load) write(w int) {
	rnd := rand.New(rand.NewPCG(uint64(w), 0))
	for i := 0; !l.over(); i++ {
		g := l.somewhere(rnd)
		if g == nil {
			continue
		}
		// A command with an unknown outcome is never sent again.
		line := fmt.Sprintf("%d/%d", w, i)
		if position, err := g.Propose(timeout(l.t), []byte(line)); err == nil {
			l.mu.Lock()
			l.acked[line] = position
			l.mu.Unlock()
		}
	}
}

func (l *load) read() {
	rnd := rand.New(rand.NewPCG(99, 0))
	for !l.over() {
		g := l.somewhere(rnd)
		if g == nil {
			continue
		}
		l.mu.Lock()
		must := make([]string, 0, len(l.acked))
		for line := range l.acked {
			must = append(must, line)
		}
		l.mu.Unlock()
		if g.Confirm(timeout(l.t)) != nil {
			continue
		}
		seen := count(g.fsm.machine.(*journal).all())
		for _, line := range must {
			if seen[line] != 1 {
				l.t.Errorf("%s confirmed a read and showed %q %d times", g.Replica(), line, seen[line])
			}
		}
		l.reads++
	}
}

// enough waits until so many more commands were acknowledged.
func (l *load) enough(more int) {
	l.t.Helper()
	done := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.acked)
	}
	target := done() + more
	until(l.t, "enough commands are acknowledged", func() bool { return done() >= target })
}

// end stops the load and compares what was promised with what every replica
// holds.
func (l *load) end() {
	l.t.Helper()
	close(l.stop)
	l.wg.Wait()
	if l.reads == 0 {
		l.t.Error("no read was ever confirmed")
	}
	_, end := l.c.proposeAnywhere(l.t, "the end")
	var first []string
	for _, name := range l.c.names {
		g := l.c.group(name)
		if g == nil {
			continue
		}
		lines := g.fsm.machine.(*journal).all
		until(l.t, string(name)+" caught up", func() bool { return slices.Contains(lines(), end) })
		if first == nil {
			first = lines()
		}
		if !slices.Equal(lines(), first) {
			l.t.Errorf("node %s executed something else", name)
		}
	}
	seen := count(first)
	for line, position := range l.acked {
		if seen[line] != 1 || first[position.(int)] != line {
			l.t.Errorf("%q was acknowledged at %v and executed %d times", line, position, seen[line])
		}
	}
	l.t.Logf("%d commands acknowledged, %d executed, %d reads, %d terms asked for", len(l.acked), len(first), l.reads, l.c.asked.Load())
}

func count(lines []string) map[string]int {
	m := make(map[string]int, len(lines))
	for _, line := range lines {
		m[line]++
	}
	return m
}
