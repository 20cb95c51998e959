package replica

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// transport is raft's own network transport that also listens to what the
// followers answer. Embedding keeps its pre-vote, which raft turns off silently
// when a transport has none.
type transport struct {
	*raft.NetworkTransport
	peers *peerTable
}

var _ raft.WithPreVote = (*transport)(nil)

// AppendEntries implements raft.Transport. Heartbeats come this way, in a
// stream of their own and at least every fifth of a heartbeat timeout.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	asked := time.Now()
	err := t.NetworkTransport.AppendEntries(id, target, args, resp)
	if err == nil && resp.Term == args.Term {
		t.peers.heard(string(id), asked, resp.LastLog)
	}
	return err
}

// peerTable remembers what a leader last heard from each follower.
type peerTable struct {
	mu   sync.Mutex
	last map[string]contact
}

// contact is one answer of a follower.
type contact struct {
	at   time.Time // when the question was sent
	last uint64    // the last index of its log
}

func newPeerTable() *peerTable { return &peerTable{last: make(map[string]contact)} }

func (p *peerTable) heard(replica string, at time.Time, last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[replica] = contact{at, last}
}

func (p *peerTable) of(replica string) contact {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last[replica]
}

// keep forgets all but the given replicas.
func (p *peerTable) keep(replicas map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.last {
		if !replicas[id] {
			delete(p.last, id)
		}
	}
}
