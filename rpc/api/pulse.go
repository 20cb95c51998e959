package api

import (
	"sync/atomic"
	"time"
)

// pulse is the timer of a stream: it asks for a heartbeat when the stream was
// quiet for a while, and gives up on a client that reads nothing. It fires once
// per heartbeat period however much is sent; the stream's own goroutine reads
// the clock once per rest and otherwise only counts.
type pulse struct {
	heartbeat, stall time.Duration
	ring, abandon    func()
	timer            *time.Timer

	// due: a heartbeat is to be sent.
	due atomic.Bool
	// sent counts messages.
	sent atomic.Uint64
	// restingSince is when the stream began to wait for something to send, in
	// nanoseconds since birth and at least 1; 0 while it sends.
	restingSince atomic.Int64
	birth        time.Time

	// Of the timer's callback alone, which never runs twice at a time.
	sentBefore uint64
	stuckSince time.Time
}

// newPulse starts a pulse. ring wakes the stream, abandon ends it from outside;
// both must not block.
func newPulse(heartbeat, stall time.Duration, ring, abandon func()) *pulse {
	p := &pulse{heartbeat: heartbeat, stall: stall, ring: ring, abandon: abandon, birth: time.Now()}
	p.timer = time.AfterFunc(time.Hour, p.beat) // far off: the callback uses the field
	p.timer.Reset(min(heartbeat, stall))
	return p
}

// rest notes that the stream has nothing to send, wake that it looks again.
func (p *pulse) rest() { p.restingSince.Store(max(1, int64(time.Since(p.birth)))) }
func (p *pulse) wake() { p.restingSince.Store(0) }

// stop ends the pulse. A callback under way may still ring.
func (p *pulse) stop() { p.timer.Stop() }

// beat is the timer's callback.
func (p *pulse) beat() {
	since := p.restingSince.Load()
	if since == 0 {
		p.watch()
		return
	}
	p.stuckSince = time.Time{}
	// A little early is on time, or each heartbeat would take two looks: the
	// rest after one begins a moment later than the timer that asked for it.
	if quiet := time.Since(p.birth) - time.Duration(since); quiet < p.heartbeat-p.heartbeat/16 {
		p.timer.Reset(p.heartbeat - quiet)
		return
	}
	p.due.Store(true)
	p.ring()
	p.timer.Reset(p.heartbeat)
}

// watch looks whether a stream that is sending gets anywhere.
func (p *pulse) watch() {
	now, sent := time.Now(), p.sent.Load()
	switch {
	case p.stuckSince.IsZero() || sent != p.sentBefore:
		p.stuckSince, p.sentBefore = now, sent
	case now.Sub(p.stuckSince) >= p.stall:
		p.abandon()
		return
	}
	p.timer.Reset(min(p.heartbeat, p.stall))
}
