package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

// birth is when every test begins: not on a whole second, on purpose.
var birth = time.UnixMilli(1_800_000_000_123)

// memoryKeys is Keys as a test changes them.
type memoryKeys struct {
	mu       sync.RWMutex
	signing  map[string]SigningKey
	current  string
	records  map[string]APIKey
	denied   map[string]Denial // by token id
	secured  bool
	revision atomic.Uint64
	// lookups counts what a remembered text does not need.
	lookups atomic.Int64
}

func (k *memoryKeys) CurrentSigningKey() (SigningKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.signing[k.current]
	return key, ok
}

func (k *memoryKeys) SigningKey(id string) (SigningKey, bool) {
	k.lookups.Add(1)
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.signing[id]
	return key, ok
}

func (k *memoryKeys) APIKey(id string) (APIKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.records[id]
	return r, ok
}

func (k *memoryKeys) TokenDenial(tokenID string) Denial {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.denied[tokenID]
}

// deny revokes the tokens of a token id that are from before that moment.
func (k *memoryKeys) deny(tokenID string, notBefore time.Time) {
	k.change(func() {
		if k.denied == nil {
			k.denied = map[string]Denial{}
		}
		k.denied[tokenID] = Denial{AtMs: max(millis(notBefore), k.denied[tokenID].AtMs+1), NotBeforeMs: millis(notBefore)}
	})
}

func (k *memoryKeys) Secured() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.secured
}

func (k *memoryKeys) Revision() uint64 {
	return k.revision.Load()
}

// change makes one agreed change, and counts it after it is made.
func (k *memoryKeys) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	k.revision.Add(1)
}

func (k *memoryKeys) addSigning(key SigningKey) {
	k.change(func() { k.signing[key.ID], k.current = key, key.ID })
}

func (k *memoryKeys) put(r APIKey) { k.change(func() { k.records[r.ID], k.secured = r, true }) }

func (k *memoryKeys) revoke(id string, at time.Time) {
	k.change(func() {
		r := k.records[id]
		r.RevokedAtMs = millis(at)
		k.records[id] = r
	})
}

func (k *memoryKeys) forget(id string) { k.change(func() { delete(k.records, id) }) }

// world is a cluster's credentials with everything around them.
type world struct {
	keys     *memoryKeys
	signing  SigningKey
	minter   *Minter
	verifier *Verifier
	random   *rand.ChaCha8
}

// newWorld is the same every time: fuzz seeds depend on it.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		keys:   &memoryKeys{signing: map[string]SigningKey{}, records: map[string]APIKey{}},
		random: rand.NewChaCha8([32]byte{1}),
	}
	var err error
	if w.signing, err = NewSigningKey(w.random, birth); err != nil {
		t.Fatal(err)
	}
	w.keys.addSigning(w.signing)
	if w.verifier, err = NewVerifier(VerifierConfig{ClusterID: "c1", Keys: w.keys}); err != nil {
		t.Fatal(err)
	}
	if w.minter, err = NewMinter(MinterConfig{ClusterID: "c1", Keys: w.keys, Random: w.random}); err != nil {
		t.Fatal(err)
	}
	return w
}

// verify is Verify of a text that must be good.
func (w *world) verify(t testing.TB, text string, now time.Time) Principal {
	t.Helper()
	p, err := w.verifier.Verify(text, now)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return p
}

func (w *world) admin(t testing.TB) Principal {
	t.Helper()
	text, err := w.minter.Admin(0, birth)
	if err != nil {
		t.Fatal(err)
	}
	return w.verify(t, text, birth)
}

// key makes an API key and agrees on its record.
func (w *world) key(t testing.TB, request KeyRequest) Key {
	t.Helper()
	k, err := w.minter.APIKey(w.admin(t), request, birth)
	if err != nil {
		t.Fatal(err)
	}
	w.keys.put(k.Record)
	return k
}

// superKey is a super user key without end.
func (w *world) superKey(t testing.TB) Key {
	t.Helper()
	return w.key(t, KeyRequest{Permissions: superUser(), Never: true, TokenID: "backend"})
}

// token is a good token for an hour, minted by the caller.
func (w *world) token(t testing.TB, caller Principal, p *permissionpb.Permissions) string {
	t.Helper()
	token, err := w.minter.Disposable(caller, p, time.Hour, "alice", birth)
	if err != nil {
		t.Fatal(err)
	}
	return token.Text
}

func superUser() *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}
}

func explicit(list ...*permissionpb.PermissionsType) *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{
		Explicit: &permissionpb.ExplicitPermissions{Permissions: list},
	}}
}

// anyCache in place of a cache's name means all caches.
const anyCache = "*"

// on is a selector for items, topics or functions: a name, a prefix, or all.
type on struct{ name, prefix string }

func cacheStatement(role permissionpb.CacheRole, cache string, o on) *permissionpb.PermissionsType {
	p := &permissionpb.CachePermissions{Role: role, Cache: &permissionpb.CachePermissions_CacheSelector{CacheSelector: selectCache(cache)}}
	if cache == anyCache {
		p.Cache = &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}}
	}
	s := &permissionpb.CacheItemSelector{}
	switch {
	case o.name != "":
		s.Kind = &permissionpb.CacheItemSelector_Key{Key: []byte(o.name)}
	case o.prefix != "":
		s.Kind = &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte(o.prefix)}
	}
	p.CacheItem = &permissionpb.CachePermissions_ItemSelector{ItemSelector: s}
	if o == (on{}) {
		p.CacheItem = &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: p}}
}

func topicStatement(role permissionpb.TopicRole, cache string, o on) *permissionpb.PermissionsType {
	p := &permissionpb.TopicPermissions{Role: role, Cache: &permissionpb.TopicPermissions_CacheSelector{CacheSelector: selectCache(cache)}}
	if cache == anyCache {
		p.Cache = &permissionpb.TopicPermissions_AllCaches{AllCaches: &permissionpb.All{}}
	}
	s := &permissionpb.TopicSelector{}
	switch {
	case o.name != "":
		s.Kind = &permissionpb.TopicSelector_TopicName{TopicName: o.name}
	case o.prefix != "":
		s.Kind = &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: o.prefix}
	}
	p.Topic = &permissionpb.TopicPermissions_TopicSelector{TopicSelector: s}
	if o == (on{}) {
		p.Topic = &permissionpb.TopicPermissions_AllTopics{AllTopics: &permissionpb.All{}}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: p}}
}

func functionStatement(role permissionpb.FunctionRole, cache string, o on) *permissionpb.PermissionsType {
	p := &permissionpb.FunctionPermissions{Role: role, Cache: &permissionpb.FunctionPermissions_CacheSelector{CacheSelector: selectCache(cache)}}
	s := &permissionpb.FunctionSelector{}
	switch {
	case o.name != "":
		s.Kind = &permissionpb.FunctionSelector_FunctionName{FunctionName: o.name}
	case o.prefix != "":
		s.Kind = &permissionpb.FunctionSelector_FunctionNamePrefix{FunctionNamePrefix: o.prefix}
	}
	p.Function = &permissionpb.FunctionPermissions_FunctionSelector{FunctionSelector: s}
	if o == (on{}) {
		p.Function = &permissionpb.FunctionPermissions_AllFunctions{AllFunctions: &permissionpb.All{}}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_FunctionPermissions{FunctionPermissions: p}}
}

func selectCache(name string) *permissionpb.CacheSelector {
	return &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: name}}
}

// room is what a browser gets in a chat.
func room() *permissionpb.Permissions {
	return explicit(
		topicStatement(permissionpb.TopicRole_TopicReadWrite, "chat", on{name: "room-1"}),
		cacheStatement(permissionpb.CacheRole_CacheReadOnly, "chat", on{name: "room-1"}),
	)
}

// signed makes a JWT of any header and claims, as somebody with this secret
// could.
func signed(secret []byte, head, body string) string {
	text := b64(head) + "." + b64(body)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + b64(string(mac.Sum(nil)))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sortedKeys makes loops over maps run in one order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
