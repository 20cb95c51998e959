package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// Create makes a cache. Data calls see it when Create returns. Errors:
// ErrCacheExists, ErrInvalid, ErrLimit and the outcomes.
func (r *Router) Create(ctx context.Context, name string, limits *storev1.CacheLimits) error {
	_, err := r.local.catalog.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: name, Limits: limits}},
	}, ErrCacheNotFound)
	return err
}

// Delete drops a cache with everything in it and ends its subscriptions.
// Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Delete(ctx context.Context, name string) error {
	generation, err := r.local.catalog.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_DeleteCache{DeleteCache: &storev1.DeleteCache{Name: name}},
	}, ErrCacheNotFound)
	if err != nil {
		return err
	}
	r.local.topics.DropCache(name)
	r.local.retire(ctx, name, generation, true)
	return nil
}

// Flush drops everything in a cache, and keeps the cache and its topics.
// Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Flush(ctx context.Context, name string) error {
	generation, err := r.local.catalog.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_FlushCache{FlushCache: &storev1.FlushCache{Name: name}},
	}, ErrCacheNotFound)
	if err != nil {
		return err
	}
	r.local.retire(ctx, name, generation, false)
	return nil
}

// List returns every cache, by name. The records must not be changed.
func (r *Router) List(ctx context.Context) ([]*storev1.CacheRecord, error) {
	if err := r.local.catalog.confirm(ctx); err != nil {
		return nil, err
	}
	return read(r.local.catalog, (*store.Catalog).Caches), nil
}

// Lookup returns a cache as this node knows it now. It asks nobody. The record
// must not be changed.
func (r *Router) Lookup(name string) (*storev1.CacheRecord, bool) { return r.local.catalog.cache(name) }

// change commits a change of the catalog and returns the generation it gave.
// notFound is what a missing subject is called.
func (c *catalog) change(ctx context.Context, command *storev1.CatalogCommand, notFound error) (uint64, error) {
	result, err := c.apply(ctx, command)
	if err != nil {
		return 0, err
	}
	refusals := map[storev1.CatalogStatus]error{
		storev1.CatalogStatus_CATALOG_STATUS_ALREADY_EXISTS:    ErrCacheExists,
		storev1.CatalogStatus_CATALOG_STATUS_NOT_FOUND:         notFound,
		storev1.CatalogStatus_CATALOG_STATUS_INVALID:           ErrInvalid,
		storev1.CatalogStatus_CATALOG_STATUS_LIMIT:             ErrLimit,
		storev1.CatalogStatus_CATALOG_STATUS_REQUEST_FORGOTTEN: ErrUnknownOutcome,
	}
	if refusal, refused := refusals[result.GetStatus()]; refused {
		return 0, fmt.Errorf("%w: %s", refusal, result.GetDetail())
	}
	return result.GetGeneration(), nil
}

// retire frees what the partitions hold of dead generations. The catalog has
// made them unreachable already, so a failure costs memory for a while and
// nothing else: reconcile comes back to it.
func (l *Local) retire(ctx context.Context, cache string, generation uint64, deleted bool) {
	var all errgroup.Group
	l.data(func(g cluster.GroupID, p *partition) bool {
		all.Go(func() error {
			err := p.retire(ctx, cache, generation, deleted)
			if err != nil && !errors.Is(err, context.Canceled) {
				l.logger.Warn("the memory of a dropped cache is not freed yet", slog.Uint64("group", uint64(g)), slog.Any("err", err))
			}
			return err
		})
		return true
	})
	_ = all.Wait() // told to the log already
}

// reconcile retires what partitions still hold although the catalog has let go
// of it: the work of a Delete or Flush that was cut short.
func (l *Local) reconcile(ctx context.Context) {
	l.data(func(_ cluster.GroupID, p *partition) bool {
		p.mu.RLock()
		held := p.machine.Caches()
		p.mu.RUnlock()
		for _, h := range held {
			record, ok := l.catalog.cache(h.Cache)
			switch {
			case !ok:
				_ = p.retire(ctx, h.Cache, h.Generation, true) // tried again next time
			case h.Generation < record.GetGeneration():
				_ = p.retire(ctx, h.Cache, record.GetGeneration(), false)
			}
		}
		return ctx.Err() == nil
	})
}
