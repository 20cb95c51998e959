package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// vendSettings are three endpoints, one for each way to check who asks. The first
// %s is the issuer, the second a file with a secret.
const vendSettings = `
vend:
  team:
    check: oidc
    issuer: %s
    audience: story-page
    allow:
      - topic:publishsubscribe:story:topic={sub}/{room}
      - cache:readwrite:story:key-prefix={sub}/
    token-id: "{sub}"
    expires: 10m
    claims:
      sub: {pattern: "[a-z]+"}
    parameters:
      room: {pattern: "[a-z0-9-]+", max: 20}
  server:
    check: secret
    secret-file: %s
    allow: topic:subscribeonly:story:topic={room}
    expires: 1s
    rate: 6000
    parameters:
      room:
  local:
    check: none
    allow: topic:publishonly:story:topic={room}
    expires: 10m
    rate: 5
    parameters:
      room:
`

const storySecret = "a secret that two servers share"

// loginServer is an OpenID Connect provider with one key.
type loginServer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func startLogin(t *testing.T) *loginServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	i := &loginServer{key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, i.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		b64 := base64.RawURLEncoding.EncodeToString
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"one","use":"sig","alg":"ES256","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// idToken is what a page has of somebody who logged in.
func (i *loginServer) idToken(t *testing.T, sub, audience string) string {
	t.Helper()
	now := time.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": i.URL, "aud": audience, "sub": sub, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	token.Header["kid"] = "one"
	text, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// vended is what an endpoint answers.
type vended struct {
	AuthToken string `json:"authToken"`
	ExpiresAt int64  `json:"expiresAt"`
}

// askForToken asks and demands a token.
func askForToken(t *testing.T, s *harness.Server, path string, headers ...string) vended {
	t.Helper()
	page := s.Get(t, path, headers...)
	var v vended
	if err := json.Unmarshal([]byte(page.Body), &v); err != nil || page.Status != http.StatusOK || v.AuthToken == "" {
		t.Fatalf("%s: %d %s", path, page.Status, page.Body)
	}
	return v
}

// A token that one node of a cluster vends is good at the others, for what its
// endpoint says and nothing else; and no log holds what it must not.
func TestVending(t *testing.T) {
	t.Parallel()
	login, folder := startLogin(t), t.TempDir()
	settings, secret := filepath.Join(folder, "mayfly.yaml"), filepath.Join(folder, "secret")
	write(t, secret, []byte(storySecret+"\n"))
	write(t, settings, fmt.Appendf(nil, vendSettings, login.URL, secret))
	c := harness.StartCluster(t, harness.ClusterOptions{Args: []string{"--config", settings}})
	c.Nodes[0].CreateCache(t, "story")
	c.Nodes[0].Secure(t)
	one, two := c.Nodes[1].Server, c.Nodes[2].Server

	alice := login.idToken(t, "alice", "story-page")
	token := askForToken(t, one, "/vend/team?room=lobby", "Authorization", "Bearer "+alice)
	if left := time.Until(time.Unix(token.ExpiresAt, 0)); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the token ends in %v", left)
	}
	for _, step := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/topics/story/alice%2Flobby", 204},
		{"POST", "/topics/story/alice%2Fkitchen", 403},
		{"POST", "/topics/story/bob%2Flobby", 403},
		{"POST", "/topics/story/alice", 403},
		{"PUT", "/cache/story?key=alice%2Fnote&ttl_seconds=60", 204},
		{"PUT", "/cache/story?key=alice&ttl_seconds=60", 403},
		{"PUT", "/cache/story?key=bob%2Fnote&ttl_seconds=60", 403},
		{"GET", "/metrics", 403},
	} {
		for _, node := range []*harness.Server{one, two} {
			if page := node.Request(t, step.method, step.path, "hello", "Authorization", token.AuthToken); page.Status != step.status {
				t.Errorf("%s %s: %d %s, want %d", step.method, step.path, page.Status, page.Body, step.status)
			}
		}
	}
	refused := func(what string, page harness.Page, status int) {
		t.Helper()
		if page.Status != status || strings.Contains(page.Body, "authToken") {
			t.Errorf("%s: %d %s, want %d", what, page.Status, page.Body, status)
		}
	}
	refused("nobody", two.Get(t, "/vend/team?room=lobby"), 401)
	refused("a vended token", two.Get(t, "/vend/team?room=lobby", "Authorization", token.AuthToken), 401)
	refused("another app's", two.Get(t, "/vend/team?room=lobby", "Authorization", login.idToken(t, "alice", "other")), 401)
	refused("somebody with a strange name", two.Get(t, "/vend/team?room=lobby", "Authorization", login.idToken(t, "alice/x", "story-page")), 403)
	refused("every room", two.Get(t, "/vend/team?room=*", "Authorization", alice), 400)
	refused("two rooms", two.Get(t, "/vend/team?room=a&room=b", "Authorization", alice), 400)
	refused("an evil page", two.Get(t, "/vend/team?room=lobby", "Authorization", alice, "Origin", "https://evil.example"), 403)

	refused("without the secret", one.Get(t, "/vend/server?room=a"), 401)
	refused("with another secret", one.Get(t, "/vend/server?room=a", "Mayfly-Secret", storySecret+"!"), 401)
	brief := askForToken(t, one, "/vend/server?room=a", "Mayfly-Secret", storySecret)
	harness.Eventually(t, harness.Patience, "the end of a token", func() (bool, string) {
		page := two.Request(t, "POST", "/topics/story/a", "x", "Authorization", brief.AuthToken)
		return page.Status == http.StatusUnauthorized, page.Body
	})

	page := one.Request(t, "POST", "/vend/local", `{"room":"a"}`, "Content-Type", "application/json", "Origin", "http://localhost:5173")
	if page.Status != http.StatusOK || page.Header.Get("Access-Control-Allow-Origin") != "http://localhost:5173" {
		t.Errorf("a page of this machine: %d %s, %v", page.Status, page.Body, page.Header)
	}
	refused("somebody behind a proxy", one.Get(t, "/vend/local?room=a", "X-Forwarded-For", "192.0.2.1"), 403)
	for range 5 {
		page = one.Get(t, "/vend/local?room=a")
	}
	if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" {
		t.Errorf("a caller in a hurry: %d %v", page.Status, page.Header)
	}
	said := one.Log(t) + two.Log(t)
	for _, text := range []string{token.AuthToken[40:80], alice[:40], storySecret} {
		if strings.Contains(said, text) {
			t.Errorf("the log holds %q", text)
		}
	}
	if !strings.Contains(said, "vended a token") || !strings.Contains(said, "alice") {
		t.Error("the log does not say who got a token")
	}
}
