package auth

import (
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// AlgorithmHS256 is the one algorithm credentials are signed with: HMAC with
// SHA-256, a registered JWT name that every SDK's parser knows.
const AlgorithmHS256 = "HS256"

// signingSecretSize is the length of a signing secret in bytes. RFC 7518 3.2
// wants a secret at least as long as the hash; a shorter one is refused, also
// when it comes out of Keys, since an empty one would sign for everybody.
const signingSecretSize = 32

// Prefixes make an id say what it names. keyIDPrefix can begin neither of the
// words a token's parent claim holds otherwise.
const (
	signingIDPrefix = "mfk_"
	keyIDPrefix     = "k_"
	tokenIDPrefix   = "t_"
	adminIDPrefix   = "a_"
)

// SigningKey signs and checks credentials.
type SigningKey struct {
	// ID is what the header of a credential names the key by.
	ID string
	// Algorithm is the only one the key may be used with.
	Algorithm string
	// Secret is shared by the nodes of the cluster and leaves none of them. It
	// is only read here.
	Secret []byte
	// CreatedAtMs is in milliseconds since 1970, as is EndsAtMs.
	CreatedAtMs uint64
	// EndsAtMs is the first moment at which what the key has signed is no longer
	// good; 0 = no end is set.
	EndsAtMs uint64
	// Application: an application holds the key and signs tokens with it, for what
	// Parent made: the id of an API key, or "admin" or "open". The cluster's own
	// keys have neither.
	Application bool
	Parent      string
}

// NewSigningKey makes a key with 256 bits from random, which must be fit for
// secrets. It fails only when random does.
func NewSigningKey(random io.Reader, now time.Time) (SigningKey, error) {
	id, err := randomID(random, signingIDPrefix)
	if err != nil {
		return SigningKey{}, err
	}
	secret := make([]byte, signingSecretSize)
	if _, err := io.ReadFull(random, secret); err != nil {
		return SigningKey{}, fmt.Errorf("signing secret: %w", err)
	}
	return SigningKey{ID: id, Algorithm: AlgorithmHS256, Secret: secret, CreatedAtMs: millis(now)}, nil
}

// String names the key without its secret.
func (k SigningKey) String() string { return fmt.Sprintf("signing key %q (%s)", k.ID, k.Algorithm) }

// GoString keeps the secret out of %#v too.
func (k SigningKey) GoString() string { return k.String() }

// LogValue keeps the secret out of logs.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// usable says whether the key may sign or check anything at all.
func (k SigningKey) usable() bool {
	return k.Algorithm == AlgorithmHS256 && len(k.Secret) >= signingSecretSize
}

// APIKey is what the cluster remembers of an API key. The text itself is only
// with its holder. Apart from RevokedAtMs, and ExpiresAtMs, which may come closer,
// what a credential depends on in a record never changes: live streams rely on the
// permissions they began with.
type APIKey struct {
	// ID is the key's public name.
	ID string
	// Description is for people.
	Description string
	// TokenID becomes the publisher id of items published with the key.
	TokenID string
	// CreatedAtMs is in milliseconds since 1970, as are the two below.
	CreatedAtMs uint64
	// ExpiresAtMs is the first moment the key is no longer good; 0 = never.
	ExpiresAtMs uint64
	// RevokedAtMs is when the key was revoked; 0 = it was not.
	RevokedAtMs uint64
	// Permissions is an encoded permission.Permissions.
	Permissions []byte
	// RefreshDigest is the SHA-256 of the refresh token; empty when the key
	// cannot be refreshed.
	RefreshDigest []byte
	// Limits bound what may be done with the key and all its tokens together.
	Limits Limits
	// Account is the id of the first key of those that came one from the other by
	// refreshing or rotating, which have what their limits allow together; empty for
	// that one. The cluster's state says it, not who makes a record.
	Account string
	// Digest is the SHA-256 of the key's text; a record without it is good for
	// nothing.
	Digest []byte
	// RefreshedFrom is the id of the key that this one was made from with its
	// refresh token; empty for others.
	RefreshedFrom string
}

// Limits bound an API key in the whole cluster, together with the keys of the same
// account and the tokens that were minted with any of them. 0 means no limit.
type Limits struct {
	// Operations are those per second, publishing included.
	Operations uint32
	// ThroughputKiB is in KiB per second.
	ThroughputKiB uint32
	// Subscriptions is how many there may be at a time.
	Subscriptions uint32
	// Weight is how large a part the key has of a node that is busy, beside the
	// others; 0 is as 1.
	Weight uint32
}

// within is the limits, held to those of who gives them away: nobody makes a key that
// may do more than the own one.
func (l Limits) within(giver Limits) Limits {
	return Limits{
		Operations:    tighter(l.Operations, giver.Operations),
		ThroughputKiB: tighter(l.ThroughputKiB, giver.ThroughputKiB),
		Subscriptions: tighter(l.Subscriptions, giver.Subscriptions),
		Weight:        tighter(l.Weight, giver.Weight),
	}
}

// Update is what is to change of an API key: what is not nil. A limit of 0 is none.
type Update struct {
	Description                                      *string
	Operations, ThroughputKiB, Subscriptions, Weight *uint32
}

// By checks an update, and holds its limits to those of who asks for it. Errors wrap
// ErrInvalid.
func (u Update) By(caller Principal) (Update, error) {
	if u.Weight != nil && *u.Weight > MaxWeight {
		return Update{}, invalid("an API key's weight is %d, the most is %d", *u.Weight, MaxWeight)
	}
	if u.Description != nil {
		if err := checkLabel("description", *u.Description, MaxDescriptionLength); err != nil {
			return Update{}, invalid("%v", err)
		}
	}
	for _, f := range []struct {
		asked **uint32
		most  uint32
	}{
		{&u.Operations, caller.Limits.Operations}, {&u.ThroughputKiB, caller.Limits.ThroughputKiB},
		{&u.Subscriptions, caller.Limits.Subscriptions}, {&u.Weight, caller.Limits.Weight},
	} {
		if *f.asked != nil {
			*f.asked = new(tighter(**f.asked, f.most))
		}
	}
	return u, nil
}

// tighter is the lower of two limits.
func tighter(a, b uint32) uint32 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// Keys is the cluster's agreed state as far as credentials need it. It must be
// safe for concurrent use and quick: it is asked on calls, from memory.
type Keys interface {
	// CurrentSigningKey returns the key to sign with; false when there is none
	// yet.
	CurrentSigningKey() (SigningKey, bool)
	// SigningKey returns the key with that id, the current one or another one
	// that is still good. The id comes from outside and is no more than a map
	// key.
	SigningKey(id string) (SigningKey, bool)
	// APIKey returns the record with that id, revoked ones included. The
	// record's slices are only read, and must not change afterwards.
	APIKey(id string) (APIKey, bool)
	// TokenDenial returns what was agreed on last about the tokens of a token id; the
	// zero Denial when nothing is revoked.
	TokenDenial(tokenID string) Denial
	// Secured reports whether an API key was ever created, even one revoked
	// since.
	Secured() bool
	// Revision changes whenever the answer of another method does, never
	// before it: who has read a revision sees, in every later answer, all that
	// the revision counts. What was verified under another revision is verified
	// again. It is asked on every call and should be one atomic load.
	Revision() uint64
}

// idEncoding writes ids in letters that are safe in a shell, a URL and a mouth.
var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// randomID returns the prefix and 100 random bits in 20 letters: no two alike,
// and short enough to type.
func randomID(random io.Reader, prefix string) (string, error) {
	raw := make([]byte, 13)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("random id: %w", err)
	}
	return prefix + idEncoding.EncodeToString(raw)[:20], nil
}

// millis is the time in milliseconds since 1970; times before that are 0.
func millis(t time.Time) uint64 {
	return uint64(max(t.UnixMilli(), 0))
}

// moment is the reverse of millis, with 0 as the zero time.
func moment(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}
