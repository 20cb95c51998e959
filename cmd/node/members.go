package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// watchMembers ends what connects this node with a member, or with a data directory
// of one, as soon as the cluster has given it up: no hello lets it in again, but what
// is open would stay open.
func (n *Node) watchMembers(ctx context.Context) {
	stores := make(map[cluster.NodeID]string)
	for review := true; ; review = false { // who came in before this node knew its cluster is looked at, too
		news := n.local.Changed()
		now := make(map[cluster.NodeID]string)
		n.local.Read(func(s *cluster.State) {
			for _, m := range s.Members() {
				now[m.Node] = m.Store
			}
		})
		for node, store := range stores {
			if now[node] != store {
				n.links.pool.Forget(node)
				review = true
			}
		}
		if review {
			n.links.mux.Review()
		}
		stores = now
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// members is how many members its cluster has, as far as this node knows.
func (n *Node) members() (count int) {
	n.local.Read(func(s *cluster.State) { count = len(s.Members()) })
	return count
}

// cast notes that the cluster has removed this node for ever. It goes on, so that
// somebody can see why, and sends clients elsewhere. A node that leaves learns it in
// another way.
func (n *Node) cast() {
	var self cluster.Member
	n.local.Read(func(s *cluster.State) { self, _ = s.Member(n.charter.Node) })
	if self.Leaving || n.links.removed.Swap(true) {
		return
	}
	n.doors.notice.end(web.Reason{Name: "removed", Detail: "this node was removed from its cluster for ever"}, time.Now())
	n.logger.Error("this node, or its data directory, was removed from its cluster for ever, and the others do not talk to it any more; "+
		"stop it, and use the machine anew with an empty data directory and, unless it is replaced, another node name",
		slog.String("node", string(n.charter.Node)))
}
