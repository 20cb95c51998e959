package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"time"
)

// Refresh makes the next API key from one that still is good and its refresh
// token: with the same permissions, labels, limits and length of life, counted from
// now. The old key stays good until its own end. Whoever holds the pair is the
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
	life := record.ExpiresAtMs - record.CreatedAtMs
	return m.key(APIKey{
		Description: record.Description,
		TokenID:     record.TokenID,
		CreatedAtMs: millis(now),
		ExpiresAtMs: millis(now) + life,
		Permissions: record.Permissions,
		Limits:      record.Limits,
	}, now)
}

// refreshes reports whether it is the record's refresh token. No text has the
// empty digest of a record without one.
func refreshes(record APIKey, refreshToken string) bool {
	sum := sha256.Sum256([]byte(refreshToken))
	return subtle.ConstantTimeCompare(sum[:], record.RefreshDigest) == 1
}
