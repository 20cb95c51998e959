package harness

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	controlpb "github.com/mayfly-broker/mayfly/proto/control"
)

// AdminKey is the credential that the server leaves for its owner in the data
// directory.
func (s *Server) AdminKey(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.DataDir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// Context is Bounded, with the admin credential for calls of our own.
func (s *Server) Context(t testing.TB) context.Context {
	t.Helper()
	return WithKey(Bounded(t), s.AdminKey(t))
}

// InCache is Context for the data calls of one cache.
func (s *Server) InCache(t testing.TB, cache string) context.Context {
	t.Helper()
	return WithCache(s.Context(t), cache)
}

// WithKey gives calls a credential.
func WithKey(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", key)
}

// WithCache gives data calls their cache.
func WithCache(ctx context.Context, cache string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "cache", cache)
}

// CreateCache makes a cache as admin.
func (s *Server) CreateCache(t testing.TB, name string) {
	t.Helper()
	_, err := controlpb.NewScsControlClient(s.Conn(t)).CreateCache(s.Context(t), &controlpb.CreateCacheRequest{CacheName: name})
	if err != nil {
		t.Fatalf("create cache %s: %v", name, err)
	}
}
