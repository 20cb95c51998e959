package route

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// ApplyCatalog implements Face. It stamps the command's time; the request id is
// the caller's.
func (l *Local) ApplyCatalog(ctx context.Context, command *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
	m := l.meta.Load()
	if m.group == nil {
		return nil, 0, &NotLeaderError{Group: cluster.MetaGroup}
	}
	command.AtMs = l.clock.milliseconds()
	encoded, err := store.EncodeCatalogCommand(nil, command)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	result, err := m.propose(ctx, encoded)
	if err != nil {
		return nil, 0, err
	}
	// Read afterwards it is the command's own index or a later one.
	at, _ := m.applied()
	return result.(*storev1.CatalogResult), at, nil
}

// change is decide for what gives a cache a generation, which it returns.
func (r *Router) change(ctx context.Context, command *storev1.CatalogCommand, notFound error) (generation uint64, err error) {
	result, err := r.decide(ctx, command, notFound)
	return result.GetGeneration(), err
}

// decide has the meta group's leader change the catalog, and waits until this node
// knows of the change. notFound is what a missing subject is called. The result is
// nil with an error.
func (r *Router) decide(ctx context.Context, command *storev1.CatalogCommand, notFound error) (*storev1.CatalogResult, error) {
	if err := r.hold.enter(); err != nil {
		return nil, err
	}
	defer r.hold.leave()
	ActOf(ctx).Carry(command)
	command.Request = r.requests[cluster.MetaGroup].begin()
	defer r.requests[cluster.MetaGroup].finish(command.GetRequest())
	var result *storev1.CatalogResult
	var index uint64
	err := r.repeat(ctx, cluster.MetaGroup, func(ctx context.Context, n Face) (err error) {
		result, index, err = n.ApplyCatalog(ctx, command)
		return err
	})
	if err != nil {
		return nil, err
	}
	refusals := map[storev1.CatalogStatus]error{
		storev1.CatalogStatus_CATALOG_STATUS_ALREADY_EXISTS:    ErrCacheExists,
		storev1.CatalogStatus_CATALOG_STATUS_NOT_FOUND:         notFound,
		storev1.CatalogStatus_CATALOG_STATUS_INVALID:           ErrInvalid,
		storev1.CatalogStatus_CATALOG_STATUS_LIMIT:             ErrLimit,
		storev1.CatalogStatus_CATALOG_STATUS_REQUEST_FORGOTTEN: ErrUnknownOutcome,
	}
	if refusal, refused := refusals[result.GetStatus()]; refused {
		return nil, fmt.Errorf("%w: %s", refusal, result.GetDetail())
	}
	if err := r.local.reach(ctx, index); err != nil {
		// It is made, and the caller's time ran out before this node knew. The
		// context's error alone would say that it was not.
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return result, nil
}

// reachTick is how often a snapshot that was restored is looked for: it has no
// index of its own until the entry behind it is applied.
const reachTick = 20 * time.Millisecond

// errCopyStopped: this node's replica of the meta group was removed from it, and
// there is no new one yet. What it knew serves on, news do not come.
var errCopyStopped = errors.New("this node's copy of the catalog has stopped and learns of nothing new until the node has another")

// reach waits until this node's copy of what the meta group agrees on has come
// as far as the index.
func (l *Local) reach(ctx context.Context, index uint64) error {
	if at, _ := l.meta.Load().applied(); at >= index {
		return nil
	}
	tick := time.NewTicker(reachTick)
	defer tick.Stop()
	for {
		m := l.meta.Load()
		at, more := m.applied()
		switch {
		case at >= index:
			return nil
		case m.stopped():
			return errCopyStopped
		}
		select {
		case <-more:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// CatchUp returns once this node knows every change of the catalog, and of the
// cluster, that was acknowledged before the call.
func (r *Router) CatchUp(ctx context.Context) error {
	if r.local.leads(cluster.MetaGroup) {
		if _, err := r.local.Confirm(ctx, cluster.MetaGroup); !errors.Is(err, ErrNotExecuted) {
			return err
		}
	}
	defer idleAfter(ctx, late)()
	return r.catching.do(ctx, func(ctx context.Context) error {
		var index uint64
		err := r.lead(ctx, cluster.MetaGroup, func(ctx context.Context, n Face) (err error) {
			index, err = n.Confirm(ctx, cluster.MetaGroup)
			return err
		})
		if err != nil {
			return err
		}
		if err = r.local.reach(ctx, index); errors.Is(err, errCopyStopped) {
			return fmt.Errorf("%w: %w", ErrNotExecuted, err)
		}
		return err
	})
}

// Find finds a cache. One that is not known here may have been made on
// another node a moment ago, so the meta group's leader is asked before it is
// given up.
func (r *Router) Find(ctx context.Context, cache string) (*storev1.CacheRecord, error) {
	if record, ok := r.Lookup(cache); ok {
		return record, nil
	}
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	if record, ok := r.Lookup(cache); ok {
		return record, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrCacheNotFound, cache)
}
