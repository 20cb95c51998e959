package replica

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// configuration is one configuration of a group. It is immutable.
type configuration struct {
	index  uint64 // of its log entry
	voters []string
	others []string // learners
	alone  bool     // this replica is the only voter
	peers  bool     // there are other replicas
}

// roster follows the configurations of a group: the newest snapshot's and those
// of the log behind it. Raft keeps the same two lists but does not tell their
// indexes (raft 1.8.0 always answers 0), and without an index a change cannot
// be tied to the configuration that was looked at.
//
// Entries are noted before they are replicated or counted, so a leader that
// sees itself as the only voter knows that no other replica can have been
// elected yet.
type roster struct {
	self string
	now  atomic.Pointer[inForce]

	mu        sync.Mutex
	base      *configuration   // of the newest snapshot, nil for none
	at        [2]uint64        // term and index of that snapshot
	chain     []*configuration // of the log, in its order, all newer than base
	committed uint64           // no configuration up to here can be undone
}

// inForce is what decides at a moment: the newest configuration and, until that
// is known to be committed, the one before.
type inForce struct {
	newest *configuration // nil: this replica knows none
	before *configuration // nil: the newest is committed, or there is none
	// committed: the newest cannot be undone any more.
	committed bool
}

func newRoster(self string) *roster {
	r := &roster{self: self}
	r.now.Store(new(inForce))
	return r
}

func (r *roster) read(index uint64, c raft.Configuration) *configuration {
	conf := &configuration{index: index}
	for _, server := range c.Servers {
		id := string(server.ID)
		conf.peers = conf.peers || id != r.self
		if server.Suffrage == raft.Voter {
			conf.voters = append(conf.voters, id)
		} else {
			conf.others = append(conf.others, id)
		}
	}
	conf.alone = len(conf.voters) == 1 && conf.voters[0] == r.self
	return conf
}

// entered notes the configuration of a log entry.
func (r *roster) entered(index uint64, c raft.Configuration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chain = append(r.chain, r.read(index, c))
	r.publish()
}

// cut forgets the configurations of entries after keep, which a new leader
// replaces.
func (r *roster) cut(keep uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chain = slices.DeleteFunc(r.chain, func(c *configuration) bool { return c.index > keep })
	if r.base != nil {
		keep = max(keep, r.base.index)
	}
	r.committed = min(r.committed, keep)
	r.publish()
}

// snapshotted notes what a snapshot says, be it ours or a leader's. Only
// committed configurations get into snapshots. An old snapshot of ours may be
// finished after a leader's was installed; it has no say any more.
func (r *roster) snapshotted(meta *raft.SnapshotMeta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := [2]uint64{meta.Term, meta.Index}
	if slices.Compare(at[:], r.at[:]) < 0 {
		return
	}
	r.at = at
	r.base = r.read(meta.ConfigurationIndex, meta.Configuration)
	r.committed = max(r.committed, r.base.index)
	r.chain = slices.DeleteFunc(r.chain, func(c *configuration) bool { return c.index <= r.base.index })
	r.publish()
}

// commit notes that the state machine was handed the entry at index.
func (r *roster) commit(index uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.committed = max(r.committed, index)
	r.publish()
}

// publish shows the present state to readers. Caller holds mu.
func (r *roster) publish() {
	all := r.chain
	if r.base != nil {
		all = append([]*configuration{r.base}, r.chain...)
	}
	now := new(inForce)
	if n := len(all); n > 0 {
		now.newest = all[n-1]
		now.committed = now.newest.index <= r.committed
		if n > 1 && !now.committed {
			now.before = all[n-2]
		}
	}
	r.now.Store(now)
}

// loneVoter reports whether this replica is known to be the only voter.
func (r *roster) loneVoter() bool {
	c := r.now.Load().newest
	return c != nil && c.alone
}

// peers reports whether there may be other replicas.
func (r *roster) peers() bool {
	c := r.now.Load().newest
	return c == nil || c.peers
}

// decodeConfiguration reads a configuration entry; raft's own decoder panics.
func decodeConfiguration(data []byte) (c raft.Configuration, err error) {
	defer catchFault(&err)()
	return raft.DecodeConfiguration(data), nil
}

// loggedConfiguration is a configuration entry the start-up check came across.
type loggedConfiguration struct {
	index uint64
	conf  raft.Configuration
}

// configurationOf reads a log entry if it is a configuration.
func configurationOf(entry *raft.Log) (found *loggedConfiguration, err error) {
	if entry.Type != raft.LogConfiguration {
		return nil, nil
	}
	conf, err := decodeConfiguration(entry.Data)
	if err != nil {
		return nil, fmt.Errorf("its configuration cannot be read: %w", err)
	}
	return &loggedConfiguration{index: entry.Index, conf: conf}, nil
}
