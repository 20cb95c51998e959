package route

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

// own lets this node number the topics of a group that it leads since that term,
// above every number that a node that answers has seen. epoch counts how often
// the group was brought back offline: those who were lost then may have led it in
// terms that this one has yet to come to.
func (l *Local) own(g cluster.GroupID, epoch, term uint64) {
	if l.fences[g].Load() > term {
		return // another was elected since, and asked this node already
	}
	page, err := fanout.Page{Epoch: epoch, Term: term}.Number()
	if err == nil {
		survey := l.topics.NewSurvey(uint32(g))
		if l.survey != nil {
			l.survey(context.Background(), g, term, survey.Adopt)
		}
		err = survey.Own(page)
	}
	if err != nil && !errors.Is(err, fanout.ErrClosed) {
		l.logger.Error("the topics of a group cannot be numbered here",
			slog.Uint64("group", uint64(g)), slog.Uint64("term", term), slog.Any("err", err))
	}
}

// yield leaves the numbering of a group's topics to another node.
func (l *Local) yield(g cluster.GroupID) {
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
	fence := &l.fences[g]
	for seen := fence.Load(); seen < term && !fence.CompareAndSwap(seen, term); seen = fence.Load() {
	}
	now, _, _ := l.leadership(g)
	if term < max(fence.Load(), now.Term) {
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
