package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/console"
	"github.com/mayfly-broker/mayfly/rpc/metrics"
	"github.com/mayfly-broker/mayfly/rpc/vend"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// doors are the ways in through the client port.
type doors struct {
	port    *web.Port
	web     *web.Server
	vending *vend.Machine
	console *console.Console
	open    atomic.Bool // calls are served

	notice     notice
	leaderless leaderless

	serving *errgroup.Group // what serves; nil before there is a web
	broken  context.Context // over when a door broke
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
		Port: func() metrics.Port {
			s := n.doors.port.Stats()
			return metrics.Port{GRPC: metrics.Traffic(s.GRPC), HTTP: metrics.Traffic(s.HTTP), Dropped: s.Dropped}
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
		Webhooks: func() metrics.Webhooks { return metrics.Webhooks(n.hooks.deliverer.Stats()) },
		// What vends is there before anybody can read.
		Vending: func() map[string]map[string]uint64 { return n.doors.vending.Outcomes() },
		Version: n.config.Version,
		Commit:  n.config.Commit,
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
	n.doors.web, err = web.NewServer(web.Config{
		Ready:   n.unready,
		Metrics: n.measured.Handler(),
		Gate:    n.gate,
		Origins: n.config.Origins,
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

// unready returns what keeps this node from serving at this moment.
func (n *Node) unready() (why []web.Reason) {
	notice := n.doors.notice.given()
	switch {
	case notice != "":
		why = append(why, web.Reason{Name: "draining", Detail: notice})
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
