package nodetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// groups is how many data groups the suite's clusters have.
const groups = 2

// patience bounds every wait of the suite.
const patience = 30 * time.Second

// Config is what may be different about a node.
type Config struct {
	// Name is the node's name, "n" when empty.
	Name cluster.NodeID
	// Founders are all nodes, when there are several; Network joins them.
	Founders []cluster.NodeID
	Network  replica.Network
	// Limits and Topics bound the node.
	Limits replica.Limits
	Topics fanout.Config
}

// Node is a running node whose log can be held.
type Node struct {
	Local *route.Local
	Host  *replica.Host

	gates map[cluster.GroupID]*gate
	stop  func()
}

// StartThree brings up three nodes, "a", "b" and "c", that founded a cluster
// together, and waits until their groups have leaders.
func StartThree(t testing.TB) map[cluster.NodeID]*Node {
	t.Helper()
	names := []cluster.NodeID{"a", "b", "c"}
	network := NewWires()
	nodes := map[cluster.NodeID]*Node{}
	for _, name := range names {
		nodes[name] = Start(t, Config{Name: name, Founders: names, Network: network})
	}
	for _, node := range nodes {
		node.settle(t)
	}
	return nodes
}

// Stop ends a node before the test ends, without a word to the others.
func (n *Node) Stop() { n.stop() }

// Start brings up a node in memory and runs it until the test ends.
func Start(t testing.TB, config Config) *Node {
	t.Helper()
	if config.Name == "" {
		config.Name = "n"
	}
	if config.Founders == nil {
		config.Founders = []cluster.NodeID{config.Name}
	}
	topics, err := fanout.New(config.Topics, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Local: route.NewLocal(route.LocalConfig{Topics: topics, Encode: encode}), gates: map[cluster.GroupID]*gate{}}
	for g := cluster.MetaGroup; g <= groups; g++ {
		n.gates[g] = &gate{reached: make(chan struct{}, 1)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n.Host, err = replica.Open(ctx, replica.Config{
		Node: config.Name, ClusterID: "suite", DataGroups: groups,
		Founders: config.Founders, Network: config.Network, Limits: config.Limits,
		StateMachine: func(g cluster.GroupID) replica.StateMachine {
			n.gates[g].StateMachine = n.Local.StateMachine(g)
			return n.gates[g]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.stop = sync.OnceFunc(func() {
		topics.Close()
		_ = n.Host.Close(context.Background()) // others of its cluster may be gone already
		n.Local.Wait()
	})
	t.Cleanup(n.stop)
	for _, g := range n.Host.Groups() {
		n.Local.Bind(g)
	}
	n.keep(t)
	if len(config.Founders) == 1 {
		n.settle(t)
	}
	return n
}

// encode makes an item that shows all it was made of.
func encode(at fanout.Position, m route.Message) []byte {
	return fmt.Appendf(nil, "%d %v %s %s", at.Sequence, m.Text, m.PublisherID, m.Value)
}

// Gateway draws the name of a process that sends commands.
func Gateway() []byte {
	gateway := make([]byte, 16)
	_, _ = rand.Read(gateway) // never fails
	return gateway
}

// keep runs the node's keeper until the test ends.
func (n *Node) keep(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		n.Local.Run(ctx, func(ctx context.Context) error {
			_, err := n.Local.Confirm(ctx, cluster.MetaGroup)
			return err
		})
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// settle waits until every group has a leader, and a leading node numbers the
// topics of what it leads.
func (n *Node) settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Host.WaitLeaders(ctx); err != nil {
		t.Fatal(err)
	}
	probe := fanout.Key{Cache: "settling", Topic: "probe"}
	for g := cluster.GroupID(1); g <= groups; g++ {
		until(t, "topics are numbered", func() bool {
			_, err := n.Local.Publish(ctx, g, probe, route.Message{})
			_, elsewhere := errors.AsType[*route.NotLeaderError](err)
			return err == nil || elsewhere
		})
	}
}

// Hold lets commands of the group enter the log but not be carried out, until
// the function it returns is called; that may be done twice.
func (n *Node) Hold(g cluster.GroupID) (release func()) {
	n.gates[g].mu.Lock()
	select {
	case <-n.gates[g].reached:
	default:
	}
	return sync.OnceFunc(n.gates[g].mu.Unlock)
}

// Reached returns a channel that yields when a command waits at a held group.
func (n *Node) Reached(g cluster.GroupID) <-chan struct{} { return n.gates[g].reached }

// gate is a state machine that can be held.
type gate struct {
	replica.StateMachine
	mu      sync.RWMutex // written by who holds the gate
	reached chan struct{}
}

// Apply waits while the gate is held.
func (g *gate) Apply(index uint64, commands [][]byte) []any {
	select {
	case g.reached <- struct{}{}:
	default:
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.StateMachine.Apply(index, commands)
}

// until waits for something to become true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !ok(); <-look.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// NewWires joins nodes of one process: a replica.Network over the loopback
// interface, with a port for each replica. It is safe for concurrent use.
func NewWires() replica.Network { return &wires{addrs: map[string]string{}} }

// wires is a replica.Network over the loopback interface, a port per replica.
type wires struct {
	mu    sync.Mutex
	addrs map[string]string
}

// Listen implements replica.Network.
func (w *wires) Listen(_ cluster.GroupID, id string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.addrs[id] = l.Addr().String()
	return l, nil
}

// Dial implements replica.Network.
func (w *wires) Dial(_ cluster.GroupID, id string, timeout time.Duration) (net.Conn, error) {
	w.mu.Lock()
	addr, ok := w.addrs[id]
	w.mu.Unlock()
	if !ok {
		return nil, errors.New("nobody listens yet")
	}
	return (&net.Dialer{Timeout: timeout}).DialContext(context.Background(), "tcp", addr)
}
