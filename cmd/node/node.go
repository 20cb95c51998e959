package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// Node is one running node.
type Node struct {
	config   Config
	logger   *slog.Logger
	lock     *replica.Lock // of the data directory, until there is a host
	host     *replica.Host
	topics   *fanout.Broker
	local    *route.Local
	router   *route.Router
	hooks    hooks
	accounts accounts
	used     usage.History // what the console draws
	book     *quota.Book   // what clients use of their limits
	doors    doors

	noting  sync.Mutex // over changes of charter, and the opening of the mesh
	charter *charter
	boot    string     // the random name of this process
	ending  chan error // why the node stops of its own accord
	joining sync.Mutex // held while it asks to be let into another cluster
	leaving bool       // it was let in, under joining
	links   links
	steward *steward.Steward // nil when alone, as are mirrors
	mirrors *route.Mirrors

	keeping  sync.WaitGroup // what keeps the node in order
	stopKeep context.CancelFunc
}

// New builds a node and brings it up as far as its client port: when New
// returns, the data is recovered, every group has a leader and clients can
// connect. Run serves them. It fails, and leaves nothing behind, when the
// configuration cannot work, the data directory is damaged or in use, or ctx
// ends first.
func New(ctx context.Context, config Config) (*Node, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	n := &Node{config: config, logger: config.Logger, boot: rand.Text(), ending: make(chan error, 1), book: quota.NewBook()}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(err, n.stop(context.WithoutCancel(ctx)))
	}
	return n, nil
}

// start goes from the bottom up.
func (n *Node) start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", n.config.Listen)
	if err != nil {
		return err
	}
	if n.config.Line != nil {
		listener = n.config.Line.Listen(listener)
	}
	n.doors.listener = listener
	if err := n.openPort(listener); err != nil {
		return err
	}
	if err := n.listen(ctx); err != nil {
		return err
	}
	if n.config.DataDir != "" {
		// Nobody else may be at work on what this node came to be.
		if n.lock, err = replica.LockDir(n.config.DataDir); err != nil {
			return err
		}
	}
	if err := n.settle(ctx); err != nil {
		return err
	}
	if err := n.openGroups(ctx); err != nil {
		return err
	}
	if err := n.openGate(); err != nil {
		return err
	}
	n.openUsage()
	if err := n.hooks.open(n); err != nil {
		return err
	}
	n.doors.measured = n.newMetrics()
	// From here on GET /readyz tells what the node waits for.
	if err := n.openWeb(); err != nil {
		return err
	}
	keep, stop := context.WithCancel(context.WithoutCancel(ctx)) // until stop
	n.stopKeep = stop
	n.keeping.Go(func() { n.local.Run(keep, n.router.CatchUp) })
	n.keeping.Go(func() { n.watchLeaders(keep) })
	if n.config.Memory > 0 {
		n.keeping.Go(func() { n.watchMemory(keep) })
	}
	n.keeping.Go(func() { n.used.Keep(keep, n.doors.measured.Usage) })
	n.keeping.Go(func() { n.shareLimits(keep) })
	if certificates := n.doors.certificates; certificates != nil {
		n.keeping.Go(func() { certificates.Watch(keep) })
	}
	if keeper := n.doors.keeper; keeper != nil {
		n.keeping.Go(func() { keeper.Run(keep) })
	}
	if err := n.enterCluster(ctx, keep); err != nil {
		return err
	}
	if err := ensureSigningKey(ctx, n.router); err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	if err := n.refuseToBeOpenToAll(); err != nil {
		return err
	}
	for _, name := range n.config.Caches {
		if err := n.router.Create(ctx, name, nil); err != nil && !errors.Is(err, route.ErrCacheExists) {
			return fmt.Errorf("cache %q: %w", name, err)
		}
	}
	n.hooks.start()
	if err := n.openDoor(); err != nil {
		return err
	}
	n.keepUsage(ctx)
	n.keeping.Go(func() { n.watchSigning(keep) })
	n.doors.notice.announce(n.doors.server.SetReady)
	if !n.config.alone() {
		n.keeping.Go(func() { n.watchOrders(keep) })
	}
	return nil
}

// openGroups recovers the data.
func (n *Node) openGroups(ctx context.Context) error {
	bell := route.NewBell()
	topics, err := fanout.New(fanout.Config{TotalBytes: n.config.topicsBudget(), Notify: func(uint32) { bell.Ring() }}, time.Now())
	if err != nil {
		return err
	}
	n.topics = topics
	gateway := make([]byte, 16)
	_, _ = rand.Read(gateway) // never fails
	self := cluster.NodeID(cmp.Or(n.config.Name, string(n.charter.Node)))
	groups := cmp.Or(n.config.DataGroups, n.charter.Groups)
	own := route.LocalConfig{
		Topics: topics, Encode: api.EncodeItem, Elsewhere: n.book.KeysElsewhere, Pace: n.config.Pace, Logger: n.logger,
		Self: self, Memory: n.config.itemsBudget(),
	}
	if !n.config.alone() {
		own.Survey = n.survey
	}
	n.local = route.NewLocal(own)
	lock := n.lock
	n.lock = nil // the host's from now on
	n.host, err = replica.Open(ctx, replica.Config{
		Dir:          n.config.DataDir,
		Lock:         lock,
		Node:         self,
		ClusterID:    n.charter.ClusterID,
		DataGroups:   groups,
		Limits:       n.config.groupLimits(groups),
		Founders:     n.charter.Founders,
		StoreID:      n.charter.Store,
		StateMachine: n.local.StateMachine,
		Connect:      n.connect,
		Terms: func(ctx context.Context, node cluster.NodeID, refs []replica.Ref) ([]uint64, error) {
			return n.links.pool.Terms(ctx, node, refs)
		},
		Logger: n.logger,
	})
	if err != nil {
		return err
	}
	for _, g := range n.host.Groups() {
		n.local.Bind(g)
	}
	routing := route.RouterConfig{Topology: n.host.Topology(), Local: n.local, Gateway: gateway, Self: n.host.Node()}
	if pool := n.links.pool; pool != nil {
		routing.Face = func(node cluster.NodeID) route.Face { return pool.Client(node) }
	}
	for _, m := range n.charter.Members {
		routing.Seeds = append(routing.Seeds, m.Node)
	}
	n.router = route.NewRouter(routing)
	if n.links.pool != nil {
		n.mirrors = route.NewMirrors(route.MirrorsConfig{Router: n.router, Open: n.upstream, Bell: bell, Logger: n.logger})
	}
	return nil
}

// enterCluster takes this node's place in its cluster, and returns when the node
// knows all that was agreed on before. What has to go on goes on until keep
// ends.
func (n *Node) enterCluster(ctx, keep context.Context) (err error) {
	if n.config.alone() {
		return n.waitForOwn(ctx)
	}
	n.steward, err = steward.New(steward.Config{
		Host: n.host, Self: n.host.Node(), Boot: n.boot, Record: n.local, Peers: n.links.pool,
		Started: n.local.Bind, Trusts: n.trusts, Logger: n.logger,
		Tuning: steward.Tuning{DownAfter: n.config.DownAfter},
	})
	if err != nil {
		return err
	}
	if err := n.answerPeers(); err != nil {
		return err
	}
	n.links.known.Store(true)
	n.keeping.Go(func() { n.steward.Run(keep) })
	n.keeping.Go(func() { n.mirrors.Run(keep) })
	n.keeping.Go(func() { n.watchMembers(keep) })
	n.keeping.Go(func() { n.tellMemory(keep) })
	n.keeping.Go(func() { n.watchTrust(keep) })
	if len(n.charter.Founders) > 0 {
		if err := n.found(ctx); err != nil {
			return fmt.Errorf("founding the cluster: %w", err)
		}
	}
	if err := n.openMesh(); err != nil {
		return err
	}
	if mesh := n.links.mesh.Load(); mesh != nil {
		n.keeping.Go(func() { n.doubt(keep, mesh) })
	}
	// Before this node has caught up, which it cannot if its address is new and the
	// others do not hear of that, as where the key of gossip was rotated meanwhile.
	n.keeping.Go(func() { n.announce(keep) })
	if err := n.catchUp(ctx); err != nil {
		return err
	}
	n.keeping.Go(func() { n.watchLeave(keep) })
	return n.waitForOwn(ctx)
}

// ownTimeout bounds how long a node waits for the groups in which it is the only
// voter to have a leader. They need milliseconds; a disk that takes longer than
// this is broken.
const ownTimeout = 30 * time.Second

// waitForOwn waits until this node leads the groups that nobody else can lead.
func (n *Node) waitForOwn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	for _, g := range n.host.Groups() {
		c := g.Configuration()
		if len(c.Voters) != 1 || c.Voters[0].Node != n.host.Node() {
			continue
		}
		if _, err := g.WaitLeader(ctx); err != nil {
			return err
		}
	}
	return nil
}

// catchUp waits until this node knows all that was agreed on before: whom to let
// in, and what there is.
func (n *Node) catchUp(ctx context.Context) error {
	for told := false; ; told = true {
		err := n.router.CatchUp(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !told {
			n.logger.Warn("waiting for the nodes of this cluster", slog.Any("err", err))
		}
	}
}

// refuseToBeOpenToAll is the rule that nobody gets a broker without keys onto
// a network by accident.
func (n *Node) refuseToBeOpenToAll() error {
	if n.config.loopbackOnly() || n.router.Secured() {
		return nil
	}
	if len(n.charter.Members) > 1 || len(n.charter.Founders) == 0 {
		// Several machines never are one's own. Nothing is open then; the admin
		// credential makes the first key.
		n.logger.Warn("no API key exists yet, so all calls are refused; make one with `mayfly key create --superuser` on this machine")
		return nil
	}
	return fmt.Errorf("no API key exists yet, so everybody who reaches %s could do everything; "+
		"start once with --listen 127.0.0.1:8080, run `mayfly key create --superuser`, then listen on %s",
		n.config.Listen, n.config.Listen)
}
