package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mayfly-broker/mayfly/cluster/replica"
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

// CurrentSigningKey returns the key that the cluster signs with.
func (k keys) CurrentSigningKey() (auth.SigningKey, bool) {
	key := k.router.CurrentSigningKey()
	return api.SigningKeyOf(key), key != nil
}

// SigningKey returns the signing key with that id.
func (k keys) SigningKey(id string) (auth.SigningKey, bool) {
	key := k.router.SigningKey(id)
	return api.SigningKeyOf(key), key != nil
}

// APIKey returns the record of an API key, revoked ones included.
func (k keys) APIKey(id string) (auth.APIKey, bool) {
	r, ok := k.router.APIKey(id)
	return api.KeyOf(r), ok
}

// TokenDenial returns what was agreed on about the tokens of a token id.
func (k keys) TokenDenial(tokenID string) auth.Denial {
	return api.DenialOf(k.router.TokenDenial(tokenID))
}

// Secured reports whether callers need a credential: an API key was created.
func (k keys) Secured() bool { return !k.open && k.router.Secured() }

// Revision grows with every change of what credentials are good for.
func (k keys) Revision() uint64 { return k.router.CredentialRevision() }

// leaveAdminToken puts the admin credential into the data directory. One that is
// there, good, and signed by the key in use is kept.
func (n *Node) leaveAdminToken() error {
	if n.config.DataDir == "" {
		return nil
	}
	return leaveAdminToken(n.config.DataDir, n.doors.minter, func(text string) bool {
		text = strings.TrimSpace(text)
		_, err := n.doors.verifier.Verify(text, time.Now())
		said, unread := auth.Inspect(text)
		return err == nil && unread == nil && said.Header["kid"] == n.router.CurrentSigningKey().GetId()
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
