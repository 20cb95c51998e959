package peer

import (
	"errors"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// The values of package cluster and their likeness on the wire. Whatever is made
// of a message here is well-formed and bounded, or an error.

func wireReplica(r cluster.Replica) *peerv1.Replica {
	return &peerv1.Replica{Node: string(r.Node), Number: r.Number}
}

// replicaOf reads a replica, which must be named.
func replicaOf(wire *peerv1.Replica) (cluster.Replica, error) {
	node, err := cluster.ParseNodeID(wire.GetNode())
	switch {
	case err != nil:
		return cluster.Replica{}, err
	case wire.GetNumber() < cluster.FirstReplica:
		return cluster.Replica{}, fmt.Errorf("replica 0 of node %s, they count from %d", node, cluster.FirstReplica)
	}
	return cluster.Replica{Node: node, Number: wire.GetNumber()}, nil
}

// maxServers bounds the replicas that are told of one group: one on every member,
// and for each a second one that takes its place.
const maxServers = 2 * cluster.MaxMembers

func wireReplicas(list []cluster.Replica) []*peerv1.Replica {
	wire := make([]*peerv1.Replica, len(list))
	for i, r := range list {
		wire[i] = wireReplica(r)
	}
	return wire
}

func replicasOf(wire []*peerv1.Replica) ([]cluster.Replica, error) {
	if len(wire) > maxServers {
		return nil, fmt.Errorf("%d replicas of one group, there are %d at most", len(wire), maxServers)
	}
	var list []cluster.Replica
	for _, w := range wire {
		r, err := replicaOf(w)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func wireReport(r steward.Report) *peerv1.Report {
	wire := &peerv1.Report{Node: string(r.Node), StoreId: r.Store, BootId: r.Boot, Trust: r.Trust}
	for _, have := range r.Replicas {
		running := &peerv1.Report_Running{
			Group: uint32(have.Group), Number: have.Number,
			Term: have.Progress.Term, Leading: have.Progress.Leading, ConfigurationIndex: have.Progress.Configuration,
			Applied: have.Progress.Applied, Last: have.Progress.Last,
		}
		if c := have.Configuration; c != nil {
			running.Configuration = &peerv1.Configuration{
				Index: c.Index, Committed: c.Committed, Voters: wireReplicas(c.Voters), Learners: wireReplicas(c.Learners),
			}
		}
		wire.Replicas = append(wire.Replicas, running)
	}
	return wire
}

func reportOf(wire *peerv1.Report) (steward.Report, error) {
	node, err := cluster.ParseNodeID(wire.GetNode())
	if err != nil {
		return steward.Report{}, err
	}
	if len(wire.GetReplicas()) > maxReplicas {
		return steward.Report{}, fmt.Errorf("it tells of %d replicas, a node has at most %d", len(wire.GetReplicas()), maxReplicas)
	}
	r := steward.Report{Node: node, Store: wire.GetStoreId(), Boot: wire.GetBootId(), Trust: wire.GetTrust()}
	for _, running := range wire.GetReplicas() {
		have := steward.ReplicaReport{
			Group: cluster.GroupID(running.GetGroup()), Number: running.GetNumber(),
			Progress: replica.Progress{
				Term: running.GetTerm(), Leading: running.GetLeading(), Configuration: running.GetConfigurationIndex(),
				Applied: running.GetApplied(), Last: running.GetLast(),
			},
		}
		if running.GetConfiguration() != nil {
			c, err := configurationOf(running.GetConfiguration())
			if err != nil {
				return steward.Report{}, fmt.Errorf("group %s: %w", have.Group, err)
			}
			have.Configuration = c
		}
		r.Replicas = append(r.Replicas, have)
	}
	return r, nil
}

func configurationOf(wire *peerv1.Configuration) (*replica.Configuration, error) {
	voters, err := replicasOf(wire.GetVoters())
	if err != nil {
		return nil, err
	}
	learners, err := replicasOf(wire.GetLearners())
	return &replica.Configuration{Index: wire.GetIndex(), Committed: wire.GetCommitted(), Voters: voters, Learners: learners}, err
}

func wireStep(s cluster.Step) *peerv1.StepRequest {
	wire := &peerv1.StepRequest{
		Origin: new(peerv1.Origin), Kind: string(s.Kind), Group: uint32(s.Group), Replica: wireReplica(s.Replica), Index: s.Index,
	}
	if !s.To.IsZero() {
		wire.To = wireReplica(s.To)
	}
	return wire
}

func stepOf(wire *peerv1.StepRequest) (cluster.Step, error) {
	s := cluster.Step{
		Kind:    cluster.StepKind(wire.GetKind()),
		Group:   cluster.GroupID(wire.GetGroup()),
		Replica: cluster.Replica{Node: cluster.NodeID(wire.GetReplica().GetNode()), Number: wire.GetReplica().GetNumber()},
		To:      cluster.Replica{Node: cluster.NodeID(wire.GetTo().GetNode()), Number: wire.GetTo().GetNumber()},
		Index:   wire.GetIndex(),
	}
	return s, checkStep(s)
}

// checkStep requires a step that can be asked of a group's leader.
func checkStep(s cluster.Step) error {
	switch {
	case !s.Kind.OnGroup():
		return fmt.Errorf("a step %.32q is not asked of a group's leader", string(s.Kind))
	case s.Group > cluster.MaxGroups:
		return fmt.Errorf("there is no group %d, they count to %d at most", s.Group, cluster.MaxGroups)
	case s.Index == 0:
		return errors.New("the step does not say which configuration it was decided on")
	case (s.Kind == cluster.StepTransfer) == s.To.IsZero():
		return errors.New("a transfer, and nothing else, names the replica that shall lead")
	}
	if _, err := replicaOf(wireReplica(s.Replica)); err != nil {
		return err
	}
	if s.Kind != cluster.StepTransfer {
		return nil
	}
	_, err := replicaOf(wireReplica(s.To))
	return err
}

var statuses = map[cluster.Status]peerv1.ChangeResponse_Status{
	cluster.Done:     peerv1.ChangeResponse_STATUS_DONE,
	cluster.Conflict: peerv1.ChangeResponse_STATUS_CONFLICT,
	cluster.Refused:  peerv1.ChangeResponse_STATUS_REFUSED,
}

func wireVerdict(o cluster.Outcome) *peerv1.ChangeResponse_Verdict {
	wire := &peerv1.ChangeResponse_Verdict{Status: statuses[o.Status], Version: o.Version, Detail: o.Detail}
	if !o.Replica.IsZero() {
		wire.Replica = wireReplica(o.Replica)
	}
	return wire
}

func outcomeOf(wire *peerv1.ChangeResponse_Verdict) (cluster.Outcome, error) {
	for status, word := range statuses {
		if word != wire.GetStatus() {
			continue
		}
		o := cluster.Outcome{Status: status, Version: wire.GetVersion(), Detail: clip(wire.GetDetail())}
		if wire.GetReplica() == nil {
			return o, nil
		}
		r, err := replicaOf(wire.GetReplica())
		if err == nil {
			o.Replica = r
			return o, nil
		}
	}
	return cluster.Outcome{}, fmt.Errorf("%w: the answer to the change cannot be read", route.ErrUnknownOutcome)
}

func wireMember(m cluster.Member) *peerv1.Member {
	return &peerv1.Member{
		Node: string(m.Node), StoreId: m.Store, BootId: m.Boot, PeerAddr: m.PeerAddr, GossipAddr: m.GossipAddr,
		Zone: m.Zone, Level: m.Level, State: string(m.State), Leaving: m.Leaving,
	}
}

// memberOf reads a member that is on record.
func memberOf(wire *peerv1.Member) (cluster.Member, error) {
	m := cluster.Member{
		Node: cluster.NodeID(wire.GetNode()), Store: wire.GetStoreId(), Boot: wire.GetBootId(),
		PeerAddr: wire.GetPeerAddr(), GossipAddr: wire.GetGossipAddr(), Zone: wire.GetZone(), Level: wire.GetLevel(),
		State: cluster.MemberState(wire.GetState()), Leaving: wire.GetLeaving(),
	}
	return m, m.Check()
}

// newcomerOf reads a member that introduces itself: where it stands in its life
// is not for it to say.
func newcomerOf(wire *peerv1.Member) (cluster.Member, error) {
	m := cluster.Member{
		Node: cluster.NodeID(wire.GetNode()), Store: wire.GetStoreId(), Boot: wire.GetBootId(),
		PeerAddr: wire.GetPeerAddr(), GossipAddr: wire.GetGossipAddr(), Zone: wire.GetZone(), Level: wire.GetLevel(),
		State: cluster.Joining,
	}
	return m, m.Check()
}

func wireMembers(list []cluster.Member) []*peerv1.Member {
	wire := make([]*peerv1.Member, len(list))
	for i, m := range list {
		wire[i] = wireMember(m)
	}
	return wire
}

func membersOf(wire []*peerv1.Member) ([]cluster.Member, error) {
	if len(wire) > cluster.MaxMembers {
		return nil, fmt.Errorf("%d members, a cluster has at most %d", len(wire), cluster.MaxMembers)
	}
	var list []cluster.Member
	for _, w := range wire {
		m, err := memberOf(w)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}
