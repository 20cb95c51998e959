package replica

import (
	"sync"
)

// outcome is what a caller of Propose gets.
type outcome struct {
	result any
	err    error
}

// proposal is a command on its way into the log.
type proposal struct {
	cmd   []byte
	taken bool // left the queue; guarded by queue.mu
	done  chan outcome
}

var proposals = sync.Pool{
	New: func() any { return &proposal{done: make(chan outcome, 1)} },
}

// queue holds the commands of a group that wait for a place in a log entry. Its
// bounds count every command until it is answered, in the queue or behind it.
type queue struct {
	maxCount, maxBytes int
	bell               chan struct{} // rings for the one taker

	mu      sync.Mutex
	waiting []*proposal
	bytes   int // of waiting
	held    int // accepted and not answered
	heldSum int // bytes of held
	closed  bool

	// encoding is held by the taker from take until the commands were copied;
	// only then may a caller who gives up have its bytes back.
	encoding sync.Mutex
}

func newQueue(limits Limits) *queue {
	return &queue{maxCount: limits.QueuedCommands, maxBytes: limits.QueuedBytes, bell: make(chan struct{}, 1)}
}

// add accepts a command or refuses it before any work is done.
func (q *queue) add(cmd []byte) (*proposal, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return nil, ErrClosed
	case q.held >= q.maxCount || q.heldSum+len(cmd) > q.maxBytes:
		return nil, ErrOverloaded
	}
	p := proposals.Get().(*proposal)
	p.cmd, p.taken = cmd, false
	wasFull := q.full()
	q.waiting = append(q.waiting, p)
	q.bytes += len(cmd)
	q.held++
	q.heldSum += len(cmd)
	if len(q.waiting) == 1 || q.full() != wasFull {
		ring(q.bell)
	}
	return p, nil
}

// full reports whether what waits makes an entry of its own. Caller holds mu.
func (q *queue) full() bool {
	return q.bytes >= gatherBytes || len(q.waiting) >= maxEntryCommands
}

// withdraw takes a proposal back if it is still in the queue. Otherwise it
// waits until nobody reads the caller's bytes any more.
func (q *queue) withdraw(p *proposal) (withdrawn bool) {
	q.mu.Lock()
	if !p.taken {
		for i, other := range q.waiting {
			if other == p {
				q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
				break
			}
		}
		q.bytes -= len(p.cmd)
		q.releaseLocked(1, len(p.cmd))
		q.mu.Unlock()
		return true
	}
	q.mu.Unlock()
	q.encoding.Lock()
	defer q.encoding.Unlock()
	return false
}

// release forgets answered commands.
func (q *queue) release(count, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.releaseLocked(count, bytes)
}

func (q *queue) releaseLocked(count, bytes int) {
	q.held -= count
	q.heldSum -= bytes
}

// close refuses further commands; those waiting stay.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	ring(q.bell)
}

// queueState is what the taker decides by.
type queueState struct {
	empty, full, closed bool
}

func (q *queue) state() queueState {
	q.mu.Lock()
	defer q.mu.Unlock()
	return queueState{empty: len(q.waiting) == 0, full: q.full(), closed: q.closed}
}

// batch is the content of one log entry.
type batch struct {
	proposals []*proposal
	bytes     int
}

// take removes commands for one entry, in order, at least one if any waits, and
// returns them encoded. No caller's bytes are read after it returned.
func (q *queue) take() (b batch, entry []byte) {
	q.encoding.Lock()
	defer q.encoding.Unlock()
	q.mu.Lock()
	n := 0
	for n < len(q.waiting) && n < maxEntryCommands && (n == 0 || b.bytes+len(q.waiting[n].cmd) <= gatherBytes) {
		b.bytes += len(q.waiting[n].cmd)
		q.waiting[n].taken = true
		n++
	}
	b.proposals = q.waiting[:n:n]
	if q.waiting = q.waiting[n:]; len(q.waiting) == 0 {
		q.waiting = nil
	}
	q.bytes -= b.bytes
	q.mu.Unlock()
	if n == 0 {
		return b, nil
	}
	commands := make([][]byte, n)
	for i, p := range b.proposals {
		commands[i] = p.cmd
	}
	return b, encodeEntry(commands)
}
