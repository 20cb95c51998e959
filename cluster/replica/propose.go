package replica

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// entriesUnderWay bounds the entries of a group that were given to raft and not
// answered.
const entriesUnderWay = 128

// Propose has a command replicated and executed, and returns what the state
// machine answered. Commands of one caller that wait for each other's answers
// are executed in that order; concurrent ones in some order.
//
// The errors are those at the top of this package, wrapped with the group;
// they tell whether the command may have been executed. cmd is not kept.
func (g *Group) Propose(ctx context.Context, cmd []byte) (any, error) {
	p, err := g.admit(ctx, cmd)
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", g.id, err)
	}
	select {
	case out := <-p.done:
		proposals.Put(p)
		if out.err != nil {
			return nil, fmt.Errorf("group %s: %w", g.id, out.err)
		}
		return out.result, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-g.done:
		err = g.closedError()
	case <-g.stop.halted:
		err = g.closedError()
	}
	// A proposal that was left alone is not reused: its answer may yet come.
	if g.pipe.queue.withdraw(p) {
		return nil, fmt.Errorf("group %s: command not executed: %w", g.id, err)
	}
	return nil, fmt.Errorf("group %s: %w: %w", g.id, ErrUnknownOutcome, err)
}

// admit puts a command into the queue, or says why it will not be executed.
func (g *Group) admit(ctx context.Context, cmd []byte) (*proposal, error) {
	if len(cmd) > MaxCommandBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrTooLarge, len(cmd), MaxCommandBytes)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("command not executed: %w", err)
	}
	if g.closing.Load() || g.stop.err() != nil {
		return nil, g.closedError()
	}
	if !g.view.Load().Leading {
		return nil, ErrNotLeader
	}
	if err := g.space.admit(g.id); err != nil {
		return nil, err
	}
	return g.pipe.queue.add(cmd)
}

// pipeline moves commands from the queue into the log and answers back. Two
// goroutines: send gathers and hands entries to raft, collect waits for raft's
// answers in the same order.
type pipeline struct {
	raft     *raft.Raft
	stop     *failStop
	queue    *queue
	sent     chan sentEntry
	underWay atomic.Int64
}

type sentEntry struct {
	batch
	future raft.ApplyFuture
}

func newPipeline(r *raft.Raft, stop *failStop, limits Limits) *pipeline {
	return &pipeline{raft: r, stop: stop, queue: newQueue(limits), sent: make(chan sentEntry, entriesUnderWay)}
}

// send runs until the queue is closed and empty.
func (p *pipeline) send() {
	defer close(p.sent)
	for p.gather() {
		batch, entry := p.queue.take()
		if len(batch.proposals) == 0 {
			continue // all were withdrawn
		}
		if err := p.stop.err(); err != nil {
			p.answer(batch, nil, fmt.Errorf("%w: %w", ErrClosed, err))
			continue
		}
		p.underWay.Add(1)
		// No timeout: the queue in front is bounded, callers have contexts.
		p.sent <- sentEntry{batch, p.raft.ApplyLog(raft.Log{Data: entry}, 0)}
	}
}

// gather waits until there is something worth an entry: anything while the log
// is idle, else 64 KiB or whatever came within a millisecond or until the log
// fell idle. It returns false when the queue is closed and empty.
func (p *pipeline) gather() bool {
	var patience *time.Timer
	var expired <-chan time.Time
	for {
		state := p.queue.state()
		switch {
		case state.empty && state.closed:
			return false
		case state.empty:
			<-p.queue.bell
			continue
		case state.full || state.closed || p.underWay.Load() == 0:
			return true
		}
		if patience == nil {
			patience = time.NewTimer(gatherDelay)
			defer patience.Stop()
			expired = patience.C
		}
		select {
		case <-p.queue.bell:
		case <-expired:
			return true
		}
	}
}

// collect runs until send has ended and every entry was answered.
func (p *pipeline) collect() {
	for entry := range p.sent {
		err := entry.future.Error()
		var results []any
		if err == nil {
			var ok bool
			if results, ok = entry.future.Response().([]any); !ok {
				err = fmt.Errorf("%w: the replica stopped: %w", ErrUnknownOutcome, p.stop.err())
			}
		} else {
			err = applyError(err)
		}
		if p.underWay.Add(-1) == 0 {
			ring(p.queue.bell)
		}
		p.answer(entry.batch, results, err)
	}
}

// answer gives every caller of a batch its outcome and frees their places.
func (p *pipeline) answer(b batch, results []any, err error) {
	p.queue.release(len(b.proposals), b.bytes)
	for i, proposal := range b.proposals {
		out := outcome{err: err}
		if err == nil {
			out.result = results[i]
		}
		proposal.cmd = nil
		proposal.done <- out
	}
}

// applyError maps raft's answer to an outcome (reliability.md 2.9).
func applyError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader),
		errors.Is(err, raft.ErrEnqueueTimeout),
		errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
}
