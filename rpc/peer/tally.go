package peer

import (
	"maps"
	"sync"

	"github.com/mayfly-broker/mayfly/cluster"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// tally counts what each other node was sent. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex
	items map[cluster.NodeID]uint64
}

// add counts the items in frames that were handed to the link of a node.
func (t *tally) add(to cluster.NodeID, frames []*peerv1.MirrorResponse_Frame) {
	items := 0
	for _, f := range frames {
		items += len(f.GetItems().GetEncoded())
	}
	if items == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.items == nil {
		t.items = make(map[cluster.NodeID]uint64)
	}
	t.items[to] += uint64(items)
}

// ItemsSent tells how many items of topics each other node was sent since the
// start, by the nodes that mirror any. The map is the caller's.
func (s *Server) ItemsSent() map[cluster.NodeID]uint64 {
	s.sent.mu.Lock()
	defer s.sent.mu.Unlock()
	return maps.Clone(s.sent.items)
}
