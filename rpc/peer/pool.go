package peer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
)

// PoolConfig is what a Pool is made of. Self and Dial are needed.
type PoolConfig struct {
	// Self is who this node is, as in its Mux.
	Self Identity
	// Dial opens a connection for calls to a node, ready for use; Mux.DialCalls
	// does.
	Dial func(ctx context.Context, node cluster.NodeID) (net.Conn, error)
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Pool keeps the faces of the other nodes, one each. It is safe for concurrent
// use.
type Pool struct {
	config PoolConfig

	mu      sync.RWMutex
	closed  bool
	clients map[cluster.NodeID]*Client
}

var _ steward.Peers = (*Pool)(nil)

// NewPool makes a Pool without connections.
func NewPool(config PoolConfig) *Pool {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Pool{config: config, clients: make(map[cluster.NodeID]*Client)}
}

// Client returns the face of a node, which need not be known or reachable: what
// it is asked is refused with route.ErrNotExecuted then, as after Close. The
// face stays good until Forget or Close; who keeps it does not slow the pool
// down.
func (p *Pool) Client(node cluster.NodeID) *Client {
	p.mu.RLock()
	c, ok := p.clients[node]
	p.mu.RUnlock()
	if ok {
		return c
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, ok := p.clients[node]; ok {
		return c
	}
	c = newClient(node, p.config)
	if p.closed {
		_ = c.close()
		return c
	}
	p.clients[node] = c
	return c
}

// Terms asks a node for the terms of its replicas. It is a replica.Config.Terms.
func (p *Pool) Terms(ctx context.Context, node cluster.NodeID, refs []replica.Ref) ([]uint64, error) {
	return p.Client(node).Terms(ctx, refs)
}

// Observe asks a node for its report. Together with Step, Start and Release it makes
// the pool a steward.Peers.
func (p *Pool) Observe(ctx context.Context, node cluster.NodeID) (steward.Report, error) {
	return p.Client(node).Observe(ctx)
}

// Step asks the node that leads a group for a step on it.
func (p *Pool) Step(ctx context.Context, node cluster.NodeID, step cluster.Step) (index uint64, err error) {
	return p.Client(node).Step(ctx, step)
}

// Start asks a node to make and start a replica of its.
func (p *Pool) Start(ctx context.Context, node cluster.NodeID, ref replica.Ref) error {
	return p.Client(node).Start(ctx, ref)
}

// Release asks a node to delete a retired replica of its.
func (p *Pool) Release(ctx context.Context, node cluster.NodeID, ref replica.Ref) error {
	return p.Client(node).Release(ctx, ref)
}

// Forget closes the connection to a node that has left the cluster. Requests to
// it that are under way fail.
func (p *Pool) Forget(node cluster.NodeID) {
	p.mu.Lock()
	c, ok := p.clients[node]
	delete(p.clients, node)
	p.mu.Unlock()
	if ok {
		_ = c.close()
	}
}

// Close closes all connections. Requests under way fail as if their connection
// had broken, and so do all that come later.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for node, c := range p.clients {
		delete(p.clients, node)
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}
