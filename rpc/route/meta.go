package route

import (
	"context"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// ApplyCatalog runs a command on the meta group if this node leads it, and
// refuses it otherwise like Node does. It stamps the command's time; the request
// id is the caller's. With the result comes an index of the meta log: the
// command is in force on every node whose copy of the catalog has come that far.
func (l *Local) ApplyCatalog(ctx context.Context, command *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
	if l.catalog.group == nil {
		return nil, 0, fmt.Errorf("%w: group %d does not live here", ErrNotExecuted, cluster.MetaGroup)
	}
	command.AtMs = l.clock.milliseconds()
	encoded, err := store.EncodeCatalogCommand(nil, command)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	result, err := l.catalog.propose(ctx, encoded)
	if err != nil {
		return nil, 0, err
	}
	// Read afterwards it is the command's own index or a later one.
	return result, l.catalog.group.Progress().Applied, nil
}
