package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/certs"
)

// SecureName is the base host that certificates of an Authority are good for, as
// are the names below it, localhost and 127.0.0.1.
const SecureName = "mayfly.test"

// Authority signs certificates that only those trust who are told to.
type Authority struct {
	// CAFile holds its own certificate, CertFile and KeyFile those of a server that
	// it signed; all are PEM. The last two are empty where servers order their own.
	CAFile, CertFile, KeyFile string

	pool *x509.CertPool
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	// pin is what a browser calls the key that it shall trust.
	pin string
	// name is what servers are asked for; empty asks for the host that is
	// connected to.
	name string
}

// NewAuthority makes an authority and the certificate of a server.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	dir := t.TempDir()
	a := &Authority{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	a.ca = a.sign(t, a.CAFile, template, template, a.key)
	a.pool = x509.NewCertPool()
	a.pool.AddCert(a.ca)
	a.Issue(t, 2)
	return a
}

// Issue puts a new certificate, with that serial number, and its key into the place
// of those of the server.
func (a *Authority) Issue(t testing.TB, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.KeyFile, "PRIVATE KEY", private)
	made := a.sign(t, a.CertFile, &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: SecureName},
		DNSNames: []string{SecureName, "*." + SecureName, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(12 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.ca, key)
	a.pin = pin(made)
}

// pin is what a browser calls the key of a certificate.
func pin(c *x509.Certificate) string {
	digest := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(digest[:])
}

// OpenAuthority takes the authority and the certificate that `mayfly certs create`
// made in a folder.
func OpenAuthority(t testing.TB, dir string) *Authority {
	t.Helper()
	a := &Authority{
		CAFile: filepath.Join(dir, certs.CAFile), CertFile: filepath.Join(dir, certs.File), KeyFile: filepath.Join(dir, certs.KeyFile),
		pool: x509.NewCertPool(),
	}
	for _, path := range []string{a.CAFile, a.CertFile} {
		chain, err := certs.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if path == a.CAFile {
			a.ca = chain[0]
			a.pool.AddCert(a.ca)
		} else {
			a.pin = pin(chain[0])
		}
	}
	return a
}

func (a *Authority) sign(t testing.TB, path string, template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, path, "CERTIFICATE", der)
	return made
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	write(t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// Trust is what a client is told that trusts nobody else.
func (a *Authority) Trust() *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: a.name, MinVersion: tls.VersionTLS12}
}

// flags are what a server is started with.
func (a *Authority) flags() []string {
	if a == nil || a.CertFile == "" {
		return nil
	}
	return []string{"--tls-cert", a.CertFile, "--tls-key", a.KeyFile}
}

// environment is what a program is told: each SDK takes the authority from what its
// runtime trusts.
func (a *Authority) environment() []string {
	if a == nil {
		return nil
	}
	return []string{
		"STORY_TLS=" + SecureName, "STORY_PIN=" + a.pin,
		"NODE_EXTRA_CA_CERTS=" + a.CAFile, "SSL_CERT_FILE=" + a.CAFile,
		"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=", // of whoever runs the tests, and it would win in Node.js
	}
}
