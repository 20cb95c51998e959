package replica

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/mayfly-broker/mayfly/cluster"
)

// State is what a data directory knows about one of its replicas. It
// only moves forward.
type State string

const (
	// StateCreated: has never taken part in its group, so it may be empty.
	StateCreated State = "created"
	// StateStarted: may have voted and acknowledged. Should it be empty now,
	// its disk was lost and it must not come back under the same id: we saw an
	// acknowledged write vanish that way (reliability.md, rule 2).
	StateStarted State = "started"
	// StateRemoved: never to be started again. Its data is still there.
	StateRemoved State = "removed"
	// StatePurged: removed, and its data deleted.
	StatePurged State = "purged"
)

func (s State) known() bool {
	return s.alive() || s == StateRemoved || s == StatePurged
}

// alive reports whether the replica is to run.
func (s State) alive() bool { return s == StateCreated || s == StateStarted }

// replicaRecord is one replica of this node.
type replicaRecord struct {
	Group  cluster.GroupID `json:"group"`
	Number uint64          `json:"number"`
	State  State           `json:"state"`
}

func (r replicaRecord) compare(o replicaRecord) int {
	return cmp.Or(cmp.Compare(r.Group, o.Group), cmp.Compare(r.Number, o.Number))
}

// Why a replica cannot be started, removed or purged on this node.
var (
	// ErrRetired: the number was used before on this node, or a later one was.
	ErrRetired = errors.New("replica number was used before")
	// ErrHeld: this node holds another replica of the group.
	ErrHeld = errors.New("another replica of the group lives here")
)

// records are the replicas of a manifest. The methods return changed copies.
type records []replicaRecord

// find gives the record of a replica.
func (rs records) find(group cluster.GroupID, number uint64) (replicaRecord, bool) {
	i, ok := slices.BinarySearchFunc(rs, replicaRecord{Group: group, Number: number}, replicaRecord.compare)
	if !ok {
		return replicaRecord{}, false
	}
	return rs[i], true
}

// living gives the records of the replicas that are to run.
func (rs records) living() records {
	return slices.DeleteFunc(slices.Clone(rs), func(r replicaRecord) bool { return !r.State.alive() })
}

// with adds or replaces a record. Of a group's purged replicas only the newest
// is kept: it retires all numbers up to its own.
func (rs records) with(record replicaRecord) records {
	next := make(records, 0, len(rs)+1)
	newest := uint64(0)
	for _, r := range append(slices.Clone(rs), record) {
		if r.Group == record.Group && r.Number == record.Number && r != record {
			continue
		}
		if r.Group == record.Group && r.State == StatePurged {
			newest = max(newest, r.Number)
		}
		next = append(next, r)
	}
	next = slices.DeleteFunc(next, func(r replicaRecord) bool {
		return r.Group == record.Group && r.State == StatePurged && r.Number < newest
	})
	slices.SortFunc(next, replicaRecord.compare)
	return slices.Compact(next)
}

// claim finds the record of a replica that is to be started, or makes one. The
// numbers of a group on a node only grow.
func (rs records) claim(group cluster.GroupID, number uint64) (record replicaRecord, known bool, err error) {
	for _, r := range rs {
		switch {
		case r.Group != group:
		case r.Number == number && r.State.alive():
			return r, true, nil
		case r.State.alive():
			return r, false, fmt.Errorf("%w: number %d, it must be removed before number %d can be started", ErrHeld, r.Number, number)
		case r.Number >= number:
			return r, false, fmt.Errorf("%w: number %d is %s, a number above it is needed, not %d", ErrRetired, r.Number, r.State, number)
		}
	}
	return replicaRecord{Group: group, Number: number, State: StateCreated}, false, nil
}
