package api

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

func anyItem() *permissionpb.Permissions {
	return explicit(itemStatement(permissionpb.CacheRole_CacheReadWrite, "k"))
}

func superUser() *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}
}

func never(caller string, p *permissionpb.Permissions) *authpb.GenerateApiTokenRequest {
	return &authpb.GenerateApiTokenRequest{
		AuthToken: caller, Permissions: p, Expiry: &authpb.GenerateApiTokenRequest_Never{Never: &authpb.Never{}},
	}
}

func expires(caller string, seconds uint32, p *permissionpb.Permissions) *authpb.GenerateApiTokenRequest {
	return &authpb.GenerateApiTokenRequest{
		AuthToken: caller, Permissions: p,
		Expiry: &authpb.GenerateApiTokenRequest_Expires{Expires: &authpb.Expires{ValidForSeconds: seconds}},
	}
}

func disposable(caller string, seconds uint32, p *permissionpb.Permissions) *tokenpb.GenerateDisposableTokenRequest {
	return &tokenpb.GenerateDisposableTokenRequest{
		AuthToken: caller, Permissions: p, Expires: &tokenpb.Expires{ValidForSeconds: seconds}, TokenId: "ada",
	}
}

// Who may mint what, and what is wrong with a request (protocol.md 6.4, 3.2).
func TestMinting(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	root := w.rootText(t)
	super, _ := w.superKey(t)
	data, _ := w.key(t, anyItem())
	token := w.disposable(t, time.Hour, "", itemStatement(permissionpb.CacheRole_CacheReadWrite, "k"))
	key := func(r *authpb.GenerateApiTokenRequest) error { return second(w.auth.GenerateApiToken(t.Context(), r)) }
	tok := func(r *tokenpb.GenerateDisposableTokenRequest) error {
		return second(w.token.GenerateDisposableToken(t.Context(), r))
	}
	long := disposable(root, 60, anyItem())
	long.TokenId = strings.Repeat("x", 65)
	for name, test := range map[string]struct {
		err  error
		want codes.Code
	}{
		"admin makes a super user":          {key(never(root, superUser())), codes.OK},
		"admin makes a data key":            {key(expires(root, 60, anyItem())), codes.OK},
		"super user makes a data key":       {key(never(super, anyItem())), codes.OK},
		"super user makes another":          {key(never(super, superUser())), codes.PermissionDenied},
		"data key makes a key":              {key(never(data, anyItem())), codes.PermissionDenied},
		"token makes a key":                 {key(never(token, anyItem())), codes.PermissionDenied},
		"nobody makes a key":                {key(never("", anyItem())), codes.Unauthenticated},
		"garbage makes a key":               {key(never("garbage", anyItem())), codes.Unauthenticated},
		"key without expiry":                {key(&authpb.GenerateApiTokenRequest{AuthToken: root, Permissions: anyItem()}), codes.InvalidArgument},
		"data key, also without expiry":     {key(&authpb.GenerateApiTokenRequest{AuthToken: data}), codes.PermissionDenied},
		"key without permissions":           {key(never(root, nil)), codes.InvalidArgument},
		"key with no statements":            {key(never(root, explicit())), codes.InvalidArgument},
		"key with a statement twice":        {key(never(root, explicit(append(anyItem().GetExplicit().GetPermissions(), anyItem().GetExplicit().GetPermissions()...)...))), codes.InvalidArgument},
		"key for no time":                   {key(expires(root, 0, anyItem())), codes.InvalidArgument},
		"key for minus one second":          {key(expires(root, 1<<32-1, anyItem())), codes.InvalidArgument},
		"admin makes a token":               {tok(disposable(root, 60, anyItem())), codes.OK},
		"super user makes a token":          {tok(disposable(super, 60, anyItem())), codes.OK},
		"data key makes a token":            {tok(disposable(data, 60, anyItem())), codes.PermissionDenied},
		"token makes a token":               {tok(disposable(token, 60, anyItem())), codes.PermissionDenied},
		"nobody makes a token":              {tok(disposable("", 60, anyItem())), codes.Unauthenticated},
		"token for ever":                    {tok(&tokenpb.GenerateDisposableTokenRequest{AuthToken: root, Permissions: anyItem()}), codes.InvalidArgument},
		"token for too long":                {tok(disposable(root, 26*3600, anyItem())), codes.InvalidArgument},
		"token with too long an id":         {tok(long), codes.InvalidArgument},
		"token for a super user":            {tok(disposable(root, 60, superUser())), codes.InvalidArgument},
		"token without permissions":         {tok(disposable(root, 60, nil)), codes.InvalidArgument},
		"token for a key that may not mint": {tok(disposable(data, 0, nil)), codes.PermissionDenied},
	} {
		t.Run(name, func(t *testing.T) { wants(t, test.err, test.want) })
	}
	// The body decides, not the header; an empty body leaves it to the header.
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", root)
	wants(t, second(w.auth.GenerateApiToken(ctx, never(data, anyItem()))), codes.PermissionDenied)
	wants(t, second(w.auth.GenerateApiToken(ctx, never("", anyItem()))), codes.OK)
}

// What is minted works, says where and until when, and only as far as it goes.
func TestMintedCredentialsWork(t *testing.T) {
	w := newWorld(t, settings{secured: true, config: Config{Endpoint: "mayfly.example.com"}})
	now := uint64(time.Now().Unix())
	get := func(credential, key string) error {
		return second(w.scs.Get(in(t.Context(), "authorization", credential), &cachepb.GetRequest{CacheKey: []byte(key)}))
	}
	k := ok[*authpb.GenerateApiTokenResponse](t)(w.auth.GenerateApiToken(t.Context(), expires(w.rootText(t), 600, anyItem())))
	if k.GetEndpoint() != "mayfly.example.com" || k.GetRefreshToken() == "" || k.GetValidUntil() < now+599 || k.GetValidUntil() > now+610 {
		t.Errorf("key: endpoint %q, valid until %d, now %d", k.GetEndpoint(), k.GetValidUntil(), now)
	}
	wants(t, get(k.GetApiKey(), "k1"), codes.OK)
	wants(t, get(k.GetApiKey(), "other"), codes.PermissionDenied)
	wants(t, second(w.control.ListCaches(in(t.Context(), "authorization", k.GetApiKey()), &controlpb.ListCachesRequest{})), codes.PermissionDenied)

	forever := ok[*authpb.GenerateApiTokenResponse](t)(w.auth.GenerateApiToken(t.Context(), never(w.rootText(t), anyItem())))
	if forever.GetValidUntil() != 0 {
		t.Errorf("a key without end is valid until %d", forever.GetValidUntil())
	}
	token := ok[*tokenpb.GenerateDisposableTokenResponse](t)(w.token.GenerateDisposableToken(t.Context(), disposable(w.rootText(t), 600, anyItem())))
	if token.GetEndpoint() != "mayfly.example.com" || token.GetValidUntil() < now+599 || token.GetValidUntil() > now+610 {
		t.Errorf("token: endpoint %q, valid until %d, now %d", token.GetEndpoint(), token.GetValidUntil(), now)
	}
	wants(t, get(token.GetApiKey(), "k1"), codes.OK)
	wants(t, get(token.GetApiKey(), "other"), codes.PermissionDenied)

	wrapped, err := auth.Wrap("mayfly.example.com", token.GetApiKey())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, get(wrapped, "k1"), codes.OK)
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, settings{secured: true})
		old := ok[*authpb.GenerateApiTokenResponse](t)(w.auth.GenerateApiToken(t.Context(), expires(w.rootText(t), 100, anyItem())))
		time.Sleep(10 * time.Second)
		refresh := func(key, token string) (*authpb.RefreshApiTokenResponse, error) {
			return w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: key, RefreshToken: token})
		}
		next := ok[*authpb.RefreshApiTokenResponse](t)(refresh(old.GetApiKey(), old.GetRefreshToken()))
		if next.GetValidUntil() != old.GetValidUntil()+10 || next.GetRefreshToken() == "" || next.GetEndpoint() == "" {
			t.Errorf("valid until %d after %d, endpoint %q", next.GetValidUntil(), old.GetValidUntil(), next.GetEndpoint())
		}
		for _, key := range []string{old.GetApiKey(), next.GetApiKey()} {
			wants(t, second(w.scs.Get(in(t.Context(), "authorization", key), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.OK)
		}
		wants(t, second(refresh(old.GetApiKey(), next.GetRefreshToken())), codes.InvalidArgument)
		wants(t, second(refresh("garbage", "x")), codes.InvalidArgument)
		wants(t, second(refresh("", "")), codes.InvalidArgument)
		time.Sleep(95 * time.Second)
		wants(t, second(refresh(old.GetApiKey(), old.GetRefreshToken())), codes.InvalidArgument)
		wants(t, second(w.scs.Get(in(t.Context(), "authorization", old.GetApiKey()), &cachepb.GetRequest{CacheKey: []byte("k")})), codes.Unauthenticated)
	})
}

// A key that could not be recorded is not handed out.
func TestUnrecordedKeysAreNotHandedOut(t *testing.T) {
	w := newWorld(t, settings{secured: true})
	w.failWith(func(string) error { return route.ErrNotExecuted })
	r, err := w.auth.GenerateApiToken(t.Context(), never(w.rootText(t), anyItem()))
	wants(t, err, codes.Unavailable)
	if r.GetApiKey() != "" {
		t.Error("a key was handed out")
	}
}

func TestAdmin(t *testing.T) {
	w := newWorld(t, settings{secured: true, config: Config{Version: "v1", Commit: "abc"}})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", w.rootText(t))
	data, _ := w.key(t, anyItem())
	denied := metadata.AppendToOutgoingContext(t.Context(), "authorization", data)
	wants(t, second(w.admin.ListApiKeys(denied, &adminv1.ListApiKeysRequest{})), codes.PermissionDenied)
	wants(t, second(w.admin.CreateApiKey(denied, &adminv1.CreateApiKeyRequest{})), codes.PermissionDenied)
	wants(t, second(w.admin.ListApiKeys(t.Context(), &adminv1.ListApiKeysRequest{})), codes.Unauthenticated)

	made := ok[*adminv1.CreateApiKeyResponse](t)(w.admin.CreateApiKey(ctx, &adminv1.CreateApiKeyRequest{
		Description: "for the test", TokenId: "tester", ValidForSeconds: 60, Permissions: anyItem(),
	}))
	endpoint, inner, err := auth.Unwrap(made.GetWrappedKey())
	if err != nil || inner != made.GetApiKey() || endpoint != made.GetEndpoint() {
		t.Errorf("the wrapped key holds another: %v", err)
	}
	get := func() error {
		return second(w.scs.Get(in(t.Context(), "authorization", made.GetApiKey()), &cachepb.GetRequest{CacheKey: []byte("k")}))
	}
	wants(t, get(), codes.OK)
	find := func() *adminv1.ApiKeyInfo {
		for _, k := range ok[*adminv1.ListApiKeysResponse](t)(w.admin.ListApiKeys(ctx, &adminv1.ListApiKeysRequest{})).GetKeys() {
			if k.GetId() == made.GetId() {
				return k
			}
		}
		t.Fatal("the key is not listed")
		return nil
	}
	k := find()
	if k.GetDescription() != "for the test" || k.GetTokenId() != "tester" || k.GetValidUntil() != made.GetValidUntil() ||
		k.GetRevokedAt() != 0 || len(k.GetPermissions().GetExplicit().GetPermissions()) != 1 {
		t.Errorf("listed as %v", k)
	}
	wants(t, second(w.admin.RevokeApiKey(ctx, &adminv1.RevokeApiKeyRequest{Id: made.GetId()})), codes.OK)
	wants(t, get(), codes.Unauthenticated)
	if find().GetRevokedAt() == 0 {
		t.Error("the list does not show that it was revoked")
	}
	wants(t, second(w.admin.RevokeApiKey(ctx, &adminv1.RevokeApiKeyRequest{Id: "none"})), codes.NotFound)
	wants(t, second(w.admin.RevokeApiKey(ctx, &adminv1.RevokeApiKeyRequest{})), codes.InvalidArgument)
	wants(t, second(w.admin.CreateApiKey(ctx, &adminv1.CreateApiKeyRequest{Permissions: anyItem(), ValidForSeconds: 1 << 60})), codes.InvalidArgument)

	v := ok[*adminv1.VersionResponse](t)(w.admin.Version(ctx, &adminv1.VersionRequest{}))
	if v.GetVersion() != "v1" || v.GetCommit() != "abc" || v.GetGoVersion() == "" {
		t.Errorf("version: %v", v)
	}
}

func TestLoginIsNotServed(t *testing.T) {
	w := newWorld(t, settings{})
	wants(t, drain(w.auth.Login(t.Context(), &authpb.LoginRequest{})), codes.Unimplemented)
}

// The first key is made in open mode, by whoever is on the machine; from then
// on it takes one.
func TestTheFirstKey(t *testing.T) {
	w := newWorld(t, settings{})
	made := ok[*adminv1.CreateApiKeyResponse](t)(w.admin.CreateApiKey(t.Context(), &adminv1.CreateApiKeyRequest{Permissions: superUser()}))
	wants(t, second(w.control.ListCaches(t.Context(), &controlpb.ListCachesRequest{})), codes.Unauthenticated)
	wants(t, second(w.control.ListCaches(in(t.Context(), "authorization", made.GetApiKey()), &controlpb.ListCachesRequest{})), codes.OK)
}
