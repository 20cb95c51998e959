package node

import (
	"context"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/rpc/peer"
)

// deputy is this node as the stewards of other nodes, and operators, ask it: a
// peer.Steward and a peer.Office.
type deputy struct{ n *Node }

var (
	_ peer.Steward = deputy{}
	_ peer.Office  = deputy{}
)

func (d deputy) Report() steward.Report { return steward.Account(d.n.host, d.n.boot) }

func (d deputy) Status(context.Context) (steward.Status, error) {
	st := d.n.steward.Status()
	if !st.Leading {
		return st, steward.ErrNotLeading
	}
	return st, nil
}

func (d deputy) Perform(ctx context.Context, step cluster.Step) (uint64, error) {
	return steward.Perform(ctx, d.n.host, step)
}

func (d deputy) Start(ctx context.Context, ref replica.Ref) error { return d.n.steward.Start(ctx, ref) }

func (d deputy) Release(ctx context.Context, ref replica.Ref) error {
	return d.n.steward.Release(ctx, ref)
}

func (d deputy) Change(ctx context.Context, change cluster.Change) (cluster.Outcome, error) {
	return d.n.local.Propose(ctx, change)
}

func (d deputy) Drain(ctx context.Context, node cluster.NodeID) error {
	return d.n.steward.Drain(ctx, node)
}

func (d deputy) Resume(ctx context.Context, node cluster.NodeID) error {
	return d.n.steward.Resume(ctx, node)
}

func (d deputy) Leave(ctx context.Context, node cluster.NodeID, fewer bool) error {
	return d.n.steward.Leave(ctx, node, fewer)
}

func (d deputy) Remove(ctx context.Context, node cluster.NodeID, force, fewer bool) error {
	return d.n.steward.Remove(ctx, node, force, fewer)
}

func (d deputy) Transfer(ctx context.Context, group cluster.GroupID, to cluster.NodeID) error {
	return d.n.steward.Transfer(ctx, group, to)
}

func (d deputy) Announce(ctx context.Context, member cluster.Member) error {
	return d.n.steward.Announce(ctx, member)
}

func (d deputy) Admit(ctx context.Context, digest cluster.Digest, member cluster.Member, replace bool) (cluster.Settings, []cluster.Member, error) {
	return d.n.steward.Admit(ctx, member, digest, replace)
}

func (d deputy) AddToken(ctx context.Context, token cluster.Token) error {
	return d.n.steward.AddToken(ctx, token.Digest, time.UnixMilli(int64(token.ExpiresMs)))
}
