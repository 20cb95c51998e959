package web

import (
	"container/list"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/address"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// Limits bound the connections of a Port. A zero field means its default.
type Limits struct {
	// Connections is how many there are at a time; 0 = DefaultConnections.
	Connections int
	// PerAddress is how many of them one address may have, or one network of 64 bits
	// of IPv6, the proxies excepted. 0 means that nobody says: an address then has up
	// to four times as many as are free, so that one alone never takes all.
	PerAddress int
	// Proxies are those whose connections are other people's.
	Proxies []netip.Prefix
}

// DefaultConnections is how many connections a Port has at a time if nobody says.
const DefaultConnections = 200_000

const (
	// addressGreed: one address may have four times as many connections as are free.
	addressGreed = 4
	// refusalPause is how often a port says that it refuses connections.
	refusalPause = time.Minute
)

// guests are those who have connections, by the networks they come from. Guarded by
// the port's lock.
type guests struct {
	limits Limits
	// places are the connections, waits those that did not tell yet what they speak.
	places, waits *share.Pool
	known         map[netip.Prefix]*guest

	refused Refusals
	told    time.Time // when it was last said that connections are refused
	untold  Refusals  // what was refused by then
}

// guest is a network that has connections.
type guest struct {
	network       netip.Prefix
	isProxy       bool
	conns         int
	places, waits share.Holder
	waiting       list.List // of *conn that did not tell yet, oldest first
}

// Refusals count connections that were closed as soon as they were there.
type Refusals struct {
	// Full: there were too many; Address: too many of that address.
	Full, Address uint64
}

func newGuests(limits Limits, waiting int) guests {
	g := guests{
		known:  make(map[netip.Prefix]*guest),
		places: share.New(0, addressGreed),
		waits:  share.New(int64(waiting), addressGreed),
	}
	g.limit(limits)
	return g
}

// limit replaces the limits. Nobody who is there has to go.
func (g *guests) limit(limits Limits) {
	if limits.Connections == 0 {
		limits.Connections = DefaultConnections
	}
	g.limits = limits
	g.places.Resize(int64(limits.Connections))
}

// enter finds a place for a connection. It returns nil if there is none.
func (g *guests) enter(from net.Addr) *guest {
	addr := addressOf(from)
	who := address.Network(addr)
	one := g.known[who]
	if one == nil {
		one = &guest{network: who, places: g.places.Holder(), waits: g.waits.Holder()}
		if one.isProxy = isAmong(addr, g.limits.Proxies); one.isProxy {
			one.places, one.waits = g.places.Trusted(), g.waits.Trusted()
		}
	}
	switch {
	case g.limits.PerAddress > 0 && one.conns >= g.limits.PerAddress && !one.isProxy:
		g.refused.Address++
		return nil
	case one.places.Take(1):
		one.conns++
		g.known[who] = one
		return one
	case g.places.Used() < int64(g.limits.Connections):
		g.refused.Address++
		return nil
	default:
		g.refused.Full++
		return nil
	}
}

// leave frees the place of a connection.
func (g *guests) leave(one *guest) {
	one.places.Give(1)
	if one.conns--; one.conns == 0 {
		delete(g.known, one.network)
	}
}

// wait enters a connection among those that did not tell yet. If there are too many,
// the oldest of the same network makes room, which it returns: whoever has something
// to say has said it within a round trip. ok is false if there is none that could.
func (g *guests) wait(c *conn) (oldest *conn, ok bool) {
	if !c.guest.waits.Take(1) {
		first := c.guest.waiting.Front()
		if first == nil {
			g.refused.Full++
			return nil, false
		}
		oldest = c.guest.waiting.Remove(first).(*conn)
		oldest.place = nil
	}
	c.place = c.guest.waiting.PushBack(c)
	return oldest, true
}

// sorted takes a connection from among those that wait, unless it had to make room.
func (g *guests) sorted(c *conn) {
	if c.place != nil {
		c.guest.waiting.Remove(c.place)
		c.guest.waits.Give(1)
		c.place = nil
	}
}

// report says now and then that connections are refused, and what could be done.
func (g *guests) report(logger *slog.Logger, now time.Time) {
	if now.Sub(g.told) < refusalPause {
		return
	}
	logger.Warn("client connections are refused: there are too many of them; --max-connections raises how many there may be, --max-connections-per-address how many of one address, and --trust-proxies names proxies that connect for others",
		slog.Int("connections", int(g.places.Used())), slog.Int("max", g.limits.Connections),
		slog.Uint64("refused_full", g.refused.Full-g.untold.Full), slog.Uint64("refused_address", g.refused.Address-g.untold.Address))
	g.told, g.untold = now, g.refused
}

// addressOf is the address of the other end; the zero one if it has none.
func addressOf(from net.Addr) netip.Addr {
	if tcp, ok := from.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
