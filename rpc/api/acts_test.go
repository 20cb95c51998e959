package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/store"
)

// A method that operators call goes on record whether it has a row or not; the row
// says that somebody has thought about what of its message may.
func TestEveryOperatorCallHasARowOfActs(t *testing.T) {
	seen := 0
	eachMethod(t, func(full string, m protoreflect.MethodDescriptor) {
		rule, ok := actRules[full]
		known := method{rule: rules[full], name: full}
		if ok != known.operators() {
			t.Errorf("%s: it has a row is %v, operators call it is %v", full, ok, known.operators())
		}
		if !ok {
			return
		}
		seen++
		for _, path := range rule.about {
			checkMayBeShown(t, full, path, m.Input())
		}
	})
	if seen != len(actRules) || seen < 30 {
		t.Errorf("%d methods were looked at, the table has %d rows", seen, len(actRules))
	}
}

// secretWords are what fields with secrets are called by, and a URL may hold one.
var secretWords = []string{"secret", "api_key", "auth_token", "refresh_token", "wrapped", "url", "password", "session"}

// toldAsAWhole are the messages that describe knows.
var toldAsAWhole = []protoreflect.FullName{"permission.Permissions", "mayfly.store.v1.CacheLimits"}

func checkMayBeShown(t *testing.T, full, path string, d protoreflect.MessageDescriptor) {
	t.Helper()
	for name := range strings.SplitSeq(path, ".") {
		if d == nil || d.Fields().ByName(protoreflect.Name(name)) == nil {
			t.Errorf("%s: there is no field %s", full, path)
			return
		}
		if name == "token" || slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) {
			t.Errorf("%s: %s looks like a secret", full, path)
		}
		d = d.Fields().ByName(protoreflect.Name(name)).Message()
	}
	if d != nil && !slices.Contains(toldAsAWhole, d.FullName()) {
		t.Errorf("%s: nobody says how %s is told", full, path)
	}
}

// told is an act in one line.
func told(a *storev1.Act) string {
	var about []string
	for _, d := range a.GetDetails() {
		about = append(about, d.GetName()+"="+d.GetValue())
	}
	line := fmt.Sprintf("%s %s [%s] %s", a.GetCaller(), a.GetMethod()[strings.LastIndex(a.GetMethod(), "/")+1:], strings.Join(about, " "), outcomeNames[a.GetOutcome()])
	if a.GetWhy() != "" {
		line += ": " + a.GetWhy()
	}
	return line
}

// recorded fails unless these are the acts since the last time.
func (w *world) recorded(t *testing.T, after *uint64, want ...string) {
	t.Helper()
	acts, err := w.Acts(t.Context(), *after)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range acts {
		got = append(got, told(a))
		*after = a.GetSequence()
		if a.GetNode() != "n1" {
			t.Errorf("%s: at node %q", told(a), a.GetNode())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("on record are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestActsGoOnRecord(t *testing.T) {
	f := new(fleet)
	w := newWorld(t, settings{secured: true, cluster: f, config: Config{Node: "n1"}})
	ctx := in(t.Context(), "authorization", w.rootText(t))
	dataKey, dataID := w.key(t, anyItem())
	var after uint64
	if last, err := w.Acts(ctx, 0); err != nil || len(last) > 0 {
		t.Fatalf("%d acts before the first, %v", len(last), err)
	}

	wants(t, second(w.control.CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: "new"})), codes.OK)
	wants(t, second(w.control.CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: "new"})), codes.AlreadyExists)
	wants(t, second(w.control.ListCaches(ctx, &controlpb.ListCachesRequest{})), codes.OK)
	wants(t, second(w.control.CreateCache(ctx, &controlpb.CreateCacheRequest{})), codes.InvalidArgument)
	w.recorded(t, &after,
		"admin CreateCache [cache_name=new] done",
		"admin CreateCache [cache_name=new] failed: there is a cache of that name already",
		"admin CreateCache [] failed: the cache name is empty, it needs 1 to 255 bytes",
	)

	wants(t, second(w.admin.DrainNode(ctx, &adminv1.DrainNodeRequest{Node: "n2"})), codes.OK)
	f.err = errors.New("on fire")
	wants(t, second(w.admin.RemoveNode(ctx, &adminv1.RemoveNodeRequest{Node: "n3", Force: true})), codes.Internal)
	caches, operations := adminv1.NewCachesClient(w.conn), uint32(7)
	wants(t, second(caches.UpdateCache(ctx, &adminv1.UpdateCacheRequest{Cache: "new", Limits: &storev1.CacheLimits{
		MaxTrafficRate: &operations, Eviction: storev1.Eviction_EVICTION_OFF.Enum(),
	}})), codes.OK)
	w.recorded(t, &after,
		"admin DrainNode [node=n2] done",
		"admin RemoveNode [node=n3 force=true] failed: "+errInternal.text,
		"admin UpdateCache [cache=new limits=max_traffic_rate 7, eviction EVICTION_OFF] done",
	)

	intruder := in(t.Context(), "authorization", dataKey)
	wants(t, second(w.control.DeleteCache(intruder, &controlpb.DeleteCacheRequest{CacheName: "c"})), codes.PermissionDenied)
	wants(t, second(w.admin.Version(in(t.Context()), &adminv1.VersionRequest{})), codes.Unauthenticated)
	w.recorded(t, &after,
		"API key DeleteCache [] refused: this call needs a super user API key or the admin credential",
		"nobody Version [] refused: this cluster needs a credential, send an API key or a token",
	)

	made := ok[*authpb.GenerateApiTokenResponse](t)(w.auth.GenerateApiToken(t.Context(), expires(w.rootText(t), 600, anyItem())))
	id := keyIDOf(t, made.GetApiKey())
	next := ok[*authpb.RefreshApiTokenResponse](t)(w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: made.GetApiKey(), RefreshToken: made.GetRefreshToken()}))
	wants(t, second(w.auth.GenerateApiToken(t.Context(), never(dataKey, anyItem()))), codes.PermissionDenied)
	wants(t, second(w.admin.RevokeApiKey(ctx, &adminv1.RevokeApiKeyRequest{Id: "k_none"})), codes.NotFound)
	w.recorded(t, &after,
		`admin GenerateApiToken [permissions=read and write items beginning with "k" of cache "c" id=`+id+`] done`,
		"API key RefreshApiToken [id="+keyIDOf(t, next.GetApiKey())+"] done",
		`API key GenerateApiToken [permissions=read and write items beginning with "k" of cache "c"] refused: only a super user API key or the admin credential can make keys and tokens`,
		"admin RevokeApiKey [id=k_none] failed: there is no API key of that name",
	)
	acts, _ := w.Acts(ctx, 0)
	if refused := acts[6]; refused.GetKeyId() != dataID || refused.GetCredential() != dataID || refused.GetTokenId() != "keyholder" || refused.GetFrom() == "" {
		t.Errorf("the refused caller is %v", refused)
	}
}

func keyIDOf(t *testing.T, text string) string {
	t.Helper()
	in, err := auth.Inspect(text)
	if err != nil {
		t.Fatal(err)
	}
	return in.ID
}

// Every act of those who may act is on record, whatever it failed for.
func TestInvalidActsGoOnRecord(t *testing.T) {
	w := newWorld(t, settings{secured: true, config: Config{Node: "n1"}})
	root := w.rootText(t)
	ctx := in(t.Context(), "authorization", root)
	caches, long := adminv1.NewCachesClient(w.conn), strings.Repeat("a", 600)
	unread := func(ctx context.Context) error {
		return w.conn.Invoke(ctx, controlpb.ScsControl_CreateCache_FullMethodName, &cachepb.ListLengthRequest{ListName: []byte{0xff}}, new(controlpb.CreateCacheResponse))
	}

	for name, act := range map[string]struct {
		try  func() error
		want string
	}{
		"UpdateCache": {func() error {
			return second(caches.UpdateCache(ctx, &adminv1.UpdateCacheRequest{Cache: "c", Limits: &storev1.CacheLimits{MaxMemory: new(uint64(1))}}))
		}, "admin UpdateCache [cache=c limits=max_memory 1] failed: the memory of a cache would be 1 bytes, the least is 1048576, or 0 for as much as there is"},
		"a long name": {func() error {
			return second(caches.CreateCache(ctx, &adminv1.CreateCacheRequest{Cache: long}))
		}, "admin CreateCache [cache=" + store.ActText(long) + "] failed: the cache name has 600 bytes, the most is 255"},
		"CreateApiKey": {func() error {
			return second(w.admin.CreateApiKey(ctx, &adminv1.CreateApiKeyRequest{Description: "mine"}))
		}, "admin CreateApiKey [description=mine] failed: permissions: there are none, name at least one statement"},
		"GenerateApiToken": {func() error {
			return second(w.auth.GenerateApiToken(t.Context(), expires(root, 600, explicit(itemStatement(0, "k")))))
		}, "admin GenerateApiToken [permissions=permissions that make no sense] failed: permissions: statement 1: cache role 0 grants nothing"},
		"CreateSigningKey": {func() error {
			return second(w.control.CreateSigningKey(ctx, &controlpb.CreateSigningKeyRequest{}))
		}, "admin CreateSigningKey [] failed: "},
		"RevokeTokens": {func() error {
			return second(w.credentials().RevokeTokens(ctx, &adminv1.RevokeTokensRequest{TokenId: "x", BanSeconds: 1}))
		}, "admin RevokeTokens [token_id=x ban_seconds=1] failed: new tokens can be refused for"},
		"unreadable": {func() error { return unread(ctx) }, "admin CreateCache [] failed: malformed request message"},
	} {
		last, err := w.Acts(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		wants(t, act.try(), codes.InvalidArgument)
		all, err := w.Acts(t.Context(), 0)
		if err != nil || len(all) != len(last)+1 || !strings.HasPrefix(told(all[len(last)]), act.want) || len(told(all[len(last)])) > 2*store.MaxActText {
			t.Errorf("%s: on record are %v (%v), want one beginning with %q", name, all[len(last):], err, act.want)
		}
	}

	before, _ := w.Acts(t.Context(), 0)
	wants(t, second(w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: "junk", RefreshToken: "junk"})), codes.InvalidArgument)
	wants(t, second(w.control.ListCaches(ctx, &controlpb.ListCachesRequest{})), codes.OK)
	if all, _ := w.Acts(t.Context(), 0); len(all) != len(before) {
		t.Errorf("a stranger's junk, or a look, is on record: %v", all[len(before):])
	}
}

// What strangers try takes no room but that of refused attempts, and no more of it
// than a node may.
func TestStrangersFillNoRecord(t *testing.T) {
	w := newWorld(t, settings{secured: true, config: Config{Node: "n1"}})
	data, _ := w.key(t, anyItem())
	before, _ := w.Acts(t.Context(), 0)
	for range 3 * refusalBurst {
		for _, who := range []string{"", "junk", data} {
			_ = second(w.admin.CreateApiKey(in(t.Context(), "authorization", who), &adminv1.CreateApiKeyRequest{}))
			_ = second(w.auth.GenerateApiToken(t.Context(), &authpb.GenerateApiTokenRequest{AuthToken: who}))
			_ = second(w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: who}))
		}
	}
	all, _ := w.Acts(t.Context(), 0)
	if n := len(all) - len(before); n < refusalBurst || n > 3*refusalBurst {
		t.Errorf("%d attempts are on record, want about %d", n, refusalBurst)
	}
	for _, act := range all[len(before):] {
		if act.GetOutcome() != storev1.ActOutcome_ACT_OUTCOME_REFUSED {
			t.Errorf("not in the room for refused attempts: %s", told(act))
		}
	}
}

// What cannot be put on record is not done, where the record does not come with it.
func TestNoActWithoutItsRecord(t *testing.T) {
	f := new(fleet)
	w := newWorld(t, settings{cluster: f})
	w.failWith(func(call string) error {
		if call == "RecordAct" {
			return errHeadless
		}
		return nil
	})
	wants(t, second(w.admin.DrainNode(t.Context(), &adminv1.DrainNodeRequest{Node: "n2"})), codes.Unavailable)
	if f.asked != nil {
		t.Errorf("the cluster was asked to %v", f.asked)
	}
}

// The record holds nothing that was to be kept secret.
func TestActsHoldNoSecrets(t *testing.T) {
	w := newWorld(t, settings{secured: true, cluster: new(fleet)})
	root := w.rootText(t)
	ctx := in(t.Context(), "authorization", root)
	key := ok[*adminv1.CreateApiKeyResponse](t)(w.admin.CreateApiKey(ctx, &adminv1.CreateApiKeyRequest{Permissions: anyItem(), ValidForSeconds: 600}))
	rotated := ok[*adminv1.RotateApiKeyResponse](t)(w.credentials().RotateApiKey(ctx, &adminv1.RotateApiKeyRequest{Id: key.GetId()}))
	join := ok[*adminv1.CreateJoinTokenResponse](t)(w.admin.CreateJoinToken(ctx, &adminv1.CreateJoinTokenRequest{}))
	_ = second(w.admin.JoinCluster(ctx, &adminv1.JoinClusterRequest{Seeds: []string{"a:1"}, Token: "secret-join-token"}))
	hooks := webhookpb.NewWebhookClient(w.conn)
	hook := &webhookpb.WebhookId{CacheName: "c", WebhookName: "w"}
	put := ok[*webhookpb.PutWebhookResponse](t)(hooks.PutWebhook(ctx, &webhookpb.PutWebhookRequest{Webhook: &webhookpb.WebhookSpec{
		WebhookId: hook, TopicName: "t",
		Destination: &webhookpb.WebhookDestination{Kind: &webhookpb.WebhookDestination_PostUrl{PostUrl: "https://me:hunter2@example.com/"}},
	}}))
	turned := ok[*webhookpb.RotateWebhookSecretResponse](t)(hooks.RotateWebhookSecret(ctx, &webhookpb.RotateWebhookSecretRequest{WebhookId: hook}))
	_ = second(hooks.GetWebhookSecret(ctx, &webhookpb.GetWebhookSecretRequest{CacheName: "c", WebhookName: "w"}))
	_ = second(w.control.CreateCache(in(t.Context(), "authorization", root+"x"), &controlpb.CreateCacheRequest{CacheName: "x"}))
	_ = second(w.auth.RefreshApiToken(t.Context(), &authpb.RefreshApiTokenRequest{ApiKey: rotated.GetApiKey(), RefreshToken: rotated.GetRefreshToken()}))

	acts, err := w.Acts(ctx, 0)
	if err != nil || len(acts) < 9 {
		t.Fatalf("%d acts, %v", len(acts), err)
	}
	raw, err := proto.Marshal(&storev1.CatalogSnapshot{Acts: acts})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{
		"admin credential": root, "key": key.GetApiKey(), "rotated key": rotated.GetApiKey(), "refresh token": rotated.GetRefreshToken(),
		"join token": join.GetToken(), "join token sent": "secret-join-token", "webhook secret": put.GetSecretString(),
		"new webhook secret": turned.GetSecretString(), "password in a URL": "hunter2",
	} {
		if secret == "" || strings.Contains(string(raw), secret) {
			t.Errorf("the %s is on record, or there is none", name)
		}
	}
}

// Refused attempts are writes of the whole cluster, so there are only so many.
func TestRefusedAttemptsAreBounded(t *testing.T) {
	var l refusalLog
	now := time.Unix(1_700_000_000, 0)
	for i := range refusalBurst {
		if left, ok := l.admit(now); !ok || left != 0 {
			t.Fatalf("attempt %d: %v, %d left out", i, ok, left)
		}
	}
	for range 7 {
		if _, ok := l.admit(now.Add(refusalPause / 2)); ok {
			t.Fatal("one too many")
		}
	}
	if left, ok := l.admit(now.Add(refusalPause)); !ok || left != 7 {
		t.Errorf("after the pause: %v, %d left out", ok, left)
	}
	if _, ok := l.admit(now.Add(refusalPause)); ok {
		t.Error("two after one pause")
	}
	later := now.Add(time.Hour)
	for range refusalBurst {
		if _, ok := l.admit(later); !ok {
			t.Error("after an hour there is less room than at first")
		}
	}
	if _, ok := l.admit(later); ok {
		t.Error("after an hour there is more room than at first")
	}
}

func TestListActs(t *testing.T) {
	w := newWorld(t, settings{})
	for i := range 5 {
		wants(t, second(w.control.CreateCache(t.Context(), &controlpb.CreateCacheRequest{CacheName: fmt.Sprint("new", i)})), codes.OK)
	}
	list := func(r *adminv1.ListActsRequest) (numbers []uint64) {
		t.Helper()
		answer := ok[*adminv1.ListActsResponse](t)(adminv1.NewAuditClient(w.conn).ListActs(t.Context(), r))
		for _, a := range answer.GetActs() {
			numbers = append(numbers, a.GetSequence())
			if a.GetCaller() != "anonymous" || a.GetOutcome() != "done" || a.GetAbout()[0].GetName() != "cache_name" {
				t.Errorf("an act is told as %v", a)
			}
		}
		return numbers
	}
	for name, test := range map[string]struct {
		request *adminv1.ListActsRequest
		want    []uint64
	}{
		"all":      {&adminv1.ListActsRequest{}, []uint64{1, 2, 3, 4, 5}},
		"some":     {&adminv1.ListActsRequest{Limit: 2}, []uint64{1, 2}},
		"newest":   {&adminv1.ListActsRequest{Limit: 2, Newest: true}, []uint64{4, 5}},
		"after":    {&adminv1.ListActsRequest{After: 3}, []uint64{4, 5}},
		"later":    {&adminv1.ListActsRequest{SinceMs: nowMs() + 60_000}, nil},
		"too many": {&adminv1.ListActsRequest{Limit: 1 << 31}, []uint64{1, 2, 3, 4, 5}},
	} {
		if got := list(test.request); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
