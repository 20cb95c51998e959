package auth

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// iat and exp of the texts that tests write by hand.
const (
	iat = 1_800_000_000
	exp = iat + 3600
)

// head and body are what this package would write, as JSON to be forged.
func (w *world) head() string {
	return fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":"JWT"}`, w.signing.ID)
}

func tokenBody() string {
	scope, _ := encodeExplicit(room().GetExplicit())
	return fmt.Sprintf(`{"iss":"mayfly:c1","aud":"mayfly","iat":%d,"exp":%d,"jti":"t_1","use":"token","tid":"alice","prm":%q,"par":"admin"}`, iat, exp, scope)
}

// swap replaces what must be there.
func swap(t testing.TB, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in %q", old, s)
	}
	return strings.Replace(s, old, new, 1)
}

func TestVerifyEveryKind(t *testing.T) {
	w := newWorld(t)
	admin := w.admin(t)
	if admin.Kind != KindAdmin || admin.KeyID != "" || !admin.ExpiresAt.IsZero() || !admin.AllowsControl() {
		t.Errorf("admin: %+v", admin)
	}
	key := w.superKey(t)
	p := w.verify(t, key.Text, birth)
	if p.Kind != KindAPIKey || p.KeyID != key.Record.ID || p.ID != p.KeyID || p.TokenID != "backend" || !p.AllowsControl() {
		t.Errorf("key: %+v", p)
	}
	scoped := w.key(t, KeyRequest{Permissions: room(), ValidFor: time.Hour})
	if q := w.verify(t, scoped.Text, birth); q.AllowsControl() || !q.AllowsTopic("chat", "room-1", ReadWrite) || !q.ExpiresAt.Equal(birth.Add(time.Hour)) {
		t.Errorf("scoped key: %+v", q)
	}
	q := w.verify(t, w.token(t, p, room()), birth)
	if q.Kind != KindToken || q.KeyID != key.Record.ID || q.ID == q.KeyID || q.TokenID != "alice" || !q.ExpiresAt.Equal(birth.Add(time.Hour)) {
		t.Errorf("token: %+v", q)
	}
	if q.AllowsControl() || !q.AllowsCache("chat", []byte("room-1"), Read) || q.AllowsCache("chat", []byte("room-1"), Write) || q.AllowsCache("chat", []byte("room-2"), Read) {
		t.Error("a token may do other things than it carries")
	}
	wrapped, err := Wrap("mayfly.example.com", key.Text)
	if err != nil {
		t.Fatal(err)
	}
	if q := w.verify(t, wrapped, birth); q != p {
		t.Errorf("wrapped: %+v, want %+v", q, p)
	}
	if q := w.verify(t, signed(w.signing.Secret, w.head(), tokenBody()), birth); q.Kind != KindToken {
		t.Errorf("by hand: %+v", q)
	}
	if (Principal{}).AllowsControl() || (Principal{}).AllowsCache("a", nil, Read) || (Principal{}).AllowsTopic("a", "b", Read) {
		t.Error("nobody may do something")
	}
}

// Every text here would be good but for the one thing its name says.
func TestVerifyRefusesForgeries(t *testing.T) {
	w := newWorld(t)
	good, secret, head, body := tokenBody(), w.signing.Secret, w.head(), tokenBody()
	token := signed(secret, head, good)
	key := w.superKey(t)
	parts := strings.Split(token, ".")
	wrongKey, err := NewSigningKey(w.random, birth)
	if err != nil {
		t.Fatal(err)
	}
	short := SigningKey{ID: "mfk_short", Algorithm: AlgorithmHS256, Secret: []byte("short")}
	empty := SigningKey{ID: "mfk_empty", Algorithm: AlgorithmHS256}
	odd := SigningKey{ID: "mfk_odd", Algorithm: "HS384", Secret: secret}
	w.keys.change(func() {
		for _, k := range []SigningKey{short, empty, odd} {
			w.keys.signing[k.ID] = k
		}
	})
	keyParts := strings.Split(key.Text, ".")
	keyHead, keyBody := string(unb64(t, keyParts[0])), string(unb64(t, keyParts[1]))
	w.keys.put(APIKey{ID: "k_bare", Permissions: key.Record.Permissions})
	withHead := func(old, new string) string { return signed(secret, swap(t, head, old, new), body) }
	withBody := func(old, new string) string { return signed(secret, head, swap(t, body, old, new)) }
	wrap := func(s string) string {
		text, err := Wrap("localhost", s)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":                   {"", ErrMissing},
		"alg none":                  {b64(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".", ErrForged},
		"alg none with kid":         {b64(swap(t, head, "HS256", "none")) + "." + parts[1] + ".", ErrForged},
		"alg None with signature":   {withHead("HS256", "None"), ErrForged},
		"alg HS384":                 {withHead("HS256", "HS384"), ErrForged},
		"alg RS256":                 {withHead("HS256", "RS256"), ErrForged},
		"alg hs256":                 {withHead("HS256", "hs256"), ErrForged},
		"no alg":                    {withHead(`"alg":"HS256",`, ``), ErrForged},
		"a key of another alg":      {withHead(w.signing.ID, odd.ID), ErrForged},
		"that alg itself":           {signed(secret, `{"alg":"HS384","kid":"mfk_odd","typ":"JWT"}`, body), ErrForged},
		"wrong key":                 {signed(wrongKey.Secret, head, body), ErrForged},
		"wrong key, own kid":        {signed(wrongKey.Secret, swap(t, head, w.signing.ID, wrongKey.ID), body), ErrForged},
		"empty secret":              {signed(nil, head, body), ErrForged},
		"key with an empty secret":  {signed(nil, swap(t, head, w.signing.ID, empty.ID), body), ErrForged},
		"key with a short secret":   {signed(short.Secret, swap(t, head, w.signing.ID, short.ID), body), ErrForged},
		"kid a path":                {withHead(w.signing.ID, "../../../../dev/null"), ErrForged},
		"kid a path, empty secret":  {signed(nil, swap(t, head, w.signing.ID, "/dev/null"), body), ErrForged},
		"kid a URL":                 {withHead(w.signing.ID, "https://example.com/key"), ErrForged},
		"kid a query":               {withHead(w.signing.ID, "' or '1'='1"), ErrForged},
		"kid empty":                 {withHead(w.signing.ID, ""), ErrForged},
		"kid long":                  {withHead(w.signing.ID, strings.Repeat("k", 65)), ErrForged},
		"kid a number":              {withHead(`"`+w.signing.ID+`"`, "7"), ErrForged},
		"kid twice":                 {withHead(`"typ"`, fmt.Sprintf(`"kid":%q,"typ"`, w.signing.ID)), ErrForged},
		"kid in capitals":           {withHead(`"kid"`, `"KID"`), ErrForged},
		"brings its key":            {withHead(`"typ"`, `"jwk":"x","typ"`), ErrForged},
		"crit":                      {withHead(`"typ"`, `"crit":"b64","typ"`), ErrForged},
		"typ":                       {withHead(`"JWT"`, `"JWE"`), ErrForged},
		"header not JSON":           {signed(secret, "alg", body), ErrForged},
		"header null":               {signed(secret, "null", body), ErrForged},
		"header an array":           {signed(secret, "[]", body), ErrForged},
		"header twice":              {signed(secret, head+head, body), ErrForged},
		"claims changed":            {parts[0] + "." + b64(swap(t, body, "alice", "mallo")) + "." + parts[2], ErrForged},
		"signature cut":             {token[:len(token)-4], ErrForged},
		"signature gone":            {parts[0] + "." + parts[1] + ".", ErrForged},
		"signature's spare bits":    {token[:len(token)-1] + nextLetter(token[len(token)-1]), ErrMalformed},
		"two parts":                 {parts[0] + "." + parts[1], ErrMalformed},
		"one part":                  {parts[0], ErrMalformed},
		"four parts":                {token + ".x", ErrMalformed},
		"dots":                      {"..", ErrForged},
		"half":                      {token[:len(token)/2], ErrMalformed},
		"padding":                   {token + "=", ErrMalformed},
		"space before":              {" " + token, ErrMalformed},
		"scheme word":               {"Bearer " + token, ErrMalformed},
		"line break":                {token + "\n", ErrMalformed},
		"line break inside":         {token[:10] + "\r\n" + token[10:], ErrMalformed},
		"zero byte":                 {token + "\x00", ErrMalformed},
		"delete":                    {"\x7f" + token, ErrMalformed},
		"not base64":                {"ä.ö.ü", ErrMalformed},
		"a little too long":         {token + strings.Repeat("A", MaxTextSize), ErrMalformed},
		"1 MB":                      {strings.Repeat("eyJh", 1<<18), ErrMalformed},
		"1 MB of dots":              {strings.Repeat(".", 1<<20), ErrMalformed},
		"other cluster":             {withBody("mayfly:c1", "mayfly:c2"), ErrForeign},
		"other issuer":              {withBody("mayfly:c1", "somebody"), ErrForeign},
		"no issuer":                 {withBody(`"iss":"mayfly:c1",`, ``), ErrForeign},
		"other audience":            {withBody(`"aud":"mayfly"`, `"aud":"other"`), ErrForeign},
		"no audience":               {withBody(`"aud":"mayfly",`, ``), ErrForeign},
		"audiences":                 {withBody(`"aud":"mayfly"`, `"aud":["mayfly"]`), ErrMalformed},
		"nothing wrong":             {token, nil},
		"issued in the future":      {withBody(fmt.Sprint(`"iat":`, iat), fmt.Sprint(`"iat":`, iat+31)), ErrUnauthenticated},
		"not yet":                   {withBody(`"jti"`, fmt.Sprintf(`"nbf":%d,"jti"`, iat+31)), ErrUnauthenticated},
		"no iat":                    {withBody(fmt.Sprintf(`"iat":%d,`, iat), ``), ErrMalformed},
		"no exp":                    {withBody(fmt.Sprintf(`"exp":%d,`, exp), ``), ErrMalformed},
		"exp before iat":            {withBody(fmt.Sprint(exp), fmt.Sprint(iat-1)), ErrMalformed},
		"exp a string":              {withBody(fmt.Sprint(exp), `"never"`), ErrMalformed},
		"exp null":                  {withBody(fmt.Sprint(exp), `null`), ErrMalformed},
		"exp negative":              {withBody(fmt.Sprint(exp), `-1`), ErrMalformed},
		"exp huge":                  {withBody(fmt.Sprint(exp), `1e300`), ErrMalformed},
		"exp over a century":        {withBody(fmt.Sprint(exp), `253402300800`), ErrMalformed},
		"exp over uint64":           {withBody(fmt.Sprint(exp), `99999999999999999999`), ErrMalformed},
		"exp twice":                 {withBody(`"jti"`, `"exp":4000000000,"jti"`), ErrMalformed},
		"use twice":                 {withBody(`"jti"`, `"use":"admin","jti"`), ErrMalformed},
		"exp in capitals only":      {withBody(`"exp"`, `"EXP"`), ErrMalformed},
		"no jti":                    {withBody(`"jti":"t_1",`, ``), ErrMalformed},
		"long jti":                  {withBody(`t_1`, strings.Repeat("j", 65)), ErrMalformed},
		"no use":                    {withBody(`"use":"token",`, ``), ErrMalformed},
		"unknown use":               {withBody(`"use":"token"`, `"use":"root"`), ErrMalformed},
		"token that says admin":     {withBody(`"use":"token"`, `"use":"admin"`), ErrMalformed},
		"token that says key":       {withBody(`"use":"token"`, `"use":"key","t":"g"`), ErrMalformed},
		"token with the mark":       {withBody(`"use":"token"`, `"use":"token","t":"g"`), ErrMalformed},
		"key without the mark":      {signed(secret, head, fmt.Sprintf(`{"iss":"mayfly:c1","aud":"mayfly","iat":%d,"jti":%q,"use":"key"}`, iat, key.Record.ID)), ErrMalformed},
		"admin with the mark":       {signed(secret, head, fmt.Sprintf(`{"iss":"mayfly:c1","aud":"mayfly","iat":%d,"jti":"a","use":"admin","t":"g"}`, iat)), ErrMalformed},
		"key of no record":          {signed(secret, head, fmt.Sprintf(`{"iss":"mayfly:c1","aud":"mayfly","iat":%d,"jti":"k_x","use":"key","t":"g"}`, iat)), ErrForged},
		"key that is signed":        {signed(secret, head, keyBody), ErrForged},
		"key of another text":       {signed(secret, keyHead, keyBody), ErrForged},
		"key that says admin":       {signed(secret, keyHead, swap(t, body, "t_1", key.Record.ID)), ErrForged},
		"key with other claims":     {b64(keyHead) + "." + b64(swap(t, keyBody, "mayfly:c1", "mayfly:c2")) + "." + keyParts[2], ErrForged},
		"key without its secret":    {keyParts[0] + "." + keyParts[1] + ".", ErrForged},
		"key of an unknown id":      {b64(swap(t, keyHead, key.Record.ID, "k_unheard")) + "." + keyParts[1] + "." + keyParts[2], ErrForged},
		"key of a record alone":     {b64(swap(t, keyHead, key.Record.ID, "k_bare")) + "." + keyParts[1] + "." + keyParts[2], ErrForged},
		"key of another alg":        {b64(swap(t, keyHead, "HS256", "none")) + "." + keyParts[1] + "." + keyParts[2], ErrForged},
		"life too long":             {withBody(fmt.Sprint(exp), fmt.Sprint(iat+25*3600+1)), ErrUnauthenticated},
		"life as long as allowed":   {withBody(fmt.Sprint(exp), fmt.Sprint(iat+25*3600)), nil},
		"no permissions":            {withBody(`"prm":"`, `"prx":"`), ErrMalformed},
		"permissions not base64":    {withBody(`"prm":"`, `"prm":"!`), ErrMalformed},
		"permissions not protobuf":  {withBody(`"prm":"`, `"prm":"_____`), ErrMalformed},
		"no parent":                 {withBody(`"par":"admin"`, `"par":""`), ErrMalformed},
		"parent of no record":       {withBody(`"par":"admin"`, `"par":"k_x"`), ErrRevoked},
		"minted while open":         {withBody(`"par":"admin"`, `"par":"open"`), ErrRevoked},
		"long token id":             {withBody(`alice`, strings.Repeat("a", 65)), ErrMalformed},
		"control in token id":       {withBody(`alice`, `ali\u0007ce`), ErrMalformed},
		"claims not JSON":           {signed(secret, head, "claims"), ErrMalformed},
		"claims null":               {signed(secret, head, "null"), ErrMalformed},
		"claims empty":              {signed(secret, head, ""), ErrMalformed},
		"claims and more":           {signed(secret, head, body+"{}"), ErrMalformed},
		"claims cut":                {signed(secret, head, body[:len(body)-1]), ErrMalformed},
		"claims not UTF-8":          {withBody("alice", "ali\xffe"), ErrMalformed},
		"deep, but sound":           {withBody(`"jti"`, `"x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`,"jti"`), nil},
		"claims without end":        {withBody(`"jti"`, `"x":`+strings.Repeat("[", 2000)+`,"jti"`), ErrMalformed},
		"wrapped twice":             {wrap(wrap(token)), ErrMalformed},
		"wrapped nonsense":          {wrap("opaque"), ErrMalformed},
		"wrapped forgery":           {wrap(withHead("HS256", "HS512")), ErrForged},
		"a key of the hosted sort":  {b64(`{"alg":"HS256"}`) + "." + b64(`{"sub":"a","cp":"control.x","c":"cache.x"}`) + "." + b64("sig"), ErrForged},
		"a v2 key of somebody else": {b64(`{"alg":"EdDSA"}`) + "." + b64(`{"t":"g","id":"x"}`) + "." + b64("sig"), ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := w.verifier.Verify(c.text, time.Unix(iat, 0))
			if c.want == nil {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if !errors.Is(err, c.want) || !errors.Is(err, ErrUnauthenticated) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if p != (Principal{}) {
				t.Errorf("a refused caller is %+v", p)
			}
			if len(err.Error()) > 300 || c.text != "" && strings.Contains(err.Error(), c.text) {
				t.Errorf("the error tells too much: %q", err)
			}
		})
	}
	if n := w.verifier.cache.size(); n > 4 {
		t.Errorf("%d texts remembered, forgeries among them", n)
	}
}

// nextLetter gives a letter whose unused last bits differ.
func nextLetter(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return letters[strings.IndexByte(letters, c)^1:][:1]
}

// Leeway is for clocks that run ahead, never for the end.
func TestVerifyAtTheEdgeOfTime(t *testing.T) {
	w := newWorld(t)
	end := time.Unix(exp, 0)
	token := signed(w.signing.Secret, w.head(), tokenBody())
	fine := signed(w.signing.Secret, w.head(), swap(t, tokenBody(), fmt.Sprint(exp), fmt.Sprint(exp, ".250")))
	later := signed(w.signing.Secret, w.head(), swap(t, tokenBody(), `"jti"`, fmt.Sprintf(`"nbf":%d,"jti"`, iat)))
	for _, c := range []struct {
		name string
		text string
		now  time.Time
		want error
	}{
		{"a millisecond before the end", token, end.Add(-time.Millisecond), nil},
		{"a nanosecond before the end", token, end.Add(-1), nil},
		{"at the end", token, end, ErrExpired},
		{"a nanosecond after", token, end.Add(1), ErrExpired},
		{"a day after", token, end.Add(24 * time.Hour), ErrExpired},
		{"before a fraction", fine, end.Add(249 * time.Millisecond), nil},
		{"at the fraction", fine, end.Add(250 * time.Millisecond), ErrExpired},
		{"30 s before it was issued", token, time.Unix(iat-30, 0), nil},
		{"31 s before it was issued", token, time.Unix(iat-31, 0), ErrUnauthenticated},
		{"30 s before nbf", later, time.Unix(iat-30, 0), nil},
		{"31 s before nbf", later, time.Unix(iat-31, 0), ErrUnauthenticated},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh, err := NewVerifier(VerifierConfig{ClusterID: "c1", Keys: w.keys})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fresh.Verify(c.text, c.now); !errors.Is(err, c.want) {
				t.Errorf("first time: %v, want %v", err, c.want)
			}
			if c.want != nil && !errors.Is(c.want, ErrExpired) {
				return
			}
			// And the same from the cache, filled while the text was good.
			if _, err := fresh.Verify(c.text, time.Unix(iat, 0)); err != nil {
				t.Fatal(err)
			}
			if _, err := fresh.Verify(c.text, c.now); !errors.Is(err, c.want) {
				t.Errorf("from the cache: %v, want %v", err, c.want)
			}
		})
	}
}

// What the cluster agrees on ends a credential at the next call, remembered or
// not, and ends its streams when they ask.
// Who does not hold a key does not learn whether there is one.
func TestNobodyLearnsOfKeys(t *testing.T) {
	w := newWorld(t)
	key := w.key(t, KeyRequest{Permissions: superUser(), ValidFor: 2 * time.Hour})
	token := w.token(t, w.verify(t, key.Text, birth), room())
	for name, text := range map[string]string{"API key": key.Text, "token": token} {
		parts := strings.Split(text, ".")
		head, err := partEncoding.DecodeString(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		h, err := parseHeader(head)
		if err != nil {
			t.Fatal(err)
		}
		signature := b64(strings.Repeat("x", 32))
		_, there := w.verifier.Verify(parts[0]+"."+parts[1]+"."+signature, birth)
		other := b64(strings.Replace(string(head), h.KeyID, h.KeyID+"x", 1))
		_, not := w.verifier.Verify(other+"."+parts[1]+"."+signature, birth)
		w.keys.revoke(key.Record.ID, birth.Add(time.Hour))
		_, gone := w.verifier.Verify(parts[0]+"."+parts[1]+"."+signature, birth)
		if there == nil || not == nil || gone == nil || there.Error() != not.Error() || gone.Error() != not.Error() {
			t.Errorf("%s: a key that is there: %v; one that is revoked: %v; none: %v", name, there, gone, not)
		}
		for _, err := range []error{there, not, gone} {
			if !errors.Is(err, ErrUnheardOf) {
				t.Errorf("%s: only some of them have others asked, and take as long: %v", name, err)
			}
		}
	}
}

// A key whose record is gone is one that never was; what was let in by it goes.
func TestVerifyOfAKeyThatIsGone(t *testing.T) {
	w := newWorld(t)
	key := w.key(t, KeyRequest{Permissions: superUser(), ValidFor: 2 * time.Hour})
	who := w.verify(t, key.Text, birth)
	token := w.token(t, who, room())
	w.keys.forget(key.Record.ID)
	if _, err := w.verifier.Verify(key.Text, birth.Add(time.Hour)); !errors.Is(err, ErrForged) {
		t.Errorf("the key: %v", err)
	}
	if _, err := w.verifier.Verify(token, birth.Add(time.Hour)); !errors.Is(err, ErrRevoked) {
		t.Errorf("a token of it: %v", err)
	}
	if _, err := w.verifier.Recheck(who, birth.Add(time.Hour)); !errors.Is(err, ErrRevoked) {
		t.Errorf("who came with it: %v", err)
	}
}

func TestVerifyFollowsTheKeys(t *testing.T) {
	later := birth.Add(time.Minute)
	for name, c := range map[string]struct {
		change func(w *world, key Key)
		now    time.Time
		key    error
		token  error
		admin  error
	}{
		"nothing":        {func(*world, Key) {}, later, nil, nil, nil},
		"other revoked":  {func(w *world, _ Key) { w.keys.put(APIKey{ID: "k_other", RevokedAtMs: 1}) }, later, nil, nil, nil},
		"revoked":        {func(w *world, k Key) { w.keys.revoke(k.Record.ID, later) }, later, ErrRevoked, ErrRevoked, nil},
		"key at its end": {func(*world, Key) {}, birth.Add(2 * time.Hour), ErrExpired, ErrExpired, nil},
		"rotated": {func(w *world, _ Key) {
			next, _ := NewSigningKey(w.random, later)
			w.keys.addSigning(next)
		}, later, nil, nil, nil},
		"signing key gone": {func(w *world, _ Key) {
			w.keys.change(func() { delete(w.keys.signing, w.signing.ID) })
		}, later, nil, ErrForged, ErrForged},
		"signing key for another algorithm": {func(w *world, k Key) {
			w.signing.Algorithm = "HS512"
			w.keys.addSigning(w.signing)
		}, later, nil, ErrForged, ErrForged},
		"signing key at its end": {func(w *world, _ Key) {
			w.signing.EndsAtMs = millis(later)
			w.keys.addSigning(w.signing)
		}, later, nil, ErrExpired, ErrExpired},
		"key ends sooner": {func(w *world, k Key) {
			k.Record.ExpiresAtMs = millis(later)
			w.keys.put(k.Record)
		}, later, ErrExpired, ErrExpired, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			key := w.key(t, KeyRequest{Permissions: superUser(), ValidFor: 2 * time.Hour})
			minter := w.verify(t, key.Text, birth)
			token := w.token(t, minter, room())
			admin, err := w.minter.Admin(0, birth)
			if err != nil {
				t.Fatal(err)
			}
			texts := []string{key.Text, token, admin}
			var callers []Principal
			for _, text := range texts {
				callers = append(callers, w.verify(t, text, birth))
			}
			c.change(w, key)
			for i, want := range []error{c.key, c.token, c.admin} {
				for range 2 { // the first call may answer from the cache, the second from what the first put there
					if _, err := w.verifier.Verify(texts[i], c.now); !errors.Is(err, want) {
						t.Errorf("verify %v: %v, want %v", callers[i].Kind, err, want)
					}
				}
				if _, err := w.verifier.Recheck(callers[i], c.now); !errors.Is(err, want) {
					t.Errorf("recheck %v: %v, want %v", callers[i].Kind, err, want)
				}
			}
		})
	}
}

func TestVerifySeesARecordThatChanged(t *testing.T) {
	w := newWorld(t)
	key := w.superKey(t)
	w.verify(t, key.Text, birth)
	scoped, err := w.minter.APIKey(w.admin(t), KeyRequest{Permissions: room(), Never: true}, birth)
	if err != nil {
		t.Fatal(err)
	}
	record := key.Record
	record.Permissions = scoped.Record.Permissions
	w.keys.put(record)
	if w.verify(t, key.Text, birth).AllowsControl() {
		t.Error("the caller kept what the record no longer gives")
	}
	record.Permissions = []byte("\xff")
	w.keys.put(record)
	if _, err := w.verifier.Verify(key.Text, birth); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("a broken record: %v", err)
	}
}

// A token ends with the key that minted it, also when the text says later.
func TestTokenEndsWithItsKey(t *testing.T) {
	w := newWorld(t)
	key := w.key(t, KeyRequest{Permissions: superUser(), ValidFor: 10 * time.Minute})
	token := signed(w.signing.Secret, w.head(), swap(t, tokenBody(), `"par":"admin"`, fmt.Sprintf(`"par":%q`, key.Record.ID)))
	end := birth.Add(10 * time.Minute)
	if p := w.verify(t, token, birth); !p.ExpiresAt.Equal(end) {
		t.Errorf("ends at %v, want %v", p.ExpiresAt, end)
	}
	if _, err := w.verifier.Verify(token, end); !errors.Is(err, ErrExpired) {
		t.Errorf("after its key: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	w := newWorld(t)
	v, err := NewVerifier(VerifierConfig{ClusterID: "c1", Keys: w.keys, CacheSize: 64})
	if err != nil {
		t.Fatal(err)
	}
	admin := w.admin(t)
	often := w.token(t, admin, room())
	for i := range 500 {
		if _, err := v.Verify(w.token(t, admin, room()), birth); err != nil {
			t.Fatal(err)
		}
		before := w.keys.lookups.Load()
		if _, err := v.Verify(often, birth); err != nil {
			t.Fatal(err)
		}
		if i > 0 && w.keys.lookups.Load() != before {
			t.Fatalf("the text in use was forgotten after %d others", i)
		}
		if n := v.cache.size(); n > 64 {
			t.Fatalf("%d texts after %d", n, i)
		}
	}
}

func TestVerifierIsSafeForConcurrentUse(t *testing.T) {
	w := newWorld(t)
	key := w.superKey(t)
	caller := w.verify(t, key.Text, birth)
	var texts []string
	for range 50 {
		texts = append(texts, w.token(t, caller, room()))
	}
	v, err := NewVerifier(VerifierConfig{ClusterID: "c1", Keys: w.keys, CacheSize: 32})
	if err != nil {
		t.Fatal(err)
	}
	revoked := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 500 {
				text := texts[(n+i*7)%len(texts)]
				var ended bool
				select {
				case <-revoked:
					ended = true
				default:
				}
				// Once the revocation was agreed on, no call may get through.
				if _, err := v.Verify(text, birth); ended && !errors.Is(err, ErrRevoked) {
					t.Errorf("after the revocation: %v", err)
				}
			}
		})
	}
	for range 20 {
		w.keys.change(func() {})
	}
	w.keys.revoke(key.Record.ID, birth)
	close(revoked)
	wg.Wait()
}

func TestNewVerifierSaysWhatIsMissing(t *testing.T) {
	keys := newWorld(t).keys
	for _, c := range []struct {
		config VerifierConfig
		says   string
	}{
		{VerifierConfig{Keys: keys}, "cluster id"},
		{VerifierConfig{ClusterID: "c"}, "source of keys"},
		{VerifierConfig{ClusterID: "c", Keys: keys, CacheSize: -1}, "-1"},
	} {
		if _, err := NewVerifier(c.config); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
}

// The permissions of a call are those of its token: all in one, the way
// rpc/api asks.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	caller := w.verify(b, w.superKey(b).Text, birth)
	token := w.token(b, caller, explicit(
		topicStatement(permissionpb.TopicRole_TopicReadWrite, "chat", on{prefix: "room-"}),
		cacheStatement(permissionpb.CacheRole_CacheReadOnly, "chat", on{prefix: "room-"}),
	))
	key := []byte("room-1")
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p, err := w.verifier.Verify(token, birth)
				if err != nil || !p.AllowsCache("chat", key, Read) {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.verifier.verify(token, birth); err != nil {
				b.Fatal(err)
			}
		}
	})
	forgery := token[:len(token)-8] + "AAAAAAAA"
	b.Run("forged", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.verifier.Verify(forgery, birth); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
