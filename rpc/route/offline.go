package route

import (
	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
)

// Machine makes an empty machine for a replica of the group that nobody asks
// anything: for those who rewrite the logs of stopped nodes.
func Machine(g cluster.GroupID) replica.StateMachine {
	if g == cluster.MetaGroup {
		return newMeta(func(string) {})
	}
	return newPartition(nil)
}
