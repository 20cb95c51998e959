package route

import (
	"errors"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
)

// NotLeaderError is the ErrNotExecuted of a node that does not lead the group,
// and tells who does as far as that node knows. Every Node returns it as it is,
// so errors.As finds it on either side of the wire.
type NotLeaderError struct {
	// Group is the group that was asked for.
	Group cluster.GroupID
	// Leader leads it by that node's account, which may be out of date. It is
	// empty when the node knows of none.
	Leader cluster.NodeID
	// Term is what the account belongs to: of two accounts the one with the
	// higher term is the newer. 0 if the node has no replica of the group.
	Term uint64
}

// Error says who leads.
func (e *NotLeaderError) Error() string {
	if e.Leader == "" {
		return fmt.Sprintf("%v: no leader of group %d is known in term %d", ErrNotExecuted, e.Group, e.Term)
	}
	return fmt.Sprintf("%v: node %s leads group %d in term %d", ErrNotExecuted, e.Leader, e.Group, e.Term)
}

// Unwrap makes the error an ErrNotExecuted.
func (e *NotLeaderError) Unwrap() error { return ErrNotExecuted }

// refused is outcome for a request that was made to a group: a refusal for want
// of leadership becomes a NotLeaderError.
func refused(g group, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, replica.ErrUnknownOutcome) || !errors.Is(err, replica.ErrNotLeader) && !errors.Is(err, fanout.ErrNotOwner) {
		return outcome(err)
	}
	now, _ := g.Leadership()
	if now.Leading {
		return outcome(err) // elected a moment ago; there is nobody else to turn to
	}
	return &NotLeaderError{Group: g.ID(), Leader: now.Leader, Term: now.Term}
}
