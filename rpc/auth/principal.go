package auth

import "time"

// Kind is what sort of caller a Principal is.
type Kind uint8

// The kinds of caller. The zero Kind is nobody and may do nothing.
const (
	// KindAnonymous is anybody, in open mode; may do everything.
	KindAnonymous Kind = iota + 1
	// KindAdmin holds the admin credential; may do everything.
	KindAdmin
	// KindAPIKey holds an API key; may do what its record says.
	KindAPIKey
	// KindToken holds a disposable token; may do what it carries.
	KindToken
)

// String names the kind as it is told to people.
func (k Kind) String() string {
	switch k {
	case KindAnonymous:
		return "anonymous"
	case KindAdmin:
		return "admin"
	case KindAPIKey:
		return "API key"
	case KindToken:
		return "disposable token"
	default:
		return "nobody"
	}
}

// Principal is a caller whose credential was verified. It is a value, holds
// nothing secret and never changes. The zero Principal may do nothing.
type Principal struct {
	// Kind is what sort of caller it is.
	Kind Kind
	// ID is the credential's own id; empty for KindAnonymous.
	ID string
	// KeyID is the id of the API key that answers for the caller: its own, or
	// the one that minted its token. Empty when no API key does.
	KeyID string
	// Account is the id under which the use of that API key's limits is counted: the
	// first key of those that came one from the other by refreshing or rotating.
	// Empty when KeyID is.
	Account string
	// TokenID is the publisher id of items the caller publishes; may be empty.
	TokenID string
	// ExpiresAt is the first moment at which the caller is no longer good,
	// streams included; the zero time means never.
	ExpiresAt time.Time
	// Limits are those of the API key that answers for the caller.
	Limits Limits

	grant *Grant
	// signedBy is the id of the signing key; empty for KindAnonymous, and for
	// KindAPIKey, which the record vouches for.
	signedBy string
	// issuedAt is when the credential was made, as whoever made it says.
	issuedAt numericDate
	// knows is the latest denial of its token id that the node knew which made it.
	knows numericDate
	// whileOpen: minted by a caller without credential, so good only until the
	// cluster is secured.
	whileOpen bool
}

// anonymous is the caller of open mode.
func anonymous() Principal { return Principal{Kind: KindAnonymous, grant: everything} }

// AllowsCache is Grant.AllowsCache of the caller's grant.
func (p Principal) AllowsCache(cache string, key []byte, need Need) bool {
	return p.grant.AllowsCache(cache, key, need)
}

// AllowsSome is Grant.AllowsSome of the caller's grant.
func (p Principal) AllowsSome(cache string, need Need) bool { return p.grant.AllowsSome(cache, need) }

// AllowsTopic is Grant.AllowsTopic of the caller's grant.
func (p Principal) AllowsTopic(cache, topic string, need Need) bool {
	return p.grant.AllowsTopic(cache, topic, need)
}

// AllowsControl is Grant.AllowsControl of the caller's grant.
func (p Principal) AllowsControl() bool { return p.grant.AllowsControl() }

// expired reports whether the caller's time is over; the end itself is.
func (p *Principal) expired(now time.Time) bool {
	return !p.ExpiresAt.IsZero() && !now.Before(p.ExpiresAt)
}

// standing checks all that can end a credential after it was made: time, and
// what the cluster agreed on since. It returns when the credential ends if nothing
// more is agreed on, the zero time for never.
func (p *Principal) standing(keys Keys, now time.Time) (until time.Time, err error) {
	switch p.Kind {
	case KindAdmin, KindAPIKey, KindToken:
	default:
		// Nobody, or anybody: without open mode, which is the gate's to
		// judge, that is the same.
		return until, ErrMissing
	}
	until = p.ExpiresAt
	if p.Kind != KindAPIKey {
		key, ok := keys.SigningKey(p.signedBy)
		if !ok || !key.usable() {
			return until, forged("its signing key is no longer in use")
		}
		until = sooner(until, moment(key.EndsAtMs))
	}
	if p.KeyID != "" {
		end, err := keyStanding(keys, p.KeyID)
		if err != nil {
			return until, err
		}
		until = sooner(until, end)
	}
	switch {
	case p.whileOpen && keys.Secured():
		return until, revoked("it was minted before the cluster had an API key, mint a new one")
	case p.Kind == KindToken && p.TokenID != "" && keys.TokenDenial(p.TokenID).covers(p):
		if isApplicationID(p.signedBy) {
			return until, revoked("the tokens of its token id were revoked, sign a new one whose iat is more than %d s later", ahead/time.Second)
		}
		return until, revoked("the tokens of its token id were revoked, mint a new one")
	case !until.IsZero() && !now.Before(until):
		return until, ErrExpired
	}
	return until, nil
}

// keyStanding is standing for the API key behind a credential.
func keyStanding(keys Keys, id string) (until time.Time, err error) {
	record, ok := keys.APIKey(id)
	switch {
	case !ok:
		return until, revoked("the API key behind it does not exist any more")
	case record.RevokedAtMs != 0:
		return until, revoked("the API key behind it was revoked")
	}
	return moment(record.ExpiresAtMs), nil
}

// sooner returns the earlier of two ends, of which the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
