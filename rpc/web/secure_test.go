package web

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// issue writes a certificate of its own authority for localhost, and its key, into a
// folder, and returns where they are.
func issue(t *testing.T, dir, name string, ends time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost", name},
		NotBefore: ends.Add(-90 * 24 * time.Hour), NotAfter: ends, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return certFile, keyFile
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func certificates(t *testing.T) *Certificates {
	t.Helper()
	cert, key := issue(t, t.TempDir(), "here", time.Now().Add(time.Hour))
	c, err := LoadCertificates(cert, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trusting is a client's settings.
func trusting(c *Certificates, protocols ...string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.Current().Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: protocols}
}

// The protocol that was agreed on decides; the first bytes do not.
func TestSidesWithinTLS(t *testing.T) {
	c := certificates(t)
	p, l := serveSecurePort(t, c)
	var accepting sync.WaitGroup
	sides := make(chan string, 1)
	for name, side := range map[string]net.Listener{"grpc": p.GRPC(), "http": p.HTTP()} {
		accepting.Go(func() {
			for {
				conn, err := side.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 3)
				_, _ = io.ReadFull(conn, b)
				sides <- name + " " + string(b)
				_, _ = conn.Write([]byte("yes"))
				conn.Close()
			}
		})
	}
	for !p.grpc.accepting() {
		time.Sleep(time.Millisecond)
	}
	for _, tt := range []struct {
		offered []string
		agreed  string
		want    string
	}{
		{[]string{"h2"}, "h2", "grpc GET"},
		{[]string{"h2", "http/1.1"}, "h2", "grpc GET"},
		{[]string{"http/1.1"}, "http/1.1", "http GET"},
		{nil, "", "http GET"},
	} {
		client := tls.Client(l.dial(), trusting(c, tt.offered...))
		if _, err := client.Write([]byte("GET")); err != nil {
			t.Errorf("%v: %v", tt.offered, err)
			continue
		}
		if got := <-sides; got != tt.want || client.ConnectionState().NegotiatedProtocol != tt.agreed {
			t.Errorf("%v: %q with %q, want %q with %q", tt.offered, got, client.ConnectionState().NegotiatedProtocol, tt.want, tt.agreed)
		}
		if b, err := io.ReadAll(client); string(b) != "yes" || err != nil {
			t.Errorf("%v: %q, %v", tt.offered, b, err)
		}
		client.Close()
	}
	old := trusting(c, "h2")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := tls.Client(l.dial(), old).Handshake(); err == nil {
		t.Fatal("TLS 1.1 is spoken")
	}
	stats := p.Stats()
	for stats.Dropped == 0 {
		stats = p.Stats()
	}
	if stats.GRPC.Accepted != 2 || stats.HTTP.Accepted != 2 || stats.GRPC.Open != 0 || stats.HTTP.Open != 0 || stats.Dropped != 1 {
		t.Errorf("%+v", stats)
	}
	if stats.GRPC.Received < 500 || stats.GRPC.Sent < 1000 { // the handshakes alone are larger
		t.Errorf("not what was on the wire: %+v", stats)
	}
	_, _ = p.grpc.Close(), p.http.Close()
	accepting.Wait()
}

func serveSecurePort(t *testing.T, c *Certificates) (*Port, *pipes) {
	t.Helper()
	l := newPipes()
	p := NewPort(l, nil)
	p.Secure(c.Current)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := p.Serve(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		_ = p.Close()
		serving.Wait()
	})
	return p, l
}

// A node whose calls are not served yet, or no longer, is asked in HTTP/1 how it is.
func TestOnlyHTTP1WithoutCalls(t *testing.T) {
	c := certificates(t)
	p, l := serveSecurePort(t, c)
	s := newTestServer(t, newKeyring(t).gate(t), func() []Reason { return []Reason{{Name: "starting"}} })
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(p.HTTP()) })
	client := tls.Client(l.dial(), trusting(c, "h2", "http/1.1"))
	if _, err := client.Write([]byte("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(client)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 503") || !strings.HasSuffix(string(answer), "starting\n") {
		t.Errorf("%q, %v", answer, err)
	}
	client.Close()
	if err := tls.Client(l.dial(), trusting(c, "h2")).Handshake(); err == nil {
		t.Error("HTTP/2 is spoken although nobody serves it")
	}
	_ = s.Stop(t.Context())
	serving.Wait()
}

// There is no way around TLS, and browsers that try are told.
func TestNoPlaintextOnASecurePort(t *testing.T) {
	p, l := serveSecurePort(t, certificates(t))
	for _, tt := range []struct {
		said    string
		told400 bool
	}{
		{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", true},
		{"POST /topics/c/t HTTP/1.1\r\nHost: localhost\r\n\r\n", true},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
		{"\x00\x01\x02\x03\x04\x05\x06\x07", false},
	} {
		client := l.dial()
		go func() { _, _ = io.WriteString(client, tt.said) }()
		answer, _ := http.ReadResponse(bufio.NewReader(client), nil)
		if told := answer != nil && answer.StatusCode == http.StatusBadRequest; told != tt.told400 {
			t.Errorf("%q: %v", tt.said, answer)
		}
		if answer != nil {
			if text, _ := io.ReadAll(answer.Body); !strings.Contains(string(text), "https://") {
				t.Errorf("%q: told %q", tt.said, text)
			}
			answer.Body.Close()
		}
		client.Close()
	}
	for p.Stats().Dropped < 4 {
		time.Sleep(time.Millisecond)
	}
	if s := p.Stats(); s.GRPC.Accepted+s.HTTP.Accepted != 0 {
		t.Errorf("%+v", s)
	}
}

// A handshake takes its time from nobody else, and not for long.
func TestSlowHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := certificates(t)
		p, l := serveSecurePort(t, c)
		silent := l.dial()
		half := l.dial()
		go func() { _, _ = half.Write([]byte{0x16, 3, 1}) }()
		began := time.Now()
		quick := tls.Client(l.dial(), trusting(c, "http/1.1"))
		accepted := make(chan net.Conn, 1)
		go func() {
			conn, err := p.HTTP().Accept()
			if err == nil {
				accepted <- conn
			}
		}()
		if err := quick.Handshake(); err != nil || time.Since(began) > 0 {
			t.Errorf("a handshake beside slow ones: %v after %v", err, time.Since(began))
		}
		(<-accepted).Close()
		quick.Close()
		for _, slow := range []net.Conn{silent, half} {
			if _, err := io.ReadAll(slow); err != nil {
				t.Error(err)
			}
			slow.Close()
		}
		if took := time.Since(began); took != sniffTime {
			t.Errorf("slow clients were let go after %v", took)
		}
		if s := p.Stats(); s.Dropped != 2 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestCertificatesAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(journal)
		dir := t.TempDir()
		certFile, keyFile := issue(t, dir, "first", time.Now().Add(30*24*time.Hour))
		c, err := LoadCertificates(certFile, keyFile, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		var watching sync.WaitGroup
		defer watching.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		watching.Go(func() { c.Watch(ctx) })
		uses := func(when, name string, lines int) {
			t.Helper()
			time.Sleep(certificatePoll + time.Second) // fake time
			synctest.Wait()
			if got := c.Current().Leaf.Subject.CommonName; got != name {
				t.Errorf("%s: the certificate of %s is in use, want that of %s", when, got, name)
			}
			if got := strings.Count(log.String(), "\n"); got != lines {
				t.Errorf("%s: %d lines in the log, want %d:\n%s", when, got, lines, log.String())
			}
		}
		uses("at first", "first", 1)
		old, _ := os.ReadFile(keyFile)
		issue(t, dir, "second", time.Now().Add(endsSoon+2*time.Hour))
		fresh, _ := os.ReadFile(keyFile)
		put(t, keyFile, old) // the certificate is there, its key is not yet
		uses("with half a pair", "first", 2)
		uses("with half a pair, still", "first", 2)
		put(t, keyFile, fresh)
		uses("with the pair", "second", 3)
		put(t, certFile, []byte("nonsense"))
		uses("with nonsense", "second", 4)
		if err := os.Remove(certFile); err != nil {
			t.Fatal(err)
		}
		uses("without a file", "second", 5)
		for day, want := range []int{0, 1, 2} { // from two hours on, and then once a day
			if got := strings.Count(log.String(), "ends soon"); got != want {
				t.Errorf("day %d: %d warnings, want %d:\n%s", day, got, want, log.String())
			}
			time.Sleep(warnedAgain)
			synctest.Wait()
		}
		cancel()
		watching.Wait()
		c.warn(c.End())
		if !strings.Contains(log.String(), "HAS ENDED") {
			t.Errorf("at the end:\n%s", log.String())
		}
		if strings.Contains(log.String(), "PRIVATE") {
			t.Error("the log holds a key")
		}
	})
}

// What keeps clients away is told as soon as a certificate is in use, and not of one that
// is good.
func TestComplaints(t *testing.T) {
	now := time.Now()
	good := x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(endsSoon + time.Hour)}
	for name, test := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"good":                       {func(*x509.Certificate) {}, ""},
		"for servers and clients":    {uses(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth), ""},
		"for everything":             {uses(x509.ExtKeyUsageAny), ""},
		"for clients":                {uses(x509.ExtKeyUsageClientAuth), "NOT FOR SERVERS"},
		"for what nobody knows":      {func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }, "NOT FOR SERVERS"},
		"not good yet":               {func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }, "NOT GOOD YET"},
		"good from this very moment": {func(c *x509.Certificate) { c.NotBefore = now }, ""},
		"near its end":               {func(c *x509.Certificate) { c.NotAfter = now.Add(endsSoon) }, "ends soon"},
		"at its end":                 {func(c *x509.Certificate) { c.NotAfter = now }, "HAS ENDED"},
	} {
		leaf := good
		test.change(&leaf)
		if got := complaint(&leaf, now); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func uses(all ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = all }
}

// A certificate that is not good yet is warned of at once, once a day, and no longer when
// its time has come.
func TestCertificateBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(journal)
		cert, key := issue(t, t.TempDir(), "early", time.Now().Add(90*24*time.Hour+30*time.Hour))
		c, err := LoadCertificates(cert, key, slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { c.Watch(ctx) })
		for day, want := range []int{1, 2, 2, 2} {
			synctest.Wait()
			if got := strings.Count(log.String(), "NOT GOOD YET"); got != want {
				t.Errorf("day %d: %d warnings, want %d:\n%s", day, got, want, log.String())
			}
			time.Sleep(warnedAgain + certificatePoll)
		}
		cancel()
		watching.Wait()
	})
}

func TestCertificatesThatCannotBeLoaded(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := issue(t, dir, "one", time.Now().Add(time.Hour))
	_, otherKey := issue(t, t.TempDir(), "two", time.Now().Add(time.Hour))
	for name, files := range map[string][2]string{
		"no certificate": {filepath.Join(dir, "none"), keyFile}, "no key": {certFile, filepath.Join(dir, "none")},
		"another's key": {certFile, otherKey}, "mixed up": {keyFile, certFile},
	} {
		if _, err := LoadCertificates(files[0], files[1], nil); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
