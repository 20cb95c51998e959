package auth

import (
	"errors"
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
