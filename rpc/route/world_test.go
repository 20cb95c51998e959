package route

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// theGroup is the group of all topics of a story.
const theGroup = cluster.GroupID(1)

// How a group elects: a leader that reaches no majority for lease steps down, and
// a voter that hears of none for heartbeat to twice as long stands for election.
const (
	tick      = 100 * time.Millisecond
	lease     = 500 * time.Millisecond
	heartbeat = time.Second
)

// world is nodes of one cluster with real topics, routers and mirrors, on a
// network whose wires can be cut and under elections that are played. The last
// node has no replica of the group: it has to ask who leads.
type world struct {
	t       *testing.T
	luck    *rand.Rand // of elections
	ctx     context.Context
	end     context.CancelFunc
	network *network
	names   []cluster.NodeID
	voting  []cluster.NodeID
	running sync.WaitGroup

	mu     sync.Mutex
	peers  map[cluster.NodeID]*peer
	votes  map[cluster.NodeID]*ballot
	doomed map[cluster.NodeID]bool          // will be frozen, see freeze
	frozen map[cluster.NodeID]chan struct{} // closed when they thaw
}

// peer is one process of a node.
type peer struct {
	world   *world
	name    cluster.NodeID
	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	topics  *fanout.Broker
	local   *Local
	router  *Router
	replica *electorate // nil without a replica
}

// ballot is what a voter has on disk, and what it believes.
type ballot struct {
	term    uint64
	leader  cluster.NodeID
	leading bool
	heard   time.Time                    // of a leader
	contact map[cluster.NodeID]time.Time // a leader's
	until   time.Duration                // after which it stands for election
}

// electorate is a replica as a peer sees it.
type electorate struct {
	*view
	peer *peer
}

// tell announces who leads, if that is news.
func (e *electorate) tell(now replica.Leadership) {
	if before, _ := e.Leadership(); before != now {
		e.set(now)
	}
}

func (e *electorate) ID() cluster.GroupID { return theGroup }

// ConfirmTelling proves leadership by the terms of a majority.
func (e *electorate) ConfirmTelling(ctx context.Context, _ func(context.Context)) error {
	w := e.peer.world
	for range 5 {
		now, _ := e.Leadership()
		if !now.Leading {
			break
		}
		if w.proves(e.peer.name, now.Term) {
			w.proven(e.peer.name)
			return nil
		}
		select {
		case <-time.After(lease / 5):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return replica.ErrNotLeader
}

// proves reports whether a majority answers with that term.
func (w *world) proves(name cluster.NodeID, term uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	agree := 0
	for _, v := range w.voting {
		if w.votes[v].term == term && (v == name || w.reaches(name, v) && w.reaches(v, name)) {
			agree++
		}
	}
	return 2*agree > len(w.voting)
}

// freeze stops a process, as a signal does, between the next proof there that it
// leads and what is then done because of it.
func (w *world) freeze(name cluster.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doomed[name] = true
}

// proven is where a process is frozen.
func (w *world) proven(name cluster.NodeID) {
	w.mu.Lock()
	if w.doomed[name] {
		delete(w.doomed, name)
		w.frozen[name] = make(chan struct{})
		w.network.stop(name, true)
	}
	thaw := w.frozen[name]
	w.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
}

// thaw lets a process go on where it was frozen, if it was.
func (w *world) thaw(name cluster.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.doomed, name)
	if thaw := w.frozen[name]; thaw != nil {
		delete(w.frozen, name)
		w.network.stop(name, false)
		close(thaw)
	}
}

// reaches reports whether a word gets from one running node to another. The
// caller holds the lock.
func (w *world) reaches(from, to cluster.NodeID) bool {
	return w.alive(from) && w.alive(to) && w.network.whole(wire{from, to})
}

func (w *world) alive(name cluster.NodeID) bool {
	p := w.peers[name]
	return p != nil && p.ctx.Err() == nil && w.network.runs(name)
}

// newWorld starts the nodes. It must be closed.
func newWorld(t *testing.T, seed uint64, change ...func(*network)) *world {
	w := &world{
		t: t, luck: rand.New(rand.NewPCG(seed, 1)), network: newNetwork(),
		names: []cluster.NodeID{"a", "b", "c", "d"}, voting: []cluster.NodeID{"a", "b", "c"},
		peers: make(map[cluster.NodeID]*peer), votes: make(map[cluster.NodeID]*ballot),
		doomed: make(map[cluster.NodeID]bool), frozen: make(map[cluster.NodeID]chan struct{}),
	}
	w.ctx, w.end = context.WithCancel(t.Context())
	for _, name := range w.voting {
		w.votes[name] = &ballot{until: heartbeat}
	}
	for _, c := range change {
		c(w.network)
	}
	for _, name := range w.names {
		w.start(name)
	}
	w.running.Go(func() {
		for range time.Tick(tick) {
			if w.ctx.Err() != nil {
				return
			}
			w.elections(time.Now())
		}
	})
	return w
}

// start runs a new process of a node.
func (w *world) start(name cluster.NodeID) {
	p := &peer{world: w, name: name}
	p.ctx, p.stop = context.WithCancel(w.ctx)
	bell := NewBell()
	var err error
	p.topics, err = fanout.New(fanout.Config{Notify: func(uint32) { bell.Ring() }}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	p.local = NewLocal(LocalConfig{
		Topics: p.topics, Survey: p.survey,
		Encode: func(at fanout.Position, m Message) []byte { return m.Value },
	})
	create, err := store.EncodeCatalogCommand(nil, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: "chat"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p.local.meta.Load().replicated.Apply(1, [][]byte{create})
	topology, err := cluster.NewTopology(1)
	if err != nil {
		w.t.Fatal(err)
	}
	p.router = NewRouter(RouterConfig{
		Topology: topology, Local: p.local, Gateway: make([]byte, 16), Self: name, Seeds: w.voting,
		Face: func(node cluster.NodeID) Face { return &distant{here: p, node: node} },
	})
	if slices.Contains(w.voting, name) {
		p.vote()
	}
	mirrors := NewMirrors(MirrorsConfig{Router: p.router, Open: p.open, Bell: bell})
	p.running.Go(func() { mirrors.Run(p.ctx) })
	p.running.Go(func() {
		every(p.ctx, time.Second, nil, func() { p.topics.Sweep(time.Now()) })
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[name] = p
	if b := w.votes[name]; b != nil {
		*b = ballot{term: b.term, heard: time.Now(), until: heartbeat}
	}
}

// vote gives the process a replica of the group.
func (p *peer) vote() {
	p.replica = &electorate{view: &view{changed: make(chan struct{})}, peer: p}
	part := newPartition(p.local.clock)
	part.bind(p.replica)
	p.local.partitions[theGroup].Store(part)
	p.running.Go(func() { p.local.follow(part, p.ctx.Done()) })
}

// kill ends a process without a word.
func (w *world) kill(name cluster.NodeID) {
	p := w.peer(name)
	p.stop()
	w.thaw(name)
	p.running.Wait()
	p.router.Close()
	p.topics.Close()
}

func (w *world) peer(name cluster.NodeID) *peer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peers[name]
}

// close ends everything.
func (w *world) close() {
	w.end()
	for _, name := range w.names {
		w.kill(name)
	}
	w.running.Wait()
}

// elections plays one tick of the group's.
func (w *world) elections(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range w.voting {
		if b := w.votes[name]; w.alive(name) && b.leading {
			w.reign(name, b, now)
		}
	}
	for _, name := range w.voting {
		if b := w.votes[name]; w.alive(name) && !b.leading && now.Sub(b.heard) > b.until {
			b.leader = ""
			w.stand(name, now)
		}
	}
	for _, name := range w.voting {
		if b := w.votes[name]; w.alive(name) {
			w.peers[name].replica.tell(replica.Leadership{Term: b.term, Leading: b.leading, Leader: b.leader})
		}
	}
}

// reign lets a leader send its heartbeats.
func (w *world) reign(name cluster.NodeID, b *ballot, now time.Time) {
	fresh := 1
	for _, v := range w.voting {
		other := w.votes[v]
		if v == name {
			continue
		}
		if w.reaches(name, v) {
			if other.term <= b.term {
				other.term, other.leader, other.leading, other.heard = b.term, name, false, now
			}
			if w.reaches(v, name) {
				if other.term > b.term {
					*b = ballot{term: other.term, heard: now, until: b.until}
					return
				}
				b.contact[v] = now
			}
		}
		if now.Sub(b.contact[v]) < lease {
			fresh++
		}
	}
	if 2*fresh <= len(w.voting) {
		*b = ballot{term: b.term, heard: now, until: b.until}
	}
}

// stand lets a voter ask for votes; whoever hears a leader gives none.
func (w *world) stand(name cluster.NodeID, now time.Time) {
	b := w.votes[name]
	b.heard, b.until = now, heartbeat+time.Duration(w.luck.Int64N(int64(heartbeat)))
	term := b.term
	var with []*ballot
	for _, v := range w.voting {
		other := w.votes[v]
		if v == name || !w.reaches(name, v) || !w.reaches(v, name) || other.leading || now.Sub(other.heard) < heartbeat && other.leader != "" {
			continue
		}
		with, term = append(with, other), max(term, other.term)
	}
	if 2*(len(with)+1) > len(w.voting) {
		w.elect(name, term+1, with, now)
	}
}

// elect makes a voter the leader of a term.
func (w *world) elect(name cluster.NodeID, term uint64, with []*ballot, now time.Time) {
	for _, other := range with {
		*other = ballot{term: term, heard: now, until: other.until}
	}
	b := w.votes[name]
	*b = ballot{term: term, leader: name, leading: true, heard: now, until: b.until, contact: make(map[cluster.NodeID]time.Time)}
	for _, v := range w.voting {
		b.contact[v] = now
	}
}

// transfer hands the leadership to a voter, if there is a leader that reaches it
// and a majority agrees.
func (w *world) transfer(to cluster.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from, term := w.leaderLocked()
	if from == "" || from == to || !w.reaches(from, to) || !w.reaches(to, from) {
		return
	}
	var with []*ballot
	for _, v := range w.voting {
		if v != to && w.reaches(to, v) && w.reaches(v, to) {
			with = append(with, w.votes[v])
			term = max(term, w.votes[v].term)
		}
	}
	w.elect(to, term+1, with, time.Now())
}

// leaderLocked returns who leads in the highest term.
func (w *world) leaderLocked() (name cluster.NodeID, term uint64) {
	for _, v := range w.voting {
		if b := w.votes[v]; b.leading && w.alive(v) && b.term > term {
			name, term = v, b.term
		}
	}
	return name, term
}

func (w *world) leader() cluster.NodeID {
	w.mu.Lock()
	defer w.mu.Unlock()
	name, _ := w.leaderLocked()
	return name
}

// all are the wires between nodes.
func (w *world) all(pick func(wire) bool) (wires []wire) {
	for _, from := range w.names {
		for _, to := range w.names {
			if from != to && pick(wire{from, to}) {
				wires = append(wires, wire{from, to})
			}
		}
	}
	return wires
}

func (w *world) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	for _, v := range w.voting {
		b := w.votes[v]
		text += fmt.Sprintf("%s: term %d leader %q leading %v; ", v, b.term, b.leader, b.leading)
	}
	return text
}
