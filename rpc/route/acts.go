package route

import (
	"context"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// Act is what an operator asked for, on its way to the record of acts. It is for
// one call, and not for several goroutines.
type Act struct {
	// Record says who asked for what. It may be added to until it is taken.
	Record *storev1.Act
	taken  bool
}

// Taken reports whether the act has gone to the log with a change: what came of it
// is on record then, or nothing was done.
func (a *Act) Taken() bool { return a.taken }

type actKey struct{}

// WithAct has the next change of the catalog that is made with the context carry
// the act, so that neither is there without the other.
func WithAct(ctx context.Context, act *Act) context.Context {
	return context.WithValue(ctx, actKey{}, act)
}

// withoutAct leaves the act to a change after this one.
func withoutAct(ctx context.Context) context.Context {
	return context.WithValue(ctx, actKey{}, (*Act)(nil))
}

// ActOf returns the act of a context, nil if there is none.
func ActOf(ctx context.Context) *Act {
	act, _ := ctx.Value(actKey{}).(*Act)
	return act
}

// Carry gives a command the act, unless another one has it. A nil act is none.
func (a *Act) Carry(command *storev1.CatalogCommand) {
	if a != nil && !a.taken {
		command.Act, a.taken = a.Record, true
	}
}

// RecordAct puts an act on record that changes nothing in the catalog, and returns
// its number. Errors: ErrInvalid and the outcomes.
func (r *Router) RecordAct(ctx context.Context, act *storev1.Act) (number uint64, err error) {
	result, err := r.decide(withoutAct(ctx), &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_RecordAct{RecordAct: &storev1.RecordAct{}}, Act: act,
	}, ErrInvalid)
	return result.GetAct(), err
}

// SettleAct says what came of an act that was put on record as begun. Errors:
// ErrInvalid and the outcomes.
func (r *Router) SettleAct(ctx context.Context, number uint64, outcome storev1.ActOutcome, why string) error {
	_, err := r.decide(withoutAct(ctx), &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_SettleAct{SettleAct: &storev1.SettleAct{Sequence: number, Outcome: outcome, Why: why}},
	}, ErrInvalid)
	return err
}

// Acts returns what operators did and tried to do, with higher numbers than after,
// the oldest first. The records must not be changed.
func (r *Router) Acts(ctx context.Context, after uint64) ([]*storev1.Act, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	return read(r.local.meta.Load(), func(c *store.Catalog) []*storev1.Act { return c.Acts(after) }), nil
}
