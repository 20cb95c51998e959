package route

import (
	"context"
	"errors"
	"time"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/store"
)

// addSigningKey publishes a key for signing credentials.
func (r *Router) addSigningKey(ctx context.Context, key *storev1.SigningKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_AddSigningKey{AddSigningKey: &storev1.AddSigningKey{Key: key}},
	}, ErrKeyNotFound)
	return err
}

// AddFirstSigningKey gives a cluster that has no key of its own to sign with its
// first one, and adds none to one that has. When it returns this node knows one.
// Errors: ErrInvalid and the outcomes.
func (r *Router) AddFirstSigningKey(ctx context.Context, key *storev1.SigningKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_AddSigningKey{AddSigningKey: &storev1.AddSigningKey{Key: key, First: true}},
	}, ErrKeyNotFound)
	if errors.Is(err, ErrCacheExists) { // what the catalog calls everything that is there already
		return r.CatchUp(ctx) // another node was first, and this one may not have heard of it
	}
	return err
}

// useSigningKey has the cluster sign with a key from now on.
func (r *Router) useSigningKey(ctx context.Context, id string, othersEnd time.Time) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_UseSigningKey{
		UseSigningKey: &storev1.UseSigningKey{Id: id, OthersEndMs: uint64(othersEnd.UnixMilli())},
	}}, ErrKeyNotFound)
	return err
}

// removeSigningKey makes all that a key has signed useless.
func (r *Router) removeSigningKey(ctx context.Context, id string) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_RemoveSigningKey{RemoveSigningKey: &storev1.RemoveSigningKey{Id: id}},
	}, ErrSigningKeyNotFound)
	return err
}

// SigningKeys returns every signing key, by id, as this node knows them. They must
// not be changed.
func (r *Router) SigningKeys() []*storev1.SigningKey {
	return read(r.local.meta.Load(), (*store.Catalog).SigningKeys)
}

// SigningKey returns the signing key of an id as this node knows it, nil if there is
// none. It must not be changed.
func (r *Router) SigningKey(id string) *storev1.SigningKey {
	return read(r.local.meta.Load(), func(c *store.Catalog) *storev1.SigningKey {
		key, _ := c.SigningKey(id)
		return key
	})
}

// CurrentSigningKey returns the key that the cluster signs with as this node knows
// it, nil if there is none yet. It must not be changed.
func (r *Router) CurrentSigningKey() *storev1.SigningKey {
	return read(r.local.meta.Load(), (*store.Catalog).CurrentSigningKey)
}

// PutAPIKey records an API key. When it returns the key is good on this node.
// Errors: ErrInvalid, ErrLimit and the outcomes.
func (r *Router) PutAPIKey(ctx context.Context, key *storev1.ApiKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_PutApiKey{PutApiKey: &storev1.PutApiKey{Key: key}},
	}, ErrKeyNotFound)
	return err
}

// RotateAPIKey records an API key in the place of another one, which ends then if
// not sooner. Errors: ErrKeyNotFound, ErrInvalid, ErrLimit and the outcomes.
func (r *Router) RotateAPIKey(ctx context.Context, id string, key *storev1.ApiKey, end time.Time) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RotateApiKey{
		RotateApiKey: &storev1.RotateApiKey{Id: id, Key: key, EndMs: uint64(end.UnixMilli())},
	}}, ErrKeyNotFound)
	return err
}

// UpdateAPIKey changes what is set of an API key that is neither revoked nor expired.
// When it returns this node keeps to it, and others do as soon as they have heard of it.
// Errors: ErrKeyNotFound, ErrInvalid, ErrLimit and the outcomes.
func (r *Router) UpdateAPIKey(ctx context.Context, update *storev1.UpdateApiKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{
		Op: &storev1.CatalogCommand_UpdateApiKey{UpdateApiKey: update},
	}, ErrKeyNotFound)
	return err
}

// RefreshAPIKey records an API key that was made with the refresh token of the one
// that it names. Errors: ErrKeyNotFound, ErrInvalid, also when that token has been
// used too often or too long ago, ErrLimit and the outcomes.
func (r *Router) RefreshAPIKey(ctx context.Context, key *storev1.ApiKey) error {
	_, err := r.change(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_RefreshApiKey{
		RefreshApiKey: &storev1.RefreshApiKey{Id: key.GetRefreshedFrom(), Key: key},
	}}, ErrKeyNotFound)
	return err
}

// RevokeAPIKey makes an API key useless, and those that were made with its refresh
// token. Errors: ErrKeyNotFound and the outcomes.
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

// FindAPIKey returns the record of one API key, or ErrKeyNotFound when the whole
// cluster does not know it. It must not be changed.
func (r *Router) FindAPIKey(ctx context.Context, id string) (*storev1.ApiKey, error) {
	if key, ok := r.APIKey(id); ok {
		return key, nil
	}
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	if key, ok := r.APIKey(id); ok {
		return key, nil
	}
	return nil, ErrKeyNotFound
}

// APIKey returns the record of one API key as this node knows it. It must not
// be changed.
func (r *Router) APIKey(id string) (*storev1.ApiKey, bool) {
	m := r.local.meta.Load()
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.machine.catalog.APIKey(id)
}

// DenyTokens makes the tokens of a token id useless that are there, and those that
// are made within ban from now. maxLife is how long a token lives at most: for so
// long they have to be remembered. It returns from when on tokens are good again.
// Errors: ErrInvalid, ErrLimit and the outcomes.
func (r *Router) DenyTokens(ctx context.Context, tokenID string, ban, maxLife time.Duration) (*storev1.TokenDenial, error) {
	_, err := r.change(ctx, &storev1.CatalogCommand{Op: &storev1.CatalogCommand_DenyTokens{DenyTokens: &storev1.DenyTokens{
		TokenId: tokenID, BanMs: uint64(ban.Milliseconds()), LifeMs: uint64(maxLife.Milliseconds()),
	}}}, ErrKeyNotFound)
	if err != nil {
		return nil, err
	}
	return r.TokenDenial(tokenID), nil
}

// TokenDenial returns what is said of a token id as this node knows it, nil for
// nothing. It must not be changed.
func (r *Router) TokenDenial(tokenID string) *storev1.TokenDenial {
	m := r.local.meta.Load()
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.machine.catalog.TokenDenial(tokenID)
}

// TokenDenials returns every token id whose tokens were revoked. They must not be
// changed.
func (r *Router) TokenDenials(ctx context.Context) ([]*storev1.TokenDenial, error) {
	if err := r.CatchUp(ctx); err != nil {
		return nil, err
	}
	return read(r.local.meta.Load(), (*store.Catalog).TokenDenials), nil
}

// Secured reports whether an API key was ever created.
func (r *Router) Secured() bool { return read(r.local.meta.Load(), (*store.Catalog).Secured) }

// CredentialRevision grows with every change of what credentials are good for that
// this node knows.
func (r *Router) CredentialRevision() uint64 {
	return read(r.local.meta.Load(), (*store.Catalog).CredentialRevision)
}
