package test

import (
	"path/filepath"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// What `mayfly certs create` makes is all that the official SDKs need to find a
// broker by its names alone, at port 443, with either form of a key: no override,
// and nothing switched off.
func TestCertificatesOfOnesOwn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certs")
	harness.Mayfly(t, nil, "certs", "create", "--endpoint", harness.SecureName, "--dir", dir).OK(t)
	server := harness.Start(t, harness.Options{TLS: harness.OpenAuthority(t, dir), Args: []string{"--endpoint", harness.SecureName}})
	names := harness.Lead(t, harness.SecureName, server.Addr)
	client := harness.Client{Addr: server.Addr, Key: server.Secure(t), Cache: "story", TLS: server.TLS, Names: names}
	server.CreateCache(t, "story")
	t.Run("sdks", func(t *testing.T) {
		for language, programs := range map[harness.Language][]string{
			harness.NodeJS: {"topics", "tokens"}, harness.Go: {"lists"}, harness.Web: {"lists"},
		} {
			for _, program := range programs {
				t.Run(string(language)+"/"+program, func(t *testing.T) {
					t.Parallel()
					harness.RunChecks(t, language, program, client)
				})
			}
		}
	})
	for _, name := range []string{"cache.", "control.", "token.", "web.cache."} {
		if !names.Seen(name + harness.SecureName) {
			t.Errorf("no client has come to %s%s", name, harness.SecureName)
		}
	}
}
