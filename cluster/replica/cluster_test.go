package replica

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// wires is a Network in memory that can cut nodes off.
type wires struct {
	mu        sync.Mutex
	listeners map[string]*wireListener
	cut       map[cluster.NodeID]bool
	open      map[cluster.NodeID][]net.Conn
}

func newWires() *wires {
	return &wires{
		listeners: make(map[string]*wireListener),
		cut:       make(map[cluster.NodeID]bool),
		open:      make(map[cluster.NodeID][]net.Conn),
	}
}

// of gives the network as one node sees it.
func (w *wires) of(node cluster.NodeID) Network { return wire{w, node} }

// isolate cuts a node off, or lets it back.
func (w *wires) isolate(node cluster.NodeID, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[node] = cut
	for _, conn := range w.open[node] {
		_ = conn.Close()
	}
	w.open[node] = nil
}

type wire struct {
	*wires
	node cluster.NodeID
}

func (w wire) Listen(_ cluster.GroupID, replica string) (net.Listener, error) {
	l := &wireListener{wires: w.wires, replica: replica, conns: make(chan net.Conn), done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[replica] = l
	return l, nil
}

func (w wire) Dial(_ cluster.GroupID, replica string, timeout time.Duration) (net.Conn, error) {
	to := replicaOf(replica).Node
	w.mu.Lock()
	l := w.listeners[replica]
	if l == nil || w.cut[to] || w.cut[w.node] {
		w.mu.Unlock()
		return nil, errors.New("unreachable")
	}
	near, far := net.Pipe()
	for _, node := range []cluster.NodeID{to, w.node} {
		w.open[node] = append(w.open[node], near, far)
	}
	w.mu.Unlock()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
	case <-time.After(timeout):
	}
	_, _ = near.Close(), far.Close()
	return nil, errors.New("nobody accepts")
}

type wireListener struct {
	wires   *wires
	replica string
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Addr() net.Addr { return replicaAddr(l.replica) }

func (l *wireListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.wires.mu.Lock()
		defer l.wires.mu.Unlock()
		if l.wires.listeners[l.replica] == l {
			delete(l.wires.listeners, l.replica)
		}
	})
	return nil
}

// trio is three nodes that founded a cluster together.
type trio struct {
	*wires
	dirs map[cluster.NodeID]string

	mu    sync.Mutex
	nodes map[cluster.NodeID]*node
}

var trioNames = []cluster.NodeID{"n1", "n2", "n3"}

func newTrio(t *testing.T) *trio {
	c := &trio{wires: newWires(), dirs: make(map[cluster.NodeID]string), nodes: make(map[cluster.NodeID]*node)}
	for _, name := range trioNames {
		c.dirs[name] = t.TempDir()
		c.start(t, name)
	}
	return c
}

func (c *trio) start(t *testing.T, name cluster.NodeID) {
	t.Helper()
	n := open(t, Config{
		Dir: c.dirs[name], Node: name, ClusterID: "trio", DataGroups: 1,
		Founders: trioNames, Network: c.of(name), tuning: quick(),
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[name] = n
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

// leader waits for a node that leads group 1.
func (c *trio) leader(t *testing.T) *node {
	t.Helper()
	for ctx := timeout(t); ; {
		for _, name := range trioNames {
			if n := c.node(name); n.Group(1).IsLeader() {
				return n
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("nobody leads")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestThreeReplicasAgree(t *testing.T) {
	c := newTrio(t)
	var want []string
	var leader *node
	for i := range 20 {
		n, line := c.proposeAnywhere(t, fmt.Sprint("line ", i))
		leader, want = n, append(want, line)
	}
	g := leader.Group(1)
	if s := g.Stats(); s.Voters != 3 {
		t.Errorf("%d voters", s.Voters)
	}
	for _, name := range trioNames {
		n := c.node(name)
		if n == leader {
			if err := n.Group(1).Confirm(timeout(t)); err != nil {
				t.Errorf("the leader's Confirm: %v", err)
			}
			continue
		}
		follower := n.Group(1)
		if _, err := follower.Propose(timeout(t), []byte("x")); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower's Propose: %v", err)
		}
		if err := follower.Confirm(timeout(t)); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower's Confirm: %v", err)
		}
		if now, err := follower.WaitLeader(timeout(t)); err != nil || now.Leader != leader.Node() || now.Leading {
			t.Errorf("a follower thinks %+v, %v", now, err)
		}
		waitFor(t, follower, func(Stats) bool { return slices.Equal(n.journal(1).all(), want) })
	}
}

// A leader that is cut off must not confirm a read once others could have gone
// on without it, and must say of its last write that it does not know.
func TestLeaderCutOffKnowsNothing(t *testing.T) {
	c := newTrio(t)
	old := c.leader(t)
	g := old.Group(1)
	propose(t, g, "before")
	before, changed := g.Leadership()
	c.isolate(old.Node(), true)
	// It still believes that it leads.
	wrote := make(chan error, 1)
	go func() {
		_, err := g.Propose(timeout(t), []byte("perhaps"))
		wrote <- err
	}()
	if err := g.Confirm(timeout(t)); !errors.Is(err, ErrNotLeader) {
		t.Errorf("a read without a majority: %v", err)
	}
	if err := <-wrote; !errors.Is(err, ErrUnknownOutcome) && !errors.Is(err, ErrNotLeader) {
		t.Errorf("a write without a majority: %v", err)
	}
	select {
	case <-changed:
	case <-timeout(t).Done():
		t.Fatal("the old leader was not told")
	}
	next, after := c.proposeAnywhere(t, "after")
	if next == old {
		t.Error("a node that was cut off acknowledged a write")
	}
	if now, _ := next.Group(1).Leadership(); now.Term <= before.Term {
		t.Errorf("the new leader's term %d is not above %d", now.Term, before.Term)
	}
	c.isolate(old.Node(), false)
	waitFor(t, g, func(Stats) bool { return slices.Contains(old.journal(1).all(), after) })
	if lines := old.journal(1).all(); slices.Contains(lines, "perhaps") && !slices.Contains(next.journal(1).all(), "perhaps") {
		t.Errorf("the old leader executed alone: %q", lines)
	}
}

// proposeAnywhere has some leader execute a line. After an unknown outcome it
// tries with another line, since leaders may change at any time.
func (c *trio) proposeAnywhere(t *testing.T, prefix string) (*node, string) {
	t.Helper()
	for i := 0; ; i++ {
		n, line := c.leader(t), fmt.Sprint(prefix, " ", i)
		if _, err := n.Group(1).Propose(timeout(t), []byte(line)); err == nil {
			return n, line
		} else if !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrUnknownOutcome) {
			t.Fatalf("Propose(%q): %v", line, err)
		}
	}
}

// Writers write, readers read, and leaders are cut off and killed. Nothing that
// was acknowledged is lost or done twice, and no confirmed read is stale.
func TestNoAcknowledgedWriteIsLost(t *testing.T) {
	c := newTrio(t)
	c.leader(t)
	var (
		mu    sync.Mutex
		acked []string
	)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 0))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				// A command with an unknown outcome is never sent again.
				line := fmt.Sprintf("%d/%d", w, i)
				n := c.node(trioNames[rnd.IntN(len(trioNames))])
				if _, err := n.Group(1).Propose(timeout(t), []byte(line)); err == nil {
					mu.Lock()
					acked = append(acked, line)
					mu.Unlock()
				}
			}
		})
	}
	reads := 0
	wg.Go(func() {
		rnd := rand.New(rand.NewPCG(99, 0))
		for {
			select {
			case <-stop:
				return
			default:
			}
			mu.Lock()
			must := len(acked)
			mu.Unlock()
			n := c.node(trioNames[rnd.IntN(len(trioNames))])
			if n.Group(1).Confirm(timeout(t)) != nil {
				continue
			}
			seen := count(n.journal(1).all())
			mu.Lock()
			for _, line := range acked[:must] {
				if seen[line] != 1 {
					t.Errorf("node %s confirmed a read and showed %q %d times", n.Node(), line, seen[line])
				}
			}
			mu.Unlock()
			reads++
		}
	})
	enough := func(more int) {
		mu.Lock()
		target := len(acked) + more
		mu.Unlock()
		for ctx := timeout(t); ; {
			mu.Lock()
			got := len(acked)
			mu.Unlock()
			if got >= target {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatalf("only %d of %d commands were acknowledged", got, target)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	for round := range 4 {
		enough(100)
		victim := c.leader(t)
		c.isolate(victim.Node(), true)
		if round%2 == 0 {
			victim.close(t)
			c.isolate(victim.Node(), false)
			enough(100)
			c.start(t, victim.Node())
		} else {
			enough(100)
			c.isolate(victim.Node(), false)
		}
	}
	enough(100)
	close(stop)
	wg.Wait()
	if reads == 0 {
		t.Error("no read was ever confirmed")
	}
	_, end := c.proposeAnywhere(t, "the end")
	var first []string
	for _, name := range trioNames {
		n := c.node(name)
		waitFor(t, n.Group(1), func(Stats) bool { return slices.Contains(n.journal(1).all(), end) })
		lines := n.journal(1).all()
		if first == nil {
			first = lines
		}
		if !slices.Equal(lines, first) {
			t.Errorf("node %s executed something else", name)
		}
	}
	seen := count(first)
	for _, line := range acked {
		if seen[line] != 1 {
			t.Errorf("%q was acknowledged and executed %d times", line, seen[line])
		}
	}
	t.Logf("%d commands acknowledged, %d executed, %d reads", len(acked), len(first), reads)
}

func count(lines []string) map[string]int {
	m := make(map[string]int, len(lines))
	for _, line := range lines {
		m[line]++
	}
	return m
}

// A follower that was away longer than the log reaches back gets a snapshot.
func TestFollowerCatchesUpBySnapshot(t *testing.T) {
	c := newTrio(t)
	leader := c.leader(t)
	var away *node
	for _, name := range trioNames {
		if n := c.node(name); n != leader {
			away = n
		}
	}
	away.close(t)
	for i := range 100 {
		leader, _ = c.proposeAnywhere(t, fmt.Sprint("line ", i))
	}
	if err := leader.Group(1).Snapshot(timeout(t)); err != nil {
		t.Fatal(err)
	}
	want := leader.journal(1).all()
	for range 2 {
		c.start(t, away.Node())
		back := c.node(away.Node())
		waitFor(t, back.Group(1), func(Stats) bool { return slices.Equal(back.journal(1).all(), want) })
		if s := back.Group(1).Stats(); s.SnapshotIndex == 0 {
			t.Errorf("it caught up without a snapshot: %+v", s)
		}
		back.close(t) // and starts again from what it was given
	}
	c.start(t, away.Node())
}

func TestWaitLeaderEnds(t *testing.T) {
	n := open(t, joiner("", "n1"))
	if err := n.StartReplica(timeout(t), 1, 7); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.Group(1).WaitLeader(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitLeader: %v", err)
	}
}
