package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func unb64(t testing.TB, part string) []byte {
	t.Helper()
	raw, err := partEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// An API key is good by its record alone, so that it lives on whatever becomes of
// signing keys.
func TestAPIKeysNeedNoSigningKey(t *testing.T) {
	w := newWorld(t)
	key := w.superKey(t)
	w.keys.change(func() { w.keys.signing, w.keys.current = nil, "" })
	p := w.verify(t, key.Text, birth)
	if p.Kind != KindAPIKey || !p.AllowsControl() {
		t.Errorf("the key is %+v", p)
	}
	if _, err := w.minter.APIKey(p, KeyRequest{Permissions: room(), Never: true}, birth); err != nil {
		t.Errorf("another key: %v", err)
	}
	if _, err := w.minter.Disposable(p, room(), time.Hour, "", birth); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("a token: %v", err)
	}
	if strings.Contains(string(key.Record.Digest), key.Text) || len(key.Record.Digest) != 32 {
		t.Errorf("the record holds %q", key.Record.Digest)
	}
}

func TestTokensOfATokenIDAreRevoked(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	mint := func(tokenID string, at time.Time) (string, error) {
		token, err := w.minter.Disposable(admin, room(), time.Hour, tokenID, at)
		return token.Text, err
	}
	good := func(text string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	alice, bob, nobody := good(mint("alice", birth)), good(mint("bob", birth)), good(mint("", birth))
	streaming := w.verify(t, alice, birth)
	revokedAt := birth.Add(time.Minute)
	w.keys.deny("alice", revokedAt)

	for range 2 {
		if _, err := w.verifier.Verify(alice, revokedAt); !errors.Is(err, ErrRevoked) {
			t.Errorf("a revoked token: %v", err)
		}
	}
	if _, err := w.verifier.Recheck(streaming, revokedAt); !errors.Is(err, ErrRevoked) {
		t.Errorf("its stream: %v", err)
	}
	w.verify(t, bob, revokedAt)
	w.verify(t, nobody, revokedAt)
	w.verify(t, good(mint("alice", revokedAt)), revokedAt)

	// A node whose clock is a little behind makes good tokens all the same.
	behind := revokedAt.Add(-clockSkew)
	w.verify(t, good(mint("alice", behind)), behind)
	if _, err := mint("alice", behind.Add(-time.Millisecond)); !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("a token of a banned id: %v", err)
	}
	// The token id of a key is a label: keys are revoked by their own id.
	key := w.key(t, KeyRequest{Permissions: superUser(), Never: true, TokenID: "alice"})
	w.verify(t, key.Text, birth)
}

// The clock of who made a token may be ahead, and the token is revoked all the same.
func TestNoTokenOutlivesItsRevocationByTheClock(t *testing.T) {
	revokedAt := birth.Add(time.Minute)
	for _, test := range []struct {
		issued time.Time
		good   bool
	}{
		{revokedAt.Add(-time.Second), false},
		{revokedAt, false},
		{revokedAt.Add(time.Second), false},
		{revokedAt.Add(clockLeeway), false},
		{revokedAt.Add(clockLeeway + clockSkew - time.Millisecond), false},
		{revokedAt.Add(clockLeeway + clockSkew), true},
	} {
		w := newWorld(t)
		key := w.application(t, w.admin(t))
		scoped := swap(t, scoped(key, roomScope), fmt.Sprintf(`"iat":%d`, birth.Unix()), fmt.Sprintf(`"iat":%d.%03d`, test.issued.Unix(), test.issued.Nanosecond()/1e6))
		token, err := w.minter.Disposable(w.admin(t), room(), time.Hour, "alice", test.issued)
		if err != nil {
			t.Fatal(err)
		}
		seen := test.issued.Add(-clockLeeway) // at the earliest
		for what, text := range map[string]string{"signed by an application": signed(key.Secret, w.headOf(key), scoped), "made by a node": token.Text} {
			streaming := w.verify(t, text, seen)
			w.keys.deny("alice", revokedAt)
			for _, later := range []time.Duration{2 * time.Second, time.Minute, 50 * time.Minute} {
				if _, err := w.verifier.Verify(text, revokedAt.Add(later)); errors.Is(err, ErrRevoked) == test.good {
					t.Errorf("%s %v after the revocation, and used %v after it: %v", what, test.issued.Sub(revokedAt), later, err)
				}
			}
			if _, err := w.verifier.Recheck(streaming, revokedAt); errors.Is(err, ErrRevoked) == test.good {
				t.Errorf("%s %v after the revocation, its stream: %v", what, test.issued.Sub(revokedAt), err)
			}
			w.keys.change(func() { w.keys.denied = nil })
		}
	}
}

// A token of a node that knows of the revocation is good at once, until the next one,
// and be that within the same millisecond.
func TestTokensNameTheRevocationBeforeThem(t *testing.T) {
	w := newWorld(t)
	admin, revokedAt := w.admin(t), birth.Add(time.Minute)
	w.keys.deny("alice", revokedAt)
	for _, made := range []time.Time{revokedAt, revokedAt.Add(-clockSkew), revokedAt.Add(clockLeeway)} {
		token, err := w.minter.Disposable(admin, room(), time.Second, "alice", made)
		if err != nil {
			t.Fatal(err)
		}
		streaming := w.verify(t, token.Text, made)
		w.keys.deny("alice", revokedAt)
		if _, err := w.verifier.Verify(token.Text, made); !errors.Is(err, ErrRevoked) {
			t.Errorf("made %v after the revocation, and revoked again: %v", made.Sub(revokedAt), err)
		}
		if _, err := w.verifier.Recheck(streaming, made); !errors.Is(err, ErrRevoked) {
			t.Errorf("made %v after the revocation, and revoked again, its stream: %v", made.Sub(revokedAt), err)
		}
	}
	// An application cannot say that it knew.
	key := w.application(t, admin)
	boast := swap(t, scoped(key, roomScope), `"sub"`, `"rev":9999999999,"sub"`)
	if _, err := w.verifier.Verify(signed(key.Secret, w.headOf(key), boast), revokedAt); !errors.Is(err, ErrRevoked) {
		t.Errorf("an application that knows the future: %v", err)
	}
}

// Recheck tells when to ask again.
func TestRecheckTellsTheEnd(t *testing.T) {
	w := newWorld(t)
	key := w.superKey(t)
	p := w.verify(t, key.Text, birth)
	if until, err := w.verifier.Recheck(p, birth); err != nil || !until.IsZero() {
		t.Errorf("a key without end: %v, %v", until, err)
	}
	end := birth.Add(time.Hour)
	key.Record.ExpiresAtMs = millis(end)
	w.keys.put(key.Record)
	if until, err := w.verifier.Recheck(p, birth); err != nil || !until.Equal(moment(millis(end))) {
		t.Errorf("a key that was rotated: %v, %v", until, err)
	}
	if _, err := w.verifier.Recheck(p, end); !errors.Is(err, ErrExpired) {
		t.Errorf("at its end: %v", err)
	}
}

func TestRotate(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	old := w.key(t, KeyRequest{Permissions: superUser(), ValidFor: time.Hour, TokenID: "backend", Description: "d"})
	later := birth.Add(30 * time.Minute)
	next, err := w.minter.Rotate(admin, old.Record, later)
	if err != nil {
		t.Fatal(err)
	}
	r := next.Record
	if r.ID == old.Record.ID || r.TokenID != "backend" || r.Description != "d" || r.RefreshedFrom != "" ||
		string(r.Permissions) != string(old.Record.Permissions) || r.ExpiresAtMs-r.CreatedAtMs != uint64(time.Hour.Milliseconds()) {
		t.Errorf("the new key's record is %+v", r)
	}
	w.keys.put(r)
	w.verify(t, next.Text, later)
	if _, err := w.minter.Rotate(w.verify(t, next.Text, later), r, later); !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("an API key makes a super user key of itself: %v", err)
	}
}
