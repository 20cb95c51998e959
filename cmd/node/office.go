package node

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/peer"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

var _ api.Cluster = office{}

// office takes what operators, and this node itself, ask of the cluster to the
// node that leads the meta group.
type office struct{ n *Node }

// ask has the office of the meta group's leader asked.
func (o office) ask(ctx context.Context, ask func(context.Context, peer.Office) error) error {
	return o.n.router.Chase(ctx, cluster.MetaGroup, func(ctx context.Context, node cluster.NodeID) error {
		var at peer.Office = o.n.deputy()
		if node != o.n.host.Node() {
			if o.n.links.pool == nil {
				return &route.NotLeaderError{Group: cluster.MetaGroup}
			}
			at = o.n.links.pool.Client(node)
		}
		err := ask(ctx, at)
		if errors.Is(err, steward.ErrNotLeading) {
			return &route.NotLeaderError{Group: cluster.MetaGroup}
		}
		return err
	})
}

// Status implements api.Cluster.
func (o office) Status(ctx context.Context) (status steward.Status, err error) {
	asking, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	err = o.ask(asking, func(ctx context.Context, at peer.Office) (err error) {
		status, err = at.Status(ctx)
		return err
	})
	if err != nil && ctx.Err() == nil {
		return o.n.steward.Status(), nil
	}
	return status, err
}

// statusTime bounds the question how the cluster is, which this node then answers
// by itself, as far as it knows.
const statusTime = 3 * time.Second

// Drain implements api.Cluster.
func (o office) Drain(ctx context.Context, node cluster.NodeID) error {
	return o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.Drain(ctx, node) })
}

// Resume implements api.Cluster.
func (o office) Resume(ctx context.Context, node cluster.NodeID) error {
	return o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.Resume(ctx, node) })
}

// Leave implements api.Cluster.
func (o office) Leave(ctx context.Context, node cluster.NodeID, fewer bool) error {
	return o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.Leave(ctx, node, fewer) })
}

// Remove implements api.Cluster.
func (o office) Remove(ctx context.Context, node cluster.NodeID, force, fewer bool) error {
	return o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.Remove(ctx, node, force, fewer) })
}

// Transfer implements api.Cluster.
func (o office) Transfer(ctx context.Context, group cluster.GroupID, to cluster.NodeID) error {
	return o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.Transfer(ctx, group, to) })
}

// JoinToken implements api.Cluster.
func (o office) JoinToken(ctx context.Context, valid time.Duration) (text string, expires time.Time, err error) {
	text, digest := peer.NewToken(o.n.host.ClusterID(), o.n.links.wallet.Pin())
	expires = time.Now().Add(valid)
	token := cluster.Token{Digest: digest, ExpiresMs: uint64(expires.UnixMilli())}
	err = o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.AddToken(ctx, token) })
	if err != nil {
		return "", time.Time{}, err
	}
	return text, expires, nil
}

// RotateKeys implements api.Cluster.
func (o office) RotateKeys(ctx context.Context, authority bool) error {
	return o.ask(ctx, func(ctx context.Context, at peer.Office) error { return at.RotateKeys(ctx, authority) })
}

// wait is the pause between tries of what a node does at its start until it is
// done.
const wait = time.Second

// found makes the cluster's first record, if this node is among the founders
// and leads them, and waits until there is one.
func (n *Node) found(ctx context.Context) error {
	for {
		news := n.local.Changed()
		_, leading, moved := n.local.Leading()
		first := n.firstChange()
		if first == nil {
			return nil
		}
		if leading {
			outcome, err := n.local.Propose(ctx, cluster.Change{Op: first})
			if err == nil {
				err = outcome.Err()
			}
			if err == nil {
				continue
			}
			n.logger.Warn("the cluster is not founded yet", slog.Any("err", err))
		}
		select {
		case <-news:
		case <-moved:
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// firstChange is what the record of a new cluster lacks; nil if it lacks nothing.
func (n *Node) firstChange() cluster.Op {
	var founded, trusting bool
	n.local.Read(func(s *cluster.State) { founded, trusting = s.Founded(), !s.Trust().IsZero() })
	switch {
	case !founded:
		return &cluster.Found{
			Settings: cluster.Settings{ClusterID: n.host.ClusterID(), Groups: n.host.Topology().Groups(), Level: max(n.charter.Level, 1)},
			Members:  n.charter.Members,
			Voters:   n.charter.Founders,
		}
	case !trusting:
		return &cluster.Entrust{Trust: n.links.wallet.Trust()}
	default:
		return nil
	}
}

// announce tells the cluster what this start has changed about this node, until
// it is on record.
func (n *Node) announce(ctx context.Context) {
	self, told := n.self(), false
	for {
		current := false
		n.local.Read(func(s *cluster.State) {
			m, ok := s.Member(self.Node)
			m.State, m.Leaving = self.State, false
			current = ok && m == self
		})
		if current {
			return
		}
		asking, cancel := context.WithTimeout(ctx, maxAsk)
		err := office{n}.ask(asking, func(ctx context.Context, at peer.Office) error { return at.Announce(ctx, self) })
		cancel()
		if err != nil && ctx.Err() == nil && !told {
			told = true
			n.logger.Warn("the cluster does not know of this start yet; trying on", slog.Any("err", err))
		}
		select {
		case <-n.local.Changed():
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// maxAsk bounds one question to the office.
const maxAsk = 10 * time.Second

// watchLeave notices that this node has left its cluster: the cluster takes its
// replica of the meta group, the last one, when everything else has moved away.
func (n *Node) watchLeave(ctx context.Context) {
	for {
		meta, member := n.host.Group(cluster.MetaGroup), cluster.Member{}
		if meta != nil {
			select {
			case <-meta.Done():
			case <-ctx.Done():
				return
			}
		}
		n.local.Read(func(s *cluster.State) { member, _ = s.Member(n.host.Node()) })
		if member.Leaving && n.host.Group(cluster.MetaGroup) == nil {
			if err := n.note(func(c *charter) { c.Left = true }); err != nil {
				n.logger.Error("that this node has left its cluster is not on disk", slog.Any("err", err))
			}
			n.end(ErrLeft)
			return
		}
		// Not there yet, or on its way to another replica.
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
