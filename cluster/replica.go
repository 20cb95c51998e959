package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FirstReplica is the number of the replicas a cluster is born with; later
// ones are numbered by their group's counter.
const FirstReplica = 1

// Replica is one copy of a group on one node. A number is never given twice to
// the same group on the same node: what a disk forgot, its successor never
// promised.
type Replica struct {
	Node   NodeID `json:"node"`
	Number uint64 `json:"number"`
}

// ID is "node/group/number", the identity of the replica in its Raft group and
// its Raft address.
func (r Replica) ID(g GroupID) string {
	return string(r.Node) + "/" + g.String() + "/" + strconv.FormatUint(r.Number, 10)
}

// IsZero reports whether r names no replica.
func (r Replica) IsZero() bool { return r == Replica{} }

// Compare orders replicas by node, then by number.
func (r Replica) Compare(o Replica) int {
	return cmp.Or(strings.Compare(string(r.Node), string(o.Node)), cmp.Compare(r.Number, o.Number))
}

// ParseReplicaID takes apart what Replica.ID made. Only the exact form that
// ID writes is accepted, so that one replica has one id.
func ParseReplicaID(id string) (GroupID, Replica, error) {
	node, rest, _ := strings.Cut(id, "/")
	group, number, _ := strings.Cut(rest, "/")
	g, errGroup := strconv.ParseUint(group, 10, 32)
	n, errNumber := strconv.ParseUint(number, 10, 64)
	r := Replica{Node: NodeID(node), Number: n}
	if errGroup != nil || errNumber != nil || r.check() != nil || r.ID(GroupID(g)) != id {
		return 0, Replica{}, fmt.Errorf("cluster: %.*q is not a replica id, which reads node/group/number", maxReplicaIDLen, id)
	}
	return GroupID(g), r, nil
}

// maxReplicaIDLen is a node name, two slashes and two numbers.
const maxReplicaIDLen = MaxNodeIDLen + 2 + 10 + 20

func (r Replica) check() error {
	if _, err := ParseNodeID(string(r.Node)); err != nil {
		return err
	}
	if r.Number == 0 {
		return fmt.Errorf("cluster: a replica of node %s has number 0, they count from %d", r.Node, FirstReplica)
	}
	return nil
}

// The lists of the placement are sorted sets that are replaced, not written
// to. Each function returns a list of its own.

func withReplica(list []Replica, r Replica) []Replica {
	i, found := slices.BinarySearchFunc(list, r, Replica.Compare)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), i, r)
}

func withoutReplica(list []Replica, r Replica) []Replica {
	i, found := slices.BinarySearchFunc(list, r, Replica.Compare)
	switch {
	case !found:
		return list
	case len(list) == 1:
		return nil
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

func hasReplica(list []Replica, r Replica) bool {
	_, found := slices.BinarySearchFunc(list, r, Replica.Compare)
	return found
}

func hasNode(list []Replica, n NodeID) bool {
	return slices.ContainsFunc(list, func(r Replica) bool { return r.Node == n })
}
