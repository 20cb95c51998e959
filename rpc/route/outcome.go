package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
)

// outcome says in the router's words what became of a request. It is the only
// place where the pillars' errors are told apart.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, replica.ErrUnknownOutcome):
		// First: it may wrap the context's error, and the command may have run.
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, replica.ErrNotLeader), errors.Is(err, replica.ErrClosed),
		errors.Is(err, fanout.ErrNotOwner), errors.Is(err, fanout.ErrDisowned), errors.Is(err, fanout.ErrClosed):
		return fmt.Errorf("%w: %w", ErrNotExecuted, err)
	case errors.Is(err, replica.ErrOverloaded), errors.Is(err, replica.ErrNoSpace), errors.Is(err, fanout.ErrTooManyTopics):
		return fmt.Errorf("%w: %w", ErrOverloaded, err)
	case errors.Is(err, replica.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	case errors.Is(err, fanout.ErrCacheDropped):
		return fmt.Errorf("%w: %w", ErrCacheNotFound, err)
	default:
		return err
	}
}
