package api

import (
	"sync/atomic"
	"time"
)

// pulse is the timer of a stream: it asks for a heartbeat when the stream was
// quiet for a while, and gives up on a client that reads nothing. It fires once
// per heartbeat period however much is sent; the stream itself only notes when
// it sent last.
type pulse struct {
	// due: a heartbeat is to be sent.
	due atomic.Bool
	// last is when something was sent last, counted from birth.
	last  atomic.Int64
	birth time.Time

	heartbeat, stall time.Duration
	out              carrier
	timer            *time.Timer

	// Of the timer's callback alone, which never runs twice at a time.
	sentBefore uint64
	stuckSince time.Time
}

// start starts the pulse of a stream that goes out by that carrier.
func (p *pulse) start(heartbeat, stall time.Duration, out carrier) {
	p.heartbeat, p.stall, p.out, p.birth = heartbeat, stall, out, time.Now()
	p.timer = time.AfterFunc(time.Hour, p.beat) // far off: the callback uses the field
	p.timer.Reset(min(heartbeat, stall))
}

// sent notes that something was sent.
func (p *pulse) sent(now time.Time) { p.last.Store(int64(now.Sub(p.birth))) }

// stop ends the pulse. A callback under way may still wake the stream.
func (p *pulse) stop() { p.timer.Stop() }

// beat is the timer's callback.
func (p *pulse) beat() {
	if sent, rests := p.out.Progress(); !rests {
		p.watch(sent)
		return
	}
	p.stuckSince = time.Time{}
	// A little early is on time, or each heartbeat would take two looks: it is
	// noted a moment after the timer that asked for it.
	if quiet := time.Since(p.birth) - time.Duration(p.last.Load()); quiet < p.heartbeat-p.heartbeat/16 {
		p.timer.Reset(p.heartbeat - quiet)
		return
	}
	p.due.Store(true)
	p.out.Wake()
	p.timer.Reset(p.heartbeat)
}

// watch looks whether a stream that has something to send gets anywhere.
func (p *pulse) watch(sent uint64) {
	now := time.Now()
	switch {
	case p.stuckSince.IsZero() || sent != p.sentBefore:
		p.stuckSince, p.sentBefore = now, sent
	case now.Sub(p.stuckSince) >= p.stall:
		p.out.Cut()
		return
	}
	p.timer.Reset(min(p.heartbeat, p.stall))
}
