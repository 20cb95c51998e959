package steward

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

var errUnreachable = errors.New("unreachable")

// wires is a network in memory that can cut nodes off.
type wires struct {
	mu        sync.Mutex
	listeners map[string]*ear // by replica id
	open      map[cluster.NodeID][]net.Conn
	cut       map[cluster.NodeID]bool
}

func newWires() *wires {
	return &wires{listeners: make(map[string]*ear), open: make(map[cluster.NodeID][]net.Conn), cut: make(map[cluster.NodeID]bool)}
}

// isolate cuts a node off, or lets it back.
func (w *wires) isolate(n cluster.NodeID, cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[n] = cut
	for _, conn := range w.open[n] {
		_ = conn.Close()
	}
	delete(w.open, n)
}

func (w *wires) reach(from, to cluster.NodeID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut[from] || w.cut[to] {
		return errUnreachable
	}
	return nil
}

// wire is the network as one node sees it.
type wire struct {
	*wires
	node cluster.NodeID
}

func (w wire) Listen(_ cluster.GroupID, id string) (net.Listener, error) {
	l := &ear{wires: w.wires, id: id, calls: make(chan net.Conn), done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listeners[id] = l
	return l, nil
}

func (w wire) Dial(_ cluster.GroupID, id string, timeout time.Duration) (net.Conn, error) {
	_, r, err := cluster.ParseReplicaID(id)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	l := w.listeners[id]
	if l == nil || w.cut[w.node] || w.cut[r.Node] {
		w.mu.Unlock()
		return nil, errUnreachable
	}
	near, far := net.Pipe()
	for _, n := range []cluster.NodeID{w.node, r.Node} {
		w.open[n] = append(w.open[n], near, far)
	}
	w.mu.Unlock()
	select {
	case l.calls <- far:
		return near, nil
	case <-l.done:
	case <-time.After(timeout):
	}
	_, _ = near.Close(), far.Close()
	return nil, errUnreachable
}

// ear listens for one replica.
type ear struct {
	wires *wires
	id    string
	calls chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *ear) Accept() (net.Conn, error) {
	select {
	case conn := <-l.calls:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *ear) Addr() net.Addr { return &net.UnixAddr{Name: l.id} }

func (l *ear) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.wires.mu.Lock()
		defer l.wires.mu.Unlock()
		if l.wires.listeners[l.id] == l {
			delete(l.wires.listeners, l.id)
		}
	})
	return nil
}
