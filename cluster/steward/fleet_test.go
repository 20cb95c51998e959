package steward

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "3") // stories wait more than they work
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of a test.
const patience = 40 * time.Second

// quick is the usual tuning at a pace for tests.
var quick = Tuning{
	Round: 200 * time.Millisecond, Ask: 250 * time.Millisecond, Act: time.Second,
	SuspectAfter: 600 * time.Millisecond, DownAfter: 1500 * time.Millisecond, Settle: 300 * time.Millisecond,
}

const fleetGroups = 3

// fleet is a cluster of nodes in one process.
type fleet struct {
	*wires
	t *testing.T

	mu    sync.Mutex
	nodes map[cluster.NodeID]*node
	born  int
	hung  map[cluster.NodeID]bool // never answer
	loss  atomic.Uint32           // how many of a hundred questions, and of answers, get lost
}

// node is one process.
type node struct {
	fleet   *fleet
	member  cluster.Member
	dir     string
	host    atomic.Pointer[replica.Host]
	record  *record
	steward *Steward
	end     func()

	mu       sync.Mutex
	journals map[cluster.GroupID]*journal
	started  []string
}

func newFleet(t *testing.T) *fleet {
	return &fleet{
		wires: newWires(), t: t, nodes: make(map[cluster.NodeID]*node), hung: make(map[cluster.NodeID]bool),
	}
}

// found makes a cluster of founders, and of others that hold nothing yet.
func found(t *testing.T, founders []cluster.NodeID, others ...cluster.NodeID) *fleet {
	f := newFleet(t)
	op := &cluster.Found{Settings: cluster.Settings{ClusterID: "fleet", Groups: fleetGroups}, Voters: founders}
	for _, name := range slices.Concat(founders, others) {
		n := f.start(name, t.TempDir(), founders)
		op.Members = append(op.Members, n.member)
	}
	f.until("the cluster is founded", func() bool {
		for _, name := range founders {
			out, err := f.node(name).record.Propose(f.timeout(), cluster.Change{Op: op})
			if err == nil {
				return out.Err() == nil || errors.Is(out.Err(), cluster.ErrRefused)
			}
		}
		return false
	})
	return f
}

// start starts a node and its steward, from what is in the directory.
func (f *fleet) start(name cluster.NodeID, dir string, founders []cluster.NodeID) *node {
	f.t.Helper()
	n := &node{fleet: f, dir: dir, journals: make(map[cluster.GroupID]*journal)}
	n.record = newRecord(n.host.Load)
	host, err := replica.Open(f.timeout(), replica.Config{
		Dir: dir, Node: name, ClusterID: "fleet", DataGroups: fleetGroups, Founders: founders,
		Network: wire{f.wires, name}, Heartbeat: 400 * time.Millisecond, StateMachine: n.machine,
		Fatal: func(err error) { f.t.Errorf("%s: %v", name, err) },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	n.host.Store(host)
	f.mu.Lock()
	f.born++
	n.member = cluster.Member{
		Node: name, Store: host.StoreID(), Boot: fmt.Sprintf("boot-%d", f.born), PeerAddr: string(name) + ":1", GossipAddr: string(name) + ":2",
	}
	f.nodes[name] = n
	f.mu.Unlock()
	n.steward, err = New(Config{
		Host: host, Self: name, Boot: n.member.Boot, Record: n.record, Peers: peers{f, name}, Started: n.onStart, Tuning: quick, Logger: testLog(f.t, name),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { n.steward.Run(ctx) })
	n.end = sync.OnceFunc(func() {
		f.isolate(name, true)
		cancel()
		running.Wait()
		if err := host.Close(f.timeout()); err != nil {
			f.t.Errorf("closing %s: %v", name, err)
		}
	})
	f.t.Cleanup(n.end)
	f.isolate(name, false)
	return n
}

// testLog shows what stewards say when the test runs with -v.
func testLog(t *testing.T, name cluster.NodeID) *slog.Logger {
	if !testing.Verbose() {
		return nil
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name)
}

func (n *node) machine(g cluster.GroupID) replica.StateMachine {
	if g == cluster.MetaGroup {
		return n.record.begin()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.journals[g] = new(journal)
	return n.journals[g]
}

func (n *node) onStart(g *replica.Group) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.started = append(n.started, g.Replica())
}

func (n *node) journal(g cluster.GroupID) *journal {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.journals[g]
}

func (f *fleet) node(name cluster.NodeID) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[name]
}

// all gives the nodes that run, by name.
func (f *fleet) all() []*node {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*node
	for _, n := range f.nodes {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *node) int {
		return cluster.Replica{Node: a.member.Node}.Compare(cluster.Replica{Node: b.member.Node})
	})
	return list
}

// kill ends a process without a word.
func (f *fleet) kill(name cluster.NodeID) *node {
	n := f.node(name)
	n.end()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.nodes, name)
	return n
}

func (f *fleet) lossy() bool { return rand.Uint32N(100) < f.loss.Load() }

func (f *fleet) hang(name cluster.NodeID, hung bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hung[name] = hung
}

func (f *fleet) timeout() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.t.Cleanup(cancel)
	return ctx
}

// until waits for what others bring about.
func (f *fleet) until(what string, holds func() bool) {
	f.t.Helper()
	for ctx := f.timeout(); !holds(); {
		select {
		case <-ctx.Done():
			f.t.Fatalf("waited in vain until %s\n%s", what, f.describe())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (f *fleet) describe() string {
	text := ""
	for _, n := range f.all() {
		st := n.steward.Status()
		if !st.Leading {
			continue
		}
		text += fmt.Sprintf("%s looks after version %d, held %v\n", n.member.Node, st.Version, st.Held)
		for _, s := range st.Nodes {
			text += fmt.Sprintf("  %s %s %s leaving %v, %d replicas, leads %d %s\n", s.Node, s.State, s.Health, s.Leaving, s.Replicas, s.Leaders, s.Note)
		}
		for _, g := range st.Groups {
			text += fmt.Sprintf("  group %s led by %v, target %v, replicas %v, step %v\n", g.Group, g.Leader, g.Target, g.Replicas, g.Step)
		}
	}
	return text
}

// ask asks whoever leads the meta group, until somebody does.
func (f *fleet) ask(what func(context.Context, *Steward) error) error {
	f.t.Helper()
	var result error
	f.until("the meta leader has answered", func() bool {
		for _, n := range f.all() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			err := what(ctx, n.steward)
			cancel()
			if errors.Is(err, ErrNotLeading) || errors.Is(err, replica.ErrUnknownOutcome) || errors.Is(err, context.DeadlineExceeded) {
				continue
			}
			result = err
			return true
		}
		return false
	})
	return result
}

// granted repeats a wish until it is not refused any more.
func (f *fleet) granted(wish string, what func(context.Context, *Steward) error) {
	f.t.Helper()
	var last error
	f.until(wish+" is granted", func() bool {
		if err := f.ask(what); err != nil {
			last = err
			return false
		}
		return true
	})
	if last != nil {
		f.t.Logf("%s was refused first: %v", wish, last)
	}
}

// status is what the meta leader says; ok is false while nobody leads.
func (f *fleet) status() (st Status, ok bool) {
	for _, n := range f.all() {
		if st := n.steward.Status(); st.Leading && !st.At.IsZero() {
			return st, true
		}
	}
	return st, false
}

// join has a new node join the cluster.
func (f *fleet) join(name cluster.NodeID) {
	f.t.Helper()
	n := f.start(name, f.t.TempDir(), nil)
	digest := f.token(name)
	f.granted("the join", func(ctx context.Context, s *Steward) error {
		settings, members, err := s.Admit(ctx, n.member, digest, false)
		if err == nil && (settings.ClusterID != "fleet" || !slices.ContainsFunc(members, func(m cluster.Member) bool { return m.Node == name })) {
			f.t.Errorf("admitted with %+v and %v", settings, members)
		}
		return err
	})
}

// token makes a join token for a node.
func (f *fleet) token(name cluster.NodeID) cluster.Digest {
	f.t.Helper()
	digest := cluster.Digest(sha256.Sum256([]byte("token of " + name)))
	f.granted("the token", func(ctx context.Context, s *Steward) error {
		return s.AddToken(ctx, digest, time.Now().Add(time.Hour))
	})
	return digest
}

// restart starts a node from its disk and announces it.
func (f *fleet) restart(dead *node) {
	f.t.Helper()
	n := f.start(dead.member.Node, dead.dir, nil)
	f.granted("the announcement", func(ctx context.Context, s *Steward) error { return s.Announce(ctx, n.member) })
}

// settled waits until the members are just these, all active, and every group is
// where and led by whom its target wants it, and until that stays so.
func (f *fleet) settled(names ...cluster.NodeID) Status {
	f.t.Helper()
	var st Status
	var since time.Time
	var version uint64
	f.until(fmt.Sprintf("%v have settled", names), func() bool {
		var ok bool
		if st, ok = f.status(); !ok || !atRest(st, names) || st.Version != version {
			since, version = time.Time{}, st.Version
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return st.At.Sub(since) > 4*quick.Round
	})
	return st
}

func atRest(st Status, names []cluster.NodeID) bool {
	for _, n := range st.Nodes {
		if n.State != cluster.Active || n.Health != cluster.Live || !slices.Contains(names, n.Node) {
			return false
		}
	}
	return len(st.Nodes) == len(names) && !slices.ContainsFunc(st.Groups, func(g GroupStatus) bool {
		return g.Moving || g.Step != nil || g.Leader.Node != g.Target.Leader ||
			slices.ContainsFunc(g.Replicas, func(r ReplicaStatus) bool { return r.Progress != cluster.CaughtUp })
	})
}

// peers is how one node reaches the others.
type peers struct {
	*fleet
	from cluster.NodeID
}

// call reaches a node, which may hang, or the question or answer is lost.
func (p peers) call(ctx context.Context, to cluster.NodeID, f func(*node) error) error {
	p.mu.Lock()
	n, hung := p.nodes[to], p.hung[to]
	p.mu.Unlock()
	if hung {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := p.reach(p.from, to); err != nil || n == nil || p.lossy() {
		return errors.Join(errUnreachable, err)
	}
	err := f(n)
	if p.reach(p.from, to) != nil || p.lossy() {
		return errUnreachable
	}
	return err
}

func (p peers) Observe(ctx context.Context, to cluster.NodeID) (report Report, err error) {
	err = p.call(ctx, to, func(n *node) error {
		report = Account(n.host.Load(), n.member.Boot)
		return nil
	})
	return report, err
}

func (p peers) Step(ctx context.Context, to cluster.NodeID, step cluster.Step) (index uint64, err error) {
	err = p.call(ctx, to, func(n *node) (err error) {
		index, err = Perform(ctx, n.host.Load(), step)
		return err
	})
	return index, err
}

func (p peers) Start(ctx context.Context, to cluster.NodeID, ref replica.Ref) error {
	return p.call(ctx, to, func(n *node) error { return n.steward.Start(ctx, ref) })
}

func (p peers) Release(ctx context.Context, to cluster.NodeID, ref replica.Ref) error {
	return p.call(ctx, to, func(n *node) error { return n.steward.Release(ctx, ref) })
}

// load writes to all data groups while other things happen.
type load struct {
	f    *fleet
	stop chan struct{}
	wg   sync.WaitGroup

	mu    sync.Mutex
	acked map[cluster.GroupID][]string
}

func (f *fleet) load() *load {
	l := &load{f: f, stop: make(chan struct{}), acked: make(map[cluster.GroupID][]string)}
	for g := cluster.GroupID(1); g <= fleetGroups; g++ {
		l.wg.Go(func() { l.write(g) })
	}
	return l
}

// write sends every line once: what became of one whose outcome is unknown does
// not matter.
func (l *load) write(g cluster.GroupID) {
	for i := 0; ; i++ {
		select {
		case <-l.stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		nodes := l.f.all()
		host := nodes[rand.IntN(len(nodes))].host.Load()
		if r := host.Group(g); r != nil && r.IsLeader() {
			line := fmt.Sprintf("%d/%d", g, i)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			if _, err := r.Propose(ctx, []byte(line)); err == nil {
				l.mu.Lock()
				l.acked[g] = append(l.acked[g], line)
				l.mu.Unlock()
			}
			cancel()
		}
	}
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	total := 0
	for _, lines := range l.acked {
		total += len(lines)
	}
	return total
}

// more waits until so many more lines were acknowledged.
func (l *load) more(n int) {
	l.f.t.Helper()
	want := l.count() + n
	l.f.until("writes go on", func() bool { return l.count() >= want })
}

// end stops the writers and looks for every acknowledged line on every replica.
func (l *load) end() {
	l.f.t.Helper()
	l.rest()
	l.kept()
}

// rest stops the writers.
func (l *load) rest() {
	close(l.stop)
	l.wg.Wait()
}

// kept looks for every acknowledged line on every replica.
func (l *load) kept() {
	l.f.t.Helper()
	replicas := 0
	for _, n := range l.f.all() {
		for g, lines := range l.acked {
			if r := n.host.Load().Group(g); r == nil || r.Configuration().Index == 0 {
				continue
			}
			replicas++
			l.f.until(fmt.Sprintf("group %s on %s has all that was acknowledged", g, n.member.Node), func() bool {
				have := make(map[string]int)
				for _, line := range n.journal(g).all() {
					have[line]++
				}
				return !slices.ContainsFunc(lines, func(line string) bool { return have[line] != 1 })
			})
		}
	}
	l.f.t.Logf("%d lines acknowledged, %d replicas hold them", l.count(), replicas)
}
