package route

import (
	"context"
	"errors"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// ApplySystem changes an item of a cache of the system's own, as Apply does those of
// clients. Nobody waits for it, so it is more patient: while the outcome is unknown it
// asks until ctx ends. ErrUnknownOutcome then says that the change may have been made,
// and every other error that it was not.
func (r *Router) ApplySystem(ctx context.Context, command *storev1.Command) (result *storev1.Result, err error) {
	g := r.group(command.GetCache(), command.GetKey())
	command.Generation = store.SystemGeneration
	if err := r.hold.enter(); err != nil {
		return nil, err
	}
	defer r.hold.leave()
	command.Request = r.requests[g].begin()
	defer r.requests[g].finish(command.GetRequest())
	ask := func(ctx context.Context, n Face) (err error) {
		result, err = n.Apply(ctx, g, command)
		return err
	}
	err = r.repeat(ctx, g, ask)
	for errors.Is(err, ErrUnknownOutcome) && ctx.Err() == nil {
		// Whatever an attempt fails with is about that attempt alone.
		if r.repeat(ctx, g, ask) == nil {
			err = nil
		}
	}
	if err == nil && result.GetStatus() == storev1.Status_STATUS_REQUEST_FORGOTTEN {
		return nil, ErrUnknownOutcome
	}
	return result, err
}

// ViewSystem answers a query about an item of a cache of the system's own. The answer
// holds everything that was acknowledged before the call.
func (r *Router) ViewSystem(ctx context.Context, query *storev1.Query) (result *storev1.Result, err error) {
	g := r.group(query.GetCache(), query.GetKey())
	query.Generation = store.SystemGeneration
	err = r.lead(ctx, g, func(ctx context.Context, n Face) (err error) {
		result, err = n.View(ctx, g, query, false)
		return err
	})
	return result, err
}
