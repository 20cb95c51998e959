package store

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

func application(id string, ends uint64) *storev1.AddSigningKey {
	op := signing(id)
	op.Key.Application, op.Key.EndsAtMs, op.Key.Parent = true, ends, "admin"
	return op
}

func rotation(old, id string, end uint64) *storev1.RotateApiKey {
	return &storev1.RotateApiKey{Id: old, Key: apiKey(id, 0).GetKey(), EndMs: end}
}

func refreshment(old, id string) *storev1.RefreshApiKey {
	op := &storev1.RefreshApiKey{Id: old, Key: apiKey(id, 0).GetKey()}
	op.Key.RefreshedFrom = old
	return op
}

// current is the id of the key that the cluster signs with.
func current(c *Catalog) string { return c.CurrentSigningKey().GetId() }

func TestSigningKeysTakeTurns(t *testing.T) {
	c := NewCatalog()
	first := signing("late")
	first.First = true
	runCatalog(t, c, []step{
		{1, &storev1.UseSigningKey{Id: "a"}, notFound, 0},
		{1, application("app", 0), invalidArg, 0},
		{1, application("app", 50), catalogOK, 0},
	})
	if current(c) != "" {
		t.Errorf("the cluster signs with %q, the key of an application", current(c))
	}
	runCatalog(t, c, []step{{2, signing("a"), catalogOK, 0}, {3, signing("b"), catalogOK, 0}, {3, first, exists409, 0}})
	if current(c) != "a" {
		t.Errorf("the cluster signs with %q before the new key was used", current(c))
	}
	runCatalog(t, c, []step{
		{4, &storev1.UseSigningKey{Id: "app", OthersEndMs: 100}, invalidArg, 0},
		{4, &storev1.UseSigningKey{Id: "b", OthersEndMs: MaxClockMs + 1}, invalidArg, 0},
		{4, signing("never used"), catalogOK, 0},
		{5, &storev1.UseSigningKey{Id: "b", OthersEndMs: 100}, catalogOK, 0},
		{6, &storev1.UseSigningKey{Id: "b", OthersEndMs: 200}, catalogOK, 0},
		{6, &storev1.UseSigningKey{Id: "a", OthersEndMs: 200}, invalidArg, 0},
		{6, &storev1.UseSigningKey{Id: "never used", OthersEndMs: 200}, invalidArg, 0},
		{6, &storev1.RemoveSigningKey{Id: "b"}, invalidArg, 0},
	})
	old, _ := c.SigningKey("a")
	if current(c) != "b" || old.GetEndsAtMs() != 100 {
		t.Errorf("%q signs, the old key is %v", current(c), old)
	}
	if c.CredentialsDue(49) || !c.CredentialsDue(50) {
		t.Errorf("due before or after the first end")
	}
	runCatalog(t, c, []step{{100, &storev1.SweepCredentials{}, catalogOK, 0}})
	if keys := c.SigningKeys(); len(keys) != 1 || keys[0].GetId() != "b" {
		t.Errorf("left are %v", keys)
	}
}

func TestAPIKeysHandOver(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{
		{1, apiKey("k", 0), catalogOK, 0},
		{1, apiKey("short", 40), catalogOK, 0},
		{2, rotation("none", "x", 50), notFound, 0},
		{2, rotation("k", "k", 50), exists409, 0},
		{2, rotation("k", "k2", 50), catalogOK, 0},
		{2, rotation("k", "k3", 50), invalidArg, 0},
		{2, refreshment("k", "k3"), invalidArg, 0},
		{3, rotation("short", "s2", 50), catalogOK, 0},
		{60, rotation("k", "k4", 70), invalidArg, 0},
	})
	for id, ends := range map[string]uint64{"k": 50, "k2": 0, "short": 40, "s2": 0} {
		if key, ok := c.APIKey(id); !ok || key.GetExpiresAtMs() != ends {
			t.Errorf("%s is %v, want its end at %d", id, key, ends)
		}
	}
	if key, _ := c.APIKey("k"); key.GetSuccessor() != "k2" {
		t.Errorf("the successor of k is %q", key.GetSuccessor())
	}
}

// A refresh token works again for a while, so that an answer may get lost, and not
// so often that its holder fills the catalog.
func TestRefreshTokensWorkForAWhile(t *testing.T) {
	const first = 1000
	c := NewCatalog()
	runCatalog(t, c, []step{
		{1, apiKey("k", 0), catalogOK, 0},
		{1, &storev1.RefreshApiKey{Id: "k", Key: apiKey("x", 0).GetKey()}, invalidArg, 0},
		{1, refreshment("none", "x"), notFound, 0},
		{first, refreshment("k", "k1"), catalogOK, 0},
		{first, refreshment("k", "k1"), exists409, 0},
		{first + RefreshWindowMs - 1, refreshment("k", "k2"), catalogOK, 0},
		{first + RefreshWindowMs, refreshment("k", "k3"), invalidArg, 0},
		{first + RefreshWindowMs, refreshment("k2", "k21"), catalogOK, 0},
	})
	for i := range MaxRefreshes - 1 {
		runCatalog(t, c, []step{{c.Clock(), refreshment("k2", fmt.Sprint("more", i)), catalogOK, 0}})
	}
	runCatalog(t, c, []step{{c.Clock(), refreshment("k2", "too many"), invalidArg, 0}})

	// Whoever revokes a key means what its holder made of it, too.
	runCatalog(t, c, []step{{c.Clock(), apiKey("bystander", 0), catalogOK, 0}, {c.Clock(), &storev1.RevokeApiKey{Id: "k"}, catalogOK, 0}})
	for _, key := range c.APIKeys() {
		if revoked := key.GetRevokedAtMs() != 0; revoked != (key.GetId() != "bystander") {
			t.Errorf("%s: revoked is %v", key.GetId(), revoked)
		}
	}
}

// Every refreshed key has a refresh token of its own, which makes no difference to
// how much of the catalog one holder can fill, also when the first key is gone.
func TestRefreshedKeysFillNoCatalog(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{{1, apiKey("k", 100), catalogOK, 0}, {1, apiKey("bystander", 0), catalogOK, 0}})
	ids := []string{"k"}
	grow := func(at uint64) {
		t.Helper()
		for i := 0; i < len(ids) && len(ids) < 3*MaxFamily; i++ {
			for n := range MaxRefreshes {
				id := fmt.Sprint(ids[i], ".", n)
				if r := c.Apply(catalogCommand(at, refreshment(ids[i], id))); r.GetStatus() == catalogOK {
					ids = append(ids, id)
				}
			}
		}
		if n := c.relatives("k"); n != MaxFamily {
			t.Errorf("at %d there are %d keys that come from one, want %d", at, n, MaxFamily)
		}
	}
	grow(2)
	runCatalog(t, c, []step{{3, refreshment("bystander", "b2"), catalogOK, 0}, {100, &storev1.SweepCredentials{}, catalogOK, 0}})
	restored := NewCatalog()
	if err := restored.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Fatal(err)
	}
	c, ids = restored, ids[1:]
	grow(101)
}

// A key may be called as one that is long gone, so who was made from whom may run in
// a circle.
func TestRevokingEnds(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{
		{1, apiKey("a", 10), catalogOK, 0},
		{2, refreshment("a", "b"), catalogOK, 0},
		{10, &storev1.SweepCredentials{}, catalogOK, 0},
		{11, refreshment("b", "a"), catalogOK, 0},
		{12, &storev1.RevokeApiKey{Id: "a"}, catalogOK, 0},
	})
	for _, key := range c.APIKeys() {
		if key.GetRevokedAtMs() != 12 {
			t.Errorf("%s is not revoked", key.GetId())
		}
	}
}

// A key in between may have ended before the one that its holder began with.
func TestRevokingReachesBeyondKeysThatAreGone(t *testing.T) {
	c := NewCatalog()
	runCatalog(t, c, []step{
		{1, apiKey("k", 0), catalogOK, 0},
		{2, refreshment("k", "k2"), catalogOK, 0},
		{3, refreshment("k2", "k3"), catalogOK, 0},
		{4, rotation("k2", "instead", 5), catalogOK, 0},
		{5, &storev1.SweepCredentials{}, catalogOK, 0},
		{6, &storev1.RevokeApiKey{Id: "k"}, catalogOK, 0},
	})
	if _, there := c.APIKey("k2"); there {
		t.Fatal("the key in between is still there")
	}
	for id, want := range map[string]bool{"k": true, "k3": true, "instead": false} {
		if key, _ := c.APIKey(id); (key.GetRevokedAtMs() != 0) != want {
			t.Errorf("%s is %v, want revoked %v", id, key, want)
		}
	}
}

// Whatever comes of a key shares its limits, also when the keys in between are gone,
// and whoever says otherwise.
func TestKeysOfOneOriginHaveOneAccount(t *testing.T) {
	c := NewCatalog()
	lying := refreshment("k", "k2")
	lying.Key.Account = "bystander"
	runCatalog(t, c, []step{
		{1, apiKey("k", 100), catalogOK, 0},
		{1, apiKey("bystander", 0), catalogOK, 0},
		{2, lying, catalogOK, 0},
		{3, rotation("k2", "k3", 50), catalogOK, 0},
		{4, refreshment("k3", "k4"), catalogOK, 0},
		{5, rotation("k", "k5", 50), catalogOK, 0},
		{100, &storev1.SweepCredentials{}, catalogOK, 0},
		{101, refreshment("k4", "k6"), catalogOK, 0},
		{101, rotation("k5", "k7", 200), catalogOK, 0},
		{101, &storev1.RotateApiKey{Id: "bystander", EndMs: 200}, invalidArg, 0},
	})
	restored := NewCatalog()
	if err := restored.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, key := range restored.APIKeys() {
		got[key.GetId()] = accountOf(key)
	}
	if want := map[string]string{"bystander": "bystander", "k3": "k", "k4": "k", "k5": "k", "k6": "k", "k7": "k"}; !maps.Equal(got, want) {
		t.Errorf("the accounts are %v, want %v", got, want)
	}
}

func TestTokensAreDenied(t *testing.T) {
	const life = 90_000
	c := NewCatalog()
	runCatalog(t, c, []step{
		{10, &storev1.DenyTokens{}, invalidArg, 0},
		{10, &storev1.DenyTokens{TokenId: "a\nb"}, invalidArg, 0},
		{10, &storev1.DenyTokens{TokenId: "a", BanMs: MaxBanMs + 1}, invalidArg, 0},
		{10, &storev1.DenyTokens{TokenId: "a", LifeMs: maxLifeMs + 1}, invalidArg, 0},
		{10, &storev1.DenyTokens{TokenId: "alice", LifeMs: life}, catalogOK, 0},
		{10, &storev1.DenyTokens{TokenId: "bob", BanMs: 5_000, LifeMs: life}, catalogOK, 0},
	})
	if d := c.TokenDenial("alice"); d.GetNotBeforeMs() != 11 || d.GetUntilMs() != 11+life {
		t.Errorf("alice: %v", d)
	}
	if d := c.TokenDenial("bob"); d.GetNotBeforeMs() != 5_011 || d.GetUntilMs() != 5_011+life {
		t.Errorf("bob: %v", d)
	}
	if c.TokenDenial("carol") != nil {
		t.Errorf("carol, of whom nothing was said")
	}
	// Said again without a ban, it ends the ban.
	runCatalog(t, c, []step{{20, &storev1.DenyTokens{TokenId: "bob", LifeMs: life}, catalogOK, 0}})
	if d := c.TokenDenial("bob"); d.GetNotBeforeMs() != 21 || d.GetDeniedAtMs() != 20 {
		t.Errorf("bob afterwards: %v", d)
	}
	// Within the same millisecond it is another one all the same.
	runCatalog(t, c, []step{{20, &storev1.DenyTokens{TokenId: "bob", LifeMs: life}, catalogOK, 0}})
	if d := c.TokenDenial("bob"); d.GetNotBeforeMs() != 21 || d.GetDeniedAtMs() != 21 {
		t.Errorf("bob once more: %v", d)
	}
	runCatalog(t, c, []step{{11 + life, &storev1.SweepCredentials{}, catalogOK, 0}})
	if len(c.TokenDenials()) != 1 || c.TokenDenial("bob") == nil {
		t.Errorf("kept %v", c.TokenDenials())
	}
	for i := range MaxTokenDenials - 1 {
		c.Apply(catalogCommand(c.Clock(), &storev1.DenyTokens{TokenId: fmt.Sprint(i), LifeMs: life}))
	}
	runCatalog(t, c, []step{
		{c.Clock(), &storev1.DenyTokens{TokenId: "one more", LifeMs: life}, overLimit, 0},
		{c.Clock(), &storev1.DenyTokens{TokenId: "bob", LifeMs: life}, catalogOK, 0},
	})
	if err := NewCatalog().Restore(bytes.NewReader(catalogBytes(t, c))); err != nil {
		t.Errorf("a full list does not restore: %v", err)
	}
}

// Only what a credential hangs on counts as a change of credentials: live streams
// are looked at again each time.
func TestCredentialRevision(t *testing.T) {
	c := NewCatalog()
	for _, test := range []struct {
		op    any
		count bool
	}{
		{create("a"), false}, {signing("s"), true}, {signing("t"), true}, {&storev1.UseSigningKey{Id: "t"}, true},
		{&storev1.RemoveSigningKey{Id: "s"}, true}, {&storev1.RemoveSigningKey{Id: "s"}, false},
		{apiKey("k", 0), true}, {rotation("k", "k2", 9), true}, {refreshment("k2", "k3"), true},
		{&storev1.RevokeApiKey{Id: "k"}, true}, {&storev1.RevokeApiKey{Id: "k"}, false},
		{&storev1.DenyTokens{TokenId: "alice"}, true}, {&storev1.RecordAct{}, false}, {webhook("a", "w"), false},
		{&storev1.SweepCredentials{}, false},
	} {
		before := c.CredentialRevision()
		cmd := catalogCommand(1, test.op)
		cmd.Act = act("/a/B")
		c.Apply(cmd)
		if counted := c.CredentialRevision() != before; counted != test.count {
			t.Errorf("%T: counted is %v, want %v", test.op, counted, test.count)
		}
	}
	before := c.CredentialRevision()
	if err := c.Restore(bytes.NewReader(catalogBytes(t, c))); err != nil || c.CredentialRevision() <= before {
		t.Errorf("restore: %v, revision %d after %d", err, c.CredentialRevision(), before)
	}
}

// An update changes what it names of a key that is good, and nothing else.
func TestUpdateAPIKey(t *testing.T) {
	c := NewCatalog()
	key := apiKey("k", 100)
	key.Key.Limits = &storev1.KeyLimits{MaxTrafficRate: 5, Weight: 2}
	runCatalog(t, c, []step{{1, key, catalogOK, 0}, {1, apiKey("gone", 0), catalogOK, 0}, {1, &storev1.RevokeApiKey{Id: "gone"}, catalogOK, 0}})
	before, _ := c.APIKey("k")
	revision := c.CredentialRevision()
	runCatalog(t, c, []step{
		{2, &storev1.UpdateApiKey{Id: "nobody", Weight: new(uint32(1))}, notFound, 0},
		{2, &storev1.UpdateApiKey{Id: "gone", Weight: new(uint32(1))}, invalidArg, 0},
		{2, &storev1.UpdateApiKey{Id: "k", MaxTrafficRate: new(uint32(7)), MaxSubscriptionCount: new(uint32(3))}, catalogOK, 0},
	})
	k, _ := c.APIKey("k")
	want := proto.CloneOf(before)
	want.Limits = &storev1.KeyLimits{MaxTrafficRate: 7, MaxSubscriptionCount: 3, Weight: 2}
	if !proto.Equal(k, want) {
		t.Errorf("%v, want %v", k, want)
	}
	if c.CredentialRevision() == revision {
		t.Error("nobody notices that the key has changed")
	}
	runCatalog(t, c, []step{
		{3, &storev1.UpdateApiKey{Id: "k", Description: new("a"), MaxTrafficRate: new(uint32(0)), MaxSubscriptionCount: new(uint32(0)), Weight: new(uint32(0))}, catalogOK, 0},
		{100, &storev1.UpdateApiKey{Id: "k", Weight: new(uint32(1))}, invalidArg, 0},
	})
	if k, _ = c.APIKey("k"); k.GetLimits() != nil || k.GetDescription() != "a" {
		t.Errorf("%v, want no limits", k)
	}
	if before.GetLimits().GetMaxTrafficRate() != 5 {
		t.Error("a record that others may be reading was changed")
	}
}
