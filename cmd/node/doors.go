package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/metrics"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// doors are the ways in through the client port.
type doors struct {
	port     *web.Port
	web      *web.Server
	draining atomic.Bool
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
		Version: n.config.Version,
		Commit:  n.config.Commit,
	}
	if n.links.server != nil {
		sources.Peers = n.links.server.ItemsSent
	}
	if mesh := n.links.mesh; mesh != nil {
		sources.Gossip = func() (alive, silent int) {
			for _, p := range mesh.Peers() {
				if p.Alive {
					alive++
				} else {
					silent++
				}
			}
			return alive, silent
		}
	}
	return metrics.New(sources, n.logger)
}

// meter counts the calls of one method.
func meter(m *metrics.Metrics) func(method string, stream bool) api.Meter {
	return func(method string, stream bool) api.Meter { return m.Method(method, stream) }
}

// openWeb builds the HTTP side of the client port.
func (n *Node) openWeb(gate *auth.Gate, m *metrics.Metrics) (err error) {
	n.doors.web, err = web.NewServer(web.Config{Ready: n.unready, Metrics: m.Handler(), Gate: gate, Logger: n.logger})
	return err
}

// unready returns what keeps this node from serving at this moment.
func (n *Node) unready() (why []web.Reason) {
	if n.doors.draining.Load() {
		why = append(why, web.Reason{Name: "draining", Detail: "this node is stopping"})
	}
	for _, g := range n.host.Groups() {
		if now, _ := g.Leadership(); now.Leader == "" {
			why = append(why, web.Reason{Name: "no-leader", Detail: fmt.Sprintf("group %s has no leader that this node knows", g.ID())})
		}
	}
	return why
}

// serve serves clients until closeDoors. The context that it returns is over when
// ctx is, or when a door broke.
func (n *Node) serve(ctx context.Context) (*errgroup.Group, context.Context) {
	serving, over := errgroup.WithContext(ctx)
	serving.Go(func() error { return n.server.Serve(n.doors.port.GRPC()) })
	serving.Go(func() error { return n.doors.web.Serve(n.doors.port.HTTP()) })
	serving.Go(n.doors.port.Serve)
	return serving, over
}

// closeDoors lets clients finish, until ctx is done. HTTP ends last: until then
// GET /readyz says that the node is going.
func (n *Node) closeDoors(ctx context.Context) {
	n.doors.draining.Store(true)
	var err error
	if n.server != nil {
		err = n.server.Stop(ctx)
	}
	if n.doors.web != nil {
		err = errors.Join(err, n.doors.web.Stop(ctx))
	}
	if err != nil {
		n.logger.Warn("calls were cut at the end of the drain timeout", slog.Duration("drain_timeout", n.config.DrainTimeout))
	}
	if n.doors.port != nil {
		_ = n.doors.port.Close() // what is closed cannot be used any more, whatever it says
	}
}
