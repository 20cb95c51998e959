package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

// Who gets in with what, on an open and on a secured cluster, and on one that
// others can reach.
func TestGate(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	good := w.token(t, admin, room())
	adminText, err := w.minter.Admin(0, birth)
	if err != nil {
		t.Fatal(err)
	}
	secret, head, body := w.signing.Secret, w.head(), tokenBody()
	parts := strings.Split(good, ".")
	wrap := func(text string) string {
		s, err := Wrap("localhost", text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	forged := parts[0] + "." + parts[1] + "." + b64(strings.Repeat("x", 32))
	pythonish := base64.StdEncoding.EncodeToString([]byte(`{"endpoint": "localhost", "api_key": "` + good + `"}`))
	foreignJWT := b64(`{"alg":"HS256","typ":"JWT"}`) + "." + b64(`{"sub":"me","cp":"control.x","c":"cache.x"}`) + "." + b64("sig")

	const (
		in   = "in"   // anonymous, everything
		held = "held" // verified and good
		out  = "out"
	)
	now := time.Unix(iat, 0)
	for name, c := range map[string]struct {
		text    string
		open    string
		secured string
	}{
		"nothing":                      {"", in, out},
		"a good token":                 {good, held, held},
		"a good token, wrapped":        {wrap(good), held, held},
		"the admin":                    {adminText, held, held},
		"forged":                       {forged, out, out},
		"forged, wrapped":              {wrap(forged), out, out},
		"expired":                      {signed(secret, head, swap(t, swap(t, body, "1800003600", "1799999999"), "1800000000", "1799999000")), out, out},
		"alg none":                     {b64(`{"alg":"none"}`) + "." + b64(body) + ".", out, out},
		"alg none, space in JSON":      {b64(`{"alg":"none"}`) + "." + b64(swap(t, body, `"iss":`, `"iss": `)) + ".", out, out},
		"other audience":               {signed(secret, head, swap(t, body, `"aud":"mayfly"`, `"aud":"x"`)), out, out},
		"other cluster":                {signed([]byte("x"), swap(t, head, w.signing.ID, "mfk_other"), swap(t, body, "mayfly:c1", "mayfly:c2")), out, out},
		"our audience alone":           {b64(`{"alg":"HS256"}`) + "." + b64(`{"aud":"mayfly"}`) + "." + b64("s"), out, out},
		"cut in the claims":            {good[:len(parts[0])+20], out, out},
		"cut in the header":            {good[:len(parts[0])-5], out, out},
		"cut, wrapped":                 {wrap(good)[:200], out, out},
		"wrapped by another JSON":      {pythonish, held, held},
		"claims garbled":               {parts[0] + ".%%%." + parts[2], out, out},
		"foreign JWT":                  {foreignJWT, in, out},
		"foreign JWT, wrapped":         {wrap(foreignJWT), in, out},
		"opaque":                       {"s3cret", in, out},
		"opaque, wrapped":              {wrap("s3cret"), in, out},
		"scheme word":                  {"Bearer s3cret", in, out},
		"dots":                         {"..", in, out},
		"not ASCII":                    {"schlüssel", in, out},
		"control character":            {"s3\x01cret", out, out},
		"longer than any":              {strings.Repeat("x", MaxTextSize+1), out, out},
		"longest":                      {strings.Repeat("x", MaxTextSize), in, out},
		"our name where it means none": {b64(`{"alg":"HS256"}`) + "." + b64(`{"sub":"mayfly@example.com"}`) + "." + b64("s"), in, out},
	} {
		t.Run(name, func(t *testing.T) {
			w.keys.change(func() { w.keys.secured = false })
			ask := func(when string, loopback bool, want string) {
				g := NewGate(w.verifier, loopback)
				p, err := g.Authenticate(c.text, now)
				var got string
				switch {
				case errors.Is(err, ErrUnauthenticated) && p == (Principal{}):
					got = out
				case err == nil && p.Kind == KindAnonymous && p.AllowsControl() && p.AllowsTopic("a", "b", ReadWrite):
					got = in
				case err == nil && p.Kind != KindAnonymous:
					got = held
				}
				if got != want {
					t.Errorf("%s: got %q (%v, %v), want %q", when, got, p.Kind, err, want)
				}
			}
			ask("open", true, c.open)
			ask("open, but others can reach it", false, c.secured)
			w.keys.change(func() { w.keys.secured = true })
			ask("secured", true, c.secured)
			ask("secured, others can reach it", false, c.secured)
		})
	}
}

func TestAHeldTokenIsNarrowInOpenMode(t *testing.T) {
	w := newWorld(t)
	g := NewGate(w.verifier, true)
	p, err := g.Authenticate(w.token(t, w.admin(t), room()), birth)
	if err != nil {
		t.Fatal(err)
	}
	if p.AllowsTopic("chat", "room-2", Read) || p.AllowsControl() {
		t.Error("a token may do more in open mode than it carries")
	}
}

// The first API key ends open mode for good: for calls, for streams, and for
// tokens that nobody in particular minted.
func TestSecuringEndsOpenMode(t *testing.T) {
	w := newWorld(t)
	g := NewGate(w.verifier, true)
	anybody, err := g.Authenticate("", birth)
	if err != nil || !g.Open() {
		t.Fatalf("%v, open = %v", err, g.Open())
	}
	text := w.token(t, anybody, room())
	holder, err := g.Authenticate(text, birth)
	if err != nil {
		t.Fatal(err)
	}
	fromAdmin := w.verify(t, w.token(t, w.admin(t), room()), birth)
	for _, p := range []Principal{anybody, holder, fromAdmin} {
		if _, err := g.Recheck(p, birth); err != nil {
			t.Errorf("open, %v: %v", p.Kind, err)
		}
	}

	key := w.superKey(t)
	w.keys.revoke(key.Record.ID, birth)
	w.keys.forget(key.Record.ID)
	if g.Open() {
		t.Error("open again")
	}
	if _, err := g.Authenticate("", birth); !errors.Is(err, ErrMissing) {
		t.Errorf("no text: %v", err)
	}
	if _, err := g.Authenticate(text, birth); !errors.Is(err, ErrRevoked) {
		t.Errorf("token of nobody: %v", err)
	}
	for _, c := range []struct {
		p    Principal
		want error
	}{{anybody, ErrMissing}, {holder, ErrRevoked}, {fromAdmin, nil}, {Principal{}, ErrMissing}} {
		if _, err := g.Recheck(c.p, birth); !errors.Is(err, c.want) {
			t.Errorf("recheck %v: %v, want %v", c.p.Kind, err, c.want)
		}
	}
}
