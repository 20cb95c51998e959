package replica

import (
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// nearEntries is how far behind the leader a replica may be and count as caught
// up, in log entries (reliability.md 2.10).
const nearEntries = 100

// Progress is how far a replica is, by its own account.
type Progress struct {
	// Term is the raft term the replica has seen; Leading says that it leads in
	// it.
	Term    uint64
	Leading bool
	// Configuration is the index of the newest configuration the replica knows.
	Configuration uint64
	// Applied is the index of the last entry whose effects can be read here, of
	// those that have any. Compare it with another replica's Applied only:
	// raft's own entries do not count.
	Applied uint64
	// Last is the last index of its log.
	Last uint64
}

// Progress reads how far this replica is. It costs no message.
func (g *Group) Progress() Progress {
	v := g.view.Load()
	p := Progress{Term: g.raft.CurrentTerm(), Applied: g.fsm.applied.Load(), Last: g.raft.LastIndex()}
	p.Leading = v.Leading && v.Term == p.Term
	if c := g.store.log.roster.now.Load().newest; c != nil {
		p.Configuration = c.index
	}
	return p
}

// Near reports whether a replica is within 100 entries of what the leader
// reported, knows the same configuration and has applied it. A learner for
// which that holds for ten seconds running is caught up. Ask the leader first,
// so that its account is the older one.
func (p Progress) Near(leader Progress) bool {
	return leader.Leading && p.Configuration == leader.Configuration && p.Configuration > 0 &&
		p.Applied >= p.Configuration &&
		p.Applied+nearEntries >= leader.Applied && p.Last+nearEntries >= leader.Last
}

// Follower is what the leader last heard from another replica.
type Follower struct {
	cluster.Replica
	Voter bool
	// Last is the last index of its log; 0 if it never answered.
	Last uint64
	// Heard is when the question was sent that it answered last; zero if it
	// never answered.
	Heard time.Time
}

// Followers lists the other replicas of the group as their leader hears them.
// It is empty on a replica that does not lead.
func (g *Group) Followers() []Follower {
	if g.mayChange() != nil {
		return nil
	}
	now := g.store.log.roster.now.Load().newest
	if now == nil {
		return nil
	}
	var list []Follower
	there := make(map[string]bool)
	add := func(ids []string, voter bool) {
		for _, id := range ids {
			there[id] = true
			if id == g.replica {
				continue
			}
			seen := g.peers.of(id)
			list = append(list, Follower{Replica: replicaOf(id), Voter: voter, Last: seen.last, Heard: seen.at})
		}
	}
	add(now.voters, true)
	add(now.others, false)
	g.peers.keep(there)
	return list
}
