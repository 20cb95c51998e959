package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/gossip"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/peer"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// links are the ways to and from the other nodes. A node that is alone has none.
type links struct {
	listener             net.Listener // the peer port
	peerAddr, gossipAddr string       // as others dial them

	wallet  *trust.Wallet // what this node proves with who it is
	trusts  atomic.Uint64 // the serial number of the trust that is adopted
	mux     *peer.Mux
	pool    *peer.Pool
	server  *peer.Server
	mesh    atomic.Pointer[gossip.Mesh] // nil until it is open, while the replicas already look for each other
	removed atomic.Bool                 // another node says that this one is no member any more
	known   atomic.Bool                 // server is there, and the node can tell newcomers about its cluster

	serving sync.WaitGroup
	served  error
}

// listen opens the peer port and finds out where others reach this node.
func (n *Node) listen(ctx context.Context) error {
	if n.config.alone() {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", n.config.PeerListen)
	if err != nil {
		return fmt.Errorf("peer port: %w", err)
	}
	n.links.listener = listener
	if n.links.peerAddr, err = n.config.advertised(listener.Addr().String()); err != nil {
		return err
	}
	if n.config.GossipListen, err = withPort(ctx, n.config.GossipListen); err != nil {
		return fmt.Errorf("gossip port: %w", err)
	}
	n.links.gossipAddr, err = n.config.advertised(n.config.GossipListen)
	return err
}

// withPort chooses a free port where none is named. The address is told to others
// before it is listened on.
func withPort(ctx context.Context, addr string) (string, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" {
		return addr, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// connect opens the way for the replicas of the node that id says this is.
func (n *Node) connect(id replica.Identity) (replica.Network, error) {
	n.charter.Node, n.charter.Store = id.Node, id.StoreID
	n.complete(id.ClusterID)
	if n.config.alone() {
		return nil, nil
	}
	if err := n.openWallet(id); err != nil {
		return nil, err
	}
	founders, err := n.founders()
	if err != nil {
		return nil, err
	}
	self := peer.Identity{ClusterID: id.ClusterID, Node: string(id.Node), StoreID: id.StoreID, BootID: n.boot}
	n.links.mux = peer.NewMux(peer.MuxConfig{
		Listener: n.links.listener, Self: self, Wallet: n.links.wallet, Founders: founders, Guard: n.guard, Resolve: n.resolve,
		Doorkeeper: n, Charter: n.told, Removed: n.cast, Logger: n.logger,
	})
	n.links.pool = peer.NewPool(peer.PoolConfig{Self: self, Dial: n.links.mux.DialCalls, Logger: n.logger})
	return n.links.mux, nil
}

// guard lets in whoever is of this cluster and was not removed from it. A store
// that is not the one on record is no reason to refuse: this node may have been
// away while a disk was replaced, and only from the others can it learn that.
func (n *Node) guard(caller peer.Identity) (err error) {
	n.local.Read(func(s *cluster.State) {
		if s.Buried(cluster.NodeID(caller.Node), caller.StoreID) {
			err = fmt.Errorf("node %s, or its data directory, was %w", caller.Node, peer.ErrRemoved)
		}
	})
	return err
}

// resolve tells where the peer port of a node is: by its own account if gossip
// has one for the store on record, else as the record has it.
func (n *Node) resolve(node cluster.NodeID) (addr string, ok bool) {
	member, ok := n.charter.member(node)
	n.local.Read(func(s *cluster.State) {
		if m, known := s.Member(node); known {
			member, ok = m, true
		} else if s.Founded() && s.Buried(node, "") {
			ok = false
		}
	})
	mesh := n.links.mesh.Load()
	if !ok || mesh == nil {
		return member.PeerAddr, ok
	}
	for _, p := range mesh.Peers() {
		if p.Node == node && p.Store == member.Store && p.Alive {
			return p.PeerAddr, true
		}
	}
	return member.PeerAddr, true
}

// answerPeers begins to serve the other nodes.
func (n *Node) answerPeers() (err error) {
	d := n.deputy()
	n.links.server, err = peer.NewServer(peer.ServerConfig{
		Node: n.local, Catalog: n.local, Terms: n.host, Witness: n.local, Topics: n.local,
		Usage: n.lastHour, Counted: n.counted, Demand: n.book.Uses, Memory: n.local.MemoryReport, Steward: d, Office: d, Fence: n.local, Logger: n.logger,
		InFlightBytes: n.config.share(otherPart, 256<<20),
	})
	if err != nil {
		return err
	}
	n.links.serving.Go(func() { n.links.served = n.links.server.Serve(n.links.mux.Calls()) })
	return nil
}

// registered lists where the members on record gossip.
func (n *Node) registered() (list []gossip.Address) {
	n.local.Read(func(s *cluster.State) {
		for _, m := range s.Members() {
			list = append(list, gossip.Address{Node: m.Node, Addr: m.GossipAddr})
		}
	})
	return list
}

// doubt hands on to the steward whom gossip has given up, until ctx ends.
func (n *Node) doubt(ctx context.Context, mesh *gossip.Mesh) {
	for {
		for _, p := range mesh.Peers() {
			if !p.Alive {
				n.steward.Doubt(p.Node)
			}
		}
		select {
		case <-mesh.Changes():
		case <-ctx.Done():
			return
		}
	}
}

// surveyTime bounds how long a new leader asks what others have seen: its topics
// stand still meanwhile, and a node that is gone never answers.
const surveyTime = 700 * time.Millisecond

// survey asks the other members what they have seen of a group's topics.
func (n *Node) survey(ctx context.Context, g cluster.GroupID, page uint64, take func(fanout.Seen) error) (heard []cluster.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	members := n.charter.Members // as long as a node that was just started knows no better
	n.local.Read(func(s *cluster.State) {
		if s.Founded() {
			members = s.Members()
		}
	})
	var all sync.WaitGroup
	var mu sync.Mutex // over heard
	for _, m := range members {
		if m.Node == n.host.Node() {
			continue
		}
		all.Go(func() {
			if err := n.links.pool.Client(m.Node).Survey(ctx, g, page, take); err != nil {
				n.logger.Debug("a node did not tell what it has seen", slog.String("peer", string(m.Node)), slog.Uint64("group", uint64(g)), slog.Any("err", err))
				return
			}
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, m.Node)
		})
	}
	all.Wait()
	return heard
}

// upstream opens a stream of what another node leads.
func (n *Node) upstream(ctx context.Context, node cluster.NodeID) (route.Upstream, error) {
	u, err := n.links.pool.Client(node).Mirror(ctx)
	if err != nil {
		return nil, err // a nil *peer.Upstream would not be a nil interface
	}
	return u, nil
}

// hangUp ends what peers ask of this node, and what it asks of them. The replicas
// still need the Mux.
func (n *Node) hangUp(ctx context.Context) {
	l := &n.links
	if mesh := l.mesh.Load(); mesh != nil {
		_ = mesh.Close() // says no goodbye: the node will be back
	}
	if l.server != nil {
		if err := l.server.Stop(ctx); err != nil {
			n.logger.Warn("requests of other nodes were cut", slog.Any("err", err))
		}
	}
	if l.pool != nil {
		_ = l.pool.Close()
	}
}

// close frees the peer port, once the replicas have stopped.
func (l *links) close() error {
	var err error
	switch {
	case l.mux != nil:
		err = l.mux.Close()
	case l.listener != nil:
		err = l.listener.Close()
	}
	l.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, l.served)
}
