package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster/replica"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// AdminTokenFile is the file of the data directory that holds the admin
// credential. Only its owner may read it.
const AdminTokenFile = "admin.token"

// keys shows the catalog's credentials to rpc/auth in its own words.
type keys struct {
	router *route.Router
	// open keeps the node in open mode whatever keys are created.
	open bool
}

// CurrentSigningKey returns the newest signing key.
func (k keys) CurrentSigningKey() (auth.SigningKey, bool) {
	all := k.router.SigningKeys()
	if len(all) == 0 {
		return auth.SigningKey{}, false
	}
	newest := slices.MaxFunc(all, func(a, b *storev1.SigningKey) int {
		return cmp.Or(cmp.Compare(a.GetCreatedAtMs(), b.GetCreatedAtMs()), cmp.Compare(a.GetId(), b.GetId()))
	})
	return signingKey(newest), true
}

// SigningKey returns the signing key with that id.
func (k keys) SigningKey(id string) (auth.SigningKey, bool) {
	for _, key := range k.router.SigningKeys() {
		if key.GetId() == id {
			return signingKey(key), true
		}
	}
	return auth.SigningKey{}, false
}

// APIKey returns the record of an API key, revoked ones included.
func (k keys) APIKey(id string) (auth.APIKey, bool) {
	r, ok := k.router.APIKey(id)
	if !ok {
		return auth.APIKey{}, false
	}
	return auth.APIKey{
		ID:            r.GetId(),
		Description:   r.GetDescription(),
		TokenID:       r.GetTokenId(),
		CreatedAtMs:   r.GetCreatedAtMs(),
		ExpiresAtMs:   r.GetExpiresAtMs(),
		RevokedAtMs:   r.GetRevokedAtMs(),
		Permissions:   r.GetPermissions(),
		RefreshDigest: r.GetRefreshDigest(),
		Limits:        api.LimitsOf(r.GetLimits()),
	}, true
}

// Secured reports whether callers need a credential: an API key was created.
func (k keys) Secured() bool { return !k.open && k.router.Secured() }

// Revision grows with every change of the catalog.
func (k keys) Revision() uint64 { return k.router.CatalogRevision() }

func signingKey(k *storev1.SigningKey) auth.SigningKey {
	return auth.SigningKey{
		ID:          k.GetId(),
		Algorithm:   k.GetAlgorithm(),
		Secret:      k.GetSecret(),
		CreatedAtMs: k.GetCreatedAtMs(),
	}
}

// ensureSigningKey gives a newborn cluster the key that signs its credentials.
func ensureSigningKey(ctx context.Context, router *route.Router) error {
	if len(router.SigningKeys()) > 0 {
		return nil
	}
	key, err := auth.NewSigningKey(rand.Reader, time.Now())
	if err != nil {
		return err
	}
	return router.AddSigningKey(ctx, &storev1.SigningKey{
		Id:          key.ID,
		Algorithm:   key.Algorithm,
		Secret:      key.Secret,
		CreatedAtMs: key.CreatedAtMs,
	})
}

// leaveAdminToken puts the admin credential into the data directory, where
// whoever may read the data may be admin. One that is there and still good is
// kept.
func leaveAdminToken(dir string, minter *auth.Minter, good func(text string) bool) error {
	path := filepath.Join(dir, AdminTokenFile)
	old, err := os.ReadFile(path)
	if err == nil && good(string(old)) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("admin credential: %w", err)
	}
	text, err := minter.Admin(0, time.Now())
	if err != nil {
		return fmt.Errorf("admin credential: %w", err)
	}
	if err := replica.WriteFile(path, []byte(text+"\n")); err != nil {
		return fmt.Errorf("admin credential: %w", err)
	}
	return nil
}
