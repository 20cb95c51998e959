package route

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// Create makes a cache. Data calls see it when Create returns. Errors:
// ErrCacheExists, ErrInvalid, ErrLimit and the outcomes.
func (r *Router) Create(ctx context.Context, name string, limits *storev1.CacheLimits) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_CreateCache{CreateCache: &storev1.CreateCache{Name: name, Limits: limits}},
	}, ErrCacheNotFound)
	return err
}

// Update changes the settings of a cache whose fields are set, and leaves the
// others and everything stored as they are; zero gives a setting back to the
// node's default. They are in force on this node when Update returns, and on the
// others a moment later. Errors: ErrCacheNotFound, ErrInvalid and the outcomes.
func (r *Router) Update(ctx context.Context, name string, limits *storev1.CacheLimits) error {
	_, err := r.decide(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_UpdateCache{UpdateCache: &storev1.UpdateCache{Name: name, Limits: limits}},
	}, ErrCacheNotFound)
	return err
}

// Delete drops a cache with everything in it and ends its subscriptions.
// Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Delete(ctx context.Context, name string) error {
	// Every node ends its subscriptions when it learns of it.
	generation, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_DeleteCache{DeleteCache: &storev1.DeleteCache{Name: name}},
	}, ErrCacheNotFound)
	if err == nil {
		r.retire(ctx, name, generation, true)
	}
	return err
}

// Flush drops everything in a cache, and keeps the cache and its topics.
// Errors: ErrCacheNotFound and the outcomes.
func (r *Router) Flush(ctx context.Context, name string) error {
	generation, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_FlushCache{FlushCache: &storev1.FlushCache{Name: name}},
	}, ErrCacheNotFound)
	if err == nil {
		r.retire(ctx, name, generation, false)
	}
	return err
}

// List returns every cache, by name. The records must not be changed.
func (r *Router) List(ctx context.Context) ([]*storev1.CacheRecord, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	return read(r.local.meta.Load(), (*store.Catalog).Caches), nil
}

// Held returns the names of the caches that hold items, or held some that have
// expired a moment ago, in any group. It counts all that was acknowledged before the
// call, and nothing of caches that were deleted or flushed, or are the system's own. Only a node that leads
// every group can tell; to others it fails with ErrNotExecuted.
func (r *Router) Held(ctx context.Context) ([]string, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for g := range r.topology.All() {
		if g == cluster.MetaGroup {
			continue
		}
		if _, err := r.local.Confirm(ctx, g); err != nil {
			return nil, err
		}
		p, err := r.local.partition(g)
		if err != nil {
			return nil, err
		}
		p.mu.RLock()
		held := p.machine.Caches()
		p.mu.RUnlock()
		for _, h := range held {
			if h.Items > 0 && !store.IsSystemCache(h.Cache) && r.local.dead(h) == nil {
				names[h.Cache] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Lookup returns a cache as this node knows it now. It asks nobody. The record
// must not be changed.
func (r *Router) Lookup(name string) (*storev1.CacheRecord, bool) {
	return r.local.meta.Load().cache(name)
}

const notFreed = "the memory of a dropped cache is not freed yet"

// retire tells every group that everything of the cache below the generation is
// dead: it frees the memory, and refuses nodes that have not heard of it. A group
// that cannot be told now finds out by itself, see reconcile.
func (r *Router) retire(ctx context.Context, cache string, generation uint64, deleted bool) {
	var all sync.WaitGroup
	defer all.Wait()
	for g := range r.topology.All() {
		if g == cluster.MetaGroup {
			continue
		}
		all.Go(func() {
			err := r.lead(ctx, g, func(ctx context.Context, n Face) error {
				_, err := n.Apply(ctx, g, retirement(cache, generation, deleted))
				return err
			})
			if !errors.Is(err, context.Canceled) {
				r.local.warn(g, notFreed, err)
			}
		})
	}
}

// reconcile frees what the groups led here hold of dead generations. The catalog
// has made that unreachable already, so until it is done it costs memory and
// nothing else. current returns once this node's catalog holds all that was
// agreed on before the call.
func (l *Local) reconcile(ctx context.Context, current func(context.Context) error) {
	var all sync.WaitGroup
	defer all.Wait()
	for g, p := range l.led {
		all.Go(func() { l.free(ctx, g, p, current) })
	}
}

// free retires what a group holds of dead generations. A copy of the catalog that
// is behind, as after a restart, has not heard of all caches that live; so nothing
// is dead before the copy is at least as new as what the group was seen to hold.
func (l *Local) free(ctx context.Context, g cluster.GroupID, p *partition, current func(context.Context) error) {
	p.mu.RLock()
	held := p.machine.Caches()
	p.mu.RUnlock()
	if !slices.ContainsFunc(held, func(h store.Held) bool { return l.dead(h) != nil }) || current(ctx) != nil {
		return // what could not be made sure of is looked at again
	}
	for _, h := range held {
		retirement := l.dead(h)
		if retirement == nil {
			continue
		}
		_, err := p.apply(ctx, retirement)
		l.later(ctx, g, notFreed, err)
	}
}

// dead returns the command that retires a generation of a cache, if the catalog as
// this node has it has let go of it.
func (l *Local) dead(h store.Held) *storev1.Command {
	if store.IsSystemCache(h.Cache) {
		return nil
	}
	record, ok := l.meta.Load().cache(h.Cache)
	switch {
	case !ok:
		return retirement(h.Cache, h.Generation, true)
	case h.Generation < record.GetGeneration():
		return retirement(h.Cache, record.GetGeneration(), false)
	default:
		return nil
	}
}
