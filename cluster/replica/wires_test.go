package replica

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// wires is a Network in memory that can cut nodes off, and hold what goes from
// and to a node as if its process were stopped: nothing is lost, all of it
// arrives when the node is let go.
type wires struct {
	mu        sync.Mutex
	listeners map[string]*wireListener
	cut       map[cluster.NodeID]bool
	open      map[cluster.NodeID][]net.Conn
	held      map[cluster.NodeID]chan struct{} // closed when let go
}

func newWires() *wires {
	return &wires{
		listeners: make(map[string]*wireListener),
		cut:       make(map[cluster.NodeID]bool),
		open:      make(map[cluster.NodeID][]net.Conn),
		held:      make(map[cluster.NodeID]chan struct{}),
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

// hold keeps all bytes from and to a node where they are.
func (w *wires) hold(node cluster.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[node] = make(chan struct{})
}

func (w *wires) release(node cluster.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.held[node])
	delete(w.held, node)
}

// pass waits until neither node is held, or done is closed.
func (w *wires) pass(a, b cluster.NodeID, done <-chan struct{}) {
	for {
		w.mu.Lock()
		gate := w.held[a]
		if gate == nil {
			gate = w.held[b]
		}
		w.mu.Unlock()
		if gate == nil {
			return
		}
		select {
		case <-gate:
		case <-done:
			return
		}
	}
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
	near, far := w.pair(to)
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

// pair makes both ends of a connection.
func (w wire) pair(to cluster.NodeID) (near, far net.Conn) {
	near, far = net.Pipe()
	ends := [2]cluster.NodeID{w.node, to}
	return &wireConn{Conn: near, wires: w.wires, ends: ends, done: make(chan struct{})},
		&wireConn{Conn: far, wires: w.wires, ends: ends, done: make(chan struct{})}
}

// wireConn is one end of a connection.
type wireConn struct {
	net.Conn
	wires *wires
	ends  [2]cluster.NodeID
	done  chan struct{}
	once  sync.Once
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wires.pass(c.ends[0], c.ends[1], c.done)
	return n, err
}

func (c *wireConn) Write(p []byte) (int, error) {
	c.wires.pass(c.ends[0], c.ends[1], c.done)
	return c.Conn.Write(p)
}

func (c *wireConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
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

// asker carries questions for terms between the nodes of a cluster, under the
// same conditions as everything else.
func (c *trio) asker(from cluster.NodeID) func(context.Context, cluster.NodeID, []Ref) ([]uint64, error) {
	return func(ctx context.Context, to cluster.NodeID, refs []Ref) ([]uint64, error) {
		c.pass(from, to, ctx.Done())
		if err := c.reach(from, to); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		terms := c.node(to).Terms(refs)
		c.asked.Add(1)
		if c.answered != nil {
			c.answered(from, to)
		}
		c.pass(from, to, ctx.Done())
		return terms, errors.Join(c.reach(from, to), ctx.Err())
	}
}

func (c *trio) reach(from, to cluster.NodeID) error {
	n := c.node(to)
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	if c.cut[from] || c.cut[to] || n == nil {
		return errors.New("unreachable")
	}
	return nil
}

// ports is a Network over the loopback interface, one port per replica.
type ports struct {
	mu    sync.Mutex
	addrs map[string]string
}

func (p *ports) Listen(_ cluster.GroupID, replica string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addrs[replica] = l.Addr().String()
	return l, nil
}

func (p *ports) Dial(_ cluster.GroupID, replica string, timeout time.Duration) (net.Conn, error) {
	p.mu.Lock()
	addr := p.addrs[replica]
	p.mu.Unlock()
	return net.DialTimeout("tcp", addr, timeout)
}
