package route

import (
	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// Mux begins to read topics of the groups that this node leads, on behalf of
// one other node. The caller closes it.
func (l *Local) Mux() *fanout.Mux { return l.topics.NewMux() }

// NotLeader says who leads the group as far as this node knows.
func (l *Local) NotLeader(g cluster.GroupID) *NotLeaderError {
	now, _, _ := l.leadership(g)
	return &NotLeaderError{Group: g, Leader: now.Leader, Term: now.Term}
}
