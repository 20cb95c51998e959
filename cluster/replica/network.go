package replica

import (
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// peerTimeout bounds one message between replicas; snapshots get more, in
	// proportion to their size.
	peerTimeout = 10 * time.Second
	// peerPool is how many idle connections a group keeps per other replica.
	peerPool = 3
)

// Network carries the streams between the replicas of all groups. Its
// implementation lives outside: one peer port shared by all groups, or memory
// in tests. A replica is addressed by its id "node/group/number"; where that
// node listens is the network's business.
//
// The streams must be authenticated before they are handed over: what arrives
// on them is decoded without a bound on its size.
type Network interface {
	// Listen gives the streams that other replicas open to the replica. Close of
	// the listener must end a pending Accept.
	Listen(group cluster.GroupID, replica string) (net.Listener, error)
	// Dial opens a stream to a replica of the group on another node.
	Dial(group cluster.GroupID, replica string, timeout time.Duration) (net.Conn, error)
}

// newTransport makes the raft transport of one replica and the function that
// closes it for good.
func newTransport(network Network, group cluster.GroupID, replica string, peers *peerTable, log hclog.Logger) (raft.Transport, func(), error) {
	if network == nil {
		_, trans := raft.NewInmemTransport(raft.ServerAddress(replica))
		return trans, func() { _ = trans.Close() }, nil
	}
	listener, err := network.Listen(group, replica)
	if err != nil {
		return nil, nil, err
	}
	layer := &streamLayer{Listener: listener, network: network, group: group, replica: replica, open: make(map[net.Conn]struct{})}
	trans := &transport{peers: peers, NetworkTransport: raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: layer, MaxPool: peerPool, Timeout: peerTimeout, Logger: log, MsgpackUseNewTimeFormat: true,
	})}
	return trans, func() {
		_ = trans.Close()
		trans.CloseStreams()
		layer.closeAll()
	}, nil
}

// streamLayer gives raft the streams of one replica. It remembers those that
// were accepted, because raft's transport does not close them.
type streamLayer struct {
	net.Listener
	network Network
	group   cluster.GroupID
	replica string

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
}

// Dial implements raft.StreamLayer.
func (s *streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return s.network.Dial(s.group, string(address), timeout)
}

// Addr is the replica's id, not the host and port it listens on.
func (s *streamLayer) Addr() net.Addr { return replicaAddr(s.replica) }

// Accept implements net.Listener.
func (s *streamLayer) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	s.open[conn] = struct{}{}
	return &acceptedConn{Conn: conn, layer: s}, nil
}

func (s *streamLayer) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.open {
		_ = conn.Close()
	}
	clear(s.open)
}

// acceptedConn leaves its layer's books when closed, and does not wait for ever
// in the middle of a message. Raft's transport sets no deadline here, and reads
// snapshots on the replica's only loop: a leader that stalls would keep it from
// voting.
//
// A stream may be idle for any time between messages. It is taken to be inside
// one from the first bytes after an answer until the next answer; all calls
// come from the stream's one reader.
type acceptedConn struct {
	net.Conn
	layer  *streamLayer
	inside bool
}

// Read implements net.Conn.
func (c *acceptedConn) Read(p []byte) (int, error) {
	var deadline time.Time
	if c.inside {
		deadline = time.Now().Add(peerTimeout)
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.inside = c.inside || n > 0
	return n, err
}

// Write implements net.Conn.
func (c *acceptedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(peerTimeout)); err != nil {
		return 0, err
	}
	c.inside = false
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *acceptedConn) Close() error {
	c.layer.mu.Lock()
	delete(c.layer.open, c.Conn)
	c.layer.mu.Unlock()
	return c.Conn.Close()
}

type replicaAddr string

// Network implements net.Addr.
func (replicaAddr) Network() string { return "replica" }

// String implements net.Addr.
func (a replicaAddr) String() string { return string(a) }
