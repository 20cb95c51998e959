package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWrapIsWhatSDKsRead(t *testing.T) {
	text, err := Wrap("mayfly.example.com:8443", "a.b.c<&>")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]string
	if err := json.Unmarshal(raw, &members); err != nil || len(members) != 2 || members["endpoint"] != "mayfly.example.com:8443" || members["api_key"] != "a.b.c<&>" {
		t.Errorf("%s: %v", raw, err)
	}
	endpoint, key, err := Unwrap(text)
	if err != nil || endpoint != "mayfly.example.com:8443" || key != "a.b.c<&>" {
		t.Errorf("%q %q %v", endpoint, key, err)
	}
	for _, c := range [][2]string{{"", "k"}, {"e", ""}, {strings.Repeat("e", 260), "k"}, {"e\n", "k"}, {"e", "k\x00"}, {"e", strings.Repeat("k", MaxTextSize)}} {
		if text, err := Wrap(c[0], c[1]); !errors.Is(err, ErrInvalidArgument) || text != "" {
			t.Errorf("wrap %.20q %.20q: %v", c[0], c[1], err)
		}
	}
}

func TestUnwrapRefuses(t *testing.T) {
	std := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	good := std(`{"endpoint":"a","api_key":"bb"}`)
	if _, _, err := Unwrap(good); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Unwrap(std(`{"api_key":"b","region":"x","endpoint":"a"}`)); err != nil {
		t.Errorf("another member: %v", err)
	}
	for name, text := range map[string]string{
		"nothing":              "",
		"no padding":           strings.TrimRight(good, "="),
		"line break":           good[:8] + "\n" + good[8:],
		"space":                good + " ",
		"spare bits":           good[:len(good)-3] + nextLetter(good[len(good)-3]) + "==",
		"url alphabet":         base64.URLEncoding.EncodeToString([]byte(`{"endpoint":"a","api_key":"?>?>?>~~~"}`)),
		"not JSON":             std("endpoint"),
		"a number":             std(`{"endpoint":"a","api_key":"b","port":1}`),
		"null":                 std(`{"endpoint":"a","api_key":null}`),
		"nested":               std(`{"endpoint":"a","api_key":{"x":"b"}}`),
		"array":                std(`["endpoint","api_key"]`),
		"a key twice":          std(`{"endpoint":"a","api_key":"b","api_key":"c"}`),
		"an escaped key twice": std(`{"endpoint":"a","api_key":"b","\u0061pi_key":"c"}`),
		"capitals":             std(`{"Endpoint":"a","API_KEY":"b"}`),
		"no endpoint":          std(`{"api_key":"b"}`),
		"no key":               std(`{"endpoint":"a"}`),
		"empty endpoint":       std(`{"endpoint":"","api_key":"b"}`),
		"empty key":            std(`{"endpoint":"a","api_key":""}`),
		"control in key":       std(`{"endpoint":"a","api_key":"b\n"}`),
		"two objects":          std(`{"endpoint":"a","api_key":"b"}{}`),
		"cut":                  std(`{"endpoint":"a","api_key":"b"`),
		"not UTF-8":            std("{\"endpoint\":\"a\",\"api_key\":\"\xff\"}"),
		"deep":                 std(`{"endpoint":"a","api_key":"b","x":` + strings.Repeat("[", 5000)),
		"long":                 std(`{"endpoint":"a","api_key":"` + strings.Repeat("b", MaxTextSize) + `"}`),
	} {
		if _, _, err := Unwrap(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two equal names are seen wherever they hide, and nothing else is taken for
// them.
func TestObjectCountsMembers(t *testing.T) {
	for raw, want := range map[string]error{
		`{}`:                                    nil,
		` { "a" : 1 } `:                         nil,
		`{"a:b,{":"\\"}`:                        nil,
		`{"a":"\\\\","b":"\"}:"}`:               nil,
		`{"a":{"x":1,"x":2},"b":[{"a":1},":"]}`: nil,
		`{"a":1,"a":1}`:                         errTwice,
		`{"a":"\"","a":1}`:                      errTwice,
		`{"a":1,"\u0061":2}`:                    errTwice,
		`{"\ud800":1,"\ud801":2}`:               errTwice, // neither is a character
		`{"a":1}{}`:                             errNotObject,
		`{"a":1,}`:                              errNotObject,
		`null`:                                  errNotObject,
		`[]`:                                    errNotObject,
		``:                                      errNotObject,
		"{\"\xff\":1}":                          errNotUTF8,
	} {
		if _, err := object([]byte(raw)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", raw, err, want)
		}
	}
}

// The longest text that can be minted still is accepted in its wrapped form.
func TestTheLongestMintedTextCanBeWrapped(t *testing.T) {
	text, err := Wrap(strings.Repeat("e", maxEndpointSize), strings.Repeat("k", MaxMintedSize))
	if err != nil || len(text) > MaxTextSize {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

func TestNumericDate(t *testing.T) {
	for raw, want := range map[string]numericDate{
		"0": 0, "1": 1000, "1.5": 1500, "1.05": 1050, "1.005": 1005, "1.0059": 1005, "253402300799.999": 253402300799999,
	} {
		var d numericDate
		if err := json.Unmarshal([]byte(raw), &d); err != nil || d != want {
			t.Errorf("%s: %d, %v", raw, d, err)
		}
	}
	for _, raw := range []string{"-1", "1e3", "1.5e3", "1.0005e3", `"1"`, "null", "true", "253402300800", "[]", "1.-5", "1.+5", "1.5x", "", "."} {
		var d numericDate
		if err := d.UnmarshalJSON([]byte(raw)); err == nil {
			t.Errorf("%s is accepted as %d", raw, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := numericDate(rapid.Int64Range(0, maxSeconds*1000).Draw(t, "ms"))
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var again numericDate
		if err := json.Unmarshal(raw, &again); err != nil || again != d {
			t.Fatalf("%d became %d by %s (%v)", d, again, raw, err)
		}
	})
}

func TestInspect(t *testing.T) {
	w := newWorld(t)
	key := w.key(t, KeyRequest{Permissions: room(), ValidFor: time.Hour})
	caller := w.verify(t, w.superKey(t).Text, birth)
	token := w.token(t, caller, room())
	admin, err := w.minter.Admin(0, birth)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := Wrap("mayfly.example.com", token)
	if err != nil {
		t.Fatal(err)
	}
	opaque, err := Wrap("cache.example.com", "s3cret-s3cret")
	if err != nil {
		t.Fatal(err)
	}
	foreign := func(body string) string { return b64(`{"alg":"EdDSA"}`) + "." + b64(body) + "." + b64("sig") }
	for name, c := range map[string]struct {
		text, form string
		kind       Kind
		check      func(in Inspection) bool
	}{
		"key": {key.Text, "Mayfly API key", KindAPIKey, func(in Inspection) bool {
			return in.ID == key.Record.ID && in.ExpiresAt.Equal(birth.Add(time.Hour)) && in.Claims["t"] == "g" && in.Permissions == nil
		}},
		"token": {token, "Mayfly disposable token", KindToken, func(in Inspection) bool {
			lines, err := Describe(in.Permissions)
			return err == nil && len(lines) == 2 && in.TokenID == "alice" && in.Parent == caller.KeyID && in.IssuedAt.Equal(birth) && !in.Wrapped
		}},
		"token, wrapped": {" " + wrapped + "\n", "wrapped Mayfly disposable token", KindToken, func(in Inspection) bool {
			return in.Endpoint == "mayfly.example.com" && in.Wrapped && in.Permissions != nil
		}},
		"admin":              {admin, "Mayfly admin credential", KindAdmin, func(in Inspection) bool { return in.ExpiresAt.IsZero() && in.IssuedAt.Equal(birth) }},
		"cut signature":      {token[:len(token)-20], "Mayfly disposable token", KindToken, func(in Inspection) bool { return in.Permissions != nil }},
		"other algorithm":    {b64(`{"alg":"none"}`) + "." + b64(tokenBody()) + ".", "Mayfly disposable token", KindToken, func(in Inspection) bool { return len(in.Notes) == 1 }},
		"broken scope":       {b64(`{"alg":"HS256"}`) + "." + b64(`{"iss":"mayfly:x","use":"token","prm":"!"}`) + ".", "Mayfly disposable token", KindToken, func(in Inspection) bool { return in.Permissions == nil && len(in.Notes) == 1 }},
		"refused scope":      {b64(`{"alg":"HS256"}`) + "." + b64(`{"iss":"mayfly:x","use":"token","prm":""}`) + ".", "Mayfly disposable token", KindToken, func(in Inspection) bool { return len(in.Notes) == 1 }},
		"ours, odd use":      {b64(`{"alg":"HS256"}`) + "." + b64(`{"iss":"mayfly:x","use":7,"exp":"soon","jti":[1]}`) + ".", "Mayfly credential of no known use", 0, func(in Inspection) bool { return in.ExpiresAt.IsZero() && in.ID == "" }},
		"foreign v2":         {foreign(`{"t":"g","exp":1800000000}`), "v2 API key of another issuer", 0, func(in Inspection) bool { return !in.Ours && in.ExpiresAt.Equal(time.Unix(1800000000, 0)) }},
		"foreign legacy":     {foreign(`{"sub":"a@b.c","cp":"control.x","c":"cache.x"}`), "legacy key of another issuer", 0, func(in Inspection) bool { return in.Claims["cp"] == "control.x" }},
		"foreign session":    {foreign(`{"sub":"a"}`), "JWT of another issuer", 0, func(in Inspection) bool { return in.Header["alg"] == "EdDSA" }},
		"foreign, wrapped":   {must(Wrap("e", foreign(`{"sub":"a"}`))), "wrapped JWT of another issuer", 0, func(in Inspection) bool { return in.Endpoint == "e" }},
		"opaque and wrapped": {opaque, "wrapped opaque key", 0, func(in Inspection) bool { return in.Endpoint == "cache.example.com" && in.Claims == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := Inspect(c.text)
			if err != nil || in.Form != c.form || in.Kind != c.kind || !c.check(in) {
				t.Errorf("%+v, %v", in, err)
			}
			if raw, _ := json.Marshal(in); strings.Contains(string(raw), "s3cret") || strings.Contains(string(raw), token[strings.LastIndex(token, ".")+1:]) {
				t.Errorf("a secret is in %s", raw)
			}
		})
	}
	for _, text := range []string{"", " ", "opaque", "a.b.c", "..", "a\x00", strings.Repeat("x", MaxTextSize+1), b64("[]") + "." + b64("{}") + ".", b64("null") + "." + b64("null") + "."} {
		if in, err := Inspect(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.20q: %+v, %v", text, in, err)
		}
	}
}

func must(text string, err error) string {
	if err != nil {
		panic(err)
	}
	return text
}
