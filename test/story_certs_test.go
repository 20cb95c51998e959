package test

import (
	"path/filepath"
	"slices"
	"strings"
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
	t.Run("doctor", func(t *testing.T) { examined(t, server, client.Key) })
	for _, name := range []string{"cache.", "control.", "token.", "web.cache."} {
		if !names.Seen(name + harness.SecureName) {
			t.Errorf("no client has come to %s%s", name, harness.SecureName)
		}
	}
}

// examined has the doctor look at a broker that is in order, and at what may be
// wrong with its client.
func examined(t *testing.T, server *harness.Server, key string) {
	doctor := func(t *testing.T, args ...string) harness.Ran {
		t.Helper()
		env := []string{"MOMENTO_ENDPOINT=" + harness.SecureName, "MOMENTO_API_KEY=" + key}
		ran := harness.Mayfly(t, env, append([]string{"doctor", "--address", server.Addr, "--timeout", "10s"}, args...)...)
		if strings.Contains(ran.Stdout+ran.Stderr, key) {
			t.Errorf("%q shows the credential", args)
		}
		return ran
	}
	trust := []string{"--ca-cert", server.TLS.CAFile}
	dev := harness.StartDev(t)
	t.Run("in order", func(t *testing.T) {
		t.Parallel()
		says(t, doctor(t, append(slices.Clone(trust), "--origin", "http://localhost:3000")...), 0, "0 wrong, 0 warning,")
	})
	t.Run("another origin, another key", func(t *testing.T) {
		t.Parallel()
		ran := doctor(t, append(slices.Clone(trust), "--origin", "https://chat.example", "--api-key", key[:len(key)-4])...)
		says(t, ran, 1, "wrong cors a browser keeps pages of https://chat.example")
		says(t, ran, 1, "wrong credential")
	})
	t.Run("dev", func(t *testing.T) {
		t.Parallel()
		says(t, harness.Mayfly(t, nil, "doctor", "--server", dev.Addr), 0, "0 wrong, 0 warning,")
	})
	says(t, doctor(t, append(slices.Clone(trust), "--address", harness.FreeAddr(t))...), 1, "wrong ports")
	says(t, doctor(t, append(slices.Clone(trust), "--address", dev.Addr)...), 1, "wrong tls the port answers in plain text")
}

// says demands a code, and a line whatever stands between its words.
func says(t *testing.T, ran harness.Ran, code int, line string) {
	t.Helper()
	if ran.Code != code || !strings.Contains(strings.Join(strings.Fields(ran.Stdout), " "), line) {
		t.Errorf("code %d, want %d and %q in\n%s\n%s", ran.Code, code, line, ran.Stdout, ran.Stderr)
	}
}
