package replica

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Terms answers another node's question for the terms of replicas on this one,
// in the order of refs. It is cheap and never waits. 0 stands for a replica that
// does not run here under that very number: the disk of another number made no
// promise in its name.
//
// A replica that answers T has not voted, nor let an entry pass, in any term
// above T before: a higher term is on disk before raft shows it or acts on it.
func (h *Host) Terms(refs []Ref) []uint64 {
	terms := make([]uint64, len(refs))
	for i, ref := range refs {
		if g := h.Group(ref.Group); g != nil && g.number == ref.Number && g.stop.err() == nil {
			terms[i] = g.raft.CurrentTerm()
		}
	}
	return terms
}

// termDesk sends the questions of all groups to the other nodes: one call per
// node at a time, which carries everything that was asked while the last one
// was under way.
type termDesk struct {
	ask     func(ctx context.Context, node cluster.NodeID, refs []Ref) ([]uint64, error)
	timeout time.Duration // of one call
	ctx     context.Context
	cancel  context.CancelFunc

	mu     sync.Mutex
	closed bool
	lines  map[cluster.NodeID]*line // nodes with a call under way
	wg     sync.WaitGroup
}

// line holds what waits for the next call to a node.
type line struct {
	waiting map[Ref]*question
}

// question is one group's question to one replica. answer is called once, and
// must not block; a question that a later one of its group replaces is never
// answered, since nobody waits for it any more.
type question struct {
	answer func(term uint64, err error)
}

// newTermDesk returns nil if the host was given nobody to ask.
func newTermDesk(cfg Config) *termDesk {
	if cfg.Terms == nil {
		return nil
	}
	d := &termDesk{ask: cfg.Terms, timeout: cfg.tuning.lease, lines: make(map[cluster.NodeID]*line)}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// put asks a node for the term of one of its replicas. The question leaves after
// put was called, never earlier: that is what makes the answer worth something.
func (d *termDesk) put(node cluster.NodeID, ref Ref, answer func(term uint64, err error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		answer(0, ErrClosed)
		return
	}
	l := d.lines[node]
	if l == nil {
		l = &line{waiting: make(map[Ref]*question)}
		d.lines[node] = l
		d.wg.Go(func() { d.serve(node, l) })
	}
	l.waiting[ref] = &question{answer}
}

// serve calls a node until nobody asks for it any more.
func (d *termDesk) serve(node cluster.NodeID, l *line) {
	for {
		d.mu.Lock()
		batch := l.waiting
		if len(batch) == 0 {
			delete(d.lines, node)
			d.mu.Unlock()
			return
		}
		l.waiting = make(map[Ref]*question)
		d.mu.Unlock()
		d.call(node, batch)
	}
}

func (d *termDesk) call(node cluster.NodeID, batch map[Ref]*question) {
	refs := make([]Ref, 0, len(batch))
	for ref := range batch {
		refs = append(refs, ref)
	}
	ctx, cancel := context.WithTimeout(d.ctx, d.timeout)
	defer cancel()
	terms, err := d.ask(ctx, node, refs)
	if err == nil && len(terms) != len(refs) {
		err = fmt.Errorf("replica: node %s answered %d of %d questions for terms", node, len(terms), len(refs))
	}
	for i, ref := range refs {
		term := uint64(0)
		if err == nil {
			term = terms[i]
		}
		batch[ref].answer(term, err)
	}
}

// close ends the calls under way and waits for them. Later questions are
// answered with ErrClosed.
func (d *termDesk) close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
}

// poll counts the answers of one round.
type poll struct {
	term uint64
	done chan struct{} // closed when the outcome is known

	mu     sync.Mutex
	over   bool
	won    bool
	voters map[string]*voice
	bodies [][]string // the voters of each configuration in force
}

// voice is what a voter said: nothing yet, yes or no.
type voice struct{ answered, yes bool }

// newPoll begins a round for a leader of the term, which counts itself where it
// votes.
func newPoll(term uint64, self string, now *inForce) *poll {
	p := &poll{term: term, done: make(chan struct{}), voters: make(map[string]*voice)}
	for _, c := range []*configuration{now.newest, now.before} {
		if c == nil {
			continue
		}
		p.bodies = append(p.bodies, c.voters)
		for _, id := range c.voters {
			p.voters[id] = new(voice)
		}
	}
	if v := p.voters[self]; v != nil {
		v.answered, v.yes = true, true
	}
	return p
}

// answer notes what a voter said.
func (p *poll) answer(id string, term uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	v := p.voters[id]
	v.answered, v.yes = true, err == nil && term == p.term
	p.count()
}

// count decides the round if that is possible: it is won with a majority of
// every configuration, and lost once a majority of one is out of reach.
func (p *poll) count() {
	won := true
	for _, body := range p.bodies {
		yes, open := 0, 0
		for _, id := range body {
			switch v := p.voters[id]; {
			case v.yes:
				yes++
			case !v.answered:
				open++
			}
		}
		need := len(body)/2 + 1
		if yes+open < need {
			p.over = true
			close(p.done)
			return
		}
		won = won && yes >= need
	}
	if won {
		p.over, p.won = true, true
		close(p.done)
	}
}

// proveByTerms confirms leadership by asking the voters for their terms. It
// reports false when that proves nothing, which does not mean the opposite.
//
// A leader of a later term needs a majority of the votes in one of the
// configurations in force here. Every vote is preceded by the later term on the
// voter's disk. So when a majority of each still has our term, asked after the
// read arrived, there was no later leader when it arrived, and everything
// acknowledged before came through our own state machine: in our term it was
// applied before it was acknowledged, and the barrier that made us announce the
// term came after all earlier ones.
func (g *Group) proveByTerms() bool {
	v := g.view.Load()
	now := g.store.log.roster.now.Load()
	if g.terms == nil || !v.Leading || !g.leads(v.Term) || now.newest == nil {
		return false
	}
	p := newPoll(v.Term, g.replica, now)
	for id := range p.voters {
		if id == g.replica {
			continue
		}
		r := replicaOf(id)
		g.terms.put(r.Node, Ref{Group: g.id, Number: r.Number}, func(term uint64, err error) { p.answer(id, term, err) })
	}
	patience := time.NewTimer(g.terms.timeout)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.won && g.leads(v.Term)
}
