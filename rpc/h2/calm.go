package h2

import (
	"time"

	"golang.org/x/net/http2"
)

// Bounds on what costs a client less than it costs us, and is of no use to anybody. A
// client may do so much at once, and then as much as there is time; who does more is
// sent away with ENHANCE_YOUR_CALM.
const (
	// idleTime is what a frame without content takes of idleMost: ten thousand at
	// once, and as many in a second.
	idleCost = 100 * time.Microsecond
	idleMost = time.Second
	// creditCost is what a window's update takes of it: a client that reads much
	// sends thousands.
	creditCost = idleCost / 4
	// settingsCost is what settings take of it: they change all streams.
	settingsCost = 100 * idleCost
	// resetMost is what resets may take: each takes as much as lets a connection have
	// all its streams reset twice at once, and as many again within that time.
	resetMost = 20 * time.Second
)

// errFlood is a client that makes work for nothing.
var errFlood = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)

// pacer counts what takes a time that is made up.
type pacer struct {
	// paid is when all that was counted will have taken its time, by the age of
	// the connection.
	paid time.Duration
}

// spend counts something; false if that is more than most at once.
func (p *pacer) spend(cost, most, now time.Duration) bool {
	p.paid = max(p.paid, now) + cost
	return p.paid-now <= most
}

// bear counts frames that ask for nothing, which a client has reason to send a
// few of. Those that something is answered to fill the outbox, which is bounded
// as well.
func (c *conn) bear(frame http2.Frame) error {
	cost := idleCost
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame, *http2.PingFrame:
		return nil
	case *http2.DataFrame:
		if len(f.Data()) > 0 || f.StreamEnded() {
			return nil
		}
	case *http2.WindowUpdateFrame:
		cost = creditCost
	case *http2.SettingsFrame:
		cost = settingsCost
	}
	if !c.idles.spend(cost, idleMost, c.age()) {
		c.server.counts.floods.Add(1)
		return errFlood
	}
	return c.flooded()
}

// flooded is an error when the client lets answers pile up.
func (c *conn) flooded() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out.buf) > floodOut {
		c.server.counts.floods.Add(1)
		return errFlood
	}
	return nil
}

// wasted counts a stream that was ended before its time, by the client or because of
// it: opening and resetting streams is cheap for who does it (CVE-2023-44487).
func (c *conn) wasted() error {
	cost := resetMost / time.Duration(2*c.most)
	if !c.resets.spend(cost, resetMost, c.age()) {
		c.server.counts.floods.Add(1)
		return errFlood
	}
	return nil
}
