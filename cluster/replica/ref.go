package replica

import "github.com/mayfly-broker/mayfly/cluster"

// A replica's id "node/group/number" (cluster.Replica.ID) is its raft address
// as well: votes are remembered by address, so the two are one string, and a
// node can change host and port without a configuration change.

// Ref names a replica of the node that is talked to.
type Ref struct {
	Group  cluster.GroupID
	Number uint64
}

// replicaOf reads a replica id of a configuration. Only this package writes
// those; of anything else comes the zero value, which names no replica.
func replicaOf(id string) cluster.Replica {
	_, r, _ := cluster.ParseReplicaID(id)
	return r
}
