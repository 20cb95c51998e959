package vend

import (
	"crypto/ed25519"
	"errors"
	"maps"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// FuzzIDTokens: whatever is shown as an ID token, only what the issuer signed gets a
// token, and every refusal says that the caller is not known.
func FuzzIDTokens(f *testing.F) {
	// The key and the claims are the same in every process that works on this.
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	claims := func(more jwt.MapClaims) jwt.MapClaims {
		c := soundClaims(jwt.MapClaims{"iat": 1_700_000_000, "exp": 4_000_000_000})
		maps.Copy(c, more)
		return c
	}
	good := map[string]bool{
		sign(f, jwt.SigningMethodEdDSA, key, "ed", claims(nil)):                                                              true,
		sign(f, jwt.SigningMethodEdDSA, key, "ed", claims(jwt.MapClaims{"aud": []string{"other", client}, "azp": client})):   true,
		sign(f, jwt.SigningMethodEdDSA, key, "../ed", claims(nil)):                                                           false,
		sign(f, jwt.SigningMethodEdDSA, key, "ed", claims(nil), "crit", "x"):                                                 false,
		sign(f, jwt.SigningMethodEdDSA, key, "ed", claims(jwt.MapClaims{"exp": 1e300, "aud": []any{client, 7, nil}})):        false,
		sign(f, jwt.SigningMethodEdDSA, key, "ed", claims(jwt.MapClaims{"sub": []string{"alice"}, "azp": map[string]any{}})): false,
		sign(f, jwt.SigningMethodHS256, []byte(key.Public().(ed25519.PublicKey)), "ed", claims(nil)):                         false,
		sign(f, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "ed", claims(nil)):                                  false,
		"": false, ".": false, "..": false, "a.b.c": false, "e30.e30.": false, "eyJhbGciOiJFZERTQSIsImtpZCI6e319.e30.AA": false,
	}
	for text := range good {
		f.Add(text)
	}
	issuer := &provider{}
	issuer.publish("ed", key)
	issuer.publish("", key)
	tokens := newIDTokens(withIssuer().Issuer, &http.Client{Transport: issuer})
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := tokens.verify(t.Context(), text)
		switch {
		case err == nil && !good[text]:
			t.Fatalf("%q is good for a token", text)
		case err != nil && good[text]:
			t.Fatalf("%q: %v", text, err)
		case err == nil && claims["sub"] != "alice":
			t.Fatalf("%q is of %v", text, claims["sub"])
		case err != nil && !errors.Is(err, auth.ErrUnauthenticated):
			t.Fatal(err)
		}
	})
}

// FuzzDiscovery: whatever an issuer says of itself, its keys are looked for at an
// address that nobody on the way can speak for, or nowhere.
func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(`{"issuer":"`+issuerURL+`","jwks_uri":"https://keys.example/all"}`), uint16(200))
	f.Add([]byte(`{"issuer":"`+issuerURL+`","jwks_uri":"http://keys.example/all"}`), uint16(200))
	f.Add([]byte(`{"issuer":"`+issuerURL+`","jwks_uri":"file:///etc/passwd"}`), uint16(200))
	f.Add([]byte(`{"issuer":"https://other.example","jwks_uri":"https://keys.example/all"}`), uint16(200))
	f.Add([]byte(`{"issuer":[],"jwks_uri":{}}`), uint16(200))
	f.Add([]byte(`{`), uint16(302))
	f.Fuzz(func(t *testing.T, document []byte, code uint16) {
		if code < 200 || code > 599 {
			return
		}
		keys := newKeySet(withIssuer().Issuer, &http.Client{Transport: &provider{handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(int(code))
			_, _ = w.Write(document)
		}}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }})
		from, err := keys.discover(t.Context())
		if err == nil && (checkURL(from) != nil || code != http.StatusOK) {
			t.Fatalf("%d %q leads to %q", code, document, from)
		}
	})
}
