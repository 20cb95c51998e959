package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/protobuf/proto"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// Who may mint what, protocol.md 6.4.
func TestMintingRights(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	super := w.verify(t, w.superKey(t).Text, birth)
	scoped := w.verify(t, w.key(t, KeyRequest{Permissions: room(), Never: true}).Text, birth)
	token := w.verify(t, w.token(t, super, room()), birth)
	for name, c := range map[string]struct {
		caller                Principal
		superKey, key, aToken bool
	}{
		"admin":      {admin, true, true, true},
		"open mode":  {anonymous(), true, true, true},
		"super user": {super, false, true, true},
		"scoped key": {scoped, false, false, false},
		"token":      {token, false, false, false},
		"nobody":     {Principal{}, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.minter.APIKey(c.caller, KeyRequest{Permissions: superUser(), Never: true}, birth)
			permitted(t, "super user key", err, c.superKey)
			_, err = w.minter.APIKey(c.caller, KeyRequest{Permissions: room(), Never: true}, birth)
			permitted(t, "key", err, c.key)
			_, err = w.minter.Disposable(c.caller, room(), time.Minute, "", birth)
			permitted(t, "token", err, c.aToken)
			// The right is asked for before the arguments are.
			_, err = w.minter.Disposable(c.caller, nil, 0, "", birth)
			if c.caller.Kind == KindToken && !strings.Contains(err.Error(), "disposable token") {
				t.Errorf("it is not told why: %v", err)
			}
			if !c.aToken && !errors.Is(err, ErrPermissionDenied) || c.aToken && !errors.Is(err, ErrInvalidArgument) {
				t.Errorf("nonsense: %v", err)
			}
		})
	}
}

func permitted(t *testing.T, what string, err error, want bool) {
	t.Helper()
	if want && err != nil || !want && !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("%s: %v, permitted should be %v", what, err, want)
	}
}

func TestDisposable(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	long := make([]*permissionpb.PermissionsType, MaxStatements)
	for i := range long {
		long[i] = topicStatement(1, strings.Repeat("c", 200), on{name: fmt.Sprint(strings.Repeat("t", 200), i)})
	}
	for name, c := range map[string]struct {
		permissions *permissionpb.Permissions
		life        time.Duration
		tokenID     string
		says        string
	}{
		"a second":            {room(), time.Second, "", ""},
		"the longest":         {room(), 25 * time.Hour, strings.Repeat("ö", 64), ""},
		"functions alone":     {explicit(functionStatement(1, "c", on{})), time.Second, "", ""},
		"no life":             {room(), 0, "", "more than 0 s"},
		"negative":            {room(), -time.Second, "", "more than 0 s"},
		"less than can be":    {room(), time.Microsecond, "", "more than 0 s"},
		"over the longest":    {room(), 25*time.Hour + time.Second, "", "at most 25h"},
		"token id too long":   {room(), time.Second, strings.Repeat("ö", 65), "65 characters"},
		"token id of control": {room(), time.Second, "a\x1bb", "control"},
		"token id not UTF-8":  {room(), time.Second, "a\xff", "UTF-8"},
		"super user":          {superUser(), time.Second, "", "super user"},
		"none":                {nil, time.Second, "", "there are none"},
		"empty":               {explicit(), time.Second, "", "empty"},
		"too long a text":     {explicit(long...), time.Second, "", "fewer or shorter"},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := w.minter.Disposable(admin, c.permissions, c.life, c.tokenID, birth)
			if c.says != "" {
				if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), c.says) || token != (Token{}) {
					t.Fatalf("got %v, %v; want it to say %q", token, err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p := w.verify(t, token.Text, birth)
			if p.TokenID != c.tokenID || !p.ExpiresAt.Equal(birth.Add(c.life)) || !token.ExpiresAt.Equal(p.ExpiresAt) {
				t.Errorf("%+v until %v", p, token.ExpiresAt)
			}
			if _, err := w.verifier.Verify(token.Text, birth.Add(c.life)); !errors.Is(err, ErrExpired) {
				t.Errorf("at its end: %v", err)
			}
		})
	}
}

func TestTokenLifeIsConfigurable(t *testing.T) {
	w := newWorld(t)
	m, err := NewMinter(MinterConfig{ClusterID: "c1", Keys: w.keys, Random: w.random, MaxTokenLife: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Disposable(w.admin(t), room(), time.Minute, "", birth); err != nil {
		t.Error(err)
	}
	if _, err := m.Disposable(w.admin(t), room(), time.Minute+time.Second, "", birth); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

// A token is not told to outlive the key that mints it.
func TestDisposableUnderAKeyThatEnds(t *testing.T) {
	w := newWorld(t)
	caller := w.verify(t, w.key(t, KeyRequest{Permissions: superUser(), ValidFor: time.Minute}).Text, birth)
	token, err := w.minter.Disposable(caller, room(), time.Hour, "", birth.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if want := birth.Add(time.Minute); !token.ExpiresAt.Equal(want) {
		t.Errorf("ends %v, its key %v", token.ExpiresAt, want)
	}
	if _, err := w.minter.Disposable(caller, room(), time.Hour, "", birth.Add(time.Minute)); !errors.Is(err, ErrExpired) {
		t.Errorf("by a caller past its end: %v", err)
	}
}

func TestAPIKey(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	for name, c := range map[string]struct {
		request KeyRequest
		says    string
	}{
		"without end":           {KeyRequest{Permissions: superUser(), Never: true}, ""},
		"with one":              {KeyRequest{Permissions: room(), ValidFor: time.Second, TokenID: "t", Description: "für die App"}, ""},
		"neither":               {KeyRequest{Permissions: room()}, "never end"},
		"both":                  {KeyRequest{Permissions: room(), Never: true, ValidFor: 1}, "not both"},
		"negative":              {KeyRequest{Permissions: room(), ValidFor: -time.Second}, "more than 0 s"},
		"negative as unsigned":  {KeyRequest{Permissions: room(), ValidFor: (1<<32 - 100) * time.Second}, "at most"},
		"smallest of those":     {KeyRequest{Permissions: room(), ValidFor: 1 << 31 * time.Second}, "at most"},
		"none":                  {KeyRequest{Never: true}, "there are none"},
		"conflicting":           {KeyRequest{Permissions: explicit(topicStatement(1, "a", on{}), topicStatement(2, "a", on{})), Never: true}, "keep one"},
		"token id too long":     {KeyRequest{Permissions: room(), Never: true, TokenID: strings.Repeat("x", 65)}, "token id"},
		"description too long":  {KeyRequest{Permissions: room(), Never: true, Description: strings.Repeat("x", 257)}, "description"},
		"description a control": {KeyRequest{Permissions: room(), Never: true, Description: "a\x00"}, "description"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := w.minter.APIKey(admin, c.request, birth)
			if c.says != "" {
				if !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("got %v, want it to say %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.verifier.Verify(k.Text, birth); !errors.Is(err, ErrForged) {
				t.Errorf("before its record is there: %v", err)
			}
			w.keys.put(k.Record)
			p := w.verify(t, k.Text, birth)
			if p.KeyID != k.Record.ID || p.TokenID != c.request.TokenID {
				t.Errorf("%+v", p)
			}
			var permissions permissionpb.Permissions
			if err := proto.Unmarshal(k.Record.Permissions, &permissions); err != nil || !proto.Equal(&permissions, c.request.Permissions) {
				t.Errorf("record holds %v (%v)", &permissions, err)
			}
			if c.request.Never {
				if k.RefreshToken != "" || k.Record.RefreshDigest != nil || k.Record.ExpiresAtMs != 0 || !p.ExpiresAt.IsZero() {
					t.Errorf("a key without end: %+v", k.Record)
				}
				return
			}
			if sum := sha256.Sum256([]byte(k.RefreshToken)); !bytes.Equal(sum[:], k.Record.RefreshDigest) || len(k.RefreshToken) != 43 {
				t.Error("the digest is not that of the refresh token")
			}
			if !p.ExpiresAt.Equal(birth.Add(c.request.ValidFor)) || k.Record.CreatedAtMs != uint64(birth.UnixMilli()) {
				t.Errorf("ends at %v", p.ExpiresAt)
			}
		})
	}
}

// SDKs look into a v2 key with parsers of their own (protocol.md 6.1).
func TestAPIKeyIsAV2Key(t *testing.T) {
	w := newWorld(t)
	parsed, _, err := jwt.NewParser().ParseUnverified(w.superKey(t).Text, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	c := parsed.Claims.(jwt.MapClaims)
	if c["t"] != "g" || c["c"] != nil || c["cp"] != nil || parsed.Method.Alg() != "HS256" {
		t.Errorf("%v %v", parsed.Header, c)
	}
	for name, p := range map[string]Principal{"token": anonymous()} {
		parsed, _, err := jwt.NewParser().ParseUnverified(w.token(t, p, room()), jwt.MapClaims{})
		if err != nil || parsed.Claims.(jwt.MapClaims)["t"] != nil {
			t.Errorf("%s: %v, %v", name, parsed, err)
		}
	}
}

// Another library verifies what this package signs.
func TestSignatureIsOrdinary(t *testing.T) {
	w := newWorld(t)
	text := w.token(t, w.admin(t), room())
	_, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return w.signing.Secret, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithAudience("mayfly"), jwt.WithIssuer("mayfly:c1"), jwt.WithTimeFunc(func() time.Time { return birth.Add(time.Second) }))
	if err != nil {
		t.Error(err)
	}
}

func TestRefresh(t *testing.T) {
	w := newWorld(t)
	old := w.key(t, KeyRequest{Permissions: room(), ValidFor: time.Minute, TokenID: "app", Description: "d"})
	other := w.key(t, KeyRequest{Permissions: room(), ValidFor: time.Minute})
	eternal := w.superKey(t)
	later := birth.Add(20 * time.Second)

	next, err := w.minter.Refresh(old.Text, old.RefreshToken, later)
	if err != nil {
		t.Fatal(err)
	}
	w.keys.put(next.Record)
	p := w.verify(t, next.Text, later)
	if p.ID == old.Record.ID || p.TokenID != "app" || !p.ExpiresAt.Equal(later.Add(time.Minute)) || !bytes.Equal(next.Record.Permissions, old.Record.Permissions) || next.Record.Description != "d" {
		t.Errorf("%+v, record %+v", p, next.Record)
	}
	if next.RefreshToken == old.RefreshToken || next.RefreshToken == "" {
		t.Error("the refresh token stayed")
	}
	w.verify(t, old.Text, later) // the old one lives until its own end
	if again, err := w.minter.Refresh(next.Text, next.RefreshToken, later.Add(time.Second)); err != nil || again.Record.ExpiresAtMs != millis(later.Add(61*time.Second)) {
		t.Errorf("the next in turn: %v, %v", again, err)
	}

	wrapped, err := Wrap("localhost", old.Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.minter.Refresh(wrapped, old.RefreshToken, later); err != nil {
		t.Errorf("wrapped: %v", err)
	}
	revoked := w.key(t, KeyRequest{Permissions: room(), ValidFor: time.Minute})
	w.keys.revoke(revoked.Record.ID, birth)
	token := w.token(t, w.admin(t), room())
	super := w.key(t, KeyRequest{Permissions: superUser(), ValidFor: time.Minute})
	child := w.token(t, w.verify(t, super.Text, birth), room())
	odd := eternal.Record // no Minter makes one like it
	odd.RefreshDigest = old.Record.RefreshDigest
	w.keys.put(odd)
	for name, c := range map[string]struct {
		key, refresh string
		now          time.Time
	}{
		"other's refresh token":      {old.Text, other.RefreshToken, later},
		"no refresh token":           {old.Text, "", later},
		"nonsense":                   {old.Text, strings.Repeat("x", 1<<20), later},
		"key without end":            {eternal.Text, "", later},
		"key without end, a digest":  {eternal.Text, old.RefreshToken, later},
		"no key":                     {"", old.RefreshToken, later},
		"forged":                     {old.Text[:len(old.Text)-8] + "AAAAAAAA", old.RefreshToken, later},
		"expired":                    {old.Text, old.RefreshToken, birth.Add(time.Minute)},
		"revoked":                    {revoked.Text, revoked.RefreshToken, later},
		"a token":                    {token, old.RefreshToken, later},
		"a token and its key's pair": {child, super.RefreshToken, later},
	} {
		if k, err := w.minter.Refresh(c.key, c.refresh, c.now); !errors.Is(err, ErrInvalidArgument) || errors.Is(err, ErrUnauthenticated) || k.Text != "" {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

// A key that is not on record here may be on record elsewhere by now.
func TestRefreshOfAKeyNotHeardOf(t *testing.T) {
	w := newWorld(t)
	k, err := w.minter.APIKey(w.admin(t), KeyRequest{Permissions: room(), ValidFor: time.Minute}, birth)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.minter.Refresh(k.Text, k.RefreshToken, birth); !errors.Is(err, ErrUnheardOf) || !errors.Is(err, ErrInvalidArgument) || errors.Is(err, ErrUnauthenticated) {
		t.Errorf("before it is heard of: %v", err)
	}
	w.keys.put(k.Record)
	if _, err := w.minter.Refresh(k.Text, "nonsense", birth); errors.Is(err, ErrUnheardOf) || !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("after: %v", err)
	}
}

func TestMinterWithoutASigningKey(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	w.keys.change(func() { w.keys.current = "" })
	if _, err := w.minter.Disposable(admin, room(), time.Second, "", birth); !errors.Is(err, ErrNoSigningKey) {
		t.Error(err)
	}
	w.keys.addSigning(SigningKey{ID: "mfk_weak", Algorithm: AlgorithmHS256, Secret: make([]byte, 31)})
	if _, err := w.minter.Admin(0, birth); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("a weak key signs: %v", err)
	}
}

func TestAdminThatEnds(t *testing.T) {
	w := newWorld(t)
	text, err := w.minter.Admin(time.Hour, birth)
	if err != nil {
		t.Fatal(err)
	}
	w.verify(t, text, birth.Add(time.Hour-1))
	if _, err := w.verifier.Verify(text, birth.Add(time.Hour)); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if _, err := w.minter.Admin(-1, birth); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

// Randomness that fails is told, and never replaced.
func TestRandomnessThatFails(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	for n := range 13 + secretSize {
		m, err := NewMinter(MinterConfig{ClusterID: "c1", Keys: w.keys, Random: bytes.NewReader(make([]byte, n))})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := m.APIKey(admin, KeyRequest{Permissions: room(), ValidFor: time.Hour}, birth); err == nil {
			t.Fatalf("a key of %d random bytes: %v", n, k)
		}
	}
	if k, err := NewSigningKey(bytes.NewReader(make([]byte, 44)), birth); err == nil {
		t.Errorf("a signing key of 44 random bytes: %v", k)
	}
}

func TestNewMinterSaysWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		config MinterConfig
		says   string
	}{
		{MinterConfig{ClusterID: "c", Keys: w.keys}, "randomness"},
		{MinterConfig{ClusterID: "c", Random: w.random}, "source of keys"},
		{MinterConfig{Keys: w.keys, Random: w.random}, "cluster id"},
		{MinterConfig{ClusterID: "c", Keys: w.keys, Random: w.random, MaxTokenLife: -1}, "token life"},
	} {
		if _, err := NewMinter(c.config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
}

// Nothing secret comes out of the ways values are usually printed.
func TestSecretsAreNotPrinted(t *testing.T) {
	w := newWorld(t)
	key := w.key(t, KeyRequest{Permissions: room(), ValidFor: time.Hour})
	token, err := w.minter.Disposable(w.admin(t), room(), time.Hour, "", birth)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&b, nil))
	for _, v := range []any{w.signing, key, token} {
		fmt.Fprintf(&b, "%v %+v %#v %s\n", v, v, v, v)
		log.Info("value", slog.Any("value", v))
	}
	secret, err := json.Marshal(w.signing.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{key.Text, key.RefreshToken, token.Text, string(secret), string(w.signing.Secret), strings.Trim(fmt.Sprintf("%d", w.signing.Secret[:8]), "[]")} {
		if strings.Contains(b.String(), s) {
			t.Errorf("printed %q in %s", s, b.String())
		}
	}
	if !strings.Contains(b.String(), key.Record.ID) || !strings.Contains(b.String(), w.signing.ID) {
		t.Error("not even the names are printed")
	}
}

func TestIDsAreDistinct(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for range 1000 {
		id, err := randomID(w.random, keyIDPrefix)
		if err != nil || seen[id] || len(id) != len(keyIDPrefix)+20 || strings.Trim(id[2:], "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Fatalf("%q, %v", id, err)
		}
		seen[id] = true
	}
}
