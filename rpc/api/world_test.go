package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/mayfly-broker/mayfly/fanout"
	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/metering"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(benchClient); spec != "" {
		if err := benchmarkClient(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a server over real ports in memory, and a client of it.
type world struct {
	*memory
	server *Server
	minter *auth.Minter
	conn   *grpc.ClientConn

	scs     cachepb.ScsClient
	topic   pubsubpb.PubsubClient
	control controlpb.ScsControlClient
	auth    authpb.AuthClient
	token   tokenpb.TokenClient
	admin   adminv1.AdminClient
}

// settings of a world that differ from the usual.
type settings struct {
	config  Config
	fanout  fanout.Config
	cluster Cluster
	usage   Usage
	secured bool // an API key exists, so the door is not open
	dial    []grpc.DialOption
}

// newWorld starts a server with a cache called "c".
func newWorld(t testing.TB, s settings) *world {
	t.Helper()
	m := newMemory(s.fanout)
	verifier, err := auth.NewVerifier(auth.VerifierConfig{ClusterID: "test", Keys: keys{m}})
	if err != nil {
		t.Fatal(err)
	}
	minter, err := auth.NewMinter(auth.MinterConfig{ClusterID: "test", Keys: keys{m}, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if s.config.Endpoint == "" {
		s.config.Endpoint = "mayfly.test"
	}
	if s.config.Usage == nil {
		s.config.Usage = metering.NewMeter(metering.Rules{Separators: metering.DefaultSeparators}, metering.DefaultBounds())
	}
	server, err := NewServer(s.config, Ports{
		Data: m, Topics: m, Caches: m, Credentials: m, SigningKeys: signingKeys{m}, Audit: m, Webhooks: m, Gate: auth.NewGate(verifier, true), Minter: minter, Cluster: s.cluster, Usage: s.usage,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{memory: m, server: server, minter: minter}
	if err := m.Create(context.Background(), "c", nil); err != nil {
		t.Fatal(err)
	}
	if s.secured {
		w.superKey(t)
	}
	w.connect(t, s.dial)
	return w
}

func (w *world) connect(t testing.TB, options []grpc.DialOption) {
	listener := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(listener) }()
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	conn, err := grpc.NewClient("passthrough:///mayfly", append([]grpc.DialOption{
		grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	w.conn = conn
	w.scs, w.topic, w.control = cachepb.NewScsClient(conn), pubsubpb.NewPubsubClient(conn), controlpb.NewScsControlClient(conn)
	w.auth, w.token, w.admin = authpb.NewAuthClient(conn), tokenpb.NewTokenClient(conn), adminv1.NewAdminClient(conn)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close()
		_ = w.server.Stop(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		w.topics.Close()
	})
}

// superKey makes a super user's API key and returns its text and id.
func (w *world) superKey(t testing.TB) (text, id string) {
	t.Helper()
	return w.key(t, &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}})
}

func (w *world) key(t testing.TB, p *permissionpb.Permissions) (text, id string) {
	t.Helper()
	k, err := w.minter.APIKey(w.root(t), auth.KeyRequest{Permissions: p, Never: true, TokenID: "keyholder"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.PutAPIKey(context.Background(), recordOf(k.Record)); err != nil {
		t.Fatal(err)
	}
	return k.Text, k.Record.ID
}

// root is the admin as a principal, rootText its credential.
func (w *world) root(t testing.TB) auth.Principal {
	t.Helper()
	p, err := w.server.ports.Gate.Authenticate(w.rootText(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) rootText(t testing.TB) string {
	t.Helper()
	text, err := w.minter.Admin(0, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// disposable makes a token with these statements.
func (w *world) disposable(t testing.TB, life time.Duration, tokenID string, statements ...*permissionpb.PermissionsType) string {
	t.Helper()
	token, err := w.minter.Disposable(w.root(t), explicit(statements...), life, tokenID, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return token.Text
}

func explicit(statements ...*permissionpb.PermissionsType) *permissionpb.Permissions {
	return &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{
		Explicit: &permissionpb.ExplicitPermissions{Permissions: statements},
	}}
}

func topicStatement(role permissionpb.TopicRole, topic string) *permissionpb.PermissionsType {
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_TopicPermissions{TopicPermissions: &permissionpb.TopicPermissions{
		Role:  role,
		Cache: &permissionpb.TopicPermissions_CacheSelector{CacheSelector: &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: "c"}}},
		Topic: &permissionpb.TopicPermissions_TopicSelector{TopicSelector: &permissionpb.TopicSelector{Kind: &permissionpb.TopicSelector_TopicName{TopicName: topic}}},
	}}}
}

func itemStatement(role permissionpb.CacheRole, prefix string) *permissionpb.PermissionsType {
	return &permissionpb.PermissionsType{Kind: &permissionpb.PermissionsType_CachePermissions{CachePermissions: &permissionpb.CachePermissions{
		Role:      role,
		Cache:     &permissionpb.CachePermissions_CacheSelector{CacheSelector: &permissionpb.CacheSelector{Kind: &permissionpb.CacheSelector_CacheName{CacheName: "c"}}},
		CacheItem: &permissionpb.CachePermissions_ItemSelector{ItemSelector: &permissionpb.CacheItemSelector{Kind: &permissionpb.CacheItemSelector_KeyPrefix{KeyPrefix: []byte(prefix)}}},
	}}}
}

// in is a context of a call on cache "c", with more headers.
func in(ctx context.Context, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append([]string{"cache", "c"}, pairs...)...)
}

// wants fails unless err has that code.
func wants(t testing.TB, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("status is %v, want %v: %v", status.Code(err), code, err)
	}
}

func ok[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const minute = 60_000
