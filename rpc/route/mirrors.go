package route

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

const (
	// lookAfter is how often it is looked after who leads what is read here; and
	// lookSoon how often while something that is read here has no link.
	lookAfter = time.Second
	lookSoon  = 50 * time.Millisecond
	// dismissAfter is how long readers wait in silence for a link to their leader
	// before they are sent to look for another node.
	dismissAfter = 10 * time.Second
	// idleLine is how long a connection that nobody reads from is kept.
	idleLine = time.Minute
)

// Upstream is a stream over which topics that another node leads come in. Next
// and Ask are called by one goroutine each, Close by any.
type Upstream interface {
	// Ask sends requests in their order.
	Ask(requests []fanout.Request) error
	// Next waits for the next portion, which is good until the next call.
	Next() (fanout.Portion, error)
	// Close ends the stream; Next and Ask return.
	Close()
}

// Bell is rung by a fanout.Broker (Config.Notify) when somebody wants what
// another node leads, and wakes Mirrors.
type Bell chan struct{}

// NewBell makes a bell.
func NewBell() Bell { return make(Bell, 1) }

// Ring wakes whoever waits; it never does itself.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// MirrorsConfig is what Mirrors are made of; all but Logger are required.
type MirrorsConfig struct {
	Router *Router
	// Open opens a stream to another node.
	Open func(ctx context.Context, node cluster.NodeID) (Upstream, error)
	// Bell is the one that the router's topics ring.
	Bell Bell
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Mirrors see to it that topics that are read here and led elsewhere come in:
// one stream for each node that leads such topics. Run does it.
type Mirrors struct {
	config MirrorsConfig
	local  *Local
	topics *fanout.Broker

	lines   map[cluster.NodeID]*line
	lost    map[cluster.GroupID]time.Time // since when nobody has answered for what is wanted
	retried time.Time                     // when what was refused was asked for again
	running sync.WaitGroup
}

// NewMirrors makes Mirrors and starts nothing.
func NewMirrors(config MirrorsConfig) *Mirrors {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mirrors{
		config: config, local: config.Router.local, topics: config.Router.local.topics,
		lines: make(map[cluster.NodeID]*line), lost: make(map[cluster.GroupID]time.Time),
	}
}

// Run keeps the links in order until ctx ends, and returns when none is left.
func (m *Mirrors) Run(ctx context.Context) {
	defer m.running.Wait()
	for g := range m.config.Router.topology.All() {
		if g != cluster.MetaGroup {
			m.local.mirror(g)
		}
	}
	for {
		pause := lookAfter
		if !m.arrange(ctx, time.Now()) {
			pause = lookSoon
		}
		again := time.NewTimer(pause)
		select {
		case <-m.config.Bell:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
		again.Stop()
	}
}

// arrange joins every group that is read here and led elsewhere to its leader,
// and reports whether all of them have answered.
func (m *Mirrors) arrange(ctx context.Context, now time.Time) (linked bool) {
	linked = true
	for g := range m.config.Router.topology.All() {
		if g == cluster.MetaGroup {
			continue
		}
		if m.topics.Owns(uint32(g)) || m.topics.Interests(uint32(g)) == 0 {
			m.leave(g, "")
			delete(m.lost, g)
			continue
		}
		if held, answered := m.join(ctx, g, now); answered {
			if held >= lookAfter { // one that was refused at once was none
				delete(m.lost, g)
			}
			continue
		}
		linked = false
		since, known := m.lost[g]
		switch {
		case !known:
			m.lost[g] = now
		case now.Sub(since) > dismissAfter:
			m.config.Logger.Warn("subscribers are sent away, since the leader of their topics is out of reach", slog.Uint64("group", uint64(g)))
			m.topics.Dismiss(uint32(g))
			m.lost[g] = now
		}
	}
	m.tidy(now)
	return linked
}

// tidy ends connections that nobody uses, and about once a second asks again, over
// the others, for what was refused.
func (m *Mirrors) tidy(now time.Time) {
	due := now.Sub(m.retried) >= lookAfter
	if due {
		m.retried = now
	}
	for node, l := range m.lines {
		switch {
		case l.unused(now):
			l.end()
			delete(m.lines, node)
		case due:
			l.retry()
		}
	}
}

// join links a group to whoever leads it, and reports whether the other node has
// answered, and for how long the link has been there.
func (m *Mirrors) join(ctx context.Context, g cluster.GroupID, now time.Time) (held time.Duration, answered bool) {
	node := m.leader(g, now)
	if node == "" || node == m.config.Router.self {
		return 0, false
	}
	m.leave(g, node)
	l, ok := m.lines[node]
	if !ok {
		l = m.newLine(ctx, node)
	}
	return l.join(g, now)
}

// askNext is how long one voter is asked who leads before the next one is.
const askNext = 200 * time.Millisecond

// leader guesses who leads a group. Where nothing is known, or only who led in a
// term that is over, a link on which the other node answers is kept; else the
// voters are asked in turn, and say who does.
func (m *Mirrors) leader(g cluster.GroupID, now time.Time) cluster.NodeID {
	at, _ := m.config.Router.guess(g)
	if at.node != "" && at.term >= m.local.fences[g].term() {
		return at.node
	}
	for node, l := range m.lines {
		if l.holds(g, now) {
			return node
		}
	}
	if voters := m.config.Router.voters(g); len(voters) > 0 {
		return voters[int(now.UnixMilli()/askNext.Milliseconds())%len(voters)]
	}
	return ""
}

// leave ends the links of a group to all nodes but one.
func (m *Mirrors) leave(g cluster.GroupID, but cluster.NodeID) {
	for node, l := range m.lines {
		if node != but {
			l.leave(g)
		}
	}
}

// line is the connection to one node, which is opened again when it breaks.
type line struct {
	m    *Mirrors
	node cluster.NodeID
	end  context.CancelFunc
	bell Bell // wakes the sender

	mu    sync.Mutex
	relay *fanout.Relay // nil while there is no connection
	tried map[cluster.GroupID]time.Time
	heard map[cluster.GroupID]bool // something came over the link; who accepts a stream may yet be cut off
	used  time.Time                // when a group was joined last
}

func (m *Mirrors) newLine(ctx context.Context, node cluster.NodeID) *line {
	ctx, end := context.WithCancel(ctx)
	l := &line{
		m: m, node: node, end: end, bell: NewBell(), used: time.Now(),
		tried: make(map[cluster.GroupID]time.Time), heard: make(map[cluster.GroupID]bool),
	}
	m.lines[node] = l
	m.running.Go(func() { l.run(ctx) })
	return l
}

// join links a group over this line, not faster than every lookSoon, and reports
// whether the other node has answered, and for how long the link has been there.
func (l *line) join(g cluster.GroupID, now time.Time) (held time.Duration, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = now
	if l.relay == nil {
		return 0, false
	}
	if !l.relay.Joined(uint32(g)) {
		if now.Sub(l.tried[g]) < lookSoon {
			return 0, false
		}
		l.tried[g] = now
		delete(l.heard, g)
		if err := l.relay.Join(uint32(g)); err != nil {
			return 0, false
		}
	}
	l.bell.Ring() // there may be new wishes
	return now.Sub(l.tried[g]), l.heard[g]
}

// holds reports whether the group is linked over this line now, and the other node
// has answered or still may.
func (l *line) holds(g cluster.GroupID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.relay != nil && l.relay.Joined(uint32(g)) && (l.heard[g] || now.Sub(l.tried[g]) < lookAfter)
}

// hear notes that something came over the link of a group.
func (l *line) hear(g cluster.GroupID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.heard[g] {
		l.heard[g] = true
		l.m.config.Bell.Ring()
	}
}

func (l *line) leave(g cluster.GroupID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.relay != nil && l.relay.Joined(uint32(g)) {
		l.relay.Leave(uint32(g))
		l.bell.Ring()
	}
}

// retry asks anew for what the node refused for want of room.
func (l *line) retry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.relay != nil {
		l.relay.Retry()
		l.bell.Ring()
	}
}

func (l *line) unused(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.used) > idleLine
}

// run keeps a stream open until ctx ends.
func (l *line) run(ctx context.Context) {
	pause := lookSoon
	for ctx.Err() == nil {
		began := time.Now()
		l.once(ctx)
		if time.Since(began) > lookAfter {
			pause = lookSoon
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
		}
		again.Stop()
		pause = min(2*pause, lookAfter)
	}
}

// once serves one stream until it breaks. Whether the node still leads anything
// has then to be heard from others, who may be the only ones to know.
func (l *line) once(ctx context.Context) {
	defer l.m.config.Router.doubt(l.node)
	up, err := l.m.config.Open(ctx, l.node)
	if err != nil {
		return
	}
	defer up.Close()
	relay := l.m.topics.NewRelay()
	l.connected(relay)
	over := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	defer up.Close() // before the wait: it ends what is being asked
	defer close(over)
	defer relay.Close()
	defer l.connected(nil)
	asking.Go(func() {
		for up.Ask(relay.Requests()) == nil {
			select {
			case <-l.bell:
			case <-over:
				return
			}
		}
		up.Close()
	})
	l.receive(up, relay)
}

func (l *line) connected(relay *fanout.Relay) {
	l.mu.Lock()
	l.relay = relay
	clear(l.tried)
	clear(l.heard)
	l.mu.Unlock()
	l.m.config.Bell.Ring()
}

// receive takes in what comes, until the stream breaks.
func (l *line) receive(up Upstream, relay *fanout.Relay) {
	for {
		portion, err := up.Next()
		if err != nil {
			return
		}
		g, wanted := relay.Partition(portion.Handle) // a stream need not tell
		if !wanted {
			continue
		}
		l.hear(cluster.GroupID(g))
		if l.deposed(g, portion) {
			err = &fanout.LinkLostError{Partition: g, Err: fanout.ErrStaleLeader}
			relay.Leave(g)
		} else {
			err = relay.Take(portion, time.Now())
		}
		if lost, ok := errors.AsType[*fanout.LinkLostError](err); ok {
			l.m.config.Router.learn(cluster.GroupID(lost.Partition), guess{node: l.node}, lost.Err)
			l.bell.Ring()
			l.m.config.Bell.Ring()
		}
	}
}

// deposed reports whether the other node begins to tell a topic as the leader of a
// term that is over, which it does not know yet. Its newest position is on a page
// of its own.
func (l *line) deposed(g uint32, p fanout.Portion) bool {
	fences := &l.m.local.fences
	return p.Kind == fanout.Begun && int(g) < len(fences) && fanout.BaseOf(p.Position.Page) < fences[g].page.Load()
}
