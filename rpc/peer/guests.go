package peer

import (
	"net"
	"sync"
)

// guests are the connections that a Mux has welcomed, until they are closed. It is
// safe for concurrent use; the zero value is empty.
type guests struct {
	mu  sync.Mutex
	all map[*guest]struct{}
}

// guest is a connection whose caller was welcome when it came.
type guest struct {
	net.Conn
	raw    net.Conn // below TLS
	caller Identity
	among  *guests
}

// enter makes a connection a guest.
func (g *guests) enter(conn, raw net.Conn, caller Identity) *guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	one := &guest{Conn: conn, raw: raw, caller: caller, among: g}
	if g.all == nil {
		g.all = make(map[*guest]struct{})
	}
	g.all[one] = struct{}{}
	return one
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.among.mu.Lock()
	delete(g.among.all, g)
	g.among.mu.Unlock()
	return g.Conn.Close()
}

// cut closes the connection without the goodbye of TLS, for which a caller that
// does not read would be waited.
func (g *guest) cut() {
	_ = g.raw.Close()
	_ = g.Close()
}

// list returns the guests of this moment.
func (g *guests) list() []*guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*guest, 0, len(g.all))
	for one := range g.all {
		list = append(list, one)
	}
	return list
}

// Review asks the Guard again about the callers of all open connections and closes
// those of whom it does not want any more. To be called when the Guard may think
// otherwise of somebody.
func (m *Mux) Review() {
	for _, one := range m.guests.list() {
		if m.config.Guard(one.caller) != nil {
			one.cut()
		}
	}
}
