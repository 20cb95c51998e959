package harness

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Balance puts a balancer in front of the nodes, as an operator would who gives
// clients one address for all. It asks every node regularly whether it is ready,
// and knows nothing else of it. A connection goes to the next node that was ready
// when it was asked last, to any if none was, and stays there; if nobody listens
// there, the connection is lost, as with balancers of the plain kind. The balancer
// ends with the test.
func (c *Cluster) Balance(t testing.TB) *Balancer {
	t.Helper()
	return balance(t, &Balancer{Addr: FreeAddr(t)}, c.Nodes)
}

// Prefer is Balance, but a connection goes to the first node, or the next one in
// this order that was ready; so a story knows where a client is.
func Prefer(t testing.TB, nodes ...*Node) *Balancer {
	t.Helper()
	return balance(t, &Balancer{Addr: FreeAddr(t), ordered: true}, nodes)
}

func balance(t testing.TB, b *Balancer, nodes []*Node) *Balancer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	for _, n := range nodes {
		back := &backend{addr: n.Addr}
		back.look(ctx)
		b.nodes = append(b.nodes, back)
		b.running.Go(func() { back.watch(ctx) })
	}
	attend(ctx, &b.running, listen(t, b.Addr), func(conn net.Conn) { b.serve(ctx, conn) })
	t.Cleanup(func() {
		cancel()
		b.running.Wait()
	})
	return b
}

// Balancer is one address for all nodes of a cluster.
type Balancer struct {
	// Addr is host:port.
	Addr string

	nodes   []*backend
	ordered bool // earlier nodes are better ones
	turn    atomic.Uint64
	lost    atomic.Uint64
	running sync.WaitGroup
	gate    sync.RWMutex // locked while connections are to wait
}

// Lost counts the connections that were lost since nobody listened where the
// balancer took them.
func (b *Balancer) Lost() uint64 { return b.lost.Load() }

// AwaitNext waits until a new connection goes to the node. It is for a balancer made
// by Prefer.
func (b *Balancer) AwaitNext(t testing.TB, n *Node) {
	t.Helper()
	Eventually(t, Patience, "the balancer to turn to "+n.Name, func() (bool, string) {
		addr := b.choose().addr
		return addr == n.Addr, addr
	})
}

// Hold keeps new connections waiting until the returned function is called, or the
// test ends. Those that were made before go on.
func (b *Balancer) Hold(t testing.TB) (release func()) {
	t.Helper()
	b.gate.Lock()
	release = sync.OnceFunc(b.gate.Unlock)
	t.Cleanup(release)
	return release
}

func (b *Balancer) serve(ctx context.Context, conn net.Conn) {
	b.gate.RLock()
	b.gate.RUnlock() //nolint:staticcheck // whoever is through the gate needs it no more
	var d net.Dialer
	node, err := d.DialContext(ctx, "tcp", b.choose().addr)
	if err != nil {
		b.lost.Add(1)
		return
	}
	defer func() { _ = node.Close() }()
	couple(ctx, conn, node)
}

// choose returns the next node that is ready, or, as balancers do when none is,
// the next one.
func (b *Balancer) choose() (next *backend) {
	for i := range b.nodes {
		if next = b.nodes[i]; !b.ordered {
			next = b.nodes[b.turn.Add(1)%uint64(len(b.nodes))]
		}
		if next.ready.Load() {
			break
		}
	}
	return next
}

const (
	// askEvery is the pause between two questions whether a node is ready.
	askEvery = 500 * time.Millisecond
	// readyTime bounds such a question.
	readyTime = time.Second
)

// backend is a node as a balancer knows it.
type backend struct {
	addr  string
	ready atomic.Bool // when it was asked last
}

// watch asks the node again and again until ctx ends.
func (b *backend) watch(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (b *backend) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.addr+"/readyz", nil)
	if err != nil {
		panic(err) // the harness made the address
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err == nil {
		_ = answer.Body.Close()
	}
	b.ready.Store(err == nil && answer.StatusCode == http.StatusOK)
}
