package vend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxIDToken is the longest ID token that is looked at, in bytes: a request's
// header has 16 KiB, and parsing comes before the signature.
const maxIDToken = 12 << 10

// leeway is how far the issuer's clock may be from this one.
const leeway = 30 * time.Second

// idTokens checks the ID tokens of one issuer.
type idTokens struct {
	issuer Issuer
	keys   *keySet
	parser *jwt.Parser
}

func newIDTokens(issuer Issuer, client *http.Client) *idTokens {
	allowed := issuer.Algorithms
	if len(allowed) == 0 {
		allowed = defaultAlgorithms
	}
	return &idTokens{issuer, newKeySet(issuer, client), jwt.NewParser(
		jwt.WithValidMethods(allowed), jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(issuer.URL), jwt.WithAudience(issuer.Audience...), jwt.WithLeeway(leeway),
	)}
}

// verify returns the claims of an ID token. It fails with auth.ErrUnauthenticated,
// or with ErrUnavailable when the token cannot be checked now.
func (t *idTokens) verify(ctx context.Context, text string) (jwt.MapClaims, error) {
	switch {
	case text == "":
		return nil, unauthenticated("send an ID token, as Authorization: Bearer TOKEN")
	case len(text) > maxIDToken:
		return nil, unauthenticated("the ID token is too long")
	}
	claims := jwt.MapClaims{}
	_, err := t.parser.ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) { return t.key(ctx, token) })
	if err != nil {
		return nil, refusal(err)
	}
	if sub, _ := claims["sub"].(string); sub == "" {
		return nil, unauthenticated("the ID token does not say whose it is")
	}
	// A token for several apps says which of them asked for it.
	if audience, _ := claims.GetAudience(); len(audience) > 1 {
		if party, _ := claims["azp"].(string); !slices.Contains(t.issuer.Audience, party) {
			return nil, unauthenticated("the ID token was made for another app")
		}
	}
	return claims, nil
}

// key returns the keys that may have signed the token.
func (t *idTokens) key(ctx context.Context, token *jwt.Token) (any, error) {
	if kind, there := token.Header["typ"]; there {
		if name, _ := kind.(string); !strings.EqualFold(name, "JWT") {
			return nil, errors.New("not an ID token") // an access token, for instance
		}
	}
	if _, there := token.Header["crit"]; there {
		return nil, errors.New("an extension that must be understood")
	}
	id, _ := token.Header["kid"].(string)
	keys, err := t.keys.find(ctx, id, token.Method.Alg())
	if err != nil {
		return nil, err
	}
	var set jwt.VerificationKeySet
	for _, k := range keys {
		set.Keys = append(set.Keys, k.key)
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("no such key")
	}
	return set, nil
}

// refusal puts what is wrong with an ID token into words, without those of the
// token.
func refusal(err error) error {
	if errors.Is(err, ErrUnavailable) {
		// The cause is in the log of whoever asked for it; callers get no address.
		return &unreachable{err}
	}
	for _, reason := range []struct {
		kind error
		text string
	}{
		{jwt.ErrTokenMalformed, "this is no ID token"},
		{jwt.ErrTokenUnverifiable, "the ID token is not signed by a key of the issuer"},
		{jwt.ErrTokenSignatureInvalid, "the ID token is not signed by the issuer, or not with an algorithm that is allowed"},
		{jwt.ErrTokenInvalidIssuer, "the ID token is of another issuer"},
		{jwt.ErrTokenInvalidAudience, "the ID token is for another app"},
		{jwt.ErrTokenExpired, "the ID token has expired"},
		{jwt.ErrTokenUsedBeforeIssued, "the ID token is not valid yet"},
		{jwt.ErrTokenNotValidYet, "the ID token is not valid yet"},
	} {
		if errors.Is(err, reason.kind) {
			return unauthenticated("%s", reason.text)
		}
	}
	return unauthenticated("the ID token lacks something, or has it in another form")
}

// unreachable is ErrUnavailable with a cause for the operator alone.
type unreachable struct{ cause error }

func (*unreachable) Error() string {
	return fmt.Sprintf("%v: ID tokens cannot be checked, the issuer does not answer", ErrUnavailable)
}

func (*unreachable) Unwrap() error { return ErrUnavailable }
