package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mayfly-broker/mayfly/cmd/certs"
)

// ACME is a real ACME server, for which every name leads to this machine. It asks
// for proof at a port of its own choice, behind which the brokers that order from it
// take turns. It ends with the test.
type ACME struct {
	// TLS is the authority of what it issues.
	TLS *Authority

	directory, management, front string
	trust, config, dns, program  string
	running                      *process

	mu   sync.Mutex
	turn int
	to   []string
}

// StartACME starts an ACME server whose certificates last that long.
func StartACME(t testing.TB, life time.Duration) *ACME {
	t.Helper()
	dir := t.TempDir()
	if _, err := certs.Create(certs.Request{Dir: dir, Names: []string{"localhost"}, Days: 1, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	a := &ACME{directory: FreeAddr(t), management: FreeAddr(t), front: FreeAddr(t), trust: filepath.Join(dir, certs.CAFile), config: filepath.Join(dir, "config.json")}
	a.program = filepath.Join(dir, "pebble")
	if err := goBuild(t.Context(), "..", a.program, "github.com/letsencrypt/pebble/v2/cmd/pebble", "-modfile=scripts/tools/pebble.mod"); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(a.front)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": a.directory, "managementListenAddress": a.management, "tlsPort": number, "httpPort": 1,
		"certificate": filepath.Join(dir, certs.File), "privateKey": filepath.Join(dir, certs.KeyFile), "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "", "validityPeriod": int(life.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, a.config, string(config))
	a.dns = attendAll(t, "127.0.0.1:0", answerNames)
	attendAll(t, a.front, a.carry)
	a.Start(t)
	a.TLS = a.authority(t, filepath.Join(dir, "issued.crt"))
	return a
}

// Start starts the server, which forgets everything when it is killed.
func (a *ACME) Start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(a.program, "-config", a.config, "-dnsserver", a.dns) //nolint:noctx // ends with the test, by signal
	cmd.Env = environment("PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	log := openLog(t, "pebble")
	cmd.Stdout, cmd.Stderr = log, log
	a.running = start(t, "pebble", cmd)
}

// Kill ends the server.
func (a *ACME) Kill() { a.running.kill() }

// flags are what a broker is started with that orders from the server.
func (a *ACME) flags() []string {
	return []string{"--acme-accept-terms", "--acme-directory", "https://localhost:" + a.directory[len("127.0.0.1:"):] + "/dir", "--acme-email", "operator@" + SecureName, "--endpoint", SecureName}
}

// environment is what a broker needs to believe the server.
func (a *ACME) environment() []string { return []string{"SSL_CERT_FILE=" + a.trust} }

// lead has the server find one more broker.
func (a *ACME) lead(addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to = append(a.to, addr)
}

// next is the broker for the next connection.
func (a *ACME) next() (string, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.to) == 0 {
		return "", false
	}
	a.turn++
	return a.to[a.turn%len(a.to)], true
}

// carry takes a connection to the next broker.
func (a *ACME) carry(ctx context.Context, conn net.Conn) {
	addr, ok := a.next()
	if !ok {
		return
	}
	broker, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	couple(ctx, conn, broker)
}

// authority waits for the server, and returns that of what it issues.
func (a *ACME) authority(t testing.TB, path string) *Authority {
	t.Helper()
	chain, err := certs.Read(a.trust)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(chain[0])
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	var text []byte
	Eventually(t, Patience, "the ACME server", func() (bool, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+a.management+"/roots/0", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			return false, err.Error()
		}
		defer func() { _ = answer.Body.Close() }()
		text, err = io.ReadAll(answer.Body)
		return err == nil && answer.StatusCode == http.StatusOK, fmt.Sprint(answer.Status, err)
	})
	if block, _ := pem.Decode(text); block == nil {
		t.Fatalf("the ACME server's authority is %q", text)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	issued := &Authority{CAFile: path, pool: x509.NewCertPool(), name: SecureName}
	issued.pool.AppendCertsFromPEM(text)
	return issued
}

// answerNames is a DNS server for which every name leads to this machine. It
// speaks TCP alone.
func answerNames(_ context.Context, conn net.Conn) {
	for answerQuestion(conn) == nil {
	}
}

// answerQuestion reads a question and answers it; both begin with their length.
func answerQuestion(conn io.ReadWriter) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	question := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return err
	}
	answer, err := answerName(question)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

func answerName(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	return m.Pack()
}
