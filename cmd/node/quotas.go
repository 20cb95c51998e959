package node

import (
	"context"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/quota"
)

// shareLimits keeps the book of what clients use, and divides the limits with the
// other nodes where there are some, until ctx ends.
func (n *Node) shareLimits(ctx context.Context) {
	if n.config.alone() {
		n.book.Run(ctx, nil)
		return
	}
	n.book.Run(ctx, &quota.Others{
		Self:    string(n.host.Node()),
		Members: n.memberNames,
		Ask: func(ctx context.Context, node string) ([]quota.Use, error) {
			return n.links.pool.Client(cluster.NodeID(node)).Demand(ctx)
		},
		Keys:   n.router.LedKeys,
		Logger: n.logger,
	})
}

// memberNames are the names of all members, this node among them.
func (n *Node) memberNames() (names []string) {
	n.local.Read(func(s *cluster.State) {
		for _, m := range s.Members() {
			names = append(names, string(m.Node))
		}
	})
	return names
}
