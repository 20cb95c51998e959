package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
)

const (
	// patience is how long a request waits for a group to have a leader, within
	// its own deadline. An election takes one to three seconds.
	patience = 5 * time.Second
	// insistence is how long a change is asked about again whose outcome is unknown,
	// within its own deadline: as long as any request may take.
	insistence = 10 * time.Second
	// lookAgain is the pause before a group without a known leader is asked for
	// again, if nothing is heard of it earlier.
	lookAgain = 50 * time.Millisecond
	// maxWaiting bounds the requests that wait for leaders, since each holds its
	// command in memory.
	maxWaiting = 4096
	// blindly is how long a node is asked of which this one would not hear that it
	// has lost the leadership.
	blindly = 2 * time.Second
)

// errMoved ends a question to a node that no longer leads.
var errMoved = errors.New("the leadership moved on")

// guess is who may lead a group, and the term that was in.
type guess struct {
	node cluster.NodeID
	term uint64
}

// lead has the leader of a group asked, here or, over one hop, on another node.
// An answer of not executed is no answer yet: it asks whoever leads instead,
// and waits for a group that is without a leader.
func (r *Router) lead(ctx context.Context, g cluster.GroupID, ask func(context.Context, Face) error) error {
	if r.local.leads(g) {
		if err := ask(ctx, r.local); !errors.Is(err, ErrNotExecuted) {
			return err
		}
	}
	return r.Chase(ctx, g, func(ctx context.Context, node cluster.NodeID) error {
		switch {
		case node == r.self:
			return ask(ctx, r.local)
		case r.face == nil:
			return &NotLeaderError{Group: g}
		default:
			return ask(ctx, r.face(node))
		}
	})
}

// Chase calls ask with the node that leads the group, as far as anybody knows,
// until the answer is anything but ErrNotExecuted: it follows what nodes say of
// the leader, and waits for a group that is without one, for some seconds at
// most and within ctx. The context that ask gets ends when the node is seen to
// lose the leadership.
func (r *Router) Chase(ctx context.Context, g cluster.GroupID, ask func(context.Context, cluster.NodeID) error) error {
	enough, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	failure := error(&NotLeaderError{Group: g})
	var last guess
	for turn, followed := 0, false; ; {
		at, moved := r.guess(g)
		// Without a replica of the group this node hears nothing of its leader, and
		// asks the voters in turn. With one it does not: its own replica is the first
		// to know, and who is asked in vain may be stopped and never answer.
		if moved == nil && (at.node == "" || at == last) {
			if voters := r.voters(g); len(voters) > 0 {
				at = guess{node: voters[turn%len(voters)]}
				turn++
			}
		}
		if at.node != "" {
			err := r.ask(ctx, g, at, ask)
			if !errors.Is(err, ErrNotExecuted) || ctx.Err() != nil {
				return err
			}
			failure, last = err, at
			if r.learn(g, at, err) && !followed {
				followed = true // once: the word of that node may be old, too
				continue
			}
		}
		followed = false
		if r.waiting.Add(1) > maxWaiting {
			r.waiting.Add(-1)
			return failure
		}
		idle(ctx)
		again := time.NewTimer(lookAgain)
		select {
		case <-moved:
		case <-again.C:
		case <-enough.Done():
		}
		again.Stop()
		r.waiting.Add(-1)
		if enough.Err() != nil {
			return failure
		}
	}
}

// ask asks one node. A question to another node is given up when that node
// loses the leadership as far as this one can see; what became of a change is
// then unknown, like after a broken connection.
func (r *Router) ask(ctx context.Context, g cluster.GroupID, at guess, ask func(context.Context, cluster.NodeID) error) error {
	if at.node == r.self {
		return ask(ctx, at.node)
	}
	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if b := r.local.replica(g); b == nil {
		var end context.CancelFunc
		asking, end = context.WithTimeoutCause(asking, blindly, errMoved)
		defer end()
	} else {
		reign := *b.reign.Load()
		seen, _ := b.group.Leadership()
		stop := context.AfterFunc(reign, func() {
			if r.deposed(asking, g, at, seen.Leader == at.node) {
				cancel(errMoved)
			}
		})
		defer stop()
	}
	err := ask(asking, at.node)
	if err != nil && errors.Is(context.Cause(asking), errMoved) && ctx.Err() == nil && !errors.Is(err, ErrUnknownOutcome) {
		return fmt.Errorf("%w: %w", ErrNotExecuted, errMoved)
	}
	return err
}

// deposed waits until this node's replica sees that another leads, or nobody, and
// reports whether it did before ctx ended. A node that was asked on another's word
// may be ahead of what is seen here: it has lost nothing before it was seen to
// lead, or a later term was.
func (r *Router) deposed(ctx context.Context, g cluster.GroupID, at guess, seen bool) bool {
	for {
		now, changed, ok := r.local.leadership(g)
		switch {
		case !ok:
			return false
		case now.Leader == at.node:
			seen = true
		case seen || at.term != 0 && now.Term > at.term:
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// guess tells who leads by what this node knows, and a channel that is closed
// when its own replica learns of another.
func (r *Router) guess(g cluster.GroupID) (guess, <-chan struct{}) {
	var best guess
	now, changed, ok := r.local.leadership(g)
	if ok {
		best = guess{now.Leader, now.Term}
	}
	if told := r.told[g].Load(); told != nil && told.term > best.term {
		best = *told
	}
	return best, changed
}

// voters lists the other nodes that vote in a group by the record, the preferred
// leader first.
func (r *Router) voters(g cluster.GroupID) []cluster.NodeID {
	if r.face == nil {
		return nil
	}
	nodes := r.seeds
	r.local.Read(func(s *cluster.State) {
		if !s.Founded() {
			return
		}
		nodes = nil
		record, _ := s.Placement().Group(g)
		for _, v := range record.Voters {
			if v.Node == record.Target.Leader {
				nodes = slices.Insert(nodes, 0, v.Node)
			} else {
				nodes = append(nodes, v.Node)
			}
		}
	})
	return slices.DeleteFunc(slices.Clone(nodes), func(n cluster.NodeID) bool { return n == r.self })
}

// learn notes what a node that did not lead said, and reports whether that is
// worth following.
func (r *Router) learn(g cluster.GroupID, asked guess, err error) bool {
	hint, ok := errors.AsType[*NotLeaderError](err)
	// What this node leads it knows better itself; it may have no replica any more.
	self := ok && hint.Group == g && hint.Leader == r.self
	if !ok || hint.Group != g || hint.Leader == "" || hint.Leader == asked.node || self {
		if told := r.told[g].Load(); told != nil && told.node == asked.node {
			r.told[g].CompareAndSwap(told, nil)
		}
		return self && r.local.leads(g)
	}
	word := &guess{hint.Leader, hint.Term}
	for {
		told := r.told[g].Load()
		if told != nil && told.node != asked.node && told.term > word.term {
			return true // what was said before is newer
		}
		if r.told[g].CompareAndSwap(told, word) {
			return true
		}
	}
}

// doubt forgets what was said of a node that is out of reach.
func (r *Router) doubt(node cluster.NodeID) {
	for g := range r.told {
		if told := r.told[g].Load(); told != nil && told.node == node {
			r.told[g].CompareAndSwap(told, nil)
		}
	}
}

// repeat is lead for a command with a request id: while the outcome is unknown it
// asks again, since a command that did run is not run a second time. It does so for
// longer than a leader is waited for: the caller could not, as its own repetition
// would be another command.
func (r *Router) repeat(ctx context.Context, g cluster.GroupID, ask func(context.Context, Face) error) error {
	err := r.lead(ctx, g, ask)
	if !errors.Is(err, ErrUnknownOutcome) || ctx.Err() != nil {
		return err
	}
	enough, cancel := context.WithTimeout(ctx, insistence)
	defer cancel()
	for errors.Is(err, ErrUnknownOutcome) {
		select {
		case <-time.After(lookAgain): // who loses its answer at once may do so again
		case <-enough.Done():
			return err
		}
		again := r.lead(enough, g, ask)
		// A refusal to execute it is about the repetition only, and so is what the end
		// of our patience gave.
		if !errors.Is(again, ErrNotExecuted) && !errors.Is(again, ErrOverloaded) && !errors.Is(again, ErrTooManyKeys) && !errors.Is(again, context.DeadlineExceeded) {
			err = again
		}
	}
	return err
}
