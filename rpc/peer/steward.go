package peer

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// Steward is what the steward of another node asks of this one.
type Steward interface {
	// Report tells how far this node's replicas are, now. It must not wait.
	Report() steward.Report
	// Perform carries out a step on a group that this node leads, and returns the
	// index of the configuration afterwards. The step is well-formed; the errors
	// are those of replica.Group. A route.NotLeaderError tells who leads instead.
	Perform(ctx context.Context, step cluster.Step) (index uint64, err error)
	// Start makes and starts a replica of this node. That it runs is no error.
	Start(ctx context.Context, ref replica.Ref) error
	// Release stops a retired replica of this node and deletes its data. That
	// there is none is no error.
	Release(ctx context.Context, ref replica.Ref) error
	// Change proposes a change of the cluster's state, if this node leads the
	// meta group; else the error is steward.ErrNotLeading or a
	// route.NotLeaderError. An error says nothing of the state, an outcome does.
	Change(ctx context.Context, change cluster.Change) (cluster.Outcome, error)
}

// Fence is what a node asks that wants to read its own copy of a group.
type Fence interface {
	// Confirm proves that this node leads the group, and returns what it had
	// applied afterwards: a copy that has applied as much shows everything that
	// was acknowledged before the call. The error is replica.ErrNotLeader, or a
	// route.NotLeaderError, when it does not lead.
	Confirm(ctx context.Context, group cluster.GroupID) (applied uint64, err error)
}

// absent refuses what this node has no part for.
func absent(what string) error {
	return fmt.Errorf("%w: this node has no %s yet", route.ErrNotExecuted, what)
}

// Observe implements peerv1.PeerServer.
func (s *Server) Observe(ctx context.Context, in *peerv1.ObserveRequest) (*peerv1.ObserveResponse, error) {
	var report *peerv1.Report
	refusal := s.serve(ctx, in, func(context.Context) error {
		if s.config.Steward == nil {
			return absent("steward")
		}
		report = wireReport(s.config.Steward.Report())
		return nil
	})
	if refusal != nil {
		return &peerv1.ObserveResponse{Outcome: &peerv1.ObserveResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.ObserveResponse{Outcome: &peerv1.ObserveResponse_Report{Report: report}}, nil
}

// Step implements peerv1.PeerServer.
func (s *Server) Step(ctx context.Context, in *peerv1.StepRequest) (*peerv1.StepResponse, error) {
	var index uint64
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		if s.config.Steward == nil {
			return absent("steward")
		}
		step, err := stepOf(in)
		if err != nil {
			return fmt.Errorf("%w: %w", route.ErrInvalid, err)
		}
		index, err = s.config.Steward.Perform(ctx, step)
		return hinted(step.Group, err)
	})
	if refusal != nil {
		return &peerv1.StepResponse{Outcome: &peerv1.StepResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.StepResponse{Outcome: &peerv1.StepResponse_Index{Index: index}}, nil
}

// Start implements peerv1.PeerServer.
func (s *Server) Start(ctx context.Context, in *peerv1.StartRequest) (*peerv1.StartResponse, error) {
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		ref, err := s.ownReplica(in)
		if err != nil {
			return err
		}
		return s.config.Steward.Start(ctx, ref)
	})
	return &peerv1.StartResponse{Refusal: refusal}, nil
}

// ownReplica reads which replica of this node its steward is asked about.
func (s *Server) ownReplica(in interface {
	GetGroup() uint32
	GetNumber() uint64
}) (replica.Ref, error) {
	switch {
	case s.config.Steward == nil:
		return replica.Ref{}, absent("steward")
	case in.GetGroup() > cluster.MaxGroups || in.GetNumber() == 0:
		return replica.Ref{}, fmt.Errorf("%w: there is no replica %d of group %d anywhere", route.ErrInvalid, in.GetNumber(), in.GetGroup())
	}
	return replica.Ref{Group: cluster.GroupID(in.GetGroup()), Number: in.GetNumber()}, nil
}

// Release implements peerv1.PeerServer.
func (s *Server) Release(ctx context.Context, in *peerv1.ReleaseRequest) (*peerv1.ReleaseResponse, error) {
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		ref, err := s.ownReplica(in)
		if err != nil {
			return err
		}
		return s.config.Steward.Release(ctx, ref)
	})
	return &peerv1.ReleaseResponse{Refusal: refusal}, nil
}

// Change implements peerv1.PeerServer.
func (s *Server) Change(ctx context.Context, in *peerv1.ChangeRequest) (*peerv1.ChangeResponse, error) {
	var outcome cluster.Outcome
	refusal := s.serve(ctx, in, func(ctx context.Context) error {
		if s.config.Steward == nil {
			return absent("steward")
		}
		change, err := cluster.DecodeChange(in.GetChange())
		switch {
		case errors.Is(err, cluster.ErrFormat): // a leader that is upgraded may take it
			return fmt.Errorf("%w: %w", route.ErrNotExecuted, err)
		case err != nil:
			return fmt.Errorf("%w: %w", route.ErrInvalid, err)
		}
		outcome, err = s.config.Steward.Change(ctx, change)
		return hinted(cluster.MetaGroup, err)
	})
	if refusal != nil {
		return &peerv1.ChangeResponse{Outcome: &peerv1.ChangeResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.ChangeResponse{Outcome: &peerv1.ChangeResponse_Verdict_{Verdict: wireVerdict(outcome)}}, nil
}

// Confirm implements peerv1.PeerServer.
func (s *Server) Confirm(ctx context.Context, in *peerv1.ConfirmRequest) (*peerv1.ConfirmResponse, error) {
	var index uint64
	refusal := s.serve(ctx, in, func(ctx context.Context) (err error) {
		if s.config.Fence == nil {
			return absent("groups")
		}
		index, err = s.config.Fence.Confirm(ctx, cluster.GroupID(in.GetGroup()))
		return hinted(cluster.GroupID(in.GetGroup()), err)
	})
	if refusal != nil {
		return &peerv1.ConfirmResponse{Outcome: &peerv1.ConfirmResponse_Refusal{Refusal: refusal}}, nil
	}
	return &peerv1.ConfirmResponse{Outcome: &peerv1.ConfirmResponse_Index{Index: index}}, nil
}

// hinted makes the refusal for want of leadership one that names the group.
func hinted(group cluster.GroupID, err error) error {
	if _, ok := errors.AsType[*route.NotLeaderError](err); ok {
		return err
	}
	if errors.Is(err, replica.ErrNotLeader) || errors.Is(err, steward.ErrNotLeading) {
		return &route.NotLeaderError{Group: group}
	}
	return err
}

// Observe asks the node for its report.
func (c *Client) Observe(ctx context.Context) (steward.Report, error) {
	in, out := &peerv1.ObserveRequest{Origin: new(peerv1.Origin)}, new(peerv1.ObserveResponse)
	if err := c.ask(ctx, peerv1.Peer_Observe_FullMethodName, in, out, question); err != nil {
		return steward.Report{}, err
	}
	wire, err := present(c, out.GetReport(), question)
	if err != nil {
		return steward.Report{}, err
	}
	report, err := reportOf(wire)
	switch {
	case err != nil:
		return steward.Report{}, fmt.Errorf("peer: the report of node %s: %w", c.node, err)
	case report.Node != c.node:
		return steward.Report{}, fmt.Errorf("peer: the report of node %s says it is node %s's", c.node, report.Node)
	}
	return report, nil
}

// Step asks the node for a step on a group that it leads, and returns the index
// of the configuration afterwards. errors.Is finds the words of replica.Group:
// ErrNotLeader, ErrConflict, ErrRefused and ErrBehind when nothing was done,
// ErrUnknownOutcome when something may have been; route.ErrNotExecuted means
// that the request certainly was not carried out.
func (c *Client) Step(ctx context.Context, step cluster.Step) (index uint64, err error) {
	if err := checkStep(step); err != nil {
		return 0, fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	in, out := wireStep(step), new(peerv1.StepResponse)
	if err := c.ask(ctx, peerv1.Peer_Step_FullMethodName, in, out, change); err != nil {
		return 0, groupError(err)
	}
	done, _ := out.GetOutcome().(*peerv1.StepResponse_Index)
	if _, err := present(c, done, change); err != nil {
		return 0, groupError(err)
	}
	return done.Index, nil
}

// groupError adds the words of replica.Group to those of route for the same.
func groupError(err error) error {
	if errors.Is(err, route.ErrUnknownOutcome) {
		return &synonym{err, replica.ErrUnknownOutcome}
	}
	if _, ok := errors.AsType[*route.NotLeaderError](err); ok {
		return &synonym{err, replica.ErrNotLeader}
	}
	return err
}

// synonym is an error that is another one as well, whose text says no more.
type synonym struct {
	error
	as error
}

// Unwrap lets errors.Is find both.
func (s *synonym) Unwrap() []error { return []error{s.error, s.as} }

// Start asks the node to make and start a replica of its.
func (c *Client) Start(ctx context.Context, ref replica.Ref) error {
	in := &peerv1.StartRequest{Origin: new(peerv1.Origin), Group: uint32(ref.Group), Number: ref.Number}
	return c.ask(ctx, peerv1.Peer_Start_FullMethodName, in, new(peerv1.StartResponse), change)
}

// Release asks the node to stop a retired replica of its and to delete its data.
func (c *Client) Release(ctx context.Context, ref replica.Ref) error {
	in := &peerv1.ReleaseRequest{Origin: new(peerv1.Origin), Group: uint32(ref.Group), Number: ref.Number}
	return c.ask(ctx, peerv1.Peer_Release_FullMethodName, in, new(peerv1.ReleaseResponse), change)
}

// Change has the node propose a change of the cluster's state, if it leads the
// meta group; if not, the error is a route.NotLeaderError of that group. That
// the state refuses the change is told by the outcome.
func (c *Client) Change(ctx context.Context, what cluster.Change) (cluster.Outcome, error) {
	encoded, err := what.Encode()
	if err != nil {
		return cluster.Outcome{}, fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	in, out := &peerv1.ChangeRequest{Origin: new(peerv1.Origin), Change: encoded}, new(peerv1.ChangeResponse)
	if err := c.ask(ctx, peerv1.Peer_Change_FullMethodName, in, out, change); err != nil {
		return cluster.Outcome{}, err
	}
	verdict, err := present(c, out.GetVerdict(), change)
	if err != nil {
		return cluster.Outcome{}, err
	}
	return outcomeOf(verdict)
}

// Confirm asks the node to prove that it leads the group, and returns what it
// had applied then: this node's own copy shows everything that was acknowledged
// before the call once it has applied as much.
func (c *Client) Confirm(ctx context.Context, group cluster.GroupID) (applied uint64, err error) {
	in, out := &peerv1.ConfirmRequest{Origin: new(peerv1.Origin), Group: uint32(group)}, new(peerv1.ConfirmResponse)
	if err := c.ask(ctx, peerv1.Peer_Confirm_FullMethodName, in, out, question); err != nil {
		return 0, err
	}
	proven, _ := out.GetOutcome().(*peerv1.ConfirmResponse_Index)
	if _, err := present(c, proven, question); err != nil {
		return 0, err
	}
	return proven.Index, nil
}
