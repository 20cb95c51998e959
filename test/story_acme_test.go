package test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// shown is the number of the certificate that a broker shows for a name, whatever
// it is worth.
func shown(t *testing.T, addr, name string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // its number is all that is asked for
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// keepsQuiet looks for keys in the log of a broker.
func keepsQuiet(t *testing.T, broker *harness.Server) {
	t.Helper()
	if strings.Contains(broker.Log(t), "PRIVATE KEY") {
		t.Error("the log holds a private key")
	}
}

// A broker orders a certificate for every name that SDKs derive, renews it, and
// serves with what it has when the ACME server is gone.
func TestCertificateIsOrdered(t *testing.T) {
	t.Parallel()
	server := harness.StartACME(t, 30*time.Second)
	broker := harness.Start(t, harness.Options{ACME: server})
	first := shown(t, broker.Addr, harness.SecureName)
	for _, n := range (endpoint.Endpoint{Host: harness.SecureName}).Names() {
		trust := server.TLS.Trust()
		trust.ServerName = n.Host
		conn, err := tls.Dial("tcp", broker.Addr, trust)
		if n.Role == endpoint.Storage {
			if err == nil {
				t.Errorf("the certificate covers %s, which nobody serves", n.Host)
				_ = conn.Close()
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", n.Host, err)
			continue
		}
		_ = conn.Close()
	}
	renewed := first
	harness.Eventually(t, 2*harness.Patience, "the certificate to be renewed", func() (bool, string) {
		renewed = shown(t, broker.Addr, harness.SecureName)
		return renewed != first, broker.Log(t)
	})
	server.Kill()
	broker.Stop(t)
	broker.Launch(t)
	harness.Eventually(t, harness.Patience, "what was there before the restart", func() (bool, string) {
		got := shown(t, broker.Addr, harness.SecureName)
		return got == renewed, got
	})
	keepsQuiet(t, broker)
}

// All nodes of a cluster show the same certificate, which one of them has ordered,
// whichever node is asked for proof.
func TestCertificateOfACluster(t *testing.T) {
	t.Parallel()
	server := harness.StartACME(t, 24*time.Hour)
	c := harness.StartCluster(t, harness.ClusterOptions{ACME: server})
	first := shown(t, c.Nodes[0].Addr, harness.SecureName)
	for _, n := range c.Nodes {
		if got := shown(t, n.Addr, "web.token."+harness.SecureName); got != first {
			t.Errorf("%s shows %s, another node %s", n.Name, got, first)
		}
		keepsQuiet(t, n.Server)
	}
	// One that comes later has it too, without an order of its own.
	server.Kill()
	if got := shown(t, c.Join(t).Addr, harness.SecureName); got != first {
		t.Errorf("a new node shows %s, the others %s", got, first)
	}
}
