package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// lateAfter is when a caller of ConfirmTelling is told that it waits: a round takes
// milliseconds, and seconds where a leader has lost its majority and does not know
// that yet.
const lateAfter = 250 * time.Millisecond

// Confirm is ConfirmTelling for who does not mind to wait.
func (g *Group) Confirm(ctx context.Context) error { return g.ConfirmTelling(ctx, nil) }

// ConfirmTelling is the fence before a linearizable read: when it returns nil, a read
// of the local state machine that starts afterwards sees everything that was
// acknowledged, by any node, before it was called.
//
// late is called at most once, with ctx and by the caller's own goroutine, when
// there is no answer after about 250 ms, or when those who asked before and have to be
// answered first have waited for so long already. Nil is for nobody.
//
// On a replica that does not lead the error is ErrNotLeader. The other errors
// are ErrClosed, ErrOverloaded and the context's own.
//
// With a single voter it neither waits nor allocates: a few atomic loads. That
// voter needs nobody to confirm its leadership, and everything it acknowledged
// went through its own state machine first. With several voters it takes a round
// of questions to a majority of them (see Config.Terms), or an entry in the log.
func (g *Group) ConfirmTelling(ctx context.Context, late func(context.Context)) error {
	if g.closing.Load() || g.stop.err() != nil {
		return fmt.Errorf("group %s: %w", g.id, g.closedError())
	}
	v := g.view.Load()
	if !v.Leading || !g.leads(v.Term) {
		return fmt.Errorf("group %s: %w", g.id, ErrNotLeader)
	}
	// The order matters: the configuration is read after the state. A second
	// voter is noted in the logbook before any other replica learns of it.
	if g.store.log.roster.loneVoter() {
		return nil
	}
	if err := g.fence.wait(ctx, late); err != nil {
		return fmt.Errorf("group %s: %w", g.id, err)
	}
	return nil
}

// fence confirms leadership for all reads that wait at the same time: a round
// serves those that arrived before it began, later ones share the next. prove
// is one round; it may block and has no context, since raft's futures have
// none.
type fence struct {
	prove func() error

	mu      sync.Mutex
	next    *round // the round that has not begun, nil if nobody waits for it
	running bool
	closed  bool
	wg      sync.WaitGroup
}

type round struct {
	done chan struct{}
	err  error         // set before done is closed
	late chan struct{} // closed when who came first has waited for lateAfter
	slow *time.Timer   // closes late: one for all who share the round
}

func newRound() *round {
	r := &round{done: make(chan struct{}), late: make(chan struct{})}
	r.slow = time.AfterFunc(lateAfter, func() { close(r.late) })
	return r
}

// end answers those who wait.
func (r *round) end(err error) {
	r.slow.Stop()
	r.err = err
	close(r.done)
}

// wait joins the next round. See ConfirmTelling for late.
func (f *fence) wait(ctx context.Context, late func(context.Context)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return ErrClosed
	}
	if f.next == nil {
		f.next = newRound()
	}
	r := f.next
	if !f.running {
		f.running = true
		f.wg.Go(f.run)
	}
	f.mu.Unlock()
	if late != nil {
		select {
		case <-r.late:
			late(ctx)
		case <-r.done:
			return r.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run does rounds while anyone waits.
func (f *fence) run() {
	for {
		f.mu.Lock()
		r := f.next
		f.next = nil
		if r == nil {
			f.running = false
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		r.end(f.prove())
	}
}

// close refuses further reads and waits for those under way.
func (f *fence) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.wg.Wait()
}

// prove is a round of the group's fence. Asking the voters for their terms
// costs no entry of the log; when it proves nothing, the log decides.
func (g *Group) prove() error {
	if err := g.stop.err(); err != nil {
		return g.closedError()
	}
	if g.proveByTerms() {
		return nil
	}
	return g.proveByBarrier()
}

// proveByBarrier confirms leadership through the log: a barrier that was begun
// after a read arrived, and that a majority committed, comes after everything
// acknowledged before the read. Never VerifyLeader (reliability.md, rule 1).
func (g *Group) proveByBarrier() error {
	err := g.raft.Barrier(0).Error()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrRaftShutdown):
		return ErrClosed
	default:
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
}
