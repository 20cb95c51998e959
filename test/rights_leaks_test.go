package test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// leaks knows secrets, and looks for them where they must not be.
type leaks struct {
	mu    sync.Mutex
	parts map[string]bool
}

func newLeaks() *leaks { return &leaks{parts: make(map[string]bool)} }

// keep adds a secret. Of a token the header is none, and each of the other parts is one
// alone.
func (l *leaks) keep(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts := strings.Split(strings.TrimSpace(secret), ".")
	if len(parts) >= 3 {
		parts = parts[1:]
	}
	for _, part := range parts {
		if len(part) > 8 { // what is shorter is found anywhere
			l.parts[part[:min(len(part), 64)]] = true
		}
	}
}

// in returns the secret that a text holds, if it holds one.
func (l *leaks) in(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for part := range l.parts {
		if strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

// check looks through all that the nodes of a cluster have printed, and through what
// they show to everybody, and to operators who look around.
func (l *leaks) check(t *testing.T, c *harness.Cluster) {
	t.Helper()
	for _, n := range c.Nodes {
		said := map[string]string{"the log": n.Log(t)}
		for _, path := range []string{"/", "/readyz", "/metrics", "/openapi.json", "/console/api/session", "/console/api/cluster", "/console/api/usage"} {
			page := n.Get(t, path, "Authorization", n.AdminKey(t))
			if page.Status != http.StatusOK {
				t.Errorf("%s of %s: %d", path, n.Name, page.Status)
			}
			said[path] = page.Body
		}
		for _, command := range []string{"key list", "signing-key list", "audit", "cache list", "node list", "cluster status", "webhook list " + ownCache, "usage report"} {
			ran := n.CLI(t, "", strings.Fields(command)...)
			said["mayfly "+command] = ran.OK(t) + ran.Stderr
		}
		for where, text := range said {
			if text == "" {
				t.Errorf("%s of %s is empty", where, n.Name)
			}
			if secret := l.in(text); secret != "" {
				t.Errorf("%s of %s holds the secret %q", where, n.Name, secret)
			}
		}
	}
}
