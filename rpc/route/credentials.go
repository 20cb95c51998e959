package route

import (
	"context"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// AddSigningKey puts a key for signing credentials into the catalog.
func (r *Router) AddSigningKey(ctx context.Context, key *storev1.SigningKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_AddSigningKey{AddSigningKey: &storev1.AddSigningKey{Key: key}},
	}, ErrKeyNotFound)
	return err
}

// SigningKeys returns every signing key, by id. They must not be changed.
func (r *Router) SigningKeys() []*storev1.SigningKey {
	return read(r.local.meta.Load(), (*store.Catalog).SigningKeys)
}

// PutAPIKey records an API key. When it returns the key is good on this node.
// Errors: ErrInvalid, ErrLimit and the outcomes.
func (r *Router) PutAPIKey(ctx context.Context, key *storev1.ApiKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_PutApiKey{PutApiKey: &storev1.PutApiKey{Key: key}},
	}, ErrKeyNotFound)
	return err
}

// RevokeAPIKey makes an API key useless. Errors: ErrKeyNotFound and the
// outcomes.
func (r *Router) RevokeAPIKey(ctx context.Context, id string) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_RevokeApiKey{RevokeApiKey: &storev1.RevokeApiKey{Id: id}},
	}, ErrKeyNotFound)
	return err
}

// APIKeys returns the record of every API key. They must not be changed.
func (r *Router) APIKeys(ctx context.Context) ([]*storev1.ApiKey, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	return read(r.local.meta.Load(), (*store.Catalog).APIKeys), nil
}

// APIKey returns the record of one API key as this node knows it. It must not
// be changed.
func (r *Router) APIKey(id string) (*storev1.ApiKey, bool) {
	m := r.local.meta.Load()
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.machine.catalog.APIKey(id)
}

// Secured reports whether an API key was ever created.
func (r *Router) Secured() bool { return read(r.local.meta.Load(), (*store.Catalog).Secured) }

// CatalogRevision grows with every change of the catalog that this node knows.
func (r *Router) CatalogRevision() uint64 {
	return read(r.local.meta.Load(), (*store.Catalog).Revision)
}
