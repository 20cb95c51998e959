package auth

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// clockLeeway is how far the clock of the node that signed may be ahead of
// ours. It never lengthens a life: at exp there is none.
const clockLeeway = 30 * time.Second

// DefaultCacheSize is how many verified texts a Verifier remembers when it is
// not told: some 16 MB when all are in use.
const DefaultCacheSize = 1 << 15

// VerifierConfig is what a Verifier is born with.
type VerifierConfig struct {
	// ClusterID is the id in the issuer of this cluster's credentials; needed.
	ClusterID string
	// Keys is asked for keys; needed.
	Keys Keys
	// CacheSize is how many verified texts are remembered at most, about 500
	// bytes each; 0 = DefaultCacheSize.
	CacheSize int
	// MaxTokenLife is the longest life of a disposable token; 0 =
	// DefaultMaxTokenLife. A token that says it lives longer is refused, whoever
	// signed it.
	MaxTokenLife time.Duration
}

// Verifier turns texts into principals.
type Verifier struct {
	issuer       string
	keys         Keys
	cache        *verified
	maxTokenLife time.Duration
}

// NewVerifier returns a Verifier, or an error that says what is missing.
func NewVerifier(config VerifierConfig) (*Verifier, error) {
	switch {
	case config.ClusterID == "":
		return nil, errors.New("verifier: the cluster id is empty")
	case config.Keys == nil:
		return nil, errors.New("verifier: there is no source of keys")
	case config.CacheSize < 0:
		return nil, fmt.Errorf("verifier: a cache of %d texts, want 0 for the default or more", config.CacheSize)
	case config.MaxTokenLife < 0:
		return nil, fmt.Errorf("verifier: a token life of %v, want 0 for the default or more", config.MaxTokenLife)
	}
	if config.CacheSize == 0 {
		config.CacheSize = DefaultCacheSize
	}
	if config.MaxTokenLife == 0 {
		config.MaxTokenLife = DefaultMaxTokenLife
	}
	return &Verifier{
		issuer: issuerPrefix + config.ClusterID,
		keys:   config.Keys,
		cache:  newVerified(config.CacheSize),

		maxTokenLife: config.MaxTokenLife,
	}, nil
}

// Verify returns the caller that the text proves at that time. It fails with an
// error that wraps ErrUnauthenticated. A text verified before costs a hash and a
// look into a map; expiry and revocation are as exact then as at first.
func (v *Verifier) Verify(text string, now time.Time) (Principal, error) {
	if text == "" {
		return Principal{}, ErrMissing
	}
	if len(text) > MaxTextSize {
		return Principal{}, checkText(text)
	}
	// The revision is read before the keys are: a change in between leaves an
	// entry that is too old, never one that is too new.
	revision := v.keys.Revision()
	id := digest(text)
	if p, ok := v.cache.get(id, revision); ok {
		if p.expired(now) {
			v.cache.drop(id)
			return Principal{}, ErrExpired
		}
		return p, nil
	}
	p, err := v.verify(text, now)
	if err != nil {
		return Principal{}, err
	}
	v.cache.put(id, revision, p)
	return p, nil
}

// Recheck fails, as Verify does, as soon as a caller verified earlier is no longer
// good. It is for long calls, which need not keep the text: ask again at the end
// that it returns, the zero time for never, and whenever Keys.Revision changes.
func (v *Verifier) Recheck(p Principal, now time.Time) (until time.Time, err error) {
	return p.standing(v.keys, now)
}

// verify does all the work, without the cache.
func (v *Verifier) verify(text string, now time.Time) (Principal, error) {
	if err := checkText(text); err != nil {
		return Principal{}, err
	}
	text, err := bare(text)
	if err != nil {
		return Principal{}, err
	}
	payload, vouching, err := v.open(text)
	if err != nil {
		return Principal{}, err
	}
	c, err := v.claims(payload, vouching)
	if err != nil {
		return Principal{}, malformed("%v", err)
	}
	if err := v.checkClaims(&c, vouching, now); err != nil {
		return Principal{}, err
	}
	if (c.Use == useKey) != isKeyID(vouching) || c.Use == useKey && c.ID != vouching {
		return Principal{}, forged("its header and its claims do not name the same key")
	}
	p, err := v.principal(&c)
	if err != nil {
		return Principal{}, err
	}
	if c.Use != useKey {
		p.signedBy = vouching
	}
	p.ExpiresAt, err = p.standing(v.keys, now)
	return p, err
}

// claims reads a payload that a key vouches for.
func (v *Verifier) claims(payload []byte, vouching string) (claims, error) {
	if !isApplicationID(vouching) {
		return parseClaims(payload)
	}
	key, _ := v.keys.SigningKey(vouching) // one that went away meanwhile is noticed later
	return applicationClaims(payload, key)
}

// isKeyID tells the id of an API key from that of a signing key.
func isKeyID(id string) bool { return strings.HasPrefix(id, keyIDPrefix) }

// open returns the payload of a JWT, and the id of the key that vouches for it: the
// one that signed it or, of an API key, its own. Of a text that nothing vouches
// for it reads the header alone; a parser that decodes the claims first would show
// them the door before asking who they are.
func (v *Verifier) open(text string) (payload []byte, keyID string, err error) {
	rawHeader, rest, _ := strings.Cut(text, ".")
	rawPayload, rawSignature, ok := strings.Cut(rest, ".")
	if !ok {
		return nil, "", malformed("a JWT has three parts")
	}
	headerJSON, err := partEncoding.DecodeString(rawHeader)
	if err != nil {
		return nil, "", malformed("the JWT's header is not base64url")
	}
	h, err := parseHeader(headerJSON)
	if err != nil {
		return nil, "", forged("%v", err)
	}
	if isKeyID(h.KeyID) {
		err = v.checkDigest(h, text)
	} else {
		err = v.checkSignature(h, text[:len(rawHeader)+1+len(rawPayload)], rawSignature)
	}
	if err != nil {
		return nil, "", err
	}
	payload, err = partEncoding.DecodeString(rawPayload)
	if err != nil {
		return nil, "", malformed("the JWT's claims are not base64url")
	}
	return payload, h.KeyID, nil
}

// unvouched refuses a text that no key vouches for. Whether there is a key of the id
// that it names is nobody's business who does not hold that key.
var unvouched = unheardOf{forged("no key of the id and algorithm that it names has made it, or that key is gone")}

// noDigest is compared with when there is no key of that id, so that an answer takes
// as long as for a key that is there.
var noDigest [sha256.Size]byte

// checkDigest checks the text of an API key against its record. Nothing but the
// very text that was handed out has that digest, its claims included.
func (v *Verifier) checkDigest(h header, text string) error {
	if h.Algorithm != AlgorithmHS256 {
		return forged("its algorithm is not that of API keys, %s", AlgorithmHS256)
	}
	record, ok := v.keys.APIKey(h.KeyID)
	want := record.Digest
	if len(want) != sha256.Size {
		want = noDigest[:]
	}
	sum := sha256.Sum256([]byte(text))
	if same := subtle.ConstantTimeCompare(sum[:], want) == 1; !ok || !same {
		return unvouched
	}
	return nil
}

// checkSignature checks what a signing key has signed.
func (v *Verifier) checkSignature(h header, signed, rawSignature string) error {
	signature, err := partEncoding.DecodeString(rawSignature)
	if err != nil {
		return malformed("the JWT's signature is not base64url")
	}
	key, ok := v.keys.SigningKey(h.KeyID)
	if !ok || !key.usable() || key.Application != isApplicationID(h.KeyID) || h.Algorithm != key.Algorithm {
		return unvouched
	}
	if err := jwt.SigningMethodHS256.Verify(signed, signature, key.Secret); err != nil {
		return unvouched
	}
	return nil
}

// checkClaims checks for whom and for when the credential was made.
func (v *Verifier) checkClaims(c *claims, vouching string, now time.Time) error {
	latest := date(now.Add(clockLeeway))
	switch {
	case isApplicationID(vouching) && c.Issuer != vouching:
		return fmt.Errorf("%w: its issuer is not the signing key that its header names", ErrForeign)
	case !isApplicationID(vouching) && c.Issuer != v.issuer:
		return fmt.Errorf("%w: its issuer is not this cluster", ErrForeign)
	case c.Audience != audience:
		return fmt.Errorf("%w: its audience is not %q", ErrForeign, audience)
	case c.IssuedAt > latest:
		return fmt.Errorf("%w: it was issued in the future, compare the nodes' clocks", ErrUnauthenticated)
	case c.NotBefore != nil && *c.NotBefore > latest:
		return fmt.Errorf("%w: it is not valid yet", ErrUnauthenticated)
	case c.Use == useToken && c.ExpiresAt.time().Sub(c.IssuedAt.time()) > v.maxTokenLife:
		return fmt.Errorf("%w: it says to live longer than a token may, %v", ErrUnauthenticated, v.maxTokenLife)
	}
	return nil
}

// principal says who the claims speak of and what that caller may do.
func (v *Verifier) principal(c *claims) (Principal, error) {
	p := Principal{ID: c.ID, issuedAt: c.IssuedAt}
	if c.ExpiresAt != nil {
		p.ExpiresAt = c.ExpiresAt.time()
	}
	switch c.Use {
	case useAdmin:
		p.Kind, p.grant = KindAdmin, everything
		return p, nil
	case useKey:
		p.Kind, p.KeyID = KindAPIKey, c.ID
	case useToken:
		p.Kind, p.TokenID, p.knows = KindToken, c.TokenID, c.Knows
		permissions, err := c.explicit, error(nil)
		if permissions == nil {
			permissions, err = decodeExplicit(c.Permissions)
		}
		if err != nil {
			return Principal{}, malformed("%v", err)
		}
		if p.grant, err = Compile(permissions); err != nil {
			return Principal{}, malformed("%v", err)
		}
		switch c.Parent {
		case parentAdmin:
			return p, nil
		case parentOpen:
			p.whileOpen = true
			return p, nil
		}
		p.KeyID = c.Parent
	}
	return v.underKey(p)
}

// underKey gives the caller what it has from the record of its API key: the
// key's end bounds the token's, and the key's own rights are the record's.
func (v *Verifier) underKey(p Principal) (Principal, error) {
	record, ok := v.keys.APIKey(p.KeyID)
	if !ok {
		return Principal{}, unheardOf{revoked("the API key behind it does not exist")}
	}
	p.ExpiresAt = sooner(p.ExpiresAt, moment(record.ExpiresAtMs))
	p.Limits, p.Account = record.Limits, cmp.Or(record.Account, p.KeyID)
	if p.Kind == KindAPIKey {
		grant, err := compileRecord(record.Permissions)
		if err != nil {
			return Principal{}, fmt.Errorf("%w: the key's record does not make sense to this node", ErrUnauthenticated)
		}
		p.TokenID, p.grant = record.TokenID, grant
	}
	return p, nil
}
