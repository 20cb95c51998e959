package vend

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// published is an issuer with a key of each kind.
func published() *provider {
	p := &provider{}
	p.publish("rsa", rsaKey())
	p.publish("ec", ecKey(), "alg", "ES256", "use", "sig")
	p.publish("ed", edKey())
	p.publish("enc", ecKey(), "use", "enc")
	return p
}

func askWith(idToken string) Ask {
	a := ask("room=lobby")
	a.IDToken = idToken
	return a
}

func TestIDTokens(t *testing.T) {
	m := &till{}
	machine := machineOf(t, withIssuer(), m, published())
	for name, text := range map[string]string{
		"RSA":                   sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(nil)),
		"EC":                    sign(t, jwt.SigningMethodES256, ecKey(), "ec", soundClaims(nil)),
		"Ed25519":               sign(t, jwt.SigningMethodEdDSA, edKey(), "ed", soundClaims(nil)),
		"a clock behind":        sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(jwt.MapClaims{"exp": time.Now().Add(-leeway / 2).Unix()})),
		"a clock ahead":         sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(jwt.MapClaims{"iat": time.Now().Add(leeway / 2).Unix()})),
		"for several, asked by": sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(jwt.MapClaims{"aud": []string{"other", client}, "azp": client})),
	} {
		if _, err := machine.Vend(t.Context(), "chat", askWith(text), time.Now()); err != nil || m.tokenID != "alice" {
			t.Errorf("%s: %q, %v", name, m.tokenID, err)
		}
		m.tokenID = ""
	}
}

func TestIDTokensThatAreRefused(t *testing.T) {
	machine := machineOf(t, withIssuer(), &till{}, published())
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(nil))
	parts := strings.Split(good, ".")
	// The public key of the issuer, which everybody has, used as a secret.
	der, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	confused := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	part := func(v any) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	rs := func(c jwt.MapClaims, header ...string) string {
		return sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(c), header...)
	}
	now := time.Now()
	for name, test := range map[string]struct{ text, says string }{
		"nothing":                    {"", "send an ID token"},
		"no token":                   {"hello", "no ID token"},
		"an API key":                 {"a.b.c", "no ID token"},
		"oversize":                   {strings.Repeat("x", maxIDToken+1), "too long"},
		"forged":                     {sign(t, jwt.SigningMethodRS256, stranger, "rsa", soundClaims(nil)), "not signed by the issuer"},
		"an unknown key":             {sign(t, jwt.SigningMethodRS256, stranger, "other", soundClaims(nil)), "not signed by a key"},
		"no key named, out of three": {sign(t, jwt.SigningMethodRS256, rsaKey(), "", soundClaims(nil)), "not signed by a key"},
		"a changed claim":            {parts[0] + "." + part(soundClaims(jwt.MapClaims{"sub": "bob"})) + "." + parts[2], "not signed by the issuer"},
		"no signature":               {parts[0] + "." + parts[1] + ".", "not signed by the issuer"},
		"alg none":                   {part(map[string]string{"alg": "none", "kid": "rsa"}) + "." + parts[1] + ".", "algorithm"},
		"alg None":                   {part(map[string]string{"alg": "None", "kid": "rsa"}) + "." + parts[1] + ".", "not signed by a key"},
		"HS256 with the public key":  {sign(t, jwt.SigningMethodHS256, confused, "rsa", soundClaims(nil)), "algorithm"},
		"RS512, not allowed":         {sign(t, jwt.SigningMethodRS512, rsaKey(), "rsa", soundClaims(nil)), "algorithm"},
		"ES256 by an RSA key's name": {sign(t, jwt.SigningMethodES256, ecKey(), "rsa", soundClaims(nil)), "not signed by the issuer"},
		"RS256 by an EC key's name":  {sign(t, jwt.SigningMethodRS256, rsaKey(), "ec", soundClaims(nil)), "not signed by a key"},
		"a key for encryption":       {sign(t, jwt.SigningMethodES256, ecKey(), "enc", soundClaims(nil)), "not signed by a key"},
		"an access token":            {rs(nil, "typ", "at+jwt"), "not signed by a key"},
		"an extension":               {rs(nil, "crit", "b64"), "not signed by a key"},
		"another issuer":             {rs(jwt.MapClaims{"iss": "https://login.example"}), "another issuer"},
		"the issuer with a slash":    {rs(jwt.MapClaims{"iss": issuerURL + "/"}), "another issuer"},
		"no issuer":                  {rs(jwt.MapClaims{"iss": nil}), "lacks something"},
		"another app":                {rs(jwt.MapClaims{"aud": "other"}), "another app"},
		"no audience":                {rs(jwt.MapClaims{"aud": nil}), "lacks something"},
		"an audience like ours":      {rs(jwt.MapClaims{"aud": client + "-2"}), "another app"},
		"for several, by another":    {rs(jwt.MapClaims{"aud": []string{client, "other"}, "azp": "other"}), "another app"},
		"for several, by nobody":     {rs(jwt.MapClaims{"aud": []string{client, "other"}}), "another app"},
		"expired":                    {rs(jwt.MapClaims{"exp": now.Add(-2 * leeway).Unix()}), "expired"},
		"without end":                {rs(jwt.MapClaims{"exp": nil}), "lacks something"},
		"an end in words":            {rs(jwt.MapClaims{"exp": "tomorrow"}), "lacks something"},
		"from the future":            {rs(jwt.MapClaims{"iat": now.Add(2 * leeway).Unix()}), "not valid yet"},
		"not yet":                    {rs(jwt.MapClaims{"nbf": now.Add(2 * leeway).Unix()}), "not valid yet"},
		"nobody's":                   {rs(jwt.MapClaims{"sub": nil}), "whose it is"},
		"a number as sub":            {rs(jwt.MapClaims{"sub": 7}), "whose it is"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := machine.Vend(t.Context(), "chat", askWith(test.text), time.Now())
			if !errors.Is(err, auth.ErrUnauthenticated) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	e := withIssuer()
	e.Claims = map[string]Bound{"email": {Pattern: `[^@]+@corp\.example`}}
	e.Allow[0], e.TokenID = topic("chat", "{email}/{room}", false), "{email}"
	m := &till{}
	machine := machineOf(t, e, m, published())
	for name, test := range map[string]struct {
		claims jwt.MapClaims
		says   string
	}{
		"verified":            {jwt.MapClaims{"email": "al@corp.example", "email_verified": true}, ""},
		"verified, in a word": {jwt.MapClaims{"email": "al@corp.example", "email_verified": "true"}, ""},
		"not verified":        {jwt.MapClaims{"email": "al@corp.example"}, "not verified"},
		"verified: no":        {jwt.MapClaims{"email": "al@corp.example", "email_verified": false}, "not verified"},
		"somebody else's":     {jwt.MapClaims{"email": "al@evil.example", "email_verified": true}, "pattern"},
		"a slash":             {jwt.MapClaims{"email": "al/x@corp.example", "email_verified": true}, "separates"},
		"none":                {nil, "no text"},
		"a list":              {jwt.MapClaims{"email": []string{"al@corp.example"}, "email_verified": true}, "no text"},
	} {
		text := sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(test.claims))
		_, err := machine.Vend(t.Context(), "chat", askWith(text), time.Now())
		if test.says == "" && err != nil || test.says != "" && (!errors.Is(err, auth.ErrPermissionDenied) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
		if err != nil && strings.Contains(err.Error(), "example") {
			t.Errorf("%s: the refusal repeats the claim: %v", name, err)
		}
	}
	// A claim is not a parameter.
	a := askWith(sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(jwt.MapClaims{"email": "al@corp.example", "email_verified": true})))
	a.Parameters = ask("room=lobby&email=boss@corp.example").Parameters
	if _, err := machine.Vend(t.Context(), "chat", a, time.Now()); !errors.Is(err, auth.ErrInvalidArgument) {
		t.Errorf("a caller chose its claim: %v", err)
	}
}

// Keys are fetched once, again when a new one signs, and never as often as somebody
// pleases.
func TestKeysAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published()
		machine := machineOf(t, withIssuer(), &till{}, p)
		vend := func(id string) error {
			_, err := machine.Vend(t.Context(), "chat", askWith(sign(t, jwt.SigningMethodRS256, rsaKey(), id, soundClaims(nil))), time.Now())
			return err
		}
		check := func(what, id string, ok bool, fetches int) {
			t.Helper()
			if err := vend(id); (err == nil) != ok {
				t.Errorf("%s: %v", what, err)
			}
			if n := p.requests("/tenant/.well-known/openid-configuration"); n != fetches {
				t.Errorf("%s: keys were fetched %d times, want %d", what, n, fetches)
			}
		}
		check("first", "rsa", true, 1)
		check("again", "rsa", true, 1)
		check("an unknown key, just after", "new", false, 1)
		time.Sleep(fetchPause)
		for range 20 {
			check("an unknown key", "new", false, 2)
		}
		check("a known one meanwhile", "rsa", true, 2)
		p.publish("new", rsaKey())
		time.Sleep(fetchPause)
		check("the new key", "new", true, 3)
		p.withdraw()
		p.publish("new", rsaKey())
		check("a key taken back is good for a while", "rsa", true, 3)
		time.Sleep(freshFor)
		check("and then no more", "rsa", false, 4)

		p.down = true
		time.Sleep(freshFor)
		check("the issuer is away", "new", true, 5)
		check("nobody hurries it", "new", true, 5)
		time.Sleep(keepFor)
		if err := vend("new"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("a day later: %v", err)
		}
		p.down = false
		if err := vend("new"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("it was asked again at once: %v", err)
		}
		time.Sleep(fetchPause)
		if err := vend("new"); err != nil {
			t.Errorf("the issuer is back: %v", err)
		}
	})
}

// The only key there is may go without a name.
func TestAKeyWithoutName(t *testing.T) {
	p := &provider{}
	p.publish("", rsaKey())
	machine := machineOf(t, withIssuer(), &till{}, p)
	text := sign(t, jwt.SigningMethodRS256, rsaKey(), "", soundClaims(nil))
	if _, err := machine.Vend(t.Context(), "chat", askWith(text), time.Now()); err != nil {
		t.Error(err)
	}
}

func TestIssuersThatMisbehave(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is to be refused
	if err != nil {
		t.Fatal(err)
	}
	weak := &provider{}
	weak.publish("weak", small)
	weakSet, _ := json.Marshal(map[string]any{"keys": weak.keys})
	sound := published()
	soundSet, _ := json.Marshal(map[string]any{"keys": sound.keys})
	keysAt := func(url, set string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "openid-configuration") {
				fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuerURL, url)
				return
			}
			fmt.Fprint(w, set)
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"another's discovery": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"issuer":"https://evil.example","jwks_uri":"https://keys.example/all"}`)
		},
		"keys without TLS":  keysAt("http://keys.example/all", string(soundSet)),
		"keys of a file":    keysAt("file:///etc/passwd", string(soundSet)),
		"no keys":           keysAt("https://keys.example/all", `{"keys":[]}`),
		"weak keys":         keysAt("https://keys.example/all", string(weakSet)),
		"secret keys":       keysAt("https://keys.example/all", `{"keys":[{"kty":"oct","kid":"rsa","k":"AAAA"}]}`),
		"a point elsewhere": keysAt("https://keys.example/all", `{"keys":[{"kty":"EC","crv":"P-256","kid":"ec","x":"`+strings.Repeat("A", 43)+`","y":"`+strings.Repeat("A", 43)+`"}]}`),
		"too many keys":     keysAt("https://keys.example/all", `{"keys":[`+strings.Repeat(`{},`, maxKeys)+`{}]}`),
		"too much":          keysAt("https://keys.example/all", `{"keys":"`+strings.Repeat("x", maxDocument)+`"}`),
		"no JSON":           keysAt("https://keys.example/all", `<html>`),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		t.Run(name, func(t *testing.T) {
			machine := machineOf(t, withIssuer(), &till{}, &provider{handler: handler})
			text := sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(nil))
			_, err := machine.Vend(t.Context(), "chat", askWith(text), time.Now())
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v, want %v", err, ErrUnavailable)
			}
			if strings.Contains(err.Error(), "example") {
				t.Errorf("callers are told where the issuer is: %v", err)
			}
		})
	}
	// The same way with nothing wrong, so that it is known what was refused.
	machine := machineOf(t, withIssuer(), &till{}, &provider{handler: keysAt("https://keys.example/all", string(soundSet))})
	if _, err := machine.Vend(t.Context(), "chat", askWith(sign(t, jwt.SigningMethodRS256, rsaKey(), "rsa", soundClaims(nil))), time.Now()); err != nil {
		t.Error(err)
	}
}

// Whatever an issuer serves as its keys is read or refused.
func FuzzKeys(f *testing.F) {
	p := published()
	set, _ := json.Marshal(map[string]any{"keys": p.keys})
	f.Add(set)
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-521","x":"","y":""},null,7]}`))
	f.Fuzz(func(t *testing.T, set []byte) {
		keys, err := readKeys(set)
		if err == nil && (len(keys) == 0 || keys[0].key == nil) {
			t.Error("keys that are none")
		}
	})
}
