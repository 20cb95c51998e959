package route

import (
	"sync"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// requests hands out the ids of this process's mutations for one group, and
// knows which of them are answered for good, so that the group need not
// remember their results any longer. It is safe for concurrent use.
type requests struct {
	gateway []byte // 16 random bytes, drawn at start; never changed

	mu   sync.Mutex
	next uint64 // the next sequence to hand out, from 1
	low  uint64 // every sequence below is done
	done []bool // done[i] is about sequence low+i
}

func newRequests(gateway []byte) *requests {
	return &requests{gateway: gateway, next: 1, low: 1}
}

// begin returns a new id. Every begin is followed by one finish.
func (r *requests) begin() *storev1.RequestId {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := &storev1.RequestId{Gateway: r.gateway, Sequence: r.next, DoneBelow: r.low}
	r.next++
	r.done = append(r.done, false)
	return id
}

// finish says that nobody will ask for the outcome of id again.
func (r *requests) finish(id *storev1.RequestId) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[id.GetSequence()-r.low] = true
	answered := 0
	for answered < len(r.done) && r.done[answered] {
		answered++
	}
	if answered > 0 {
		// Copying down keeps the slice from creeping through memory; it holds
		// only what is in flight.
		r.done = r.done[:copy(r.done, r.done[answered:])]
		r.low += uint64(answered)
	}
}
