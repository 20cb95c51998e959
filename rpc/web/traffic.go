package web

import "sync/atomic"

// Traffic is what went through one side of a port since it was made.
type Traffic struct {
	// Open is how many connections there are now, Accepted how many there ever
	// were.
	Open, Accepted uint64
	// Received and Sent are bytes, as they were on the wire.
	Received, Sent uint64
}

// tally counts for some of a side's connections. It fills a cache line of its
// own: every packet is counted, by many processors at once.
type tally struct {
	accepted, closed, received, sent atomic.Uint64
	_                                [32]byte
}

type tallies [16]tally

func (t *tallies) sum() (all Traffic) {
	for i := range t {
		// Closed is read first, so that Open never is below zero.
		closed := t[i].closed.Load()
		accepted := t[i].accepted.Load()
		all.Open += accepted - closed
		all.Accepted += accepted
		all.Received += t[i].received.Load()
		all.Sent += t[i].sent.Load()
	}
	return all
}

// PortStats is a look at a port.
type PortStats struct {
	// GRPC and HTTP are what went through either side.
	GRPC, HTTP Traffic
	// Waiting is how many connections did not tell yet what they speak.
	Waiting int
	// Dropped is how many never did: they went away, ran out of time or had to
	// make room.
	Dropped uint64
	// Refused are those that were not let in.
	Refused Refusals
	// Max is how many connections there may be.
	Max int
}

// Stats reads the numbers of the port, one after the other while it goes on.
func (p *Port) Stats() PortStats {
	s := PortStats{GRPC: p.grpc.sum(), HTTP: p.http.sum()}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Waiting, s.Dropped = p.waiting, p.dropped
	s.Refused, s.Max = p.guests.refused, p.guests.limits.Connections
	return s
}
