package h2

import (
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// keeper watches whether a connection is still good for something: whether the
// client is there, and has calls.
type keeper struct {
	birth time.Time
	timer *time.Timer
	// lastRead is when the client said something last, idleSince since when it
	// has had no calls, both counted from birth.
	lastRead, idleSince atomic.Int64
	// asked: the client was asked whether it is there. Of the timer's callback.
	asked bool
}

// What our pings hold, so that their answers tell which one is meant.
var (
	keepPing  = [8]byte{'k', 'e', 'e', 'p'}
	drainPing = [8]byte{'d', 'r', 'a', 'i', 'n'}
)

// partingTime is how long a client has to answer that it has heard of the end.
const partingTime = time.Second

// lingerTime is how long a client has to close a connection on which all was
// said. Closing first might make it lose what it has not read.
const lingerTime = time.Second

func (k *keeper) watchOver(c *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.timer = time.AfterFunc(time.Hour, func() { k.look(c) }) // far off: the callback uses the field
	k.timer.Reset(min(c.server.config.PingTime, c.server.config.IdleTime, c.server.config.FirstTime))
}

func (k *keeper) leaveAlone() {
	if k.timer != nil {
		k.timer.Stop()
	}
}

// look is the timer's callback.
func (k *keeper) look(c *conn) {
	config := &c.server.config
	now := c.age()
	silent := now - time.Duration(k.lastRead.Load())
	c.mu.Lock()
	idle, most := now-time.Duration(k.idleSince.Load()), config.IdleTime
	if c.newest == 0 {
		most = config.FirstTime
	}
	if len(c.streams) > 0 {
		idle = 0
	}
	c.mu.Unlock()
	switch {
	case idle >= most:
		k.timer.Reset(config.PingTime)
		c.drain()
	case silent < config.PingTime:
		k.asked = false
		k.timer.Reset(min(config.PingTime-silent, most-idle))
	case k.asked:
		c.close()
	default:
		k.asked = true
		k.timer.Reset(config.PingTimeout) // before the writing, which may be stuck
		c.mu.Lock()
		c.out.ping(keepPing, 0)
		c.flush()
		c.mu.Unlock()
	}
}

// drain tells the client to open no more streams here, and closes the connection
// after those that are open. Streams that are on their way are served: the last
// number is told only when the client has answered (RFC 9113, 6.8).
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage >= parting {
		return
	}
	c.stage = parting
	c.out.goAway(maxWindow, http2.ErrCodeNo, "")
	c.out.ping(drainPing, 0)
	late := time.AfterFunc(partingTime, c.depart)
	c.stopLate = late.Stop
	c.flush()
}

// ponged takes in an answer to a ping.
func (c *conn) ponged(data [8]byte) {
	if data == drainPing {
		c.depart()
	}
}

// depart serves no new streams from now on.
func (c *conn) depart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage != parting {
		return
	}
	c.stage = deaf
	c.out.goAway(c.newest, http2.ErrCodeNo, "")
	c.flush()
	c.leave()
}

// leave closes a connection on which there is nothing left to be said. The
// caller holds the lock.
func (c *conn) leave() {
	if c.stage != deaf || len(c.streams) > 0 || len(c.out.buf) > 0 || c.out.writing {
		return
	}
	c.stage = leaving
	if half, ok := c.socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the reader learns of a broken socket
	}
	_ = c.socket.SetReadDeadline(time.Now().Add(lingerTime)) // likewise
}
