package api

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/fanout"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/store"
)

func (w *world) credentials() adminv1.CredentialsClient { return adminv1.NewCredentialsClient(w.conn) }

// mayGet is a call that a credential needs rights for.
func (w *world) mayGet(t *testing.T, credential string) error {
	t.Helper()
	return second(w.scs.Get(in(t.Context(), "authorization", credential), &cachepb.GetRequest{CacheKey: []byte("k1")}))
}

func TestRotateAPIKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		ctx := in(t.Context(), "authorization", w.rootText(t))
		all := explicit(topicStatement(permissionpb.TopicRole_TopicReadWrite, "t"), itemStatement(permissionpb.CacheRole_CacheReadWrite, "k"))
		old, id := w.key(t, all)
		live := w.listen(t, fanout.Position{}, "authorization", old)
		rotated := ok[*adminv1.RotateApiKeyResponse](t)(w.credentials().RotateApiKey(ctx, &adminv1.RotateApiKeyRequest{Id: id, GraceSeconds: 60}))
		if rotated.GetId() == id || rotated.GetValidUntil() != 0 || rotated.GetOldValidUntil() != uint64(time.Now().Add(time.Minute).Unix()) {
			t.Errorf("rotated to %s, valid until %d; the old one until %d", rotated.GetId(), rotated.GetValidUntil(), rotated.GetOldValidUntil())
		}
		wants(t, w.mayGet(t, old), codes.OK)
		wants(t, w.mayGet(t, rotated.GetApiKey()), codes.OK)
		time.Sleep(59 * time.Second)
		if w.server.Streams() != 1 {
			t.Fatal("the stream ended before the old key")
		}
		began := time.Now()
		for live.next() == "heartbeat" && time.Since(began) < time.Minute { // until the end
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the stream lived for %v behind the end of the old key", took-time.Second)
		}
		wants(t, w.mayGet(t, old), codes.Unauthenticated)
		wants(t, w.mayGet(t, rotated.GetApiKey()), codes.OK)
		wants(t, second(w.credentials().RotateApiKey(ctx, &adminv1.RotateApiKeyRequest{Id: id})), codes.InvalidArgument)
		wants(t, second(w.credentials().RotateApiKey(ctx, &adminv1.RotateApiKeyRequest{Id: "k_none"})), codes.NotFound)
		wants(t, second(w.credentials().RotateApiKey(ctx, &adminv1.RotateApiKeyRequest{})), codes.InvalidArgument)
		wants(t, second(w.credentials().RotateApiKey(ctx, &adminv1.RotateApiKeyRequest{Id: rotated.GetId(), GraceSeconds: 1 << 40})), codes.InvalidArgument)
	})
}

// What an operator changes of a key holds at once, also for tokens that it made before;
// nobody gives more than the own key has.
func TestUpdateAPIKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		ctx := in(t.Context(), "authorization", w.rootText(t))
		limited := w.limitedKey(t, auth.Limits{Operations: 2, Weight: 3})
		token := w.childOf(t, limited)
		keys, err := w.APIKeys(ctx)
		i := slices.IndexFunc(keys, func(k *storev1.ApiKey) bool { return k.GetLimits() != nil })
		if err != nil || i < 0 {
			t.Fatal(keys, err)
		}
		id := keys[i].GetId()
		update := func(ctx context.Context, r *adminv1.UpdateApiKeyRequest) error {
			r.Id = id
			return second(w.credentials().UpdateApiKey(ctx, r))
		}
		get := func() error { return w.mayGet(t, token) }
		if refused, _ := spend(10, get); refused != 8 {
			t.Errorf("%d of 10 calls were refused before, want 8", refused)
		}
		wants(t, update(ctx, &adminv1.UpdateApiKeyRequest{MaxTrafficRate: new(uint32(0))}), codes.OK)
		if refused, last := spend(10, get); refused != 0 {
			t.Errorf("%d of 10 calls were refused without a limit: %v", refused, last)
		}
		wants(t, update(ctx, &adminv1.UpdateApiKeyRequest{MaxTrafficRate: new(uint32(4)), Description: new("d")}), codes.OK)
		time.Sleep(2 * time.Second)
		if refused, _ := spend(10, get); refused != 6 {
			t.Errorf("%d of 10 calls were refused afterwards, want 6", refused)
		}
		mine := in(t.Context(), "authorization", limited)
		wants(t, update(mine, &adminv1.UpdateApiKeyRequest{MaxTrafficRate: new(uint32(0)), Weight: new(uint32(9))}), codes.OK)
		k, err := w.FindAPIKey(ctx, id)
		if err != nil || k.GetLimits().GetMaxTrafficRate() != 4 || k.GetLimits().GetWeight() != 3 || k.GetDescription() != "d" {
			t.Errorf("by the holder of the key: %v, %v", k, err)
		}
		for _, bad := range []*adminv1.UpdateApiKeyRequest{
			{}, {Weight: new(uint32(auth.MaxWeight + 1))}, {Description: new(strings.Repeat("x", auth.MaxDescriptionLength+1))},
		} {
			wants(t, update(ctx, bad), codes.InvalidArgument)
		}
		wants(t, second(w.credentials().UpdateApiKey(ctx, &adminv1.UpdateApiKeyRequest{Id: "k_none", Weight: new(uint32(1))})), codes.NotFound)
		wants(t, second(w.credentials().UpdateApiKey(ctx, &adminv1.UpdateApiKeyRequest{Weight: new(uint32(1))})), codes.InvalidArgument)
		wants(t, update(in(t.Context(), "authorization", token), &adminv1.UpdateApiKeyRequest{Weight: new(uint32(1))}), codes.PermissionDenied)
	})
}

// A revoked token id ends its streams and calls, and nobody else's.
func TestRevokeTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		ctx := in(t.Context(), "authorization", w.rootText(t))
		scope := []*permissionpb.PermissionsType{topicStatement(permissionpb.TopicRole_TopicReadWrite, "t"), itemStatement(permissionpb.CacheRole_CacheReadWrite, "k")}
		alice, bob := w.disposable(t, time.Hour, "alice", scope...), w.disposable(t, time.Hour, "bob", scope...)
		_, keyID := w.key(t, anyItem()) // publishes as keyholder
		hers, his := w.listen(t, fanout.Position{}, "authorization", alice), w.listen(t, fanout.Position{}, "authorization", bob)
		time.Sleep(time.Second)

		ok[*adminv1.RevokeTokensResponse](t)(w.credentials().RevokeTokens(ctx, &adminv1.RevokeTokensRequest{TokenId: "alice"}))
		began := time.Now()
		hers.ends(codes.Unauthenticated)
		if took := time.Since(began); took > time.Second {
			t.Errorf("a revoked token's stream lived on for %v", took)
		}
		wants(t, w.mayGet(t, alice), codes.Unauthenticated)
		wants(t, w.mayGet(t, bob), codes.OK)
		again := w.disposable(t, time.Hour, "alice", scope...)
		wants(t, w.mayGet(t, again), codes.OK)

		answer := ok[*adminv1.RevokeTokensResponse](t)(w.credentials().RevokeTokens(ctx, &adminv1.RevokeTokensRequest{TokenId: "keyholder", BanSeconds: 3600}))
		if !slices.Contains(answer.GetKeyIds(), keyID) || answer.GetNotBeforeMs() < uint64(time.Now().Add(time.Hour).UnixMilli()) {
			t.Errorf("the answer is %v", answer)
		}
		banned := disposable(w.rootText(t), 60, anyItem())
		banned.TokenId = "keyholder"
		wants(t, second(w.token.GenerateDisposableToken(t.Context(), banned)), codes.PermissionDenied)
		list := ok[*adminv1.ListRevocationsResponse](t)(w.credentials().ListRevocations(ctx, &adminv1.ListRevocationsRequest{})).GetRevocations()
		if len(list) != 2 || list[0].GetTokenId() != "alice" || list[0].GetUntilMs()-list[0].GetNotBeforeMs() != uint64(auth.DenialLife.Milliseconds()) {
			t.Errorf("revoked are %v", list)
		}
		for _, bad := range []*adminv1.RevokeTokensRequest{{}, {TokenId: "a", BanSeconds: 59}, {TokenId: "a", BanSeconds: 1 << 62}, {TokenId: "a\nb"}} {
			wants(t, second(w.credentials().RevokeTokens(ctx, bad)), codes.InvalidArgument)
		}
		his.stop()
	})
}

func TestSigningKeysAreRotatedAndRevoked(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	super, _ := w.superKey(t)
	ctx := in(t.Context(), "authorization", super) // API keys do not hang on signing keys
	scope := itemStatement(permissionpb.CacheRole_CacheReadWrite, "k")
	list := func() []*adminv1.SigningKeyInfo {
		t.Helper()
		return ok[*adminv1.ListSigningKeysResponse](t)(w.credentials().ListSigningKeys(ctx, &adminv1.ListSigningKeysRequest{})).GetKeys()
	}
	first, old := list()[0], w.disposable(t, time.Hour, "", scope)
	rotated := ok[*adminv1.RotateSigningKeyResponse](t)(w.credentials().RotateSigningKey(ctx, &adminv1.RotateSigningKeyRequest{}))
	fresh := w.disposable(t, time.Hour, "", scope)
	wants(t, w.mayGet(t, old), codes.OK)
	wants(t, w.mayGet(t, fresh), codes.OK)
	for _, k := range list() {
		if k.GetCurrent() != (k.GetId() == rotated.GetId()) || (k.GetEndsAt() != 0) != (k.GetId() == first.GetId()) {
			t.Errorf("afterwards there is %v", k)
		}
	}
	wants(t, second(w.credentials().RevokeSigningKey(ctx, &adminv1.RevokeSigningKeyRequest{})), codes.InvalidArgument)
	wants(t, second(w.credentials().RevokeSigningKey(ctx, &adminv1.RevokeSigningKeyRequest{Id: "mfk_none"})), codes.NotFound)

	// The key in use: another one takes its place.
	revoked := ok[*adminv1.RevokeSigningKeyResponse](t)(w.credentials().RevokeSigningKey(ctx, &adminv1.RevokeSigningKeyRequest{Id: rotated.GetId()}))
	if revoked.GetCurrent() == rotated.GetId() || revoked.GetCurrent() == "" {
		t.Errorf("the cluster signs with %q", revoked.GetCurrent())
	}
	wants(t, w.mayGet(t, fresh), codes.Unauthenticated)
	wants(t, w.mayGet(t, old), codes.OK)
	wants(t, w.mayGet(t, w.disposable(t, time.Hour, "", scope)), codes.OK)
}

// An answer may get lost, so a pair works again for a while; see store for how
// often.
func TestRefreshAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		k := ok[*authpb.GenerateApiTokenResponse](t)(w.auth.GenerateApiToken(t.Context(), expires(w.rootText(t), 7200, anyItem())))
		pair := &authpb.RefreshApiTokenRequest{ApiKey: k.GetApiKey(), RefreshToken: k.GetRefreshToken()}
		first := ok[*authpb.RefreshApiTokenResponse](t)(w.auth.RefreshApiToken(t.Context(), pair))
		second := ok[*authpb.RefreshApiTokenResponse](t)(w.auth.RefreshApiToken(t.Context(), pair))
		for _, text := range []string{k.GetApiKey(), first.GetApiKey(), second.GetApiKey()} {
			wants(t, w.mayGet(t, text), codes.OK)
		}
		time.Sleep(store.RefreshWindowMs * time.Millisecond)
		_, err := w.auth.RefreshApiToken(t.Context(), pair)
		wants(t, err, codes.InvalidArgument)
		wants(t, w.mayGet(t, k.GetApiKey()), codes.OK)
		_, err = w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: first.GetApiKey(), RefreshToken: first.GetRefreshToken()})
		wants(t, err, codes.OK)
		// Whoever takes the first key back takes back what its holder made of it.
		if err := w.RevokeAPIKey(t.Context(), keyIDOf(t, k.GetApiKey())); err != nil {
			t.Fatal(err)
		}
		wants(t, w.mayGet(t, second.GetApiKey()), codes.Unauthenticated)
	})
}
