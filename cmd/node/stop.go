package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Run serves clients until ctx ends, and then stops gracefully: GET /readyz says
// so for the time of Config.StopGrace, in which clients are served as before; then
// subscriptions end with OK, calls under way are finished, and the data is closed.
// It returns nil after such a stop, and ErrReborn or ErrLeft when it was the node
// that ended. A node runs once.
func (n *Node) Run(ctx context.Context) error {
	n.logger.Info("serving", slog.String("listen", n.Addr()), slog.String("node", string(n.host.Node())))
	n.doors.serving.Go(func() error { return n.doors.server.Serve(n.doors.port.GRPC()) })
	n.doors.console.Open(n.doors.server)
	n.doors.web.Open(n.doors.server)
	n.doors.open.Store(true)
	var reason error
	select {
	case <-ctx.Done():
		n.takeLeave(context.WithoutCancel(ctx))
	case <-n.doors.broken.Done():
	case reason = <-n.ending:
	}
	n.logger.Info("stopping")
	return errors.Join(n.stop(context.WithoutCancel(ctx)), reason)
}

// closeTimeout bounds the end of the groups, which have nothing to do any more
// when it begins.
const closeTimeout = 10 * time.Second

// stop goes from the top down; it copes with a node that came up half way.
func (n *Node) stop(ctx context.Context) error {
	draining, cancel := context.WithTimeout(ctx, n.config.DrainTimeout)
	failure := n.closeDoors(draining)
	cancel()
	n.closeUsage(ctx)
	if n.stopKeep != nil {
		n.stopKeep()
	}
	n.keeping.Wait()
	if n.router != nil {
		n.router.Close()
	}
	if n.topics != nil {
		n.topics.Close()
	}
	closing, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if n.host != nil {
		n.handOver(closing) // what the node was made leader of since it gave all away
	}
	n.hooks.close(closing)
	n.endUsage(closing)
	n.hangUp(closing)
	var err error
	if n.host != nil {
		err = n.host.Close(closing)
		n.local.Wait()
	}
	if n.lock != nil {
		err = errors.Join(err, n.lock.Close())
	}
	return errors.Join(failure, err, n.links.close())
}

// closeDoors lets clients finish, until ctx is done. HTTP ends last: until then
// GET /readyz says that the node is going. It returns why a door broke, if one did.
func (n *Node) closeDoors(ctx context.Context) error {
	n.doors.notice.end(draining("this node is stopping"), time.Now())
	if n.doors.web != nil {
		n.doors.web.Drain()
	}
	var err error
	if n.doors.server != nil {
		err = n.doors.server.Stop(ctx)
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
	if n.doors.serving == nil {
		return nil
	}
	return n.doors.serving.Wait()
}

// handOverTime bounds how long a stopping node waits for others to take over
// what it leads. It takes them some milliseconds; a group nobody can take over
// elects a leader when this one is gone.
const handOverTime = 2 * time.Second

// handOver gives away the leaderships of this node, so that nobody has to notice
// first that it is gone.
func (n *Node) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	for _, g := range n.host.LeadingGroups() {
		heirs := slices.DeleteFunc(g.Followers(), func(f replica.Follower) bool { return !f.Voter || f.Heard.IsZero() })
		slices.SortFunc(heirs, func(a, b replica.Follower) int { return b.Heard.Compare(a.Heard) })
		all.Go(func() {
			for _, heir := range heirs {
				if err := g.TransferLeadership(ctx, heir.Node); err == nil || !g.IsLeader() {
					return
				}
			}
		})
	}
}
