package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/protobuf/proto"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// Limits of what is minted.
const (
	// DefaultMaxTokenLife is the longest life of a disposable token
	// (protocol.md 10.1) when a Minter is not told another one.
	DefaultMaxTokenLife = 25 * time.Hour
	// MaxKeyLife is the longest life of an API key that ends at all. It is
	// below 2^31 seconds, so that a negative number, which arrives as a large
	// unsigned one, is refused.
	MaxKeyLife = 50 * 365 * 24 * time.Hour
	// MaxWeight is the largest weight of an API key.
	MaxWeight = 1000
	// MaxDescriptionLength is in characters.
	MaxDescriptionLength = 256
)

// shortestLife is what a claim can say; anything below would end as it begins.
const shortestLife = time.Millisecond

// ErrNoSigningKey says that the cluster has not agreed on a signing key yet; try
// again. It is the node's fault, not the caller's, as is randomness that fails.
var ErrNoSigningKey = errors.New("no signing key yet")

// MinterConfig is what a Minter is born with.
type MinterConfig struct {
	// ClusterID is the id in the issuer of this cluster's credentials; needed.
	ClusterID string
	// Keys is asked for keys; needed.
	Keys Keys
	// Random gives ids and refresh tokens and must be fit for secrets and for
	// concurrent use, as crypto/rand.Reader is; needed.
	Random io.Reader
	// MaxTokenLife is the longest life of a disposable token; 0 =
	// DefaultMaxTokenLife.
	MaxTokenLife time.Duration
}

// Minter makes credentials. It keeps nothing of what it made.
type Minter struct {
	issuer       string
	keys         Keys
	random       io.Reader
	maxTokenLife time.Duration
	verifier     *Verifier
}

// NewMinter returns a Minter, or an error that says what is missing.
func NewMinter(config MinterConfig) (*Minter, error) {
	switch {
	case config.Random == nil:
		return nil, errors.New("minter: there is no source of randomness")
	case config.MaxTokenLife < 0:
		return nil, fmt.Errorf("minter: a token life of %v, want 0 for the default or more", config.MaxTokenLife)
	case config.MaxTokenLife == 0:
		config.MaxTokenLife = DefaultMaxTokenLife
	}
	// Refresh is rare, so its verifier remembers next to nothing.
	verifier, err := NewVerifier(VerifierConfig{ClusterID: config.ClusterID, Keys: config.Keys, CacheSize: 1, MaxTokenLife: config.MaxTokenLife})
	if err != nil {
		return nil, fmt.Errorf("minter: %w", err)
	}
	return &Minter{
		issuer:       verifier.issuer,
		keys:         config.Keys,
		random:       config.Random,
		maxTokenLife: config.MaxTokenLife,
		verifier:     verifier,
	}, nil
}

// Token is a disposable token just made.
type Token struct {
	// ID names the token where its text must not be, such as in a log.
	ID string
	// Text is the secret: the raw credential, for its holder alone.
	Text string
	// ExpiresAt is the first moment it is no longer good.
	ExpiresAt time.Time
}

// String tells about the token without its text.
func (t Token) String() string {
	return "disposable token until " + t.ExpiresAt.UTC().Format(time.RFC3339)
}

// GoString keeps the text out of %#v too.
func (t Token) GoString() string { return t.String() }

// LogValue keeps the text out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Disposable makes a token with these permissions for that long. tokenID is the
// publisher id of its items and may be empty. A token minted with an API key
// ends with the key, if that is sooner. It fails with ErrPermissionDenied when
// the caller may not mint; with ErrInvalidArgument when the life is not above
// zero and within the limit, the token id is too long, the permissions do not
// compile, are those of a super user, or make the text too long. It fails with
// ErrPermissionDenied, too, while the token id is banned.
func (m *Minter) Disposable(caller Principal, permissions *permissionpb.Permissions, validFor time.Duration, tokenID string, now time.Time) (Token, error) {
	if err := MayMintDisposable(caller); err != nil {
		return Token{}, err
	}
	switch {
	case caller.expired(now):
		return Token{}, ErrExpired
	case validFor < shortestLife || validFor > m.maxTokenLife:
		return Token{}, invalid("a disposable token must live more than 0 s and at most %v", m.maxTokenLife)
	case isSuperUser(permissions):
		return Token{}, invalid("a disposable token cannot be a super user, name what it may do")
	}
	if err := checkLabel("token id", tokenID, MaxTokenIDLength); err != nil {
		return Token{}, invalid("%v", err)
	}
	if _, err := Compile(permissions); err != nil {
		return Token{}, err
	}
	scope, err := encodeExplicit(permissions.GetExplicit())
	if err != nil {
		return Token{}, err
	}
	end := sooner(now.Add(validFor), caller.ExpiresAt)
	knows, err := m.denial(tokenID, now)
	if err != nil {
		return Token{}, err
	}
	id, err := randomID(m.random, tokenIDPrefix)
	if err != nil {
		return Token{}, err
	}
	text, err := m.signAs(id, claims{Use: useToken, TokenID: tokenID, Permissions: scope, Parent: parent(caller), Knows: knows}, end, now)
	if err != nil {
		return Token{}, err
	}
	return Token{ID: id, Text: text, ExpiresAt: moment(millis(end))}, nil
}

// denial returns the latest denial of the token id, which a token made now may be made
// under: a ban is over, as far as this node's clock can tell.
func (m *Minter) denial(tokenID string, now time.Time) (numericDate, error) {
	if tokenID == "" {
		return 0, nil
	}
	d := m.keys.TokenDenial(tokenID)
	if notBefore := moment(d.NotBeforeMs); notBefore.Sub(now) > clockSkew {
		return 0, denied("tokens of this token id are revoked until %s", notBefore.UTC().Format(time.RFC3339))
	}
	return numericDate(d.AtMs), nil
}

// Vended is Disposable on the node's own authority, as if the admin credential
// had asked. Whoever calls this decides who gets the token: there is no caller to
// ask.
func (m *Minter) Vended(permissions *permissionpb.Permissions, validFor time.Duration, tokenID string, now time.Time) (Token, error) {
	return m.Disposable(Principal{Kind: KindAdmin, grant: everything}, permissions, validFor, tokenID, now)
}

// parent is what stands for the caller in the tokens it mints.
func parent(caller Principal) string {
	switch caller.Kind {
	case KindAPIKey:
		return caller.KeyID
	case KindAdmin:
		return parentAdmin
	default:
		return parentOpen
	}
}

// Admin makes an admin credential. validFor 0 makes one without end, good for
// as long as its signing key. Whoever calls this decides who gets it: there is
// no caller to ask. It fails with ErrNoSigningKey, or when randomness does.
func (m *Minter) Admin(validFor time.Duration, now time.Time) (string, error) {
	var end time.Time
	switch {
	case validFor < 0:
		return "", invalid("an admin credential for %v, want 0 for one without end or more", validFor)
	case validFor > 0:
		end = now.Add(validFor)
	}
	return m.sign(claims{Use: useAdmin}, adminIDPrefix, end, now)
}

// KeyRequest says what API key to make.
type KeyRequest struct {
	Permissions *permissionpb.Permissions
	// ValidFor is how long the key lives; 0 when Never is set.
	ValidFor time.Duration
	// Never makes a key without end. It is a word of its own, so that a
	// forgotten ValidFor does not make one.
	Never bool
	// TokenID is the publisher id of items published with the key; optional.
	TokenID string
	// Description is for people; optional.
	Description string
	// Limits bound the key and all its tokens.
	Limits Limits
}

// Key is an API key just made.
type Key struct {
	// Text is the secret: the raw credential, for its holder alone.
	Text string
	// RefreshToken is the other secret, with which Refresh makes the next key;
	// empty for keys without end.
	RefreshToken string
	// Record is what the cluster has to agree on before Text is handed out:
	// without it the key is good for nothing.
	Record APIKey
}

// String tells about the key without its secrets.
func (k Key) String() string { return "API key " + k.Record.ID }

// GoString keeps the secrets out of %#v too.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the secrets out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// APIKey makes an API key. It fails with ErrPermissionDenied when the caller may
// not mint one with these permissions; with ErrInvalidArgument when the
// permissions do not compile, the life makes no sense or a label is too long.
func (m *Minter) APIKey(caller Principal, request KeyRequest, now time.Time) (Key, error) {
	if err := MayMintAPIKey(caller, request.Permissions); err != nil {
		return Key{}, err
	}
	if _, err := Compile(request.Permissions); err != nil {
		return Key{}, err
	}
	if err := request.check(); err != nil {
		return Key{}, err
	}
	permissions, err := proto.MarshalOptions{Deterministic: true}.Marshal(request.Permissions)
	if err != nil {
		return Key{}, invalid("permissions: %v", err)
	}
	record := APIKey{
		Description: request.Description,
		TokenID:     request.TokenID,
		CreatedAtMs: millis(now),
		Permissions: permissions,
		Limits:      request.Limits.within(caller.Limits),
	}
	if !request.Never {
		record.ExpiresAtMs = millis(now.Add(request.ValidFor))
	}
	return m.key(record, now)
}

func (r *KeyRequest) check() error {
	switch {
	case r.Never && r.ValidFor != 0:
		return invalid("an API key either ends or never does, not both")
	case !r.Never && (r.ValidFor < shortestLife || r.ValidFor > MaxKeyLife):
		return invalid("an API key must live more than 0 s and at most %d s, or be made to never end", MaxKeyLife/time.Second)
	}
	if r.Limits.Weight > MaxWeight {
		return invalid("an API key's weight is %d, the most is %d", r.Limits.Weight, MaxWeight)
	}
	if err := checkLabel("token id", r.TokenID, MaxTokenIDLength); err != nil {
		return invalid("%v", err)
	}
	if err := checkLabel("description", r.Description, MaxDescriptionLength); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// key gives the record an id, a text and, if it ends, a refresh token.
func (m *Minter) key(record APIKey, now time.Time) (Key, error) {
	id, err := randomID(m.random, keyIDPrefix)
	if err != nil {
		return Key{}, err
	}
	record.ID = id
	k := Key{Record: record}
	if record.ExpiresAtMs != 0 {
		if k.RefreshToken, err = m.secret(); err != nil {
			return Key{}, fmt.Errorf("refresh token: %w", err)
		}
		sum := sha256.Sum256([]byte(k.RefreshToken))
		k.Record.RefreshDigest = sum[:]
	}
	signed, err := m.payload(id, id, claims{Use: useKey, Mark: markV2}, moment(record.ExpiresAtMs), now)
	if err != nil {
		return Key{}, err
	}
	// What stands in the place of a signature is a secret that nobody can make
	// again; see doc.go.
	secret, err := m.secret()
	if err != nil {
		return Key{}, fmt.Errorf("secret of an API key: %w", err)
	}
	k.Text = signed + "." + secret
	sum := sha256.Sum256([]byte(k.Text))
	k.Record.Digest = sum[:]
	return k, nil
}

// secretSize is the size of a secret in bytes, before encoding: as many as a
// signature by HMAC with SHA-256 has.
const secretSize = 32

// secret returns 256 random bits as text.
func (m *Minter) secret() (string, error) {
	raw := make([]byte, secretSize)
	if _, err := io.ReadFull(m.random, raw); err != nil {
		return "", err
	}
	return partEncoding.EncodeToString(raw), nil
}

// sign is signAs with a new id.
func (m *Minter) sign(c claims, idPrefix string, end, now time.Time) (string, error) {
	id, err := randomID(m.random, idPrefix)
	if err != nil {
		return "", err
	}
	return m.signAs(id, c, end, now)
}

// signAs completes the claims and makes the text. A zero end means never.
func (m *Minter) signAs(id string, c claims, end, now time.Time) (string, error) {
	key, ok := m.keys.CurrentSigningKey()
	if !ok || !key.usable() {
		return "", ErrNoSigningKey
	}
	signed, err := m.payload(key.ID, id, c, end, now)
	if err != nil {
		return "", err
	}
	signature, err := jwt.SigningMethodHS256.Sign(signed, key.Secret)
	if err != nil {
		return "", err
	}
	text := signed + "." + partEncoding.EncodeToString(signature)
	if len(text) > MaxMintedSize {
		return "", invalid("the text would have %d bytes, the most is %d: use fewer or shorter names", len(text), MaxMintedSize)
	}
	return text, nil
}

// payload completes the claims and returns the two parts of a text that are before
// its signature.
func (m *Minter) payload(keyID, id string, c claims, end, now time.Time) (string, error) {
	c.Issuer, c.Audience, c.IssuedAt, c.ID = m.issuer, audience, date(now), id
	if !end.IsZero() {
		d := date(end)
		c.ExpiresAt = &d
	}
	head, err := encodePart(header{Algorithm: AlgorithmHS256, KeyID: keyID, Type: "JWT"})
	if err != nil {
		return "", err
	}
	body, err := encodePart(c)
	if err != nil {
		return "", err
	}
	return head + "." + body, nil
}
