package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// Refresh makes the next API key from one that still is good and its refresh
// token: with the same permissions, labels, limits and length of life, counted from
// now. The old key stays good until its own end. How often a refresh token works
// is for the catalog to say, which counts. Whoever holds the pair is the
// caller; no other right is asked for. It fails with ErrInvalidArgument for a
// pair that is unknown, expired, revoked or not one (protocol.md 6.4), and says
// no more than that to those who do not hold it. ErrUnheardOf goes with it as
// with a refused credential.
func (m *Minter) Refresh(apiKey, refreshToken string, now time.Time) (Key, error) {
	p, err := m.verifier.Verify(apiKey, now)
	if err != nil {
		refusal := invalid("this API key cannot be refreshed: %v", err)
		if errors.Is(err, ErrUnheardOf) {
			refusal = unheardOf{refusal}
		}
		return Key{}, refusal
	}
	if p.Kind != KindAPIKey {
		return Key{}, invalid("only API keys can be refreshed, this is a credential of kind %q", p.Kind)
	}
	record, ok := m.keys.APIKey(p.KeyID)
	if !ok || !refreshes(record, refreshToken) || record.ExpiresAtMs <= record.CreatedAtMs {
		return Key{}, invalid("this refresh token does not belong to this API key")
	}
	next := successor(record, now)
	next.RefreshedFrom = record.ID
	return m.key(next, now)
}

// Rotate makes the key that takes the place of another one: with the same
// permissions, labels, limits and length of life, counted from now. It fails with
// ErrPermissionDenied when the caller may not make such a key.
func (m *Minter) Rotate(caller Principal, old APIKey, now time.Time) (Key, error) {
	permissions := new(permissionpb.Permissions)
	if err := proto.Unmarshal(old.Permissions, permissions); err != nil {
		return Key{}, fmt.Errorf("the key's record does not make sense to this node: %w", err)
	}
	if err := MayMintAPIKey(caller, permissions); err != nil {
		return Key{}, err
	}
	next := successor(old, now)
	next.Limits = next.Limits.within(caller.Limits)
	return m.key(next, now)
}

// successor is the record of a key like that one.
func successor(old APIKey, now time.Time) APIKey {
	next := APIKey{
		Description: old.Description, TokenID: old.TokenID, Permissions: old.Permissions, Limits: old.Limits, CreatedAtMs: millis(now),
	}
	if old.ExpiresAtMs > old.CreatedAtMs {
		next.ExpiresAtMs = millis(now) + old.ExpiresAtMs - old.CreatedAtMs
	}
	return next
}

// refreshes reports whether it is the record's refresh token. No text has the
// empty digest of a record without one.
func refreshes(record APIKey, refreshToken string) bool {
	sum := sha256.Sum256([]byte(refreshToken))
	return subtle.ConstantTimeCompare(sum[:], record.RefreshDigest) == 1
}
