package replica

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"github.com/mayfly-broker/mayfly/cluster"
)

// Leadership is what this node knows about who leads a group.
type Leadership struct {
	// Term is the raft term the knowledge belongs to. It never falls.
	Term uint64
	// Leading: this node leads the group in Term, and its state machine holds
	// everything committed before. It may have been overtaken a moment ago;
	// Confirm tells.
	Leading bool
	// Leader is the leading node, or empty when none is known. It is a hint.
	Leader cluster.NodeID
}

// leaderView is a Leadership and the channel that is closed when it is over.
type leaderView struct {
	Leadership
	over chan struct{}
}

// Leadership tells who leads the group, and a channel that is closed when that
// has changed. An owner of leader-only work follows the group so:
//
//	for {
//		now, changed := group.Leadership()
//		… start or stop what depends on now.Leading and now.Term …
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			return
//		}
//	}
//
// States that were replaced before anyone looked are skipped; a term is never
// announced as Leading again once it was given up. After Close the view is
// that nobody leads, and it changes no more.
func (g *Group) Leadership() (Leadership, <-chan struct{}) {
	v := g.view.Load()
	return v.Leadership, v.over
}

// IsLeader reports whether this node was announced as the leader.
func (g *Group) IsLeader() bool { return g.view.Load().Leading }

// Leader tells the leading node, if one is known.
func (g *Group) Leader() (node cluster.NodeID, known bool) {
	node = g.view.Load().Leader
	return node, node != ""
}

// Term is the current raft term of the group on this node.
func (g *Group) Term() uint64 { return g.raft.CurrentTerm() }

// WaitLeader waits until a leader of the group is known. When that is this
// node, it is ready for Propose and Confirm.
func (g *Group) WaitLeader(ctx context.Context) (Leadership, error) {
	for {
		now, changed := g.Leadership()
		if now.Leader != "" {
			return now, nil
		}
		select {
		case <-changed:
		case <-g.done:
			return Leadership{}, g.closedError()
		case <-ctx.Done():
			return Leadership{}, fmt.Errorf("group %s: waiting for a leader: %w", g.id, ctx.Err())
		}
	}
}

// announce replaces the view, unless nothing changed.
func (g *Group) announce(now Leadership) {
	old := g.view.Load()
	if old.Leadership == now {
		return
	}
	g.view.Store(&leaderView{Leadership: now, over: make(chan struct{})})
	close(old.over)
}

// barrierRetry paces a new leader whose first barrier failed although it still
// leads, as it does while it hands leadership on.
const barrierRetry = 50 * time.Millisecond

// follow keeps the view up to date until ctx ends. It is the only writer.
func (g *Group) follow(ctx context.Context) {
	// The bell may drop observations while it rings; the state is read anew.
	bell := make(chan raft.Observation, 1)
	observer := raft.NewObserver(bell, false, func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.RaftState, raft.LeaderObservation:
			return true
		}
		return false
	})
	g.raft.RegisterObserver(observer)
	defer g.raft.DeregisterObserver(observer)
	defer func() { g.announce(Leadership{Term: g.raft.CurrentTerm()}) }()
	for {
		retry := g.look()
		select {
		case <-bell:
		case <-retry:
		case <-ctx.Done():
			return
		case <-g.stop.halted:
			return
		}
	}
}

// look reads raft's state and announces it. A new leader is announced only when
// a barrier of its own term has passed through the state machine. The returned
// channel asks for another look, nil for none.
func (g *Group) look() <-chan time.Time {
	leading, term := g.raft.State() == raft.Leader, g.raft.CurrentTerm()
	if !leading {
		_, id := g.raft.LeaderWithID()
		leader := replicaOf(string(id)).Node
		if leader == g.node {
			leader = "" // between winning and knowing it
		}
		if leader != "" {
			g.raftLog.calm.Store(true)
		}
		g.announce(Leadership{Term: term, Leader: leader})
		return nil
	}
	if now := g.view.Load(); now.Leading && now.Term == term {
		return nil
	}
	g.announce(Leadership{Term: term})
	if err := g.raft.Barrier(0).Error(); err != nil {
		if g.raft.State() == raft.Leader {
			return time.After(barrierRetry)
		}
		return nil // the loss rings the bell
	}
	// State and term were read one after the other. Terms only grow, so if they
	// read the same now, the barrier was of this term.
	if g.leads(term) {
		g.raftLog.calm.Store(true)
		g.log.Debug("leading", slog.Uint64("term", term))
		g.announce(Leadership{Term: term, Leading: true, Leader: g.node})
	}
	return nil
}

// leads reports whether raft leads in the term right now, by its own belief.
func (g *Group) leads(term uint64) bool {
	return g.raft.State() == raft.Leader && g.raft.CurrentTerm() == term
}
