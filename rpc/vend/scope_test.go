package vend

import (
	"errors"
	"strings"
	"testing"
	"time"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

func TestTemplates(t *testing.T) {
	values := map[string]string{"a": "x", "b": "y"}
	for text, want := range map[string]string{
		"": "", "plain": "plain", "{a}": "x", "room-{a}": "room-x", "{a}/{b}": "x/y", "{a}-{a}": "x-x", "<{a}>": "<x>",
	} {
		parsed, err := parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got, err := parsed.fill(values); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"{": "nothing closes", "a}": "nothing opens", "{a": "nothing closes", "{}": "placeholder", "{a b}": "placeholder",
		"{{a}}": "placeholder", "{a}{b}": "nothing in between", "{1}": "placeholder", "x{a}}": "nothing opens",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

// Whatever callers send, the token is for the place that they named, or there is
// none.
func TestNoValueWidensTheScope(t *testing.T) {
	for name, test := range map[string]struct {
		bound Bound
		value string
		says  string // empty when the value is fine
	}{
		"plain":                   {Bound{}, "lobby-1_A", ""},
		"every room":              {Bound{}, "*", "* { }"},
		"every room, any pattern": {Bound{Pattern: ".*"}, "*", "* { }"},
		"a star in it":            {Bound{Pattern: ".*"}, "lob*y", "* { }"},
		"another placeholder":     {Bound{Pattern: ".*"}, "{name}", "* { }"},
		"empty":                   {Bound{}, "", "empty"},
		"empty, any pattern":      {Bound{Pattern: ".*"}, "", "empty"},
		"a slash":                 {Bound{}, "a/b", "pattern"},
		"a part that matches":     {Bound{Pattern: "[a-z]+"}, "a!", "pattern"},
		"an alternative":          {Bound{Pattern: "a|b"}, "ab", "pattern"},
		"a line that matches":     {Bound{Pattern: "(?m)^[a-z]+$"}, "a\nb", "pattern"},
		"a line end":              {Bound{Pattern: "(?s).*"}, "a\n", "cannot be seen"},
		"a zero byte":             {Bound{Pattern: "(?s).*"}, "a\x00", "cannot be seen"},
		"no UTF-8":                {Bound{Pattern: "(?s).*"}, "\xff", "UTF-8"},
		"right to left":           {Bound{Pattern: ".*"}, "a\u202eb", "cannot be seen"},
		"zero width":              {Bound{Pattern: ".*"}, "a\u200bb", "cannot be seen"},
		"just long enough":        {Bound{}, strings.Repeat("x", DefaultMax), ""},
		"too long":                {Bound{}, strings.Repeat("x", DefaultMax+1), "too long"},
		"characters, not bytes":   {Bound{Pattern: `\pL+`, Max: 3}, "日本語", ""},
		"too long by one":         {Bound{Pattern: `\pL+`, Max: 3}, "日本語x", "too long"},
		"huge":                    {Bound{}, strings.Repeat("x", 1<<20), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			e := room()
			e.Parameters["room"] = test.bound
			o, err := e.Offer(map[string]string{"room": test.value, "name": "al"})
			if test.says != "" {
				if !errors.Is(err, auth.ErrInvalidArgument) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v, want %q", err, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := o.Permissions.GetExplicit().GetPermissions()[0].GetTopicPermissions().GetTopicSelector().GetTopicName(); got != "room-"+test.value {
				t.Errorf("the topic is %q", got)
			}
			if got := o.Permissions.GetExplicit().GetPermissions()[1].GetCachePermissions().GetItemSelector().GetKey(); string(got) != "room-"+test.value {
				t.Errorf("the key is %q", got)
			}
		})
	}
}

// One caller's name cannot be read as another's.
func TestValuesDoNotReachIntoEachOther(t *testing.T) {
	e := withIssuer()
	e.Claims["sub"], e.Parameters["room"] = Bound{Pattern: ".+"}, Bound{Pattern: ".+"}
	if _, err := e.Offer(map[string]string{"sub": "alice/x", "room": "y"}); err == nil || !strings.Contains(err.Error(), "separates") {
		t.Errorf("alice/x is let in as a name: %v", err)
	}
	o, err := e.Offer(map[string]string{"sub": "alice", "room": "x/y"})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.Permissions.GetExplicit().GetPermissions()[0].GetTopicPermissions().GetTopicSelector().GetTopicName(); got != "alice/x/y" {
		t.Errorf("the topic is %q", got)
	}
	// The separator counts wherever the value is used, not only where it stands.
	e.Allow = append(e.Allow, topic("chat", "all-{room}-input", false))
	if _, err := e.Offer(map[string]string{"sub": "alice", "room": "x-y"}); err == nil {
		t.Error("a room that looks like the input of another is let in")
	}
}

func TestEndpointsThatCannotWork(t *testing.T) {
	secret, err := NewSecret("0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Endpoint)
		says   string
	}{
		"sound":                     {func(*Endpoint) {}, ""},
		"no check":                  {func(e *Endpoint) { e.Check = "" }, "who may ask"},
		"a strange check":           {func(e *Endpoint) { e.Check = "all" }, "none, secret, oidc"},
		"a path as name":            {func(e *Endpoint) { e.Name = "a/b" }, "small letters"},
		"no secret":                 {func(e *Endpoint) { e.Check = CheckSecret }, "no secret"},
		"a secret for nobody":       {func(e *Endpoint) { e.Secrets = []Secret{secret} }, "check: secret alone"},
		"an issuer for nobody":      {func(e *Endpoint) { e.Issuer.URL = issuerURL }, "check: oidc alone"},
		"claims of nobody":          {func(e *Endpoint) { e.Claims = map[string]Bound{"sub": {}} }, "only ID tokens"},
		"no issuer":                 {func(e *Endpoint) { e.Check = CheckOIDC }, "issuer: \"\" is no address"},
		"an issuer without TLS":     {func(e *Endpoint) { *e = withIssuer(); e.Issuer.URL = "http://login.example" }, "not https"},
		"an issuer here":            {func(e *Endpoint) { *e = withIssuer(); e.Issuer.URL = "http://127.0.0.1:9" }, ""},
		"keys without TLS":          {func(e *Endpoint) { *e = withIssuer(); e.Issuer.KeysURL = "http://keys.example" }, "keys-url: \"http://keys.example\" is not https"},
		"no audience":               {func(e *Endpoint) { *e = withIssuer(); e.Issuer.Audience = nil }, "audience"},
		"an empty audience":         {func(e *Endpoint) { *e = withIssuer(); e.Issuer.Audience = []string{""} }, "audience"},
		"HS256":                     {func(e *Endpoint) { *e = withIssuer(); e.Issuer.Algorithms = []string{"HS256"} }, "algorithms"},
		"none":                      {func(e *Endpoint) { *e = withIssuer(); e.Issuer.Algorithms = []string{"none"} }, "algorithms"},
		"no life":                   {func(e *Endpoint) { e.Life = 0 }, "expires"},
		"too long a life":           {func(e *Endpoint) { e.Life = 26 * time.Hour }, "expires"},
		"a rate below zero":         {func(e *Endpoint) { e.Rate = -1 }, "rate"},
		"nothing allowed":           {func(e *Endpoint) { e.Allow = nil }, "allow nothing"},
		"too much allowed":          {func(e *Endpoint) { e.Allow = make([]*permissionpb.PermissionsType, 21) }, "the most is 20"},
		"no permission":             {func(e *Endpoint) { e.Allow[0] = &permissionpb.PermissionsType{} }, "neither a cache nor a topic"},
		"twice the same":            {func(e *Endpoint) { e.Allow = append(e.Allow, e.Allow[0]) }, "keep one"},
		"a prefix of one's choice":  {func(e *Endpoint) { e.Allow[0] = topic("chat", "room-{room}", true) }, "whatever else begins"},
		"a key prefix, likewise":    {func(e *Endpoint) { e.Allow[0] = item("chat", "{room}", true) }, "whatever else begins"},
		"a prefix with its end":     {func(e *Endpoint) { e.Allow[0] = topic("chat", "room-{room}/", true) }, ""},
		"a cache of one's choice":   {func(e *Endpoint) { e.Allow[0] = topic("{room}", "t", false) }, ""},
		"nobody's value":            {func(e *Endpoint) { e.Allow[0] = topic("chat", "{sub}", false) }, "allow: permission 1: nothing says where {sub} comes from"},
		"nobody's token id":         {func(e *Endpoint) { e.TokenID = "{sub}" }, "token-id: nothing says"},
		"a broken template":         {func(e *Endpoint) { e.TokenID = "{sub" }, "nothing closes"},
		"an idle parameter":         {func(e *Endpoint) { e.Parameters["more"] = Bound{} }, "parameters: more: nothing uses"},
		"a broken pattern":          {func(e *Endpoint) { e.Parameters["room"] = Bound{Pattern: "["} }, "parameters: room: pattern:"},
		"a pattern that breaks out": {func(e *Endpoint) { e.Parameters["room"] = Bound{Pattern: "a)|(?:.*"} }, "pattern"},
		"a length":                  {func(e *Endpoint) { e.Parameters["room"] = Bound{Max: 256} }, "parameters: room: max"},
		"a name":                    {func(e *Endpoint) { e.Parameters["a b"] = Bound{} }, "parameters: a b: no name"},
		"claim and parameter":       {func(e *Endpoint) { *e = withIssuer(); e.Parameters["sub"] = Bound{} }, "a caller could choose"},
	} {
		t.Run(name, func(t *testing.T) {
			e := room()
			test.change(&e)
			err := e.Validate()
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
}

func TestOffersThatAreRefused(t *testing.T) {
	e := room()
	for says, values := range map[string]map[string]string{
		"there is no room":     {"name": "al"},
		"there is no name":     {"room": "lobby"},
		"no parameter of that": {"room": "lobby", "name": "al", "admin": "true"},
		"name is too long":     {"room": "lobby", "name": "albert-de"},
	} {
		if _, err := e.Offer(values); !errors.Is(err, auth.ErrInvalidArgument) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", values, err, says)
		}
	}
}

// Two callers whose values differ never get into each other's places, and no value
// changes the shape of what was allowed.
func FuzzNobodyReachesAnother(f *testing.F) {
	f.Add("alice", "b/x", "alice/b", "x")
	f.Add("alice", "1", "alice", "10")
	f.Add("*", "*", "alice", "x")
	f.Add("a", "x", "a", "x/y")
	f.Add("{room}", "x", "x", "{sub}")
	f.Add("", "x", "x", "")
	f.Fuzz(func(t *testing.T, sub1, room1, sub2, room2 string) {
		if sub1 == sub2 && room1 == room2 {
			return
		}
		e := withIssuer()
		e.Claims["sub"], e.Parameters["room"] = Bound{Pattern: "(?s).*"}, Bound{Pattern: "(?s).*"}
		e.Allow = []*permissionpb.PermissionsType{
			topic("chat", "{sub}/{room}", false), topic("chat", "in:{sub}/{room}/", true),
			item("{sub}", "{room}", false), item("chat", "at:{room}/{sub}|", true),
		}
		one, err1 := e.Offer(map[string]string{"sub": sub1, "room": room1})
		two, err2 := e.Offer(map[string]string{"sub": sub2, "room": room2})
		if err1 != nil || err2 != nil {
			return
		}
		for i, theirs := range two.Permissions.GetExplicit().GetPermissions() {
			ours := one.Permissions.GetExplicit().GetPermissions()[i]
			grant, err := auth.Compile(&permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{
				Explicit: &permissionpb.ExplicitPermissions{Permissions: []*permissionpb.PermissionsType{ours}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			places, err := placesOf(theirs)
			if err != nil {
				t.Fatal(err)
			}
			cache, name := places.cache.get(), places.name.get()
			if grant.AllowsTopic(cache, name, auth.Read) || grant.AllowsCache(cache, []byte(name), auth.Read) {
				t.Errorf("%q in %q is open to who asked for %q and %q", name, cache, sub1, room1)
			}
			if grant.AllowsTopic("another", name, auth.Read) || grant.AllowsTopic(cache, "another", auth.Read) || grant.AllowsCache(cache, []byte("another"), auth.Read) && name != "another" && room1 != "another" {
				t.Errorf("more is open to who asked for %q and %q", sub1, room1)
			}
		}
	})
}

// The filler takes any template and any values without falling over.
func FuzzTemplates(f *testing.F) {
	f.Add("room-{room}/{sub}", "a", "b")
	f.Add("{{room}}", "*", "")
	f.Add("{room}{sub}", "{sub}", "{room}")
	f.Fuzz(func(t *testing.T, text, room, sub string) {
		parsed, err := parse(text)
		if err != nil {
			return
		}
		filled, err := parsed.fill(map[string]string{"room": room, "sub": sub})
		if err != nil {
			return
		}
		want := strings.NewReplacer("{room}", room, "{sub}", sub).Replace(text)
		if filled != want {
			t.Errorf("%q with %q and %q: %q, want %q", text, room, sub, filled, want)
		}
	})
}
