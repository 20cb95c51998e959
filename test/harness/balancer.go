package harness

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Balance puts a balancer in front of the nodes, as an operator would who gives
// clients one address for all. A connection goes to the
// next node that says on /readyz that it can serve, to any if none says so, and
// stays there. The
// balancer ends with the test.
func (c *Cluster) Balance(t testing.TB) *Balancer {
	t.Helper()
	b := &Balancer{Addr: FreeAddr(t), nodes: c.Nodes}
	l := listen(t, b.Addr)
	ctx, cancel := context.WithCancel(context.Background())
	b.running.Go(func() { b.serve(ctx, l) })
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		b.running.Wait()
	})
	return b
}

// Balancer is one address for all nodes of a cluster.
type Balancer struct {
	// Addr is host:port.
	Addr string

	resting atomic.Pointer[Node] // gets no new connection
	nodes   []*Node
	turn    atomic.Uint64
	running sync.WaitGroup
}

func (b *Balancer) serve(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		b.running.Go(func() {
			defer func() { _ = conn.Close() }()
			if node := b.choose(ctx); node != nil {
				defer func() { _ = node.Close() }()
				couple(ctx, conn, node)
			}
		})
	}
}

// Rest gives a node no new connections from now on, as operators arrange before
// they stop it; nil ends that.
func (b *Balancer) Rest(n *Node) { b.resting.Store(n) }

// choose connects to the next node that is ready, or, as balancers do when none
// is, to the next one that can be reached at all.
func (b *Balancer) choose(ctx context.Context) net.Conn {
	for _, wanted := range []func(context.Context, string) bool{ready, anyhow} {
		for range b.nodes {
			n := b.nodes[b.turn.Add(1)%uint64(len(b.nodes))]
			if n == b.resting.Load() || !wanted(ctx, n.Addr) {
				continue
			}
			var d net.Dialer
			if conn, err := d.DialContext(ctx, "tcp", n.Addr); err == nil {
				return conn
			}
		}
	}
	return nil
}

func anyhow(context.Context, string) bool { return true }

// readyTime bounds the question whether a node is ready.
const readyTime = time.Second

func ready(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// couple carries bytes both ways until one side has ended.
func couple(ctx context.Context, a, b net.Conn) {
	end := func() { _, _ = a.Close(), b.Close() }
	defer context.AfterFunc(ctx, end)()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0]) // whatever ends it ends both
			end()
		})
	}
	both.Wait()
}
