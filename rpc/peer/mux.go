package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

const (
	// backlog is how many welcomed connections wait for their listener.
	backlog = 16
	// acceptPause is how long a failing accept, as with too many open files, is
	// left alone.
	acceptPause = 50 * time.Millisecond
)

// MuxConfig is what a Mux is made of. The first five are needed.
type MuxConfig struct {
	// Listener is the peer port; the Mux closes it.
	Listener net.Listener
	// Self is who this node is.
	Self Identity
	// Wallet is what this node proves with who it is, under the names of Self, and
	// what it knows others by.
	Wallet *trust.Wallet
	// Guard decides about callers.
	Guard Guard
	// Resolve returns where a node's peer port is, or false.
	Resolve func(node cluster.NodeID) (addr string, ok bool)
	// Dial opens a connection to the address of a peer port; nil dials TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Doorkeeper decides about new nodes with a join token; nil lets none in.
	Doorkeeper Doorkeeper
	// Charter returns what this node was born with, if that was together with
	// others (Convene), for those of them that have not heard of it. It must not
	// wait. Nil, or false, sends them away.
	Charter func() (Charter, bool)
	// Founders is what those nodes are known by (trust.NewFounders). Nil answers none
	// of them.
	Founders *trust.Wallet
	// Removed is called, perhaps often, when another node says that this one was
	// removed from the cluster (ErrRemoved). It must not wait. Nil is not called.
	Removed func()
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger

	speaks versions // ourVersions, unless a test says otherwise
}

// Mux shares the peer port between the Raft streams of all groups and the
// Peer service. It is a replica.Network.
type Mux struct {
	config MuxConfig
	calls  *portion
	door   *door

	guests guests

	refused, spurned hush          // callers by this node, and this node by others
	turned           atomic.Uint64 // callers that did not prove who they are

	ctx     context.Context // of what newborn nodes ask; ends with Close
	end     context.CancelFunc
	running sync.WaitGroup
	lobby   lobby

	mu       sync.Mutex
	closed   bool
	open     map[net.Conn]struct{} // of whom is being welcomed
	replicas map[string]*portion   // by replica id
}

// NewMux starts to accept on the peer port. Connections for which nobody
// listens yet are refused, and callers try again.
func NewMux(config MuxConfig) *Mux {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Dial == nil {
		config.Dial = dialTCP
	}
	if config.speaks == (versions{}) {
		config.speaks = ourVersions
	}
	m := &Mux{
		config:   config,
		open:     make(map[net.Conn]struct{}),
		replicas: make(map[string]*portion),
	}
	m.ctx, m.end = context.WithCancel(context.Background())
	m.calls = newPortion(m, config.Listener.Addr(), nil)
	m.door = newDoor(m)
	m.running.Go(m.accept)
	return m
}

// Calls is the listener of the Peer service's connections, for Server.Serve.
func (m *Mux) Calls() net.Listener { return m.calls }

// Strangers counts the connections of whom did not prove to be what it must be, a
// member above all. Such as say nothing are not counted.
func (m *Mux) Strangers() uint64 { return m.turned.Load() }

// Listen implements replica.Network.
func (m *Mux) Listen(_ cluster.GroupID, replica string) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, net.ErrClosed
	}
	if _, twice := m.replicas[replica]; twice {
		return nil, fmt.Errorf("peer: replica %s listens already", replica)
	}
	p := newPortion(m, m.config.Listener.Addr(), func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.replicas, replica)
	})
	m.replicas[replica] = p
	return p, nil
}

// Dial implements replica.Network.
func (m *Mux) Dial(group cluster.GroupID, replica string, timeout time.Duration) (net.Conn, error) {
	name, _, _ := strings.Cut(replica, "/") // a replica id begins with its node's name
	node, err := cluster.ParseNodeID(name)
	if err != nil {
		return nil, fmt.Errorf("peer: replica %q: %w", replica, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	hello := m.hello()
	hello.Class = peerv1.Hello_CLASS_RAFT
	hello.Group = uint32(group)
	hello.Replica = replica
	return m.dial(ctx, node, hello)
}

// DialCalls opens a connection for calls to another node.
func (m *Mux) DialCalls(ctx context.Context, node cluster.NodeID) (net.Conn, error) {
	hello := m.hello()
	hello.Class = peerv1.Hello_CLASS_CALLS
	hello.SentAtMs = ticks()
	return m.dial(ctx, node, hello)
}

func (m *Mux) hello() *peerv1.Hello {
	return &peerv1.Hello{
		ClusterId: m.config.Self.ClusterID,
		Node:      m.config.Self.Node,
		StoreId:   m.config.Self.StoreID,
		BootId:    m.config.Self.BootID,
	}
}

func (m *Mux) dial(ctx context.Context, node cluster.NodeID, hello *peerv1.Hello) (net.Conn, error) {
	addr, ok := m.config.Resolve(node)
	if !ok {
		return nil, fmt.Errorf("peer: where node %s is, is not known", node)
	}
	hello.Callee = string(node)
	raw, err := m.config.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	conn, err := m.introduce(ctx, raw, node, hello)
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		_ = raw.Close()
		m.lament(node, err)
		return nil, fmt.Errorf("peer: node %s at %s: %w", node, addr, err)
	}
	return conn, nil
}

// introduce makes sure on a new connection that it leads to a node, and says who
// calls.
func (m *Mux) introduce(ctx context.Context, raw net.Conn, node cluster.NodeID, hello *peerv1.Hello) (net.Conn, error) {
	shaking, shaken := context.WithTimeout(ctx, helloTime)
	defer shaken()
	conn, err := m.config.Wallet.Call(shaking, raw, trust.Peer, string(node))
	if err != nil {
		return nil, err
	}
	_, err = sayHello(conn, hello, m.config.speaks)
	return conn, trust.Explain(err)
}

// lament tells that another node refuses this one, if that will not end by itself.
func (m *Mux) lament(node cluster.NodeID, err error) {
	refusal, ok := errors.AsType[*turnedAway](err)
	if ok && refusal.removed() && m.config.Removed != nil {
		m.config.Removed()
	}
	if errors.Is(err, trust.ErrStranger) || errors.Is(err, trust.ErrPlain) || errors.Is(err, trust.ErrRefused) {
		if m.spurned.news(string(node), time.Now()) {
			m.config.Logger.Warn("this node and another do not trust each other", slog.String("peer", string(node)), slog.Any("err", err))
		}
	}
	if ok && !refusal.passes() && m.spurned.news(string(node)+": "+refusal.why, time.Now()) {
		m.config.Logger.Warn("another node refuses this one", slog.String("peer", string(node)), slog.Any("err", refusal))
	}
}

// Close closes the port and waits until nothing of the Mux runs any more.
// Connections that were handed out are closed by those who took them.
func (m *Mux) Close() error {
	err := m.config.Listener.Close()
	m.mu.Lock()
	m.closed = true
	for conn := range m.open {
		_ = conn.Close()
	}
	portions := []*portion{m.calls}
	for _, p := range m.replicas {
		portions = append(portions, p)
	}
	m.mu.Unlock()
	m.end()
	for _, p := range portions {
		_ = p.Close()
	}
	m.running.Wait()
	return err
}

// accept takes connections in. It never waits for what a caller says.
func (m *Mux) accept() {
	for {
		conn, err := m.config.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			m.config.Logger.Warn("the peer port cannot accept", slog.Any("err", err))
			time.Sleep(acceptPause) //nolint:forbidigo // there is no event to wait for
			continue
		}
		if !m.meet(conn) {
			_ = conn.Close()
			continue
		}
		m.lobby.receive(conn, &m.running, m.config.Logger, m.welcome)
	}
}

// meet notes a stranger, unless the Mux is closing.
func (m *Mux) meet(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.open[conn] = struct{}{}
	}
	return !m.closed
}

// welcome hears a caller out and hands the connection to whom it is for.
func (m *Mux) welcome(one *stranger) {
	raw := one.Conn
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.open, raw)
	}()
	shaking, shaken := context.WithTimeout(m.ctx, helloTime)
	conn, claimed, err := trust.Port{Members: m.config.Wallet, Founders: m.config.Founders}.Accept(shaking, raw)
	shaken()
	if err != nil {
		if !m.lobby.leave(one) && errors.Is(err, net.ErrClosed) {
			return // it had to make room, and may have been about to say who it is
		}
		if !errors.Is(err, trust.ErrSilent) {
			m.turned.Add(1)
		}
		m.refused.tell(m.config.Logger, raw, claimed, err)
		_ = raw.Close()
		return
	}
	hello, theirs, err := hearHello(conn)
	heard := ticks()
	if err != nil { // whoever it is does not speak our language
		if conn.Purpose == trust.Join && !errors.Is(err, io.EOF) { // and has shown no certificate
			m.turned.Add(1)
			m.refused.tell(m.config.Logger, raw, claimed, err)
		}
		_ = raw.Close()
		return
	}
	version, refusal := m.config.speaks.common(theirs)
	newborn := conn.Purpose != trust.Peer
	var to *portion
	switch {
	case refusal != nil:
	case !fits(conn, hello, m.config.Self.ClusterID):
		m.turned.Add(1)
		refusal = errNotTheHolder
	case newborn:
		if refusal = m.door.enter(); refusal == nil {
			defer m.door.leave()
		}
	default:
		to, refusal = m.judge(hello)
	}
	if err := answer(conn, version, refusal); err != nil || refusal != nil {
		if caller := clip(hello.GetNode()); refusal != nil && m.refused.news(caller+": "+refusal.Error(), time.Now()) {
			m.config.Logger.Warn("a node was refused", slog.String("caller", caller),
				slog.String("from", conn.RemoteAddr().String()), slog.Any("err", refusal))
		}
		_ = conn.Close()
		return
	}
	if !m.lobby.leave(one) { // it had to make room, and is closed
		_ = conn.Close()
		return
	}
	tune(raw)
	if newborn {
		m.door.hear(conn, hello)
		return
	}
	known := m.guests.enter(conn, raw, identityOf(hello))
	if m.config.Guard(known.caller) != nil { // it may have changed its mind since, before there was a guest to review
		known.cut()
		return
	}
	if to == m.calls {
		to.give(introduced(known, hello, version, heard))
		return
	}
	to.give(known)
}

// errNotTheHolder: the hello of a caller and its handshake do not fit together.
var errNotTheHolder = errors.New("the certificate is another node's than the hello, or for another purpose")

// purposes of the classes of connections.
var purposes = map[peerv1.Hello_Class]trust.Purpose{
	peerv1.Hello_CLASS_CALLS: trust.Peer,
	peerv1.Hello_CLASS_RAFT:  trust.Peer,
	peerv1.Hello_CLASS_JOIN:  trust.Join,
	peerv1.Hello_CLASS_FOUND: trust.Found,
}

// fits reports whether a caller says in its hello what its handshake has proven: of
// a newcomer that is only what it wants. The cluster is this node's, unless the
// caller founds one.
func fits(conn *trust.Accepted, hello *peerv1.Hello, clusterID string) bool {
	if purposes[hello.GetClass()] != conn.Purpose {
		return false
	}
	switch conn.Purpose {
	case trust.Join:
		return true
	case trust.Found:
		clusterID = trust.FoundingCluster
	}
	return conn.Holder.Is(trust.Name{Cluster: clusterID, Node: hello.GetNode(), Store: hello.GetStoreId()})
}

// judge decides whether the caller is welcome, and whom it wants.
func (m *Mux) judge(hello *peerv1.Hello) (*portion, error) {
	self := m.config.Self
	caller := identityOf(hello)
	switch {
	case caller.ClusterID != self.ClusterID:
		return nil, errors.New("this node belongs to another cluster")
	case hello.GetCallee() != self.Node:
		return nil, fmt.Errorf("this is node %s; its address was another node's before", self.Node)
	case caller.Node == self.Node:
		return nil, fmt.Errorf("two nodes call themselves %s", self.Node)
	case caller.StoreID == self.StoreID:
		return nil, errors.New("both nodes run on copies of one data directory")
	}
	if _, err := cluster.ParseNodeID(caller.Node); err != nil || caller.BootID == "" || caller.StoreID == "" {
		return nil, errors.New("the hello does not say who calls")
	}
	if err := m.config.Guard(caller); err != nil {
		return nil, err
	}
	switch hello.GetClass() {
	case peerv1.Hello_CLASS_CALLS:
		if m.calls.closed() {
			return nil, errStopping
		}
		return m.calls, nil
	case peerv1.Hello_CLASS_RAFT:
		m.mu.Lock()
		defer m.mu.Unlock()
		if p, ok := m.replicas[hello.GetReplica()]; ok {
			return p, nil
		}
		return nil, errNoReplica
	default:
		return nil, errors.New("the hello does not say what for")
	}
}

// clip shortens what another said, for logs and errors.
func clip(s string) string { return s[:min(len(s), 256)] }
