package node

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

func TestMain(m *testing.M) {
	// memberlist does not wait for a probe under way, of its own or for another node,
	// which ends by itself.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"),
		goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).handleIndirectPing.func2"))
}

// small is a configuration that starts fast.
func small(t *testing.T) Config {
	c := DefaultConfig()
	c.Listen, c.PeerListen, c.GossipListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.DataGroups = 2
	c.DataDir = t.TempDir()
	return c
}

// run starts a node and returns a connection to it and what stops it.
func run(t *testing.T, config Config) (*grpc.ClientConn, func()) {
	t.Helper()
	n, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	conn, err := grpc.NewClient(n.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		conn.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return conn, stop
}

// dial makes a connection that ends with the test.
func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// within waits for something that takes a moment.
func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func adminToken(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, AdminTokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func as(t *testing.T, credential string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", credential)
}

func list(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := controlpb.NewScsControlClient(conn).ListCaches(ctx, &controlpb.ListCachesRequest{})
	return err
}

func TestFirstKeyEndsOpenMode(t *testing.T) {
	config := small(t)
	config.Caches = []string{"default"}
	conn, stop := run(t, config)
	if err := list(t.Context(), conn); err != nil {
		t.Fatalf("without a key, in open mode: %v", err)
	}
	admin := adminToken(t, config.DataDir)
	if _, err := adminv1.NewAdminClient(conn).CreateApiKey(as(t, admin), &adminv1.CreateApiKeyRequest{
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := list(t.Context(), conn); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a key, secured: %v", err)
	}
	stop()

	conn, _ = run(t, config) // "default" is there already, which is no failure
	if again := adminToken(t, config.DataDir); again != admin {
		t.Error("a good admin credential was replaced at the second start")
	}
	if err := list(as(t, admin), conn); err != nil {
		t.Errorf("with the admin credential, after a restart: %v", err)
	}
	if err := list(t.Context(), conn); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a key, after a restart: %v", err)
	}
}

func TestBadAdminTokenIsReplaced(t *testing.T) {
	config := small(t)
	path := filepath.Join(config.DataDir, AdminTokenFile)
	if err := os.WriteFile(path, []byte("not a credential"), 0o644); err != nil {
		t.Fatal(err)
	}
	conn, _ := run(t, config)
	if err := list(as(t, adminToken(t, config.DataDir)), conn); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the admin credential is readable to others: %v, %v", info.Mode(), err)
	}
}

func TestNotOpenToANetwork(t *testing.T) {
	config := small(t)
	config.Listen = "0.0.0.0:0"
	if _, err := New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "mayfly key create") {
		t.Errorf("an open node on every address: %v", err)
	}
	config.Open = true
	if _, err := New(t.Context(), config); err == nil {
		t.Error("a node told to be open listens on every address")
	}
}

func TestStayingOpen(t *testing.T) {
	config := small(t)
	config.DataDir, config.Open = "", true
	conn, _ := run(t, config)
	if _, err := adminv1.NewAdminClient(conn).CreateApiKey(t.Context(), &adminv1.CreateApiKeyRequest{
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := list(t.Context(), conn); err != nil {
		t.Errorf("a node told to stay open asks for a key: %v", err)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := small(t)
	config.Listen = l.Addr().String()
	if _, err := New(t.Context(), config); err == nil {
		t.Fatal("two programs listen on one port")
	}
	config.Listen = "127.0.0.1:0"
	run(t, config) // the failed start left nothing behind, its lock neither
}

// A renamed host and a forgotten flag do not keep a node from its data; an
// order that contradicts the data does.
func TestIdentityIsRecorded(t *testing.T) {
	config := small(t)
	config.NameHint = "before"
	_, stop := run(t, config)
	stop()
	config.NameHint, config.DataGroups = "after", 0
	_, stop = run(t, config)
	stop()
	for _, change := range []func(*Config){
		func(c *Config) { c.Name = "after" },
		func(c *Config) { c.DataGroups = 3 },
	} {
		other := config
		change(&other)
		if n, err := New(t.Context(), other); err == nil {
			t.Errorf("%s with %d groups took over the data of another node", n.host.Node(), n.host.Topology().Groups())
		}
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"slash in name":  {func(c *Config) { c.Name = "a/b" }, "node name"},
		"bad hint":       {func(c *Config) { c.NameHint = "a b" }, "node name"},
		"no port":        {func(c *Config) { c.Listen = "127.0.0.1" }, "host:port"},
		"no peer port":   {func(c *Config) { c.PeerListen = "x" }, "peer-listen"},
		"no gossip port": {func(c *Config) { c.GossipListen = "" }, "gossip-listen"},
		"minus groups":   {func(c *Config) { c.DataGroups = -1 }, "1 to 64"},
		"many groups":    {func(c *Config) { c.DataGroups = 65 }, "1 to 64"},
		"no heartbeat":   {func(c *Config) { c.Heartbeat = 0 }, "heartbeat"},
		"open to all":    {func(c *Config) { c.Open, c.Listen = true, ":8080" }, "loopback"},
	} {
		config := DefaultConfig()
		test.change(&config)
		if err := config.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want a text with %q", name, err, test.want)
		}
	}
}

// Nothing secret reaches the log.
func TestLogKeepsSecrets(t *testing.T) {
	var log strings.Builder
	config := small(t)
	config.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	conn, stop := run(t, config)
	admin := adminToken(t, config.DataDir)
	key, err := adminv1.NewAdminClient(conn).CreateApiKey(as(t, admin), &adminv1.CreateApiKeyRequest{
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}, ValidForSeconds: 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = list(as(t, key.GetApiKey()+"x"), conn) // refused, and perhaps told to the log
	stop()                                     // from here on nobody writes to the log
	for name, secret := range map[string]string{"admin credential": admin, "key": key.GetApiKey(), "refresh token": key.GetRefreshToken()} {
		if secret == "" || strings.Contains(log.String(), secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
}
