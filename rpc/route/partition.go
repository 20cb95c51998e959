package route

import (
	"context"
	"fmt"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route/memory"
	"github.com/mayfly-broker/mayfly/store"
)

// partition is one data group with its machine.
type partition struct {
	replicated[*storev1.Command, *storev1.Result, *store.Snapshot, *store.Machine]
	clock *clock
	epoch uint64 // how often the group was brought back offline; set before anybody sees the partition
	uses  *memory.Table
	pools map[string]*memory.Pool // by cache; under Local.relieving
}

func newPartition(clock *clock) *partition {
	p := &partition{clock: clock, uses: memory.NewTable(), pools: map[string]*memory.Pool{}}
	p.decode, p.machine = store.DecodeCommand, store.NewMachine()
	p.witness = p.written
	return p
}

// found tells for the most common questions whether the item was there. To remember
// the use of what is not would cost others their places.
func found(r *storev1.Result) bool {
	switch outcome := r.GetOutcome().(type) {
	case *storev1.Result_Value_:
		return outcome.Value.GetFound()
	case *storev1.Result_Values_:
		return outcome.Values.GetFound()
	case *storev1.Result_Fields_:
		return outcome.Fields.GetFound()
	case *storev1.Result_Exists:
		return outcome.Exists
	default:
		return r.GetStatus() == storev1.Status_STATUS_OK
	}
}

// written notes that a command used its item. Every replica does, so that whoever
// leads next knows what is new.
func (p *partition) written(c *storev1.Command) { p.touch(c, c.GetAtMs()) }

func (p *partition) touch(c *storev1.Command, at uint64) {
	if len(c.GetKey()) > 0 {
		p.uses.Touch(memory.IDOf(c.GetGeneration(), int32(c.GetSpace()), c.GetKey()), at)
	}
}

// apply stamps the command, commits it and returns what it did.
func (p *partition) apply(ctx context.Context, command *storev1.Command) (*storev1.Result, error) {
	command.AtMs = p.clock.milliseconds()
	encoded, err := store.EncodeCommand(nil, command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p.propose(ctx, encoded)
}

// view answers a query. Unless it is relaxed, the answer holds everything that
// was acknowledged before the call.
func (p *partition) view(ctx context.Context, query *storev1.Query, relaxed bool) (*storev1.Result, error) {
	if !relaxed {
		if err := p.group.ConfirmTelling(ctx, idle); err != nil {
			return nil, refused(p.group, err)
		}
	}
	at := p.clock.milliseconds()
	result := p.look(query, at)
	if result.GetStatus() != storev1.Status_STATUS_CLOCK_BEHIND {
		if found(result) {
			p.uses.Touch(memory.IDOf(query.GetGeneration(), int32(query.GetSpace()), query.GetKey()), at)
		}
		return result, nil
	}
	// An item has expired by the clock but not yet by the log. Only what the log
	// says survives a change of leader, so the log is told first: an expiry once
	// seen is never taken back.
	tick := &storev1.Command{Op: &storev1.Command_Tick{Tick: &storev1.Tick{}}}
	if _, err := p.apply(ctx, tick); err != nil {
		return nil, err
	}
	return p.look(query, at), nil
}

func (p *partition) look(query *storev1.Query, at uint64) *storev1.Result {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.machine.View(query, at)
}

// overdue reports whether an item has expired by now and still takes memory.
func (p *partition) overdue() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	next, ok := p.machine.NextExpiry()
	return ok && next <= p.clock.milliseconds()
}

// sweepLimit bounds how many items one sweep frees, so that no command holds
// up the others for long.
const sweepLimit = 1000

// sweep frees what has expired, a bounded piece at a time.
func (p *partition) sweep(ctx context.Context) error {
	for p.overdue() {
		sweep := &storev1.Command{Op: &storev1.Command_Sweep{Sweep: &storev1.Sweep{Limit: sweepLimit}}}
		if _, err := p.apply(ctx, sweep); err != nil {
			return err
		}
	}
	return nil
}

// retirement is the command that declares everything of the cache below the
// generation dead.
func retirement(cache string, generation uint64, deleted bool) *storev1.Command {
	return &storev1.Command{
		Cache:      cache,
		Generation: generation,
		Op:         &storev1.Command_Retire{Retire: &storev1.Retire{Deleted: deleted}},
	}
}
