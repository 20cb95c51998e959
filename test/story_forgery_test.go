package test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Tokens that the broker never made, built from one that it did. Whether
// anybody has made an API key or nobody, none of them opens anything.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	for name, secured := range map[string]bool{"open": false, "secured": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.Start(t, harness.Options{})
			if secured {
				server.Secure(t)
			}
			server.CreateCache(t, "story")
			c := clientsOf(server.Conn(t))
			good := mint(t, server, 3600)
			if err := tryAll(t, c, good, codes.OK); err != nil {
				t.Fatalf("the genuine token: %v", err)
			}
			for name, token := range forgeries(t, good, server.AdminKey(t)) {
				t.Run(name, func(t *testing.T) {
					if err := tryAll(t, c, token, codes.Unauthenticated); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// mint makes a token for all data.
func mint(t *testing.T, server *harness.Server, seconds uint32) string {
	t.Helper()
	answer, err := tokenpb.NewTokenClient(server.Conn(t)).GenerateDisposableToken(harness.Bounded(t), &tokenpb.GenerateDisposableTokenRequest{
		Expires: &tokenpb.Expires{ValidForSeconds: seconds}, AuthToken: server.AdminKey(t), Permissions: allData(), TokenId: "genuine",
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetApiKey()
}

// tryAll makes a call of each kind with the token and demands the status.
func tryAll(t *testing.T, c clients, token string, want codes.Code) error {
	t.Helper()
	ctx := harness.WithKey(harness.WithCache(harness.Bounded(t), "story"), token)
	calls := []error{
		only(c.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")})),
		only(c.scs.ListPushBack(ctx, &cachepb.ListPushBackRequest{ListName: []byte("l"), TtlMilliseconds: 60_000})),
		only(c.pubsub.Publish(ctx, text("story", "t", "x"))),
		first(c.pubsub.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "t"})),
	}
	if want != codes.OK { // no token of data may do these
		calls = append(calls,
			only(c.control.CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: "mine"})),
			only(c.token.GenerateDisposableToken(harness.Bounded(t), &tokenpb.GenerateDisposableTokenRequest{
				Expires: &tokenpb.Expires{ValidForSeconds: 60}, AuthToken: token, Permissions: allData(),
			})),
		)
	}
	for _, err := range calls {
		if status.Code(err) != want {
			return err
		}
	}
	return nil
}

// forgeries changes a genuine token in every way that should not help.
func forgeries(t *testing.T, good, admin string) map[string]string {
	t.Helper()
	parser := jwt.NewParser()
	genuine, _, err := parser.ParseUnverified(good, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	claims := genuine.Claims.(jwt.MapClaims)
	with := func(change map[string]any) jwt.MapClaims {
		changed := maps.Clone(claims)
		maps.Copy(changed, change)
		return changed
	}
	signAs := func(kid any, method jwt.SigningMethod, key any, claims jwt.Claims) string {
		token := jwt.NewWithClaims(method, claims)
		token.Header["kid"] = kid
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	sign := func(method jwt.SigningMethod, key any, claims jwt.Claims) string {
		return signAs(genuine.Header["kid"], method, key, claims)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	parts, adminParts := strings.Split(good, "."), strings.Split(admin, ".")
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	// The genuine signature stays on what is not what was signed.
	resigned := func(change map[string]any) string { return parts[0] + "." + part(with(change)) + "." + parts[2] }
	noneHeader := part(map[string]any{"alg": "none", "typ": "JWT", "kid": genuine.Header["kid"]})
	jwk := part(map[string]any{"alg": "HS256", "typ": "JWT", "kid": genuine.Header["kid"],
		"jwk": map[string]string{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte("mine"))}})
	mac := hmac.New(sha256.New, []byte("mine"))
	mac.Write([]byte(jwk + "." + parts[1]))
	return map[string]string{
		"alg none":                        noneHeader + "." + parts[1] + ".",
		"alg none with the signature":     noneHeader + "." + parts[1] + "." + parts[2],
		"alg none by the library":         sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims),
		"another secret":                  sign(jwt.SigningMethodHS256, []byte("mine"), claims),
		"no secret":                       sign(jwt.SigningMethodHS256, []byte{}, claims),
		"the key id as secret":            sign(jwt.SigningMethodHS256, []byte(genuine.Header["kid"].(string)), claims),
		"another algorithm":               sign(jwt.SigningMethodHS512, []byte("mine"), claims),
		"a public key algorithm":          sign(jwt.SigningMethodRS256, rsaKey, claims),
		"a public key as secret":          sign(jwt.SigningMethodHS256, x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), claims),
		"an unknown key id":               signAs("sk_unknown", jwt.SigningMethodHS256, []byte("mine"), claims),
		"a key id that is a path":         signAs("../../../../../../dev/null", jwt.SigningMethodHS256, []byte{}, claims),
		"a key id that is an address":     signAs("http://127.0.0.1:1/key", jwt.SigningMethodHS256, []byte{}, claims),
		"a key id that is a query":        signAs("x' UNION SELECT 'mine", jwt.SigningMethodHS256, []byte("mine"), claims),
		"a key id with its end inside":    signAs(genuine.Header["kid"].(string)+"\x00x", jwt.SigningMethodHS256, []byte("mine"), claims),
		"no key id":                       signAs("", jwt.SigningMethodHS256, []byte{}, claims),
		"a key id that is a list":         signAs([]any{genuine.Header["kid"]}, jwt.SigningMethodHS256, []byte("mine"), claims),
		"a key brought along":             jwk + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)),
		"another audience":                resigned(map[string]any{"aud": "somebody else"}),
		"another issuer":                  resigned(map[string]any{"iss": "mayfly:another"}),
		"a longer life":                   resigned(map[string]any{"exp": time.Now().Add(100 * time.Hour).Unix()}),
		"made an admin":                   resigned(map[string]any{"use": "admin"}),
		"the admin's signature":           parts[0] + "." + parts[1] + "." + adminParts[2],
		"the admin's claims":              parts[0] + "." + adminParts[1] + "." + parts[2],
		"without its signature":           parts[0] + "." + parts[1] + ".",
		"without its last part":           parts[0] + "." + parts[1],
		"with something more":             good + "." + parts[2],
		"with another last letter":        good[:len(good)-1] + string(good[len(good)-1]^1),
		"as a bearer":                     "Bearer " + good,
		"cut short":                       good[:len(good)/2],
		"of eight thousand bytes":         good + strings.Repeat("A", 8000),
		"the payload in another spelling": parts[0] + "." + parts[1] + "=." + parts[2],
	}
}

// A token is refused from the moment its life is over.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	c := clientsOf(server.Conn(t))
	before := time.Now()
	token := mint(t, server, 2)
	minted := time.Now()
	ctx := harness.WithKey(harness.WithCache(harness.Bounded(t), "story"), token)
	harness.Eventually(t, harness.Patience, "the end of the token", func() (bool, string) {
		asked := time.Now()
		_, err := c.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")})
		switch status.Code(err) {
		case codes.OK:
			if life := asked.Sub(minted); life > 2*time.Second+time.Millisecond {
				t.Fatalf("good for longer than two seconds: %s", life)
			}
		case codes.Unauthenticated:
			if life := time.Since(before); life < 2*time.Second-time.Millisecond {
				t.Fatalf("refused after %s of two seconds", life)
			}
			return true, ""
		default:
			t.Fatalf("got %v", err)
		}
		return false, "still good"
	})
}
