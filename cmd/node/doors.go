package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/certify"
	"github.com/mayfly-broker/mayfly/rpc/console"
	"github.com/mayfly-broker/mayfly/rpc/h2"
	"github.com/mayfly-broker/mayfly/rpc/metrics"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/share"
	"github.com/mayfly-broker/mayfly/rpc/vend"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// doors are the ways in through the client port, and who guards and counts there.
type doors struct {
	listener net.Listener
	port     *web.Port
	server   *api.Server // nil until calls can be served
	web      *web.Server
	vending  *vend.Machine
	console  *console.Console
	open     atomic.Bool // calls are served
	room     *share.Pool // for large messages and answers
	// certificates are those of the port's files, and keeper has those that are
	// ordered; each nil for none. Without both the port speaks no TLS.
	certificates *web.Certificates
	keeper       *certify.Keeper

	verifier *auth.Verifier
	minter   *auth.Minter
	gate     *auth.Gate
	measured *metrics.Metrics

	notice     notice
	leaderless leaderless

	serving *errgroup.Group // what serves; nil before there is a web
	broken  context.Context // over when a door broke
}

// openPort makes the client port, which accepts nobody yet.
func (n *Node) openPort(listener net.Listener) error {
	proxies, err := web.ParseProxies(n.config.Proxies)
	if err != nil {
		return err
	}
	n.doors.port = web.NewPort(listener, n.logger)
	n.doors.port.Limit(n.crowd(n.config.Live(), proxies))
	return n.secure()
}

// secure has the client port speak TLS, if it is to.
func (n *Node) secure() (err error) {
	if n.config.TLSCert != "" {
		if n.doors.certificates, err = web.LoadCertificates(n.config.TLSCert, n.config.TLSKey, n.logger); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	if n.config.ACME.AcceptTerms {
		if err := n.openKeeper(); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
	}
	if n.doors.certificates != nil || n.doors.keeper != nil {
		n.doors.port.Secure(n.doors.certificate)
	}
	return nil
}

// newMetrics builds the metrics of what was built before them.
func (n *Node) newMetrics() *metrics.Metrics {
	sources := metrics.Sources{
		Topics: n.topics.Stats,
		Groups: func() []replica.Stats {
			groups := n.host.Groups()
			all := make([]replica.Stats, len(groups))
			for i, g := range groups {
				all[i] = g.Stats()
			}
			return all
		},
		Waiting: func() map[string]int {
			if !n.doors.open.Load() {
				return nil
			}
			return n.doors.server.Waiting()
		},
		Port: func() metrics.Port {
			s := n.doors.port.Stats()
			var curbed h2.Counts
			if n.doors.open.Load() {
				curbed = n.doors.server.Transport()
			}
			return metrics.Port{
				GRPC: metrics.Traffic(s.GRPC), HTTP: metrics.Traffic(s.HTTP), Max: s.Max,
				Dropped: s.Dropped, RefusedFull: s.Refused.Full, RefusedAddress: s.Refused.Address,
				Floods: curbed.Floods, Late: curbed.Late, Shed: curbed.Shed,
			}
		},
		// The doors are open before the links are.
		Peers: func() map[cluster.NodeID]uint64 {
			if !n.links.known.Load() {
				return nil
			}
			return n.links.server.ItemsSent()
		},
		Gossip: func() (alive, silent int) {
			mesh := n.links.mesh.Load()
			if mesh == nil {
				return 0, 0
			}
			for _, p := range mesh.Peers() {
				if p.Alive {
					alive++
				} else {
					silent++
				}
			}
			return alive, silent
		},
		Memory: n.memoryNumbers,
		Strangers: func() (peer, gossip uint64) {
			if !n.links.known.Load() {
				return 0, 0
			}
			if mesh := n.links.mesh.Load(); mesh != nil {
				gossip = mesh.Strangers()
			}
			return n.links.mux.Strangers(), gossip
		},
		Webhooks: func() metrics.Webhooks { return metrics.Webhooks(n.hooks.deliverer.Stats()) },
		// What vends is there before anybody can read.
		Vending: func() map[string]map[string]uint64 { return n.doors.vending.Outcomes() },
		Version: n.config.Version,
		Commit:  n.config.Commit,
	}
	if n.doors.certificates != nil || n.doors.keeper != nil {
		sources.CertificateEnd = n.doors.certificateEnd
	}
	return metrics.New(sources, n.logger)
}

// meter counts the calls of one method.
func meter(m *metrics.Metrics) func(method string, stream bool) api.Meter {
	return func(method string, stream bool) api.Meter { return m.Method(method, stream) }
}

// openWeb serves the HTTP side of the client port. Calls wait until Run.
func (n *Node) openWeb() (err error) {
	if n.doors.console, err = n.newConsole(); err != nil {
		return err
	}
	proxies, err := web.ParseProxies(n.config.Proxies)
	if err != nil {
		return err
	}
	if n.doors.vending, err = n.newVending(); err != nil {
		return err
	}
	n.doors.room = api.NewRoom(n.limits(n.config.Limits))
	var headers []string
	if n.config.Faults != nil {
		headers = n.config.Faults.Headers()
	}
	n.doors.web, err = web.NewServer(web.Config{
		Room:    n.doors.room,
		Ready:   n.unready,
		Metrics: n.doors.measured.Handler(),
		Gate:    n.doors.gate,
		Origins: n.config.Origins,
		Headers: headers,
		Console: n.doors.console,
		Proxies: proxies,
		Vending: n.doors.vending,
		Logger:  n.logger,
	})
	if err != nil {
		return err
	}
	n.doors.serving, n.doors.broken = errgroup.WithContext(context.Background())
	n.doors.serving.Go(func() error { return n.doors.web.Serve(n.doors.port.HTTP()) })
	n.doors.serving.Go(n.doors.port.Serve)
	return nil
}

// openGate learns whom to let in. What it lets in follows the catalog, which may
// not be there yet.
func (n *Node) openGate() (err error) {
	source := keys{router: n.router, open: n.config.Open}
	n.doors.verifier, err = auth.NewVerifier(auth.VerifierConfig{ClusterID: n.host.ClusterID(), Keys: source})
	if err != nil {
		return err
	}
	n.doors.minter, err = auth.NewMinter(auth.MinterConfig{ClusterID: n.host.ClusterID(), Keys: source, Random: rand.Reader})
	if err != nil {
		return err
	}
	n.doors.gate = auth.NewGate(n.doors.verifier, n.config.loopbackOnly())
	return nil
}

// openDoor builds the public services.
func (n *Node) openDoor() (err error) {
	if err := n.leaveAdminToken(); err != nil {
		return err
	}
	if n.doors.gate.Open() {
		end := "create an API key to end this: mayfly key create --superuser"
		if n.config.Open {
			end = "this node was told to stay open"
		}
		n.logger.Warn("OPEN MODE: every program on this machine may do everything; "+end, slog.String("listen", n.Addr()))
	}
	var operators api.Cluster
	if n.steward != nil {
		operators = office{n}
	}
	n.doors.server, err = api.NewServer(api.Config{
		Endpoint:  n.endpoint(),
		Node:      string(n.host.Node()),
		Version:   n.config.Version,
		Commit:    n.config.Commit,
		Heartbeat: n.config.Heartbeat,
		Limits:    n.limits(n.config.Limits),
		Room:      n.doors.room,
		Meter:     meter(n.doors.measured),
		Lookup:    n.doors.measured.Lookup,
		Book:      n.book,
		Refused:   n.doors.measured.Refused,
		Usage:     n.accounts.meter,
		Prices:    n.config.Usage.Prices,
		Faults:    n.config.Faults,
		Other:     n.doors.web.Handler(),
		Logger:    n.logger,

		CheckWebhookURL: n.hooks.guard.CheckURL,
	}, api.Ports{
		Data:        n.router,
		Topics:      topics{n.router},
		Caches:      n.router,
		Credentials: n.router,
		SigningKeys: locksmith{n},
		Audit:       n.router,
		Webhooks:    n.router,
		Memory:      larder{n},
		Gate:        n.doors.gate,
		Minter:      n.doors.minter,
		Cluster:     operators,
		Usage:       ledger{n.accounts.reader, n},
	})
	return err
}

// limits are the product limits, within the memory that there is.
func (n *Node) limits(limits Limits) Limits {
	limits.InFlightBytes = max(n.config.share(otherPart, limits.InFlightBytes), int64(limits.RequestBytes))
	return limits
}

// topics narrows the router's subscriptions to what the door asks of them.
type topics struct{ *route.Router }

// Subscribe implements api.Topics.
func (t topics) Subscribe(ctx context.Context, cache, topic string, from fanout.Position) (api.Subscription, error) {
	s, err := t.Router.Subscribe(ctx, cache, topic, from)
	if err != nil {
		return nil, err // a nil *fanout.Subscription would not be a nil interface
	}
	return s, nil
}

// endpoint is the base host that minted keys and tokens carry.
func (n *Node) endpoint() string { return cmp.Or(n.config.Endpoint, n.Addr()) }

// Addr is the address of the client port, with the port that was bound.
func (n *Node) Addr() string { return n.doors.listener.Addr().String() }

// unready returns what keeps this node from serving at this moment.
func (n *Node) unready() (why []web.Reason) {
	notice, given := n.doors.notice.given()
	switch {
	case given:
		why = append(why, notice)
	case !n.doors.open.Load():
		why = append(why, web.Reason{Name: "starting", Detail: "this node is not yet where its cluster is"})
	}
	for _, g := range n.doors.leaderless.look(n.host.Groups(), time.Now()) {
		why = append(why, web.Reason{Name: "no-leader", Detail: fmt.Sprintf("group %s has no leader that this node knows", g)})
	}
	return why
}

// orphanTime is how long a group may be without a leader and nobody is told: a
// leadership that is handed on, or an election, is no reason to send clients from
// every node at once. Requests wait for it.
const orphanTime = 3 * time.Second

// leaderless remembers since when groups have no leader that this node knows.
type leaderless struct {
	mu    sync.Mutex
	since map[cluster.GroupID]time.Time
}

// look returns the groups that have been without a leader for long.
func (l *leaderless) look(groups []*replica.Group, now time.Time) (long []cluster.GroupID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	still := make(map[cluster.GroupID]time.Time)
	for _, g := range groups {
		if led, _ := g.Leadership(); led.Leader != "" {
			continue
		}
		since, known := l.since[g.ID()]
		if !known {
			since = now
		}
		still[g.ID()] = since
		if now.Sub(since) >= orphanTime {
			long = append(long, g.ID())
		}
	}
	l.since = still
	return long
}

// watchLeaders looks regularly, so that it is known since when a group has no
// leader even if nobody asks.
func (n *Node) watchLeaders(ctx context.Context) {
	tick := time.NewTicker(orphanTime / 6)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			n.doors.leaderless.look(n.host.Groups(), now)
		case <-ctx.Done():
			return
		}
	}
}
