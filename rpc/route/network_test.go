package route

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// wire leads from one node to another.
type wire struct{ from, to cluster.NodeID }

// What the real links promise (package peer): how long a dial may take, and when
// a connection on which nothing comes back is given up.
const (
	dialTime    = 2 * time.Second
	pingTime    = 10 * time.Second
	pingTimeout = 5 * time.Second
)

var errBroken = errors.New("the connection broke")

// network joins the nodes of a story. A wire that is cut loses nothing: what was
// said waits, nobody is told, and it arrives when the wire is mended, if the
// connection still lives then.
type network struct {
	crossing time.Duration // of a wire; not changed while nodes run

	mu          sync.Mutex
	cut         map[wire]bool
	stopped     map[cluster.NodeID]bool // processes that neither hear nor say anything
	changed     chan struct{}           // closed and replaced when wires are cut or mended
	connections map[wire]*connection
}

func newNetwork() *network {
	return &network{
		crossing: 3 * time.Millisecond, changed: make(chan struct{}),
		cut: make(map[wire]bool), stopped: make(map[cluster.NodeID]bool), connections: make(map[wire]*connection),
	}
}

// set cuts or mends wires.
func (n *network) set(cut bool, wires ...wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, w := range wires {
		n.cut[w] = cut
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// mend makes all wires whole.
func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
	close(n.changed)
	n.changed = make(chan struct{})
}

// stop stops a process, or lets it go on.
func (n *network) stop(name cluster.NodeID, stopped bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped[name] = stopped
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *network) runs(name cluster.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.stopped[name]
}

func (n *network) whole(w wire) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.wholeLocked(w)
}

func (n *network) wholeLocked(w wire) bool {
	return !n.cut[w] && !n.stopped[w.from] && !n.stopped[w.to]
}

// pass waits until the wire is whole.
func (n *network) pass(ctx context.Context, w wire) error {
	for {
		n.mu.Lock()
		whole, changed := n.wholeLocked(w), n.changed
		n.mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if whole {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// connection is what one node has opened to another. All that the one asks of the
// other shares it.
type connection struct {
	wire    // from who dialled
	network *network
	ctx     context.Context
	end     context.CancelCauseFunc
	to      *peer // the process that answered
	deaf    atomic.Bool
}

// pass waits until the wire is whole, which it never is for a connection that
// somebody in between has forgotten.
func (c *connection) pass(ctx context.Context, w wire) error {
	if c.deaf.Load() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	time.Sleep(c.network.crossing)
	return c.network.pass(ctx, w)
}

// dial returns the connection between two nodes, which it opens if there is none.
func (n *network) dial(ctx context.Context, from, to *peer) (*connection, error) {
	w := wire{from.name, to.name}
	n.mu.Lock()
	known := n.connections[w]
	n.mu.Unlock()
	if known != nil && known.ctx.Err() == nil {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	if err := n.pass(ctx, w); err != nil {
		return nil, err
	}
	if to.ctx.Err() != nil {
		return nil, errBroken // refused
	}
	if err := n.pass(ctx, wire{to.name, from.name}); err != nil {
		return nil, err
	}
	c := &connection{wire: w, network: n, to: to}
	c.ctx, c.end = context.WithCancelCause(from.ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if other := n.connections[w]; other != nil && other.ctx.Err() == nil {
		c.end(errBroken)
		return other, nil
	}
	n.connections[w] = c
	from.world.running.Go(c.keepAlive)
	from.world.running.Go(c.outlive)
	return c, nil
}

// back is the other direction.
func (c *connection) back() wire { return wire{c.wire.to, c.from} }

// keepAlive gives the connection up when a ping is not answered in time.
func (c *connection) keepAlive() {
	for {
		select {
		case <-time.After(pingTime):
		case <-c.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(c.ctx, pingTimeout)
		err := c.pass(ctx, c.wire)
		if err == nil {
			err = c.pass(ctx, c.back())
		}
		cancel()
		if err != nil {
			c.end(errBroken)
			return
		}
	}
}

// outlive tells who dialled that the other process has ended, as soon as word of
// it arrives.
func (c *connection) outlive() {
	select {
	case <-c.to.ctx.Done():
		if c.pass(c.ctx, c.back()) == nil {
			c.end(errBroken)
		}
	case <-c.ctx.Done():
	}
}

// call has something asked of another node, and says whether the request left.
func (p *peer) call(ctx context.Context, to cluster.NodeID, do func(context.Context, *peer) error) (left bool, err error) {
	c, err := p.world.network.dial(ctx, p, p.world.peer(to))
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(errBroken) })()
	answer := make(chan error, 1)
	p.world.running.Go(func() {
		if err := c.pass(ctx, c.wire); err != nil {
			return // late: the other refuses it unread
		}
		if c.to.ctx.Err() != nil {
			return
		}
		err := do(ctx, c.to)
		if c.pass(ctx, c.back()) == nil {
			answer <- err
		}
	})
	select {
	case err := <-answer:
		return true, err
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// distant is the face of another node.
type distant struct {
	Face
	here *peer
	node cluster.NodeID
}

// Publish decides what the end of a connection means, as a peer.Client does.
func (d *distant) Publish(ctx context.Context, g cluster.GroupID, topic fanout.Key, m Message) (at fanout.Position, err error) {
	var answer fanout.Position
	left, err := d.here.call(ctx, d.node, func(ctx context.Context, there *peer) (err error) {
		answer, err = there.local.Publish(ctx, g, topic, m)
		return err
	})
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, ErrNotExecuted):
		return at, err
	case left:
		return at, errors.Join(ErrUnknownOutcome, err)
	case ctx.Err() != nil:
		return at, ctx.Err()
	default:
		return at, errors.Join(ErrNotExecuted, err)
	}
}

// survey asks the others what they have seen, for a node that was elected.
func (p *peer) survey(ctx context.Context, g cluster.GroupID, page uint64, take func(fanout.Seen) error) (heard []cluster.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex // over heard
	for _, other := range p.world.names {
		if other == p.name {
			continue
		}
		all.Go(func() {
			var answer []fanout.Seen
			_, err := p.call(ctx, other, func(ctx context.Context, there *peer) error {
				seen, err := there.local.Survey(ctx, g, fanout.PageOf(page).Term, page)
				if err != nil {
					return err
				}
				var list []fanout.Seen
				for s := range seen {
					list = append(list, s)
				}
				answer = list
				return nil
			})
			for n := 0; err == nil && n < len(answer); n++ {
				err = take(answer[n])
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				heard = append(heard, other)
			}
		})
	}
	all.Wait()
	return heard
}

// stream is an Upstream over a connection, with the node that leads at its other end
// (what peer.Upstream and peer.Server are to each other).
type stream struct {
	ctx  context.Context
	end  context.CancelCauseFunc
	up   chan []fanout.Request
	down chan fanout.Portion
}

// window is how many messages are under way in each direction before a sender
// waits.
const window = 64

// open opens a stream; over a connection that is there nobody has to answer.
func (p *peer) open(ctx context.Context, node cluster.NodeID) (Upstream, error) {
	c, err := p.world.network.dial(ctx, p, p.world.peer(node))
	if err != nil {
		return nil, err
	}
	s := &stream{up: make(chan []fanout.Request, window), down: make(chan fanout.Portion, window)}
	s.ctx, s.end = context.WithCancelCause(ctx)
	context.AfterFunc(c.ctx, func() { s.end(errBroken) })
	// The other end lives as long as its process, and hears of the end of this one
	// when a wire lets it.
	there, over := context.WithCancelCause(c.to.ctx)
	c.to.world.running.Go(func() {
		select {
		case <-s.ctx.Done():
			_ = c.pass(there, c.wire)
			over(errBroken)
		case <-there.Done():
		}
	})
	c.to.world.running.Go(func() {
		defer over(errBroken)
		s.serve(there, c)
	})
	return s, nil
}

// serve is the end of the stream at the node that leads.
func (s *stream) serve(ctx context.Context, c *connection) {
	mux := c.to.local.Mux()
	defer mux.Close()
	var hearing sync.WaitGroup
	defer hearing.Wait()
	refused := make(chan fanout.Portion, window)
	hearing.Go(func() { s.hear(ctx, c, mux, refused) })
	marks := time.NewTicker(time.Second)
	defer marks.Stop()
	buf := make([]fanout.Event, 16)
	for {
		for p, ok := mux.Take(buf); ok; p, ok = mux.Take(buf) {
			p.Events = append([]fanout.Event(nil), p.Events...)
			if !s.send(ctx, c, p) {
				return
			}
		}
		select {
		case <-mux.Ready():
		case p := <-refused:
			if !s.send(ctx, c, p) {
				return
			}
		case <-marks.C:
			mux.Mark()
		case <-ctx.Done():
			return
		}
	}
}

// hear opens and shuts what is asked for.
func (s *stream) hear(ctx context.Context, c *connection, mux *fanout.Mux, refused chan<- fanout.Portion) {
	for {
		var requests []fanout.Request
		select {
		case requests = <-s.up:
		case <-ctx.Done():
			return
		}
		if c.pass(ctx, c.wire) != nil {
			return
		}
		for _, r := range requests {
			if r.Shut {
				mux.Shut(r.Key)
				continue
			}
			err := mux.Open(r.Handle, r.Partition, r.Key, r.Seen, r.Replay, time.Now())
			if err == nil {
				continue
			}
			over := fanout.Portion{Handle: r.Handle, Partition: r.Partition, Kind: fanout.Over, Err: err}
			if errors.Is(err, fanout.ErrNotOwner) {
				over.Err = errors.Join(err, c.to.local.NotLeader(cluster.GroupID(r.Partition)))
			}
			select {
			case refused <- over:
			case <-ctx.Done():
				return
			}
		}
	}
}

// send lets a portion cross.
func (s *stream) send(ctx context.Context, c *connection, p fanout.Portion) bool {
	if p.Kind == fanout.Over && errors.Is(p.Err, fanout.ErrNotOwner) {
		p.Err = errors.Join(p.Err, c.to.local.NotLeader(cluster.GroupID(p.Partition)))
	}
	if c.pass(ctx, c.back()) != nil {
		return false
	}
	p.Partition = 0 // the wire has no room for it
	select {
	case s.down <- p:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *stream) Ask(requests []fanout.Request) error {
	select {
	case s.up <- requests:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

func (s *stream) Next() (fanout.Portion, error) {
	select {
	case p := <-s.down:
		return p, nil
	case <-s.ctx.Done():
		return fanout.Portion{}, context.Cause(s.ctx)
	}
}

func (s *stream) Close() { s.end(errBroken) }

var _ Upstream = (*stream)(nil)

// of calls do with every connection from or to a node.
func (n *network) of(name cluster.NodeID, do func(*connection)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for w, c := range n.connections {
		if w.from == name || w.to == name {
			do(c)
		}
	}
}
