package node

import (
	"context"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	"github.com/mayfly-broker/mayfly/rpc/peer"
	"github.com/mayfly-broker/mayfly/rpc/peer/trust"
)

// deputy is this node as the stewards of other nodes, and operators, ask it: a
// peer.Steward and a peer.Office. Most is asked of its steward as it is.
type deputy struct {
	*steward.Steward
	n *Node
}

var (
	_ peer.Steward = deputy{}
	_ peer.Office  = deputy{}
)

func (n *Node) deputy() deputy { return deputy{n.steward, n} }

func (d deputy) Report() steward.Report {
	report := steward.Account(d.n.host, d.n.boot)
	report.Trust = d.n.trusts()
	return report
}

func (d deputy) Perform(ctx context.Context, step cluster.Step) (uint64, error) {
	return steward.Perform(ctx, d.n.host, step)
}

func (d deputy) Change(ctx context.Context, change cluster.Change) (cluster.Outcome, error) {
	return d.n.local.Propose(ctx, change)
}

func (d deputy) Status(context.Context) (steward.Status, error) {
	st := d.Steward.Status()
	if !st.Leading {
		return st, steward.ErrNotLeading
	}
	return st, nil
}

func (d deputy) Admit(ctx context.Context, digest cluster.Digest, member cluster.Member, replace bool) (cluster.Settings, []cluster.Member, error) {
	return d.Steward.Admit(ctx, member, digest, replace)
}

func (d deputy) AddToken(ctx context.Context, token cluster.Token) error {
	return d.Steward.AddToken(ctx, token.Digest, time.UnixMilli(int64(token.ExpiresMs)))
}

func (d deputy) RotateKeys(ctx context.Context, authority bool) error {
	next := cluster.Rotate{GossipKey: trust.NewGossipKey()}
	if authority {
		made, err := trust.NewAuthority()
		if err != nil {
			return err
		}
		next.Authority = &made
	}
	return d.Rotate(ctx, next)
}
