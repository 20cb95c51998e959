package vend

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuerURL = "https://login.example/tenant"
	client    = "chat-page"
)

// provider is an OpenID Connect issuer in this process.
type provider struct {
	mu      sync.Mutex
	keys    []map[string]string
	asked   map[string]int // requests by path
	down    bool
	handler http.HandlerFunc // nil answers as an issuer should
}

// RoundTrip answers requests without a network.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == nil {
		p.asked = make(map[string]int)
	}
	p.asked[r.URL.Path]++
	if p.down {
		return nil, http.ErrHandlerTimeout
	}
	w := httptest.NewRecorder()
	switch {
	case p.handler != nil:
		p.handler(w, r)
	case r.URL.String() == issuerURL+"/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuerURL, "jwks_uri": "https://keys.example/all"})
	case r.URL.String() == "https://keys.example/all":
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": p.keys})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

func (p *provider) requests(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// publish puts the public half of a key into the set.
func (p *provider) publish(id string, key crypto.Signer, more ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := map[string]string{"kid": id}
	b64 := base64.RawURLEncoding.EncodeToString
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		k["kty"], k["n"], k["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		k["kty"], k["crv"], k["x"], k["y"] = "EC", public.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		k["kty"], k["crv"], k["x"] = "OKP", "Ed25519", b64(public)
	}
	for i := 0; i < len(more); i += 2 {
		k[more[i]] = more[i+1]
	}
	p.keys = append(p.keys, k)
}

func (p *provider) withdraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = nil
}

// Keys are made once: RSA takes its time.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	ecKey  = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
	edKey  = sync.OnceValue(func() ed25519.PrivateKey { _, k, _ := ed25519.GenerateKey(rand.Reader); return k })
)

// soundClaims are those of an ID token with which nothing is wrong, changed by more.
func soundClaims(more jwt.MapClaims) jwt.MapClaims {
	now := time.Now()
	c := jwt.MapClaims{"iss": issuerURL, "aud": client, "sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(c, more)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes an ID token; header is added to its header.
func sign(t testing.TB, method jwt.SigningMethod, key any, id string, c jwt.MapClaims, header ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	if id != "" {
		token.Header["kid"] = id
	}
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// till stands for the minter, and keeps what it was asked for.
type till struct {
	permissions *permissionpb.Permissions
	tokenID     string
	life        time.Duration
	err         error
}

func (m *till) Vended(p *permissionpb.Permissions, life time.Duration, tokenID string, now time.Time) (auth.Token, error) {
	m.permissions, m.life, m.tokenID = p, life, tokenID
	return auth.Token{ID: "t_1", Text: "secret.text.here", ExpiresAt: now.Add(life)}, m.err
}

// topic is a permission for one topic, or for those that begin so.
func topic(cache, name string, prefix bool) *permissionpb.PermissionsType {
	selector := &permissionpb.TopicSelector{Kind: &permissionpb.TopicSelector_TopicName{TopicName: name}}
	if prefix {
		selector.Kind = &permissionpb.TopicSelector_TopicNamePrefix{TopicNamePrefix: name}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: &permissionpb.TopicPermissions{
		Role:  permissionpb.TopicRole_TopicReadWrite,
		Cache: &permissionpb.TopicPermissions_CacheSelector{CacheSelector: &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: cache}}},
		Topic: &permissionpb.TopicPermissions_TopicSelector{TopicSelector: selector},
	}}}
}

// item is a permission for one item, or for those whose key begins so.
func item(cache, key string, prefix bool) *permissionpb.PermissionsType {
	selector := &permissionpb.CacheItemSelector{Kind: &permissionpb.CacheItemSelector_Key{Key: []byte(key)}}
	if prefix {
		selector.Kind = &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte(key)}
	}
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: &permissionpb.CachePermissions{
		Role:      permissionpb.CacheRole_CacheReadWrite,
		Cache:     &permissionpb.CachePermissions_CacheSelector{CacheSelector: &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: cache}}},
		CacheItem: &permissionpb.CachePermissions_ItemSelector{ItemSelector: selector},
	}}}
}

// room is an endpoint that checks nobody and is about one room.
func room() Endpoint {
	return Endpoint{
		Name: "chat", Check: CheckNone, Life: time.Hour, TokenID: "{name}",
		Allow:      []*permissionpb.PermissionsType{topic("chat", "room-{room}", false), item("chat", "room-{room}", false)},
		Parameters: map[string]Bound{"room": {}, "name": {Max: 8}},
	}
}

// withIssuer is an endpoint whose callers show ID tokens.
func withIssuer() Endpoint {
	return Endpoint{
		Name: "chat", Check: CheckOIDC, Life: time.Hour, TokenID: "{sub}",
		Issuer:     Issuer{URL: issuerURL, Audience: []string{client}, Algorithms: []string{"RS256", "ES256", "EdDSA"}},
		Allow:      []*permissionpb.PermissionsType{topic("chat", "{sub}/{room}", false)},
		Claims:     map[string]Bound{"sub": {}},
		Parameters: map[string]Bound{"room": {}},
	}
}

func machineOf(t testing.TB, e Endpoint, m *till, transport http.RoundTripper) *Machine {
	t.Helper()
	machine, err := NewMachine(Config{Endpoints: []Endpoint{e}, Minter: m, Host: "mayfly.example", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return machine
}

// ask is a request of a program on this machine.
func ask(query string) Ask {
	return Ask{From: netip.MustParseAddr("127.0.0.1"), Host: "localhost", Parameters: func() (url.Values, error) { return url.ParseQuery(query) }}
}
