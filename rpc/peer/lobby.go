package peer

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

const (
	// maxStrangers bounds the connections whose callers have not proven who they are.
	maxStrangers = 256
	// maxOfNetwork bounds those of one network. A node that starts dials another one
	// for each group, of which there are cluster.MaxGroups and that of the members.
	maxOfNetwork = 128
)

// lobby holds the connections whose callers have not proven who they are. There is
// room for whoever comes: who has something to say has said it within some round
// trips, so that others make room who have been there for long. It is safe for
// concurrent use; the zero value is empty.
type lobby struct {
	mu    sync.Mutex
	count int
	came  uint64                      // strangers ever
	all   map[netip.Prefix]*list.List // of *stranger by network, the oldest first
}

// stranger is a connection in the lobby.
type stranger struct {
	net.Conn
	network netip.Prefix
	number  uint64        // in the order of arrival
	place   *list.Element // nil when it is not in the lobby any more
	over    chan struct{} // closed when its caller is no longer heard
}

// enter takes a connection in. If that is one too many, another has left for it, which
// the caller must close: the oldest of the same network, if there are too many of that
// one, and else the oldest of the network of which there are most, so that whoever has
// many addresses is in the way of none but a few.
func (l *lobby) enter(conn net.Conn) (one, displaced *stranger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came++
	one = &stranger{Conn: conn, network: networkOf(conn.RemoteAddr()), number: l.came, over: make(chan struct{})}
	switch same := l.all[one.network]; {
	case same != nil && same.Len() >= maxOfNetwork:
		displaced = same.Front().Value.(*stranger)
	case l.count >= maxStrangers:
		displaced = l.crowd(one.network)
	}
	if displaced != nil {
		l.remove(displaced)
	}
	if l.all == nil {
		l.all = make(map[netip.Prefix]*list.List)
	}
	if l.all[one.network] == nil {
		l.all[one.network] = list.New()
	}
	one.place = l.all[one.network].PushBack(one)
	l.count++
	return one, displaced
}

// crowd returns the oldest stranger of the network of which there are most, counting
// in the one who comes; of several such networks it is the oldest of all.
func (l *lobby) crowd(coming netip.Prefix) (oldest *stranger) {
	most := 0
	for network, some := range l.all {
		size, first := some.Len(), some.Front().Value.(*stranger)
		if network == coming {
			size++
		}
		if size > most || size == most && first.number < oldest.number {
			most, oldest = size, first
		}
	}
	return oldest
}

// leave reports whether a stranger was still in the lobby, where it is no more.
func (l *lobby) leave(one *stranger) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(one)
}

func (l *lobby) remove(one *stranger) bool {
	if one.place == nil {
		return false
	}
	some := l.all[one.network]
	some.Remove(one.place)
	if one.place = nil; some.Len() == 0 {
		delete(l.all, one.network)
	}
	l.count--
	return true
}

// networkOf is what one machine may have of addresses: one, or 64 bits of IPv6. It is
// the same for all connections that do not tell.
func networkOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	network, _ := ip.Prefix(bits) // fails only for more bits than there are
	return network
}
