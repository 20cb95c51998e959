package route

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// fence is the highest term in which a leader of a group has asked what was seen
// here, or in which this node numbered itself: nothing is taken from a leader of
// an earlier term, nor numbered here in its name.
type fence struct {
	mu   sync.Mutex    // held by who begins or ends the numbering, so that the later term has the last word
	term atomic.Uint64 // written with mu held; never falls
}

// raise shuts out the terms before. False if that term is shut out itself. The
// caller holds the lock.
func (f *fence) raise(term uint64) bool {
	if term < f.term.Load() {
		return false
	}
	f.term.Store(term)
	return true
}

// own lets this node number the topics of a group that it leads since that term,
// above every number that a node that answers has seen. epoch counts how often
// the group was brought back offline: those who were lost then may have led it in
// terms that this one has yet to come to.
func (l *Local) own(g cluster.GroupID, epoch, term uint64) {
	if l.fences[g].term.Load() > term {
		return // another was elected since, and asked this node already
	}
	if l.fences[g].term.Load() == term && l.topics.Owns(uint32(g)) {
		return // begun when the group was bound
	}
	page, err := fanout.Page{Epoch: epoch, Term: term}.Number()
	if err == nil {
		survey := l.topics.NewSurvey(uint32(g))
		if l.survey != nil {
			heard := l.survey(context.Background(), g, term, survey.Adopt)
			l.heard[g].Store(&heard)
		}
		err = l.enthrone(g, term, func() error { return survey.Own(page) })
		l.moves.rise()
	}
	if err != nil && !errors.Is(err, fanout.ErrClosed) {
		l.logger.Error("the topics of a group cannot be numbered here",
			slog.Uint64("group", uint64(g)), slog.Uint64("term", term), slog.Any("err", err))
	}
}

// enthrone begins the numbering, unless a leader of a later term has asked this
// node meanwhile, which then would not know what is numbered here.
func (l *Local) enthrone(g cluster.GroupID, term uint64, own func() error) error {
	f := &l.fences[g]
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.raise(term) {
		return nil
	}
	return own()
}

// mirror lets the topics of a group come in from elsewhere, unless this node has
// begun to number them.
func (l *Local) mirror(g cluster.GroupID) {
	f := &l.fences[g]
	f.mu.Lock()
	defer f.mu.Unlock()
	if !l.topics.Owns(uint32(g)) {
		_ = l.topics.Mirror(uint32(g)) // fails only when the broker is closed
	}
}

// yield leaves the numbering of a group's topics to another node.
func (l *Local) yield(g cluster.GroupID) {
	defer l.moves.rise()
	if l.survey == nil {
		l.topics.Disown(uint32(g))
		return
	}
	_ = l.topics.Mirror(uint32(g)) // fails only when the broker is closed
}

// Survey tells a node that was elected in that term what this one has seen of the
// topics of a group. From the call on this node takes no item of the group from
// a leader of an earlier term, nor numbers one if it was that leader. Errors:
// ErrNotExecuted for a term that is over.
func (l *Local) Survey(_ context.Context, g cluster.GroupID, term uint64) (iter.Seq[fanout.Seen], error) {
	if g == cluster.MetaGroup || int(g) >= len(l.fences) {
		return nil, fmt.Errorf("%w: group %d has no topics", ErrInvalid, g)
	}
	f := &l.fences[g]
	f.mu.Lock()
	defer f.mu.Unlock()
	now, _, _ := l.leadership(g)
	if !f.raise(term) || term < now.Term {
		return nil, &NotLeaderError{Group: g, Leader: now.Leader, Term: now.Term}
	}
	if now.Term < term || !now.Leading {
		l.yield(g)
		// What an earlier leader still sends comes too late: a new link ends the
		// one before.
		if link, err := l.topics.Link(uint32(g)); err == nil {
			link.Close()
		}
	}
	return l.topics.Seen(uint32(g)), nil
}
