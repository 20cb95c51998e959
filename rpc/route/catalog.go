package route

import (
	"context"
	"fmt"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// catalog is the meta group with its machine: caches and credentials.
type catalog struct {
	replicated[*storev1.CatalogCommand, *storev1.CatalogResult, *store.CatalogSnapshot, *store.Catalog]
	clock    *clock
	requests *requests
}

func newCatalog(clock *clock, gateway []byte) *catalog {
	c := &catalog{clock: clock, requests: newRequests(gateway)}
	c.decode, c.machine = store.DecodeCatalogCommand, store.NewCatalog()
	return c
}

// apply stamps and commits a change and says in the router's words how it went.
func (c *catalog) apply(ctx context.Context, command *storev1.CatalogCommand) (*storev1.CatalogResult, error) {
	command.AtMs = c.clock.milliseconds()
	command.Request = c.requests.begin()
	defer c.requests.finish(command.GetRequest())
	encoded, err := store.EncodeCatalogCommand(nil, command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c.propose(ctx, encoded)
}

// read runs look while no change is being applied. What look takes out of the
// machine must not be changed.
func read[T any](c *catalog, look func(*store.Catalog) T) T {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return look(c.machine)
}

// cache returns the record of a cache as this node knows it.
func (c *catalog) cache(name string) (*storev1.CacheRecord, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.machine.Cache(name)
}

// confirm returns once this node knows every change acknowledged before.
func (c *catalog) confirm(ctx context.Context) error { return refused(c.group, c.group.Confirm(ctx)) }
