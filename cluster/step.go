package cluster

import (
	"errors"
	"fmt"
)

// StepKind says what a step does. The values are written to the meta group's
// log and mean the same for ever.
type StepKind string

// Steps on the record of the meta group: committing Step.Change is all there
// is to do.
const (
	// StepRecord notes the configuration that the group's leader reported.
	StepRecord StepKind = "record"
	// StepRetarget replaces the targets of groups.
	StepRetarget StepKind = "retarget"
	// StepCreate numbers a new replica; its node then makes it.
	StepCreate StepKind = "create"
	// StepRetire gives up a replica that never became part of its group.
	StepRetire StepKind = "retire"
	// StepActivate makes a joining member active.
	StepActivate StepKind = "activate"
	// StepDepart removes a member that left and holds nothing any more.
	StepDepart StepKind = "depart"
	// StepRecover notes that a group was brought back offline, by Replica.
	StepRecover StepKind = "recover"
)

// Steps on a group, asked of its leader after Step.Change is committed. All of
// them require the configuration to be the one of Step.Index.
const (
	// StepAddLearner adds a created replica to the configuration, without a vote.
	StepAddLearner StepKind = "add-learner"
	// StepPromote gives a learner a vote.
	StepPromote StepKind = "promote"
	// StepDemote takes a vote away; the replica goes on as a learner.
	StepDemote StepKind = "demote"
	// StepRemove takes a replica out of the configuration.
	StepRemove StepKind = "remove"
	// StepTransfer hands leadership from Replica to To, to nobody else.
	StepTransfer StepKind = "transfer"
)

// StepRelease is asked of the replica's node: stop it, mark it removed in the
// manifest, delete its data. Meta has it retired and the group's leader does
// not know it. Step.Change is committed after the node has done so.
const StepRelease StepKind = "release"

// OnGroup reports whether the step is asked of the group's leader.
func (k StepKind) OnGroup() bool {
	switch k {
	case StepAddLearner, StepPromote, StepDemote, StepRemove, StepTransfer:
		return true
	}
	return false
}

// Step is one idempotent step towards the targets. Carrying it out twice, or
// when it is no longer due, does no harm: changes of the record carry the
// version of the state, changes of a group the index of its configuration.
type Step struct {
	Kind    StepKind `json:"kind"`
	Group   GroupID  `json:"group"`
	Replica Replica  `json:"replica,omitzero"`
	// To is the replica that shall lead after a transfer.
	To Replica `json:"to,omitzero"`
	// Node is the subject of steps without a replica: create, activate, depart.
	Node NodeID `json:"node,omitempty"`
	// Index is the Raft index of the configuration that the step changes. It is
	// 0 where the step follows another one of its group in the same agenda: take
	// the index that one resulted in.
	Index uint64 `json:"index,omitempty"`

	targets []GroupTarget
	record  Record
}

// Change is what has to be committed in the meta group, with the version of
// the state that was planned on: for a StepRelease after it was carried out,
// for all others before. For steps on a group Index must be set.
func (s Step) Change() Op {
	switch s.Kind {
	case StepRecord:
		return &s.record
	case StepRecover:
		return &RecoverGroup{Record: s.record}
	case StepRetarget:
		return &Retarget{Targets: s.targets}
	case StepCreate:
		return &CreateReplica{Group: s.Group, Node: s.Node}
	case StepRetire:
		return &RetireReplica{Group: s.Group, Replica: s.Replica}
	case StepRelease:
		return &ForgetReplica{Group: s.Group, Replica: s.Replica}
	case StepActivate:
		return &Activate{Node: s.Node}
	case StepDepart:
		return &RemoveMember{Node: s.Node}
	default:
		return &BeginStep{Step: s}
	}
}

// String tells the step in one line for logs.
func (s Step) String() string {
	switch s.Kind {
	case StepRecord:
		return fmt.Sprintf("group %s: record configuration %d", s.Group, s.record.Index)
	case StepRecover:
		return fmt.Sprintf("group %s: it was brought back by %s, acknowledged writes may be missing", s.Group, s.Replica.ID(s.Group))
	case StepRetarget:
		return fmt.Sprintf("retarget %d groups", len(s.targets))
	case StepCreate:
		return fmt.Sprintf("group %s: create a replica on %s", s.Group, s.Node)
	case StepActivate, StepDepart:
		return fmt.Sprintf("%s %s", s.Kind, s.Node)
	case StepTransfer:
		return fmt.Sprintf("transfer leadership from %s to %s", s.Replica.ID(s.Group), s.To.ID(s.Group))
	default:
		return fmt.Sprintf("%s %s", s.Kind, s.Replica.ID(s.Group))
	}
}

// same reports whether both are the same step on a group.
func (s Step) same(o Step) bool {
	return s.Kind == o.Kind && s.Group == o.Group && s.Replica == o.Replica && s.To == o.To && s.Index == o.Index
}

// check is for steps on a group, the only ones that go on record.
func (s Step) check() error {
	switch {
	case !s.Kind.OnGroup():
		return fmt.Errorf("cluster: a step %.32q cannot be under way in a group", s.Kind)
	case s.Index == 0:
		return errors.New("cluster: a step on a group names no configuration index")
	case s.Node != "":
		return errors.New("cluster: a step on a group names a replica, not a node")
	case (s.Kind == StepTransfer) == s.To.IsZero():
		return errors.New("cluster: a transfer, and nothing else, names the replica that shall lead")
	}
	if err := s.Replica.check(); err != nil {
		return err
	}
	if s.Kind == StepTransfer {
		return s.To.check()
	}
	return nil
}
