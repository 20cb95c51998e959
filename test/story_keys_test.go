package test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// everything is what a data key may do with all caches.
func everything() *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: &permissionpb.ExplicitPermissions{
		Permissions: []*permissionpb.PermissionsType{{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: &permissionpb.CachePermissions{
			Role:      permissionpb.CacheRole_CacheReadWrite,
			Cache:     &permissionpb.CachePermissions_AllCaches{AllCaches: &permissionpb.All{}},
			CacheItem: &permissionpb.CachePermissions_AllItems{AllItems: &permissionpb.All{}},
		}}}},
	}}}
}

// desk is what a story asks of one node.
type desk struct {
	conn  *grpc.ClientConn
	token tokenpb.TokenClient
	auth  authpb.AuthClient
	keys  adminv1.CredentialsClient
}

func desks(t *testing.T, nodes ...*harness.Node) (all []desk) {
	for _, n := range nodes {
		conn := n.Conn(t)
		all = append(all, desk{conn, tokenpb.NewTokenClient(conn), authpb.NewAuthClient(conn), adminv1.NewCredentialsClient(conn)})
	}
	return all
}

// mint makes a token for an hour.
func (d desk) mint(ctx context.Context, key string) (string, error) {
	made, err := d.token.GenerateDisposableToken(ctx, &tokenpb.GenerateDisposableTokenRequest{
		AuthToken: key, Permissions: everything(), Expires: &tokenpb.Expires{ValidForSeconds: 3600},
	})
	return made.GetApiKey(), err
}

// get is a call that takes a credential.
func (d desk) get(ctx context.Context, credential string) error {
	_, err := cachepb.NewScsClient(d.conn).Get(harness.WithKey(harness.WithCache(ctx, "story"), credential), &cachepb.GetRequest{CacheKey: []byte("k")})
	return err
}

// While signing keys are rotated again and again, tokens that were made before, and
// those that are made meanwhile on any node, are good on every node at every moment.
// A revoked one ends its tokens, and only those.
func TestSigningKeysRotateUnderLoad(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	key := c.Nodes[0].Secure(t)
	c.Nodes[0].CreateCache(t, "story")
	ctx, all := harness.Bounded(t), desks(t, c.Nodes...)
	early, err := all[0].mint(ctx, key)
	if err != nil {
		t.Fatal(err)
	}

	var load sync.WaitGroup
	var calls atomic.Int64
	over := make(chan struct{})
	for i, at := range all {
		load.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				token, err := at.mint(ctx, key)
				for _, try := range []string{token, early, key} {
					if err == nil {
						err = all[(i+1)%len(all)].get(ctx, try)
					}
				}
				if err != nil {
					t.Errorf("through node %d, after %d calls: %v", i, calls.Load(), err)
					return
				}
				calls.Add(4)
			}
		})
	}
	const rotations = 6
	current := ""
	for i := range rotations {
		before := calls.Load()
		var answer struct{ ID string }
		c.Nodes[i%3].CLI(t, "", "signing-key", "rotate", "-o", "json").JSON(t, &answer)
		if answer.ID == current {
			t.Errorf("rotation %d changed nothing", i)
		}
		current = answer.ID
		harness.Eventually(t, harness.Patience, "calls between two rotations", func() (bool, string) {
			return calls.Load() > before+20 || t.Failed(), fmt.Sprint(calls.Load())
		})
	}
	close(over)
	load.Wait()
	t.Logf("%d rotations under %d calls, of which none failed", rotations, calls.Load())

	// The node that has rotated last signs with the key in use for sure.
	late, err := all[(rotations-1)%3].mint(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	admin := c.Nodes[2].AdminKey(t)
	c.Nodes[1].CLI(t, "", "signing-key", "revoke", current).OK(t)
	for i, d := range all {
		harness.Eventually(t, harness.Patience, "a token of a revoked signing key to end", func() (bool, string) {
			err := d.get(ctx, late)
			return status.Code(err) == codes.Unauthenticated, fmt.Sprint(err)
		})
		if err := d.get(ctx, early); err != nil {
			t.Errorf("node %d: a token of another signing key: %v", i, err)
		}
		if err := d.get(ctx, key); err != nil {
			t.Errorf("node %d: an API key: %v", i, err)
		}
	}
	harness.Eventually(t, harness.Patience, "the admin credential to be renewed", func() (bool, string) {
		return c.Nodes[2].AdminKey(t) != admin, "the old one"
	})
	c.Nodes[2].CLI(t, "", "signing-key", "list").OK(t)
}

// A node that does not answer keeps a new key from being used, unless somebody says
// so, and takes it when it is back.
func TestSigningKeysWaitForEveryNode(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	key := c.Nodes[0].Secure(t)
	c.Nodes[0].CreateCache(t, "story")
	c.Nodes[2].Kill(t)
	c.Nodes[0].CLI(t, "", "signing-key", "rotate", "--timeout", "20s").Fails(t, 1, c.Nodes[2].Name, "--force")
	var keys struct{ Keys []struct{ ID, Status string } }
	c.Nodes[0].CLI(t, "", "signing-key", "list", "-o", "json").JSON(t, &keys)
	count := map[string]int{}
	for _, k := range keys.Keys {
		count[k.Status]++
	}
	if count["signing"] != 1 || count["published"] != 1 {
		t.Errorf("the signing keys are %v", keys.Keys)
	}
	c.Nodes[0].CLI(t, "", "signing-key", "rotate", "--force", "--timeout", "20s").OK(t)
	token, err := desks(t, c.Nodes[1])[0].mint(harness.Bounded(t), key)
	if err != nil {
		t.Fatal(err)
	}
	c.Nodes[2].Start(t)
	if err := desks(t, c.Nodes[2])[0].get(harness.Bounded(t), token); err != nil {
		t.Errorf("the node that was away does not take a token of the new key: %v", err)
	}
}

// A key is refreshed at one node and good at another, its refresh token works again
// for a while, and a key that is rotated goes on until its grace is over.
func TestKeysHandOver(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	c.Nodes[0].CreateCache(t, "story")
	super := c.Nodes[0].Secure(t)
	ctx, all := harness.Bounded(t), desks(t, c.Nodes...)
	made, err := all[0].auth.GenerateApiToken(ctx, &authpb.GenerateApiTokenRequest{
		AuthToken: super, Permissions: everything(), Description: "chat backend",
		Expiry: &authpb.GenerateApiTokenRequest_Expires{Expires: &authpb.Expires{ValidForSeconds: 3600}},
	})
	if err != nil {
		t.Fatal(err)
	}
	pair := &authpb.RefreshApiTokenRequest{ApiKey: made.GetApiKey(), RefreshToken: made.GetRefreshToken()}
	for i, d := range all {
		next, err := d.auth.RefreshApiToken(ctx, pair)
		if err != nil {
			t.Fatal(err)
		}
		if next.GetApiKey() == made.GetApiKey() || next.GetValidUntil() < made.GetValidUntil() {
			t.Errorf("refreshed at node %d: valid until %d after %d", i, next.GetValidUntil(), made.GetValidUntil())
		}
		if err := all[(i+1)%3].get(ctx, next.GetApiKey()); err != nil {
			t.Errorf("a key refreshed at node %d: %v", i, err)
		}
	}
	if err := all[0].get(ctx, made.GetApiKey()); err != nil {
		t.Errorf("the key that was refreshed: %v", err)
	}
	_, err = all[1].auth.RefreshApiToken(ctx, &authpb.RefreshApiTokenRequest{ApiKey: made.GetApiKey(), RefreshToken: "guessed"})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a guessed refresh token: %v", err)
	}

	var old, rotated struct {
		ID     string
		APIKey string `json:"api_key"`
	}
	c.Nodes[1].CLI(t, "", "key", "create", "--allow", "cache:readwrite:story", "-o", "json").JSON(t, &old)
	c.Nodes[2].CLI(t, "", "key", "rotate", old.ID, "--grace", "3s", "-o", "json").JSON(t, &rotated)
	for _, key := range []string{old.APIKey, rotated.APIKey} {
		if err := all[0].get(ctx, key); err != nil {
			t.Errorf("within the grace: %v", err)
		}
	}
	harness.Eventually(t, harness.Patience, "the old key to end", func() (bool, string) {
		err := all[0].get(ctx, old.APIKey)
		return status.Code(err) == codes.Unauthenticated, fmt.Sprint(err)
	})
	if err := all[0].get(ctx, rotated.APIKey); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// What operators do through any node is on record at every other, who did it and what
// came of it, and no secret with it; neither the log nor the disk holds a key.
func TestOperatorsLeaveATrace(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	var key, rotated struct {
		ID     string
		APIKey string `json:"api_key"`
	}
	began := time.Now()
	c.Nodes[0].CLI(t, "", "key", "create", "--superuser", "--description", "me", "-o", "json").JSON(t, &key)
	c.Nodes[1].CLIWithKey(t, key.APIKey, "cache", "create", "story").OK(t)
	c.Nodes[2].CLIWithKey(t, key.APIKey, "cache", "flush", "-y", "story").OK(t)
	c.Nodes[1].CLIWithKey(t, key.APIKey, "token", "revoke", "--token-id", "alice").OK(t)
	join := c.JoinToken(t)
	c.Nodes[0].CLI(t, "", "node", "remove", "nobody").Fails(t, 1)
	c.Nodes[0].CLI(t, "", "signing-key", "rotate").OK(t)
	c.Nodes[0].CLI(t, "", "key", "rotate", key.ID, "--grace", "none", "-o", "json").JSON(t, &rotated)
	ended, ctx := desks(t, c.Nodes[2])[0], harness.Bounded(t)
	harness.Eventually(t, harness.Patience, "the old key to end", func() (bool, string) {
		err := ended.get(ctx, key.APIKey)
		return status.Code(err) == codes.Unauthenticated, fmt.Sprint(err)
	})
	_, err := controlpb.NewScsControlClient(c.Nodes[2].Conn(t)).DeleteCache(harness.WithKey(ctx, key.APIKey), &controlpb.DeleteCacheRequest{CacheName: "story"})
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("an ended key: %v", err)
	}

	want := []string{
		"admin CreateApiKey done " + c.Nodes[0].Name, "API key CreateCache done " + c.Nodes[1].Name, "API key FlushCache done " + c.Nodes[2].Name,
		"API key RevokeTokens done " + c.Nodes[1].Name,
		"admin CreateJoinToken done " + c.Nodes[0].Name, "admin RemoveNode failed " + c.Nodes[0].Name,
		"admin RotateSigningKey done " + c.Nodes[0].Name, "admin RotateApiKey done " + c.Nodes[0].Name, "nobody DeleteCache refused " + c.Nodes[2].Name,
	}
	for _, n := range c.Nodes {
		var record struct {
			Acts []struct {
				At                               time.Time
				Act, Caller, Outcome, Node, From string
				KeyID                            string `json:"key_id"`
			}
		}
		ran := n.CLI(t, "", "audit", "--since", "1h", "-o", "json")
		ran.JSON(t, &record)
		var got []string
		for _, a := range record.Acts {
			got = append(got, strings.Join([]string{a.Caller, a.Act, a.Outcome, a.Node}, " "))
			if a.From != "127.0.0.1" || a.At.Before(began.Add(-time.Minute)) || (a.Caller == "API key") != (a.KeyID == key.ID) {
				t.Errorf("an act is %+v", a)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("node %s has on record\n%s\nwant\n%s", n.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for name, secret := range map[string]string{"key": key.APIKey, "rotated key": rotated.APIKey, "join token": join, "admin credential": n.AdminKey(t)} {
			if strings.Contains(ran.Stdout, secret) || strings.Contains(n.Log(t), secret) {
				t.Errorf("the %s is on record or in the log", name)
			}
			if name == "key" || name == "rotated key" {
				holdsNo(t, n.DataDir, secret)
			}
		}
	}
	if code := status.Code(desks(t, c.Nodes[0])[0].get(harness.Bounded(t), rotated.APIKey)); code != codes.OK {
		t.Errorf("the new key: %v", code)
	}
}

// holdsNo demands that no file below a directory holds a text, nor the secret part of
// it.
func holdsNo(t *testing.T, dir, text string) {
	t.Helper()
	secret := text[strings.LastIndexByte(text, '.')+1:]
	err := walkFiles(dir, func(path string) error {
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), secret) {
			t.Errorf("%s holds the secret of a key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// walkFiles visits the files below a directory; one that goes away meanwhile is none.
func walkFiles(dir string, visit func(path string) error) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			err = visit(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// An application signs tokens of its own, which are good on every node until its key
// is revoked on any.
func TestApplicationsSignTokens(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	super := c.Nodes[0].Secure(t)
	c.Nodes[0].CreateCache(t, "story")
	ctx, all := harness.Bounded(t), desks(t, c.Nodes...)
	made, err := controlpb.NewScsControlClient(all[0].conn).CreateSigningKey(harness.WithKey(ctx, super), &controlpb.CreateSigningKeyRequest{TtlMinutes: 60})
	if err != nil {
		t.Fatal(err)
	}
	var key struct{ Kid, K string }
	if err := json.Unmarshal([]byte(made.GetKey()), &key); err != nil {
		t.Fatal(err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(key.K)
	if err != nil {
		t.Fatal(err)
	}
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	sign := func(tokenID string, iat int64) string {
		token := part(fmt.Sprintf(`{"alg":"HS256","typ":"JWT","kid":%q}`, key.Kid)) + "." +
			part(fmt.Sprintf(`{"iss":%q,"aud":"mayfly","iat":%d,"exp":%d,"sub":%q,"scope":[{"role":"readonly","cache":"story"}]}`, key.Kid, iat, iat+3600, tokenID))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(token))
		return token + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	token, early := sign("alice", time.Now().Unix()), sign("bob", time.Now().Unix()+28)
	for i, d := range all {
		if err := d.get(ctx, token); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
		_, err := cachepb.NewScsClient(d.conn).Set(harness.WithKey(harness.WithCache(ctx, "story"), token), &cachepb.SetRequest{CacheKey: []byte("k"), CacheBody: []byte("v"), TtlMilliseconds: 1000})
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("node %d lets it write: %v", i, err)
		}
	}
	ends := func(what, token string) {
		t.Helper()
		for i, d := range all {
			harness.Eventually(t, harness.Patience, fmt.Sprint(what, " to end at node ", i), func() (bool, string) {
				err := d.get(ctx, token)
				return status.Code(err) == codes.Unauthenticated, fmt.Sprint(err)
			})
		}
	}
	// A clock that is ahead saves no token from its revocation.
	if err := all[0].get(ctx, early); err != nil {
		t.Errorf("a token from half a minute ahead: %v", err)
	}
	c.Nodes[2].CLIWithKey(t, super, "token", "revoke", "--token-id", "bob").OK(t)
	ends("a token from half a minute ahead", early)
	c.Nodes[1].CLIWithKey(t, super, "signing-key", "revoke", key.Kid).OK(t)
	ends("the token", token)
}
