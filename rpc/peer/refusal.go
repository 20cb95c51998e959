package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// reasons is what each error of a node is called on the wire, and what it is
// made of again. The first that matches counts: an unknown outcome may wrap the
// context's error.
var reasons = []struct {
	reason peerv1.Refusal_Reason
	is     error
}{
	{peerv1.Refusal_REASON_UNKNOWN_OUTCOME, route.ErrUnknownOutcome},
	{peerv1.Refusal_REASON_NOT_EXECUTED, route.ErrNotExecuted},
	{peerv1.Refusal_REASON_OVERLOADED, route.ErrOverloaded},
	{peerv1.Refusal_REASON_INVALID, route.ErrInvalid},
	{peerv1.Refusal_REASON_LIMIT, route.ErrLimit},
	{peerv1.Refusal_REASON_TOO_MANY_KEYS, route.ErrTooManyKeys},
	{peerv1.Refusal_REASON_CACHE_NOT_FOUND, route.ErrCacheNotFound},
	{peerv1.Refusal_REASON_CACHE_EXISTS, route.ErrCacheExists},
	{peerv1.Refusal_REASON_KEY_NOT_FOUND, route.ErrKeyNotFound},
	// A word of a group comes as the word of route for the same; see groupError.
	{peerv1.Refusal_REASON_UNKNOWN_OUTCOME, replica.ErrUnknownOutcome},
	{peerv1.Refusal_REASON_NOT_EXECUTED, replica.ErrNotLeader},
	{peerv1.Refusal_REASON_NOT_EXECUTED, replica.ErrClosed},
	{peerv1.Refusal_REASON_OVERLOADED, replica.ErrOverloaded},
	{peerv1.Refusal_REASON_LIMIT, replica.ErrNoSpace},
	{peerv1.Refusal_REASON_CONFIGURATION_CONFLICT, replica.ErrConflict},
	{peerv1.Refusal_REASON_CONFIGURATION_REFUSED, replica.ErrRefused},
	{peerv1.Refusal_REASON_BEHIND, replica.ErrBehind},
	{peerv1.Refusal_REASON_STATE_CONFLICT, cluster.ErrConflict},
	{peerv1.Refusal_REASON_STATE_REFUSED, cluster.ErrRefused},
	{peerv1.Refusal_REASON_FOUNDED, errFounded},
	{peerv1.Refusal_REASON_EXPIRED, context.DeadlineExceeded},
	// The caller's own end is told to nobody, so this is the server's, which is
	// stopping.
	{peerv1.Refusal_REASON_NOT_EXECUTED, context.Canceled},
}

// refuse says on the wire why there is no result. known is false for an error
// that nobody foresaw, whose text stays here.
func refuse(err error) (refusal *peerv1.Refusal, known bool) {
	if denial, ok := errors.AsType[*cluster.Refusal](err); ok {
		return &peerv1.Refusal{Reason: peerv1.Refusal_REASON_DENIED, Denial: wireDenial(denial)}, true
	}
	for _, row := range reasons {
		if !errors.Is(err, row.is) {
			continue
		}
		refusal := &peerv1.Refusal{Reason: row.reason, Detail: detail(err, row.is)}
		switch row.reason {
		case peerv1.Refusal_REASON_UNKNOWN_OUTCOME:
			refusal.Late = errors.Is(err, context.DeadlineExceeded)
		case peerv1.Refusal_REASON_NOT_EXECUTED:
			if hint, ok := errors.AsType[*route.NotLeaderError](err); ok {
				refusal.Reason = peerv1.Refusal_REASON_NOT_LEADER
				refusal.Detail = "" // the hint says it all
				refusal.NotLeader = &peerv1.NotLeader{Group: uint32(hint.Group), Leader: string(hint.Leader), Term: hint.Term}
			}
		}
		return refusal, true
	}
	return &peerv1.Refusal{Detail: "internal error; the log of that node says more"}, false
}

// detail is the text of an error without that of its sentinel, which the other
// side puts in front again.
func detail(err, is error) string {
	before, after, _ := strings.Cut(err.Error(), is.Error())
	return strings.ToValidUTF8(clip(before+strings.TrimPrefix(after, ": ")), "")
}

func wireDenial(d *cluster.Refusal) *peerv1.Denial {
	wire := &peerv1.Denial{What: d.What, Node: string(d.Node), Why: d.Why}
	for _, g := range d.Groups {
		wire.Groups = append(wire.Groups, uint32(g))
	}
	return wire
}

func denialOf(wire *peerv1.Denial) *cluster.Refusal {
	d := &cluster.Refusal{What: clip(wire.GetWhat()), Why: clip(wire.GetWhy())}
	if node, err := cluster.ParseNodeID(wire.GetNode()); err == nil {
		d.Node = node
	}
	for _, g := range wire.GetGroups()[:min(len(wire.GetGroups()), maxReplicas)] {
		d.Groups = append(d.Groups, cluster.GroupID(g))
	}
	return d
}

// refused makes the error of a refusal that another node sent. change says that
// the request may have changed something.
func refused(refusal *peerv1.Refusal, change bool) error {
	if refusal.GetReason() == peerv1.Refusal_REASON_NOT_LEADER {
		hint := &route.NotLeaderError{Group: cluster.GroupID(refusal.GetNotLeader().GetGroup()), Term: refusal.GetNotLeader().GetTerm()}
		if leader, err := cluster.ParseNodeID(refusal.GetNotLeader().GetLeader()); err == nil {
			hint.Leader = leader
		}
		return hint
	}
	if refusal.GetReason() == peerv1.Refusal_REASON_DENIED {
		return denialOf(refusal.GetDenial())
	}
	for _, row := range reasons {
		if row.reason != refusal.GetReason() {
			continue
		}
		err := row.is
		if refusal.GetDetail() != "" {
			err = fmt.Errorf("%w: %s", err, clip(refusal.GetDetail()))
		}
		if refusal.GetLate() {
			err = fmt.Errorf("%w: %w", err, context.DeadlineExceeded)
		}
		return err
	}
	err := fmt.Errorf("peer: reason %d: %s", refusal.GetReason(), clip(refusal.GetDetail()))
	if change {
		return fmt.Errorf("%w: %w", route.ErrUnknownOutcome, err)
	}
	return err
}
