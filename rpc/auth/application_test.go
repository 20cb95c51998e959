package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// application gives a world a signing key that an application holds.
func (w *world) application(t testing.TB, caller Principal) SigningKey {
	t.Helper()
	key, err := w.minter.ApplicationKey(caller, time.Hour, birth)
	if err != nil {
		t.Fatal(err)
	}
	w.keys.change(func() { w.keys.signing[key.ID] = key })
	return key
}

// scoped is the payload of a token of an application, from birth on for an hour.
func scoped(key SigningKey, scope string) string {
	return fmt.Sprintf(`{"iss":%q,"aud":"mayfly","iat":%d,"exp":%d,"sub":"alice","scope":%s}`,
		key.ID, birth.Unix(), birth.Unix()+3600, scope)
}

func (w *world) headOf(key SigningKey) string {
	return fmt.Sprintf(`{"alg":"HS256","typ":"JWT","kid":%q}`, key.ID)
}

const roomScope = `[{"role":"subscribeonly","cache":"chat","topic":"room-1"},{"role":"readwrite","cache":"chat","key_prefix":"room-"},{"role":"publishonly","cache":"*"}]`

func TestApplicationsMintTokens(t *testing.T) {
	w := newWorld(t)
	super := w.superKey(t)
	caller := w.verify(t, super.Text, birth)
	key := w.application(t, caller)
	text := signed(key.Secret, w.headOf(key), scoped(key, roomScope))
	p := w.verify(t, text, birth)
	if p.Kind != KindToken || p.TokenID != "alice" || p.KeyID != super.Record.ID || p.AllowsControl() {
		t.Errorf("the token is %+v", p)
	}
	for _, test := range []struct {
		allowed, want bool
		what          string
	}{
		{p.AllowsTopic("chat", "room-1", Read), true, "listen to the room"},
		{p.AllowsTopic("chat", "room-2", Read), false, "listen to another"},
		{p.AllowsTopic("other", "any", Write), true, "publish anywhere"},
		{p.AllowsCache("chat", []byte("room-9"), ReadWrite), true, "use an item"},
		{p.AllowsCache("chat", []byte("lobby"), Read), false, "use another item"},
		{p.AllowsCache("other", []byte("room-9"), Read), false, "use another cache"},
	} {
		if test.allowed != test.want {
			t.Errorf("may %s: %v", test.what, test.allowed)
		}
	}
	if _, err := w.minter.Disposable(p, room(), time.Minute, "", birth); !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("it mints: %v", err)
	}
	in, err := Inspect(text)
	if err != nil || !in.Ours || in.TokenID != "alice" || len(in.Permissions.GetExplicit().GetPermissions()) != 3 || len(in.Notes) != 0 {
		t.Errorf("inspected: %+v, %v", in, err)
	}

	w.keys.deny("alice", birth.Add(time.Second))
	if _, err := w.verifier.Verify(text, birth); !errors.Is(err, ErrRevoked) {
		t.Errorf("its token id revoked: %v", err)
	}
	w.keys.deny("alice", birth.Add(-ahead-time.Second))
	w.verify(t, text, birth)
	w.keys.revoke(super.Record.ID, birth)
	if _, err := w.verifier.Verify(text, birth); !errors.Is(err, ErrRevoked) {
		t.Errorf("the API key behind it revoked: %v", err)
	}
}

func TestApplicationTokensEndWithTheirKey(t *testing.T) {
	w := newWorld(t)
	key := w.application(t, w.admin(t))
	text := signed(key.Secret, w.headOf(key), strings.Replace(scoped(key, roomScope), fmt.Sprint(birth.Unix()+3600), fmt.Sprint(birth.Unix()+7200), 1))
	p := w.verify(t, text, birth)
	if end := moment(key.EndsAtMs); !p.ExpiresAt.Equal(end) {
		t.Errorf("it ends at %v, its key at %v", p.ExpiresAt, end)
	}
	w.keys.change(func() { delete(w.keys.signing, key.ID) })
	if _, err := w.verifier.Verify(text, birth); !errors.Is(err, ErrForged) {
		t.Errorf("its key revoked: %v", err)
	}
}

// Limits per token go by its id, so no two tokens have the same, whatever an
// application calls them.
func TestTokensOfApplicationsAreToldApart(t *testing.T) {
	w := newWorld(t)
	key, other := w.application(t, w.admin(t)), w.application(t, w.admin(t))
	id := func(key SigningKey, body string) string {
		return w.verify(t, signed(key.Secret, w.headOf(key), body), birth).ID
	}
	named := func(key SigningKey) string {
		return swap(t, scoped(key, roomScope), `"sub"`, `"jti":"t_1","sub"`)
	}
	nameless := scoped(key, roomScope)
	all := map[string]string{}
	for what, got := range map[string]string{
		"one without an id":     id(key, nameless),
		"another without an id": id(key, swap(t, nameless, "alice", "bob")),
		"one with an id":        id(key, named(key)),
		"another application's": id(other, named(other)),
		"that of the cluster":   "t_1",
	} {
		if twin, there := all[got]; there || got == "" {
			t.Errorf("%s has the id %q, as has %s", what, got, twin)
		}
		all[got] = what
	}
	if again := all[id(key, nameless)]; again != "one without an id" {
		t.Errorf("one token has two ids, or that of %q", again)
	}
}

// Every text here would be good but for the one thing its name says.
func TestApplicationsMayNotMintAnything(t *testing.T) {
	w := newWorld(t)
	w.superKey(t) // the cluster is secured
	key, other := w.application(t, w.admin(t)), w.application(t, w.admin(t))
	good := scoped(key, roomScope)
	sign := func(body string) string { return signed(key.Secret, w.headOf(key), body) }
	scope := func(text string) string { return sign(scoped(key, text)) }
	masked := key
	masked.ID = "mfk_masked" // an application's key under an id of the cluster's own
	w.keys.change(func() { w.keys.signing[masked.ID] = masked })
	open := key
	open.ID, open.Parent = "mfa_open", parentOpen
	w.keys.change(func() { w.keys.signing[open.ID] = open })
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing wrong":            {sign(good), nil},
		"a key of its own":         {signed(key.Secret, w.headOf(key), tokenBody()), ErrMalformed},
		"the admin":                {sign(fmt.Sprintf(`{"iss":"mayfly:c1","aud":"mayfly","iat":%d,"jti":"a_1","use":"admin"}`, birth.Unix())), ErrMalformed},
		"another application":      {signed(key.Secret, w.headOf(other), scoped(other, roomScope)), ErrForged},
		"issuer another":           {sign(swap(t, good, key.ID, other.ID)), ErrForeign},
		"issuer the cluster":       {sign(swap(t, good, key.ID, "mayfly:c1")), ErrForeign},
		"audience another":         {sign(swap(t, good, `"mayfly"`, `"other"`)), ErrForeign},
		"masked":                   {signed(masked.Secret, w.headOf(masked), tokenBody()), ErrForged},
		"signed by the cluster":    {signed(w.signing.Secret, w.headOf(key), good), ErrForged},
		"minted while open":        {signed(open.Secret, w.headOf(open), scoped(open, roomScope)), ErrRevoked},
		"no end":                   {sign(swap(t, good, `"exp"`, `"exq"`)), ErrMalformed},
		"an end before it began":   {sign(swap(t, good, fmt.Sprint(birth.Unix()+3600), fmt.Sprint(birth.Unix()-1))), ErrMalformed},
		"no beginning":             {sign(swap(t, good, `"iat"`, `"iau"`)), ErrMalformed},
		"a life too long":          {sign(swap(t, good, fmt.Sprint(birth.Unix()+3600), fmt.Sprint(birth.Unix()+25*3600+1))), ErrUnauthenticated},
		"a long token id":          {sign(swap(t, good, "alice", strings.Repeat("a", 65))), ErrMalformed},
		"a jti of controls":        {sign(swap(t, good, `"sub"`, `"jti":"\u001b[2J","sub"`)), ErrMalformed},
		"a long jti":               {sign(swap(t, good, `"sub"`, `"jti":"`+strings.Repeat("j", 65)+`","sub"`)), ErrMalformed},
		"no scope":                 {sign(swap(t, good, `"scope"`, `"skope"`)), ErrMalformed},
		"scope twice":              {sign(swap(t, good, `"scope"`, `"scope":[],"scope"`)), ErrMalformed},
		"an empty scope":           {scope(`[]`), ErrMalformed},
		"scope a string":           {scope(`"everything"`), ErrMalformed},
		"scope null":               {scope(`null`), ErrMalformed},
		"a statement null":         {scope(`[null]`), ErrMalformed},
		"a role nobody knows":      {scope(`[{"role":"superuser","cache":"*"}]`), ErrMalformed},
		"no role":                  {scope(`[{"cache":"chat"}]`), ErrMalformed},
		"no cache":                 {scope(`[{"role":"readonly"}]`), ErrMalformed},
		"a member nobody knows":    {scope(`[{"role":"readonly","cache":"c","keyprefix":"k"}]`), ErrMalformed},
		"a topic for items":        {scope(`[{"role":"readonly","cache":"c","topic":"t"}]`), ErrMalformed},
		"a key for topics":         {scope(`[{"role":"subscribeonly","cache":"c","key":"t"}]`), ErrMalformed},
		"a key and a prefix":       {scope(`[{"role":"readonly","cache":"c","key":"k","key_prefix":"k"}]`), ErrMalformed},
		"an empty prefix":          {scope(`[{"role":"readonly","cache":"c","key_prefix":""}]`), ErrMalformed},
		"a member twice":           {scope(`[{"role":"readonly","cache":"c","cache":"*"}]`), ErrMalformed},
		"a member that is no text": {scope(`[{"role":"readonly","cache":7}]`), ErrMalformed},
		"too many":                 {scope(`[` + strings.Repeat(`{"role":"readonly","cache":"c","key":"k"},`, 20) + `{"role":"readonly","cache":"d"}]`), ErrMalformed},
		"one twice":                {scope(`[{"role":"readonly","cache":"c"},{"role":"readwrite","cache":"c"}]`), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := w.verifier.Verify(c.text, birth); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestApplicationKeys(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	for _, life := range []time.Duration{0, time.Second, MaxApplicationKeyLife + 1} {
		if _, err := w.minter.ApplicationKey(admin, life, birth); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("for %v: %v", life, err)
		}
	}
	data := w.verify(t, w.key(t, KeyRequest{Permissions: room(), Never: true}).Text, birth)
	if _, err := w.minter.ApplicationKey(data, time.Hour, birth); !errors.Is(err, ErrPermissionDenied) {
		t.Errorf("by a key for data: %v", err)
	}
	short := w.verify(t, w.key(t, KeyRequest{Permissions: superUser(), ValidFor: time.Minute}).Text, birth)
	key, err := w.minter.ApplicationKey(short, time.Hour, birth)
	if err != nil || key.EndsAtMs != millis(birth.Add(time.Minute)) {
		t.Errorf("it ends at %d, %v; the API key ends in a minute", key.EndsAtMs, err)
	}
	text, err := key.JWK()
	var jwk map[string]string
	if err != nil || json.Unmarshal([]byte(text), &jwk) != nil || jwk["kid"] != key.ID || jwk["kty"] != "oct" ||
		string(unb64(t, jwk["k"])) != string(key.Secret) {
		t.Errorf("as a JWK it is %s, %v", text, err)
	}
	if strings.Contains(fmt.Sprintf("%v %#v", key, key), string(key.Secret)) {
		t.Error("printing it shows the secret")
	}
}
