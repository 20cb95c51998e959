package convert

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/steward"
	clusterv1 "github.com/mayfly-broker/mayfly/proto/cluster/v1"
)

// Bounds of a status that is read.
const (
	maxGroups = cluster.MaxGroups + 1
	// maxReplicas of one group: on every member one that comes and one that goes.
	maxReplicas = 4 * cluster.MaxMembers
	// maxHeld reasons to wait; what is beyond is left out, the first say enough.
	maxHeld = 256
	// maxText is the longest sentence, in bytes; longer ones are cut.
	maxText = 512
)

var healths = twoWays(map[cluster.Health]clusterv1.Health{
	cluster.Suspect: clusterv1.Health_HEALTH_SUSPECT,
	cluster.Live:    clusterv1.Health_HEALTH_LIVE,
	cluster.Down:    clusterv1.Health_HEALTH_DOWN,
})

var roles = twoWays(map[cluster.Role]clusterv1.Role{
	cluster.RoleCreated: clusterv1.Role_ROLE_CREATED,
	cluster.RoleLearner: clusterv1.Role_ROLE_LEARNER,
	cluster.RoleVoter:   clusterv1.Role_ROLE_VOTER,
	cluster.RoleRetired: clusterv1.Role_ROLE_RETIRED,
})

var progresses = twoWays(map[cluster.Progress]clusterv1.Progress{
	cluster.Behind:   clusterv1.Progress_PROGRESS_BEHIND,
	cluster.Near:     clusterv1.Progress_PROGRESS_NEAR,
	cluster.CaughtUp: clusterv1.Progress_PROGRESS_CAUGHT_UP,
})

// words are the values of a kind and their words on the wire.
type words[V, W comparable] struct {
	to   map[V]W
	from map[W]V
}

func twoWays[V, W comparable](to map[V]W) words[V, W] {
	w := words[V, W]{to, make(map[W]V, len(to))}
	for v, word := range to {
		w.from[word] = v
	}
	return w
}

// Status makes the message of a status.
func Status(st steward.Status) *clusterv1.Status {
	wire := &clusterv1.Status{
		Leading: st.Leading, Term: st.Term, AtMs: ms(st.At),
		ClusterId: st.Settings.ClusterID, DataGroups: uint32(st.Settings.Groups), Level: st.Settings.Level,
		Version: st.Version, PlacementVersion: st.PlacementVersion,
	}
	for _, n := range st.Nodes {
		wire.Nodes = append(wire.Nodes, node(n))
	}
	for _, g := range st.Groups {
		wire.Groups = append(wire.Groups, group(g))
	}
	for _, h := range st.Held[:min(len(st.Held), maxHeld)] {
		wire.Held = append(wire.Held, &clusterv1.Hold{Group: uint32(h.Group), Why: text(h.Why)})
	}
	wire.Rotation = rotation(st.Rotation)
	return wire
}

func rotation(r steward.Rotation) *clusterv1.Rotation {
	wire := &clusterv1.Rotation{Serial: r.Serial, Stage: string(r.Stage), Authority: r.Authority}
	for _, n := range r.Waiting {
		wire.Waiting = append(wire.Waiting, string(n))
	}
	return wire
}

func rotationOf(wire *clusterv1.Rotation) (steward.Rotation, error) {
	r := steward.Rotation{Serial: wire.GetSerial(), Stage: cluster.Stage(text(wire.GetStage())), Authority: wire.GetAuthority()}
	if len(wire.GetWaiting()) > cluster.MaxMembers {
		return r, fmt.Errorf("a rotation waits for %d nodes, a cluster has at most %d", len(wire.GetWaiting()), cluster.MaxMembers)
	}
	for _, name := range wire.GetWaiting() {
		n, err := cluster.ParseNodeID(name)
		if err != nil {
			return r, err
		}
		r.Waiting = append(r.Waiting, n)
	}
	return r, nil
}

// ms is a time in milliseconds since the Unix epoch, 0 for the zero time.
func ms(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(0, t.UnixMilli()))
}

// text bounds a sentence and makes it fit for a message.
func text(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }

func node(n steward.NodeStatus) *clusterv1.Node {
	return &clusterv1.Node{
		Node: string(n.Node), StoreId: n.Store, BootId: n.Boot, PeerAddr: n.PeerAddr, GossipAddr: n.GossipAddr,
		Zone: n.Zone, Level: n.Level, State: string(n.State), Leaving: n.Leaving,
		Health: healths.to[n.Health], HeardMs: ms(n.Heard), Note: text(n.Note),
		Replicas: uint32(n.Replicas), Retired: uint32(n.Retired), Leaders: uint32(n.Leaders),
	}
}

func group(g steward.GroupStatus) *clusterv1.Group {
	wire := &clusterv1.Group{
		Group: uint32(g.Group), Leader: replica(g.Leader), Term: g.Term, Index: g.Index, Applied: g.Applied, Last: g.Last,
		Target: &clusterv1.Target{Voters: names(g.Target.Voters), Learners: names(g.Target.Learners), Leader: string(g.Target.Leader)},
		Moving: g.Moving, Pinned: g.Pinned,
	}
	for _, r := range g.Replicas {
		wire.Replicas = append(wire.Replicas, &clusterv1.GroupReplica{
			Replica: replica(r.Replica), Role: roles.to[r.Role], Lost: r.Lost, Answered: r.Answered,
			Progress: progresses.to[r.Progress], Applied: r.Applied, Lag: r.Lag,
		})
	}
	if s := g.Step; s != nil {
		wire.Step = &clusterv1.Step{
			Kind: string(s.Kind), Group: uint32(s.Group), Replica: replica(s.Replica), To: replica(s.To), Node: string(s.Node), Index: s.Index,
		}
	}
	return wire
}

// replica makes a message of a replica, nil of none.
func replica(r cluster.Replica) *clusterv1.Replica {
	if r.IsZero() {
		return nil
	}
	return &clusterv1.Replica{Node: string(r.Node), Number: r.Number}
}

func names(nodes []cluster.NodeID) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, string(n))
	}
	return list
}

// StatusOf reads a status. Words of a newer node that are not known here are
// read as the most careful ones.
func StatusOf(wire *clusterv1.Status) (steward.Status, error) {
	switch {
	case len(wire.GetNodes()) > cluster.MaxMembers:
		return steward.Status{}, fmt.Errorf("%d nodes, a cluster has at most %d", len(wire.GetNodes()), cluster.MaxMembers)
	case len(wire.GetGroups()) > maxGroups:
		return steward.Status{}, fmt.Errorf("%d groups, a cluster has at most %d", len(wire.GetGroups()), maxGroups)
	case len(wire.GetHeld()) > maxHeld:
		return steward.Status{}, fmt.Errorf("%d reasons to wait, at most %d are told", len(wire.GetHeld()), maxHeld)
	case wire.GetDataGroups() > cluster.MaxGroups:
		return steward.Status{}, fmt.Errorf("%d data groups, a cluster has at most %d", wire.GetDataGroups(), cluster.MaxGroups)
	}
	st := steward.Status{
		Leading: wire.GetLeading(), Term: wire.GetTerm(), At: moment(wire.GetAtMs()),
		Settings: cluster.Settings{ClusterID: text(wire.GetClusterId()), Groups: int(wire.GetDataGroups()), Level: wire.GetLevel()},
		Version:  wire.GetVersion(), PlacementVersion: wire.GetPlacementVersion(),
	}
	for _, w := range wire.GetNodes() {
		n, err := nodeOf(w)
		if err != nil {
			return steward.Status{}, err
		}
		st.Nodes = append(st.Nodes, n)
	}
	for _, w := range wire.GetGroups() {
		g, err := groupOf(w)
		if err != nil {
			return steward.Status{}, fmt.Errorf("group %d: %w", w.GetGroup(), err)
		}
		st.Groups = append(st.Groups, g)
	}
	for _, w := range wire.GetHeld() {
		st.Held = append(st.Held, cluster.Hold{Group: cluster.GroupID(w.GetGroup()), Why: text(w.GetWhy())})
	}
	var err error
	st.Rotation, err = rotationOf(wire.GetRotation())
	return st, err
}

func moment(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(min(ms, cluster.MaxAtMs)))
}

func nodeOf(wire *clusterv1.Node) (steward.NodeStatus, error) {
	n := steward.NodeStatus{
		Member: cluster.Member{
			Node: cluster.NodeID(wire.GetNode()), Store: wire.GetStoreId(), Boot: wire.GetBootId(),
			PeerAddr: wire.GetPeerAddr(), GossipAddr: wire.GetGossipAddr(), Zone: wire.GetZone(), Level: wire.GetLevel(),
			State: cluster.MemberState(wire.GetState()), Leaving: wire.GetLeaving(),
		},
		Health: healths.from[wire.GetHealth()], Heard: moment(wire.GetHeardMs()), Note: text(wire.GetNote()),
		Replicas: int(wire.GetReplicas()), Retired: int(wire.GetRetired()), Leaders: int(wire.GetLeaders()),
	}
	return n, n.Check()
}

func groupOf(wire *clusterv1.Group) (steward.GroupStatus, error) {
	switch {
	case wire.GetGroup() > cluster.MaxGroups:
		return steward.GroupStatus{}, fmt.Errorf("there is no such group, they count to %d at most", cluster.MaxGroups)
	case len(wire.GetReplicas()) > maxReplicas:
		return steward.GroupStatus{}, fmt.Errorf("%d replicas, at most %d are told", len(wire.GetReplicas()), maxReplicas)
	}
	g := steward.GroupStatus{
		Group: cluster.GroupID(wire.GetGroup()), Term: wire.GetTerm(), Index: wire.GetIndex(), Applied: wire.GetApplied(), Last: wire.GetLast(),
		Moving: wire.GetMoving(), Pinned: wire.GetPinned(),
	}
	var errs [4]error
	g.Leader, errs[0] = replicaOf(wire.GetLeader())
	g.Target.Voters, errs[1] = namesOf(wire.GetTarget().GetVoters())
	g.Target.Learners, errs[2] = namesOf(wire.GetTarget().GetLearners())
	g.Target.Leader, errs[3] = nameOf(wire.GetTarget().GetLeader())
	if err := errors.Join(errs[:]...); err != nil {
		return steward.GroupStatus{}, err
	}
	for _, w := range wire.GetReplicas() {
		r, err := replicaOf(w.GetReplica())
		if err != nil {
			return steward.GroupStatus{}, err
		}
		g.Replicas = append(g.Replicas, steward.ReplicaStatus{
			Replica: r, Role: roles.from[w.GetRole()], Lost: w.GetLost(), Answered: w.GetAnswered(),
			Progress: progresses.from[w.GetProgress()], Applied: w.GetApplied(), Lag: w.GetLag(),
		})
	}
	if wire.GetStep() == nil {
		return g, nil
	}
	step, err := stepOf(wire.GetStep())
	g.Step = &step
	return g, err
}

// stepOf reads a step to be looked at: its kind may be one of a newer node.
func stepOf(wire *clusterv1.Step) (s cluster.Step, err error) {
	var errs [3]error
	s = cluster.Step{Kind: cluster.StepKind(text(wire.GetKind())), Group: cluster.GroupID(wire.GetGroup()), Index: wire.GetIndex()}
	s.Replica, errs[0] = replicaOf(wire.GetReplica())
	s.To, errs[1] = replicaOf(wire.GetTo())
	s.Node, errs[2] = nameOf(wire.GetNode())
	return s, errors.Join(errs[:]...)
}

// replicaOf reads a replica, the zero one where there is none.
func replicaOf(wire *clusterv1.Replica) (cluster.Replica, error) {
	if wire == nil {
		return cluster.Replica{}, nil
	}
	node, err := cluster.ParseNodeID(wire.GetNode())
	return cluster.Replica{Node: node, Number: wire.GetNumber()}, err
}

// nameOf reads the name of a node, which may be left out.
func nameOf(name string) (cluster.NodeID, error) {
	if name == "" {
		return "", nil
	}
	return cluster.ParseNodeID(name)
}

func namesOf(list []string) ([]cluster.NodeID, error) {
	if len(list) > cluster.MaxMembers {
		return nil, fmt.Errorf("%d nodes in a target, a cluster has at most %d", len(list), cluster.MaxMembers)
	}
	var nodes []cluster.NodeID
	for _, name := range list {
		n, err := cluster.ParseNodeID(name)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
