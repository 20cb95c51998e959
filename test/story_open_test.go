package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Before the first API key everybody on this machine may do everything, but who
// shows a token is held to it; after the first key nobody is let in without
// one, not even on streams that were open before, and this survives restarts.
func TestOpenUntilTheFirstKey(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	c := clientsOf(server.Conn(t))
	create := func(ctx context.Context, name string) codes.Code {
		_, err := c.control.CreateCache(ctx, &controlpb.CreateCacheRequest{CacheName: name})
		return status.Code(err)
	}
	get := func(ctx context.Context, cache string) codes.Code {
		_, err := c.scs.Get(harness.WithCache(ctx, cache), &cachepb.GetRequest{CacheKey: []byte("k")})
		return status.Code(err)
	}
	demand := func(what string, got, want codes.Code) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	anybody := harness.Bounded(t)
	demand("anybody creates a cache", create(anybody, "story"), codes.OK)
	demand("anybody with an empty credential", get(harness.WithKey(anybody, ""), "story"), codes.OK)
	demand("anybody with another server's credential", get(harness.WithKey(anybody, "foreign"), "story"), codes.OK)
	if n := strings.Count(server.Log(t), "OPEN MODE"); n != 1 {
		t.Errorf("the log tells of open mode %d times, want once", n)
	}
	var token struct {
		RawToken string `json:"raw_token"`
	}
	server.CLI(t, "", "token", "create", "--cache", "story", "--role", "readonly", "-o", "json").JSON(t, &token)
	reader := harness.WithKey(anybody, token.RawToken)
	demand("a reader reads", get(reader, "story"), codes.OK)
	demand("a reader creates a cache", create(reader, "more"), codes.PermissionDenied)
	_, err := c.scs.Set(harness.WithCache(reader, "story"), &cachepb.SetRequest{CacheKey: []byte("k"), TtlMilliseconds: 1000})
	demand("a reader writes", status.Code(err), codes.PermissionDenied)

	stream, err := c.pubsub.Subscribe(anybody, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "t"})
	if err := first(stream, err); err != nil {
		t.Fatalf("anybody subscribes: %v", err)
	}
	key := server.Secure(t)
	demand("anybody after the first key", get(anybody, "story"), codes.Unauthenticated)
	demand("anybody with another server's credential after the first key", get(harness.WithKey(anybody, "foreign"), "story"), codes.Unauthenticated)
	demand("the holder of the key", create(harness.WithKey(anybody, key), "more"), codes.OK)
	for err = nil; err == nil; {
		_, err = stream.Recv()
	}
	demand("the subscription of somebody without a credential", status.Code(err), codes.Unauthenticated)

	server.Stop(t)
	server.Start(t)
	c = clientsOf(server.Conn(t))
	demand("anybody after a restart", get(anybody, "story"), codes.Unauthenticated)
	demand("the holder of the key after a restart", get(harness.WithKey(anybody, key), "story"), codes.OK)
	demand("the admin after a restart", get(server.Context(t), "story"), codes.OK)
}

// Nobody gets a broker that lets everybody in onto a network by accident.
func TestOpenOnlyOnLoopback(t *testing.T) {
	t.Parallel()
	_, port, _ := strings.Cut(harness.FreeAddr(t), ":")
	everywhere := harness.New(t, harness.Options{Args: []string{"--listen", "0.0.0.0:" + port}})
	everywhere.Launch(t)
	code, output := everywhere.Exits(t)
	if code <= 0 {
		t.Errorf("exit code %d, want one above 0", code)
	}
	for _, word := range []string{"0.0.0.0:" + port, "127.0.0.1", "mayfly key create"} {
		if !strings.Contains(output, word) {
			t.Errorf("the refusal does not say %q:\n%s", word, output)
		}
	}
	harness.Mayfly(t, nil, "dev", "--listen", "0.0.0.0:"+port).Fails(t, 2, "0.0.0.0:"+port, "127.0.0.1")

	// With a key it may listen anywhere.
	server := harness.Start(t, harness.Options{})
	key := server.Secure(t)
	server.CreateCache(t, "story")
	server.Stop(t)
	public := harness.New(t, harness.Options{DataDir: server.DataDir, Args: []string{"--listen", "0.0.0.0:" + port}})
	public.Addr = "127.0.0.1:" + port
	public.Start(t)
	c := clientsOf(public.Conn(t))
	ctx := harness.WithCache(harness.Bounded(t), "story")
	if _, err := c.scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a credential: %v, want Unauthenticated", err)
	}
	if _, err := c.scs.Get(harness.WithKey(ctx, key), &cachepb.GetRequest{CacheKey: []byte("k")}); err != nil {
		t.Errorf("with the key: %v", err)
	}
}

// The files of the broker are for its owner alone, and two brokers cannot share
// them.
func TestDataDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	for _, path := range []string{server.DataDir, filepath.Join(server.DataDir, "admin.token")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %s, want nothing for group and others", path, info.Mode())
		}
	}
	key := server.AdminKey(t)
	second := harness.New(t, harness.Options{DataDir: server.DataDir})
	second.Launch(t)
	if code, output := second.Exits(t); code <= 0 || !strings.Contains(output, "in use") {
		t.Errorf("a second broker in one directory ended with code %d:\n%s", code, output)
	}
	server.Stop(t)
	server.Start(t)
	if server.AdminKey(t) != key {
		t.Error("the admin credential changed over a restart")
	}
	if strings.Contains(server.Log(t), key) {
		t.Error("the log shows the admin credential")
	}
}

// `mayfly dev` needs nothing and keeps nothing.
func TestDev(t *testing.T) {
	t.Parallel()
	dev := harness.StartDev(t)
	dev.CLI(t, "", "list", "push", "default", "room", "hello").OK(t)
	if out := dev.CLI(t, "", "list", "fetch", "default", "room", "--raw").OK(t); out != "hello\n" {
		t.Errorf("fetched %q", out)
	}
	dev.Stop(t)
	dev.Start(t)
	var l length
	dev.CLI(t, "", "list", "length", "default", "room", "-o", "json").JSON(t, &l)
	if l.Found {
		t.Error("the list survived a restart of a broker in memory")
	}
}
