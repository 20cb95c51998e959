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
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
)

// fence is the highest page with which a leader of a group that asked what was
// seen here will begin to number, or with which this node began: nothing is taken
// from a leader with an earlier one, nor numbered here in its name. Terms alone
// would not do: they start over when a group is brought back offline.
type fence struct {
	mu   sync.Mutex    // held by who begins or ends the numbering, so that the later page has the last word
	page atomic.Uint64 // written with mu held; never falls
}

// raise shuts out the pages before. False if that page is shut out itself. The
// caller holds the lock.
func (f *fence) raise(page uint64) bool {
	if page < f.page.Load() {
		return false
	}
	f.page.Store(page)
	return true
}

// term is that of the page.
func (f *fence) term() uint64 { return fanout.PageOf(f.page.Load()).Term }

// own lets this node number the topics of a group that it leads since that term,
// above every number that a node that answers has seen. epoch counts how often
// the group was brought back offline: those who were lost then may have led it in
// terms that this one has yet to come to.
func (l *Local) own(g cluster.GroupID, epoch, term uint64) {
	page, err := fanout.Page{Epoch: epoch, Term: term}.Number()
	if err == nil {
		switch fence := l.fences[g].page.Load(); {
		case fence > page:
			return // another was elected since, and asked this node already
		case fence == page && l.topics.Owns(uint32(g)):
			return // begun when the group was bound
		}
		survey := l.topics.NewSurvey(uint32(g))
		if l.survey != nil {
			heard := l.survey(context.Background(), g, page, survey.Adopt)
			l.heard[g].Store(&heard)
		}
		err = l.enthrone(g, page, func() error { return survey.Own(page) })
		l.moves.rise()
	}
	if err != nil && !errors.Is(err, fanout.ErrClosed) {
		l.logger.Error("the topics of a group cannot be numbered here",
			slog.Uint64("group", uint64(g)), slog.Uint64("term", term), slog.Any("err", err))
	}
}

// enthrone begins the numbering, unless a leader with a later page has asked this
// node meanwhile, which then would not know what is numbered here.
func (l *Local) enthrone(g cluster.GroupID, page uint64, own func() error) error {
	f := &l.fences[g]
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.raise(page) {
		return nil
	}
	return own()
}

// outlive shuts out whoever led the group before it was brought back offline, which
// a replica that was made since knows of.
func (l *Local) outlive(g cluster.GroupID, epoch uint64) {
	if page, err := (fanout.Page{Epoch: epoch}).Number(); err == nil { // epoch 0 has none before it
		f := &l.fences[g]
		f.mu.Lock()
		defer f.mu.Unlock()
		f.raise(page)
	}
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
// topics of a group. page is the one with which that node will begin to number;
// 0 if it did not say, and then its term is one since the group was brought back
// last. From the call on this node takes no item of the group from a leader with
// an earlier page, nor numbers one if it was that leader. Errors: ErrNotExecuted
// for a page that is over, ErrInvalid for what is no page to begin with.
func (l *Local) Survey(_ context.Context, g cluster.GroupID, term, page uint64) (iter.Seq[fanout.Seen], error) {
	if g == cluster.MetaGroup || int(g) >= len(l.fences) {
		return nil, fmt.Errorf("%w: group %d has no topics", ErrInvalid, g)
	}
	f := &l.fences[g]
	f.mu.Lock()
	defer f.mu.Unlock()
	asks := fanout.PageOf(page)
	if page == 0 {
		asks = fanout.Page{Epoch: fanout.PageOf(f.page.Load()).Epoch, Term: term}
	}
	first, err := asks.Number()
	if err != nil || page != 0 && first != page || asks.Reset != 0 || asks.Term != term {
		return nil, fmt.Errorf("%w: page %d is none that a leader of term %d begins with", ErrInvalid, page, term)
	}
	now, here := l.reign(g)
	if !f.raise(first) || first < here {
		return nil, &NotLeaderError{Group: g, Leader: now.Leader, Term: now.Term}
	}
	if here < first || !now.Leading {
		l.yield(g)
		// What an earlier leader still sends comes too late: a new link ends the
		// one before.
		if link, err := l.topics.Link(uint32(g)); err == nil {
			link.Close()
		}
	}
	return l.topics.Seen(uint32(g)), nil
}

// reign tells who leads the group as far as this node's replica knows, and the page
// with which that leader began to number, 0 if there is none.
func (l *Local) reign(g cluster.GroupID) (now replica.Leadership, page uint64) {
	if p := l.partitions[g].Load(); p != nil {
		now, _ = p.group.Leadership()
		page, _ = fanout.Page{Epoch: p.epoch, Term: now.Term}.Number()
	}
	return now, page
}
