package steward

import (
	"context"
	"errors"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Report is what a node says about itself when it is asked.
type Report struct {
	// Node, Store and Boot are who answers: name, data directory, process.
	Node  cluster.NodeID
	Store string
	Boot  string
	// Replicas are those that run on the node, by group.
	Replicas []ReplicaReport
	// Trust is the serial number of the trust that the node has adopted.
	Trust uint64
}

// ReplicaReport is how far one replica is.
type ReplicaReport struct {
	Group    cluster.GroupID
	Number   uint64
	Progress replica.Progress
	// Configuration is who belongs to the group, told by a replica that leads it
	// (Progress.Leading) and whose newest configuration is committed; nil else.
	Configuration *replica.Configuration
}

// Peers is how a steward reaches the other nodes. Every call must return when
// its context ends. Errors of Step are those of replica.Group (ErrNotLeader,
// ErrConflict, ErrRefused, ErrBehind, ErrUnknownOutcome) or mean that it is
// unknown what came of it; errors of the others may be anything.
type Peers interface {
	// Observe asks a node for its report, made after the call.
	Observe(ctx context.Context, node cluster.NodeID) (Report, error)
	// Step asks the node that leads a group for a step on it, and returns the
	// index of the configuration afterwards.
	Step(ctx context.Context, node cluster.NodeID, step cluster.Step) (index uint64, err error)
	// Start asks a node to make and start a replica that was created for it. One
	// that does not follow the meta group yet could not know of it otherwise.
	Start(ctx context.Context, node cluster.NodeID, ref replica.Ref) error
	// Release asks a node to stop a retired replica of its and to delete its
	// data.
	Release(ctx context.Context, node cluster.NodeID, ref replica.Ref) error
}

// Record is the agreed state of the cluster as this node's copy of the meta
// group has it.
type Record interface {
	// Read runs look while the state does not change. What look takes out of it
	// must not be modified.
	Read(look func(*cluster.State))
	// Changed returns a channel that is closed when the state has changed.
	Changed() <-chan struct{}
	// Propose commits a change if this node leads the meta group, and refuses it
	// otherwise. The proposal's time is filled in.
	Propose(ctx context.Context, change cluster.Change) (cluster.Outcome, error)
	// Leading tells whether this node leads the meta group, the term, and a
	// channel that is closed when that has changed; nil while this node has no
	// replica of the group.
	Leading() (term uint64, leading bool, changed <-chan struct{})
}

// ErrNotLeading: this node does not lead the meta group, another must be asked.
var ErrNotLeading = errors.New("this node does not lead the meta group")
