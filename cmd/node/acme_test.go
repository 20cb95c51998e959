package node

import (
	"crypto/tls"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/certs"
)

func TestWhatIsOrdered(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint string
		acme     ACME
		names    int
		says     string // why it cannot work
	}{
		"nothing":               {"mayfly.example.com", ACME{}, 0, ""},
		"all that SDKs derive":  {"mayfly.example.com:8443", ACME{AcceptTerms: true}, 8, ""},
		"what is named":         {"10.0.0.1", ACME{AcceptTerms: true, Domains: []string{"a.example", "b.example"}, Directory: "https://ca.example/dir"}, 2, ""},
		"terms not accepted":    {"mayfly.example.com", ACME{Email: "a@example.com"}, 0, "--acme-accept-terms"},
		"terms, not of another": {"mayfly.example.com", ACME{Directory: "https://ca.example/dir"}, 0, "--acme-accept-terms"},
		"nothing to order for":  {"", ACME{AcceptTerms: true}, 0, "--endpoint"},
		"an address":            {"10.0.0.1", ACME{AcceptTerms: true}, 0, "is an address"},
		"a wildcard":            {"", ACME{AcceptTerms: true, Domains: []string{"*.example.com"}}, 0, "wildcard"},
		"too many":              {"", ACME{AcceptTerms: true, Domains: slices.Repeat([]string{"a.example"}, 33)}, 0, "at most 32"},
		"a directory in plain":  {"a.example", ACME{AcceptTerms: true, Directory: "http://ca.example/dir"}, 0, "https URL"},
	} {
		c := DefaultConfig()
		c.Endpoint, c.ACME = tt.endpoint, tt.acme
		err := c.Validate()
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if tt.names > 0 {
			if names, err := c.acmeNames(); err != nil || len(names) != tt.names {
				t.Errorf("%s: %q, %v", name, names, err)
			}
		}
	}
}

// A node that has ordered nothing yet, and cannot, serves all the same with the
// certificate of its files; without files it shows none.
func TestACMEServerIsDown(t *testing.T) {
	dir := t.TempDir()
	if _, err := certs.Create(certs.Request{Dir: dir, Names: []string{"here"}, Days: 1, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for _, files := range []bool{true, false} {
		config := small(t)
		config.Endpoint, config.ACME = "mayfly.example.com", ACME{AcceptTerms: true, Directory: "https://127.0.0.1:1/dir"}
		if files {
			config.TLSCert, config.TLSKey = filepath.Join(dir, certs.File), filepath.Join(dir, certs.KeyFile)
		}
		n, err := New(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := tls.Dial("tcp", n.Addr(), &tls.Config{InsecureSkipVerify: true})
		if files != (err == nil) {
			t.Errorf("with files %v: %v", files, err)
		}
		if err == nil {
			if shown := conn.ConnectionState().PeerCertificates[0]; shown.Subject.CommonName != "here" || !n.doors.certificateEnd().Equal(shown.NotAfter) {
				t.Errorf("%s, until %v", shown.Subject, n.doors.certificateEnd())
			}
			conn.Close()
		} else if end := n.doors.certificateEnd(); !end.Equal(time.Unix(0, 0)) {
			t.Errorf("no certificate ends at %v", end)
		}
		if err := n.stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
