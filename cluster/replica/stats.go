package replica

import "github.com/mayfly-broker/mayfly/cluster"

// Stats is a reading of one group's numbers. The fields are read one after the
// other, so they may be apart by what happened meanwhile.
type Stats struct {
	Group   cluster.GroupID
	Replica string
	Leadership
	// Voters is the number of voters in the newest configuration, 0 if unknown.
	Voters int
	// Committed is the index of the last log entry that this replica knows to be
	// committed.
	Committed uint64
	// Applied is the index of the last log entry whose effects can be read.
	Applied uint64
	// FirstIndex and LastIndex bound the log; both are 0 when it is empty.
	FirstIndex, LastIndex uint64
	// LogBytes is the size of the records of the log. The file may be larger.
	LogBytes int64
	// SnapshotIndex is the last entry contained in the newest snapshot, or 0.
	SnapshotIndex uint64
	// Queued and QueuedBytes count commands that were accepted and not answered.
	Queued, QueuedBytes int
}

// Stats reads the numbers of the group.
func (g *Group) Stats() Stats {
	s := Stats{
		Group: g.id, Replica: g.replica,
		Leadership:    g.view.Load().Leadership,
		Committed:     g.raft.CommitIndex(),
		Applied:       g.fsm.applied.Load(),
		SnapshotIndex: g.store.snapshots.newest(),
	}
	if c := g.store.log.roster.now.Load().newest; c != nil {
		s.Voters = len(c.voters)
	}
	s.FirstIndex, s.LastIndex, s.LogBytes = g.store.log.size()
	s.Queued, s.QueuedBytes = g.pipe.queue.holding()
	return s
}

// holding tells how many commands and bytes wait for an answer.
func (q *queue) holding() (count, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held, q.heldSum
}
