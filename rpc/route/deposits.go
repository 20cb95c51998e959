package route

import (
	"context"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// PutDeposit keeps something for all nodes of the cluster, in place of what was
// kept under that name before; see store.Deposit for its bounds. When it returns
// this node knows of it. Errors: ErrInvalid, ErrLimit and the outcomes.
func (r *Router) PutDeposit(ctx context.Context, name string, content []byte) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_PutDeposit{PutDeposit: &storev1.PutDeposit{Deposit: &storev1.Deposit{Name: name, Content: content}}},
	}, ErrKeyNotFound)
	return err
}

// Deposit returns what is kept under that name, as far as this node knows, nil
// for nothing. It must not be changed.
func (r *Router) Deposit(name string) []byte {
	m := r.local.meta.Load()
	m.mu.RLock()
	defer m.mu.RUnlock()
	d, _ := m.machine.catalog.Deposit(name)
	return d.GetContent()
}
