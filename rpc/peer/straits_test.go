package peer

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/cluster"
)

// wire leads from one node to another.
type wire struct{ from, to cluster.NodeID }

// straits join nodes in memory. On a wire that is cut nothing gets through and
// nobody is told; what was said waits and arrives when the wire is mended, if
// the connection still lives then.
type straits struct {
	running sync.WaitGroup

	mu      sync.Mutex
	cut     map[wire]bool
	changed chan struct{} // closed and replaced when wires are cut or mended
	doors   map[cluster.NodeID]*memDoor
	calls   map[*strait]struct{} // connections for calls
	trap    *trap
}

// strait is one connection.
type strait struct {
	wire     // from who dialled
	end      func()
	over     chan struct{} // closed by end
	muffled  atomic.Bool   // nothing that the caller says gets through any more, for ever
	deafened atomic.Bool   // nor what is answered
}

// trap muffles the next connection for calls over a wire once so many pieces have
// gone one way.
type trap struct {
	wire
	answers bool
	after   int
}

func newStraits() *straits {
	return &straits{cut: make(map[wire]bool), changed: make(chan struct{}), doors: make(map[cluster.NodeID]*memDoor), calls: make(map[*strait]struct{})}
}

// change cuts and mends wires.
func (s *straits) change(do func(cut map[wire]bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.cut)
	close(s.changed)
	s.changed = make(chan struct{})
}

// pass waits until the wire is whole. False if the connection is over before.
func (s *straits) pass(c *strait, w wire, lost *atomic.Bool) bool {
	if lost.Load() {
		<-c.over
		return false
	}
	for {
		s.mu.Lock()
		cut, changed := s.cut[w], s.changed
		s.mu.Unlock()
		if !cut {
			return true
		}
		select {
		case <-changed:
		case <-c.over:
			return false
		}
	}
}

// memDoor is the listener of one node.
type memDoor struct {
	node  cluster.NodeID
	calls chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (s *straits) listen(node cluster.NodeID) net.Listener {
	d := &memDoor{node: node, calls: make(chan net.Conn), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doors[node] = d
	return d
}

func (d *memDoor) Accept() (net.Conn, error) {
	select {
	case conn := <-d.calls:
		return conn, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

func (d *memDoor) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

func (d *memDoor) Addr() net.Addr { return &net.UnixAddr{Name: string(d.node)} }

// forCalls marks the contexts in which connections for calls are dialled: what a
// connection is for cannot be read off it.
type forCalls struct{}

// dial opens a connection to a node, whose address is its name. It is accepted
// at once, as by the kernel of a process that is busy or cut off.
func (s *straits) dial(from cluster.NodeID) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		near, far := net.Pipe()
		calls := ctx.Value(forCalls{}) != nil
		s.running.Go(func() { s.relay(far, wire{from, cluster.NodeID(to)}, calls) })
		return near, nil
	}
}

// relay carries what both sides of a connection say.
func (s *straits) relay(caller net.Conn, w wire, calls bool) {
	c := &strait{wire: w, over: make(chan struct{})}
	c.end = sync.OnceFunc(func() { close(c.over); _ = caller.Close() })
	var both sync.WaitGroup
	defer both.Wait()
	defer c.end()
	said := newPipe()
	both.Go(func() { defer c.end(); defer said.close(); said.fill(caller) })
	first, err := said.next(c.over)
	if err != nil {
		return
	}
	var sprung *trap
	if calls {
		sprung = s.enter(c)
	}
	defer s.leave(c)
	if sprung != nil && sprung.after == 0 && !sprung.answers {
		c.muffled.Store(true)
	}
	if !s.pass(c, w, &c.muffled) {
		return
	}
	s.mu.Lock()
	door := s.doors[w.to]
	s.mu.Unlock()
	near, far := net.Pipe()
	defer near.Close()
	select {
	case door.calls <- far:
	case <-door.done:
		return
	case <-c.over:
		return
	}
	answered := newPipe()
	both.Go(func() { defer c.end(); defer answered.close(); answered.fill(near) })
	both.Go(func() {
		defer c.end()
		defer near.Close()
		if _, err := near.Write(first); err == nil {
			s.carry(c, w, &c.muffled, sprung != nil && !sprung.answers, sprung, 1, said, near)
		}
	})
	s.carry(c, wire{w.to, w.from}, &c.deafened, sprung != nil && sprung.answers, sprung, 0, answered, caller)
}

// carry takes one way what is said, of which so many pieces were carried before.
func (s *straits) carry(c *strait, w wire, lost *atomic.Bool, trapped bool, t *trap, pieces int, from *pipe, to net.Conn) {
	for ; ; pieces++ {
		if trapped && pieces == t.after {
			lost.Store(true)
		}
		piece, err := from.next(c.over)
		if err != nil || !s.pass(c, w, lost) {
			return
		}
		if _, err := to.Write(piece); err != nil {
			return
		}
	}
}

// enter notes a connection for calls, and returns the trap into which it goes.
func (s *straits) enter(c *strait) (sprung *trap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[c] = struct{}{}
	if s.trap != nil && s.trap.wire == c.wire {
		sprung, s.trap = s.trap, nil
	}
	return sprung
}

func (s *straits) leave(c *strait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c)
}

// of calls do with every connection for calls over the wire.
func (s *straits) of(w wire, do func(*strait)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.calls {
		if c.wire == w {
			do(c)
		}
	}
}

// set has the next connection for calls over its wire go into a trap, and ends
// those that are there.
func (s *straits) set(t *trap) {
	s.mu.Lock()
	s.trap = t
	s.mu.Unlock()
	s.of(t.wire, func(c *strait) { c.end() })
}

// pipe is the room of sockets for what is on its way.
type pipe struct {
	mu    sync.Mutex
	parts [][]byte
	ended bool
	news  chan struct{}
}

func newPipe() *pipe { return &pipe{news: make(chan struct{}, 1)} }

func (p *pipe) ring() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.ring()
}

// fill takes in what is said.
func (p *pipe) fill(from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		if n > 0 {
			p.parts = append(p.parts, append([]byte(nil), buffer[:n]...))
		}
		p.mu.Unlock()
		p.ring()
		if err != nil {
			return
		}
	}
}

func (p *pipe) next(over <-chan struct{}) ([]byte, error) {
	for {
		p.mu.Lock()
		if len(p.parts) > 0 {
			part := p.parts[0]
			p.parts = p.parts[1:]
			p.mu.Unlock()
			return part, nil
		}
		ended := p.ended
		p.mu.Unlock()
		if ended {
			return nil, io.EOF
		}
		select {
		case <-p.news:
		case <-over:
			return nil, net.ErrClosed
		}
	}
}
