package peer

import (
	"container/list"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/address"
)

// maxStrangers bounds the connections whose callers have not proven who they are.
const maxStrangers = 256

// lobby holds the connections whose callers have not proven who they are. There is
// room for whoever comes: who has something to say has said it within some round
// trips, so that others make room who have been there for long. It is safe for
// concurrent use; the zero value is empty.
type lobby struct {
	full hush

	mu        sync.Mutex
	all       list.List            // of *stranger, the oldest first
	networks  map[netip.Prefix]int // how many strangers are of each
	addresses map[netip.Addr]int
}

// stranger is a connection in the lobby.
type stranger struct {
	net.Conn
	address netip.Addr    // zero of those that do not tell
	place   *list.Element // nil when it is not in the lobby any more
	over    chan struct{} // closed when its caller is no longer heard
}

// receive takes a connection in and has its caller heard by welcome, in a goroutine of
// running, which may wait for long only after the stranger has left or was closed. One
// too many is sent away first, and what is left to be done about that one is waited
// for, so that no more than maxStrangers are ever heard; its caller cannot delay it.
func (l *lobby) receive(conn net.Conn, running *sync.WaitGroup, log *slog.Logger, welcome func(*stranger)) {
	one, displaced := l.enter(conn)
	if displaced != nil {
		_ = displaced.Close()
		<-displaced.over
		if l.full.news("full", time.Now()) {
			log.Warn("too many connections to the peer port do not say who they are; room is made by the oldest of the address that has most. Let only nodes reach it",
				slog.String("from", displaced.RemoteAddr().String()), slog.Int("max", maxStrangers))
		}
	}
	running.Go(func() {
		defer close(one.over)
		defer l.leave(one)
		welcome(one)
	})
}

// enter takes a connection in. If that is one too many, another has left for it, which
// the caller must close.
func (l *lobby) enter(conn net.Conn) (one, displaced *stranger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.networks == nil {
		l.networks, l.addresses = make(map[netip.Prefix]int), make(map[netip.Addr]int)
	}
	one = &stranger{Conn: conn, address: addressOf(conn), over: make(chan struct{})}
	one.place = l.all.PushBack(one)
	l.networks[address.Network(one.address)]++
	l.addresses[one.address]++
	if l.all.Len() > maxStrangers {
		displaced = l.crowd()
		l.remove(displaced)
	}
	return one, displaced
}

// crowd returns who makes room: it is of the network with the most strangers, there of
// the address with the most, and the oldest of those. So whoever has many connections
// is in its own way alone, and whoever has many addresses in the way of few. It is
// never the last who came: there is an older one of the same address, or else of the
// same network or any other that counts as many.
func (l *lobby) crowd() (oldest *stranger) {
	most, here := 0, 0 // how many are of its network and of its address
	for place := l.all.Front(); place != nil; place = place.Next() {
		one := place.Value.(*stranger)
		n, a := l.networks[address.Network(one.address)], l.addresses[one.address]
		if n > most || n == most && a > here {
			oldest, most, here = one, n, a
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

// remove is leave, for who holds the lock.
func (l *lobby) remove(one *stranger) bool {
	if one.place == nil {
		return false
	}
	l.all.Remove(one.place)
	one.place = nil
	countDown(l.networks, address.Network(one.address))
	countDown(l.addresses, one.address)
	return true
}

func countDown[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// addressOf is where a connection comes from: of a link-local address that is told by
// the zone, too, since it is another machine's on each of this one's interfaces.
func addressOf(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}
