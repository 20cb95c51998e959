package replica

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a host under test with its state machines.
type node struct {
	*Host
	mu       sync.Mutex
	journals map[cluster.GroupID]*journal
	fatal    chan error
}

func (n *node) journal(id cluster.GroupID) *journal {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.journals[id]
}

// singleNode configures a node that founds a cluster of its own.
func singleNode(dir string) Config {
	return Config{Dir: dir, Node: "n1", Founders: []cluster.NodeID{"n1"}, DataGroups: 1}
}

// open opens a host and closes it with the test.
func open(t testing.TB, cfg Config) *node {
	t.Helper()
	n, err := tryOpen(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { n.close(t) })
	return n
}

func tryOpen(cfg Config) (*node, error) {
	n := &node{journals: make(map[cluster.GroupID]*journal), fatal: make(chan error, 64)}
	if cfg.StateMachine == nil {
		cfg.StateMachine = func(id cluster.GroupID) StateMachine {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.journals[id] = new(journal)
			return n.journals[id]
		}
	}
	if cfg.Fatal == nil {
		cfg.Fatal = func(err error) { n.fatal <- err }
	}
	host, err := Open(context.Background(), cfg)
	n.Host = host
	return n, err
}

func (n *node) close(t testing.TB) {
	t.Helper()
	if err := n.Close(timeout(t)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// timeout bounds what must not take long.
func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// lead waits until the node leads the group.
func (n *node) lead(t testing.TB, id cluster.GroupID) *Group {
	t.Helper()
	g := n.Group(id)
	for {
		now, changed := g.Leadership()
		if now.Leading {
			return g
		}
		select {
		case <-changed:
		case <-timeout(t).Done():
			t.Fatalf("group %s: no leadership: %+v", id, now)
		}
	}
}

func propose(t testing.TB, g *Group, cmd string) any {
	t.Helper()
	result, err := g.Propose(timeout(t), []byte(cmd))
	if err != nil {
		t.Fatalf("Propose(%q): %v", cmd, err)
	}
	return result
}

func TestSingleNodeKeepsEverythingAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for life := range 3 {
		n := open(t, singleNode(dir))
		g := n.lead(t, 1)
		if got := n.journal(1).all(); !slices.Equal(got, want) {
			t.Fatalf("life %d begins with %d commands, want %d", life, len(got), len(want))
		}
		for i := range 50 {
			cmd := fmt.Sprintf("life %d command %d", life, i)
			if pos := propose(t, g, cmd); pos != len(want) {
				t.Fatalf("command %q got position %v, want %d", cmd, pos, len(want))
			}
			want = append(want, cmd)
		}
		if err := g.Confirm(timeout(t)); err != nil {
			t.Fatalf("Confirm: %v", err)
		}
		n.close(t)
	}
}

func TestManyGroupsLeadSoon(t *testing.T) {
	n := open(t, Config{Dir: t.TempDir(), Founders: []cluster.NodeID{"n1"}, Node: "n1"})
	start := time.Now()
	if err := n.WaitLeaders(timeout(t)); err != nil {
		t.Fatal(err)
	}
	t.Logf("17 groups led after %v", time.Since(start))
}
