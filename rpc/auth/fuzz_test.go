package auth

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// seeds are texts of every form, good and bad.
func seeds(f *testing.F, w *world) (good []string) {
	caller := w.verify(f, w.superKey(f).Text, birth)
	key := w.key(f, KeyRequest{Permissions: room(), ValidFor: time.Hour, TokenID: "t"})
	token := w.token(f, caller, room())
	good = []string{key.Text, token, must(w.minter.Admin(0, birth)), signed(w.signing.Secret, w.head(), tokenBody())}
	for _, text := range good {
		f.Add(text)
		f.Add(must(Wrap("localhost", text)))
		f.Add(text[:len(text)/2])
		f.Add(strings.ToUpper(text))
	}
	for _, text := range []string{
		"", ".", "..", "...", "e30.e30.", b64(`{"alg":"none"}`) + "." + b64(tokenBody()) + ".",
		signed(nil, w.head(), tokenBody()),
		signed(w.signing.Secret, w.head(), `{"iss":"mayfly:c1","iss":"x","exp":1e999,"aud":[[]]}`),
		b64(`{"alg":"EdDSA"}`) + "." + b64(`{"t":"g","c":"x","cp":"y"}`) + ".c2ln",
		must(Wrap("e", "opaque")), "eyJlbmRwb2ludCI6", "\x00", "Bearer x", strings.Repeat("eyJh.", 100),
	} {
		f.Add(text)
	}
	return good
}

// Whatever comes in, only what was minted gets in, and what gets in is ours.
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	minted := map[string]bool{}
	for _, text := range seeds(f, w) {
		minted[text] = true
	}
	open := NewGate(w.verifier, true)
	f.Fuzz(func(t *testing.T, text string) {
		ours := LooksOurs(text)
		p, err := w.verifier.verify(text, birth)
		if err == nil {
			raw, unwrapped := bare(text)
			if unwrapped != nil || !minted[raw] || !ours {
				t.Fatalf("%q got in as %+v; looks ours: %v", text, p, ours)
			}
		} else if !errors.Is(err, ErrUnauthenticated) || p != (Principal{}) {
			t.Fatalf("%+v, %v", p, err)
		}
		w.keys.change(func() { w.keys.secured = false })
		p, gateErr := open.Authenticate(text, birth)
		w.keys.change(func() { w.keys.secured = true })
		if ours && (gateErr == nil) != (err == nil) || gateErr == nil && !ours && p.Kind != KindAnonymous {
			t.Fatalf("open mode: %+v, %v; secured: %v", p, gateErr, err)
		}
		if in, err := Inspect(text); err == nil && in.Form == "" {
			t.Fatalf("%+v", in)
		}
	})
}

// What can be unwrapped can be wrapped again and says the same.
func FuzzUnwrap(f *testing.F) {
	seeds(f, newWorld(f))
	f.Fuzz(func(t *testing.T, text string) {
		endpoint, key, err := Unwrap(text)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || endpoint != "" || key != "" {
				t.Fatalf("%q %q %v", endpoint, key, err)
			}
			return
		}
		again, err := Wrap(endpoint, key)
		if err != nil {
			// JSON has shorter ways to write some characters than Wrap's.
			if len(endpoint) <= maxEndpointSize && len(text) < MaxTextSize/6 {
				t.Fatalf("%q and %q cannot be wrapped: %v", endpoint, key, err)
			}
			return
		}
		if e, k, err := Unwrap(again); err != nil || e != endpoint || k != key {
			t.Fatalf("%q %q became %q %q (%v)", endpoint, key, e, k, err)
		}
	})
}
