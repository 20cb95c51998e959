package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/mayfly-broker/mayfly/cmd/certs"
	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	"github.com/mayfly-broker/mayfly/cmd/node"
	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const base = "mayfly.test"

// someKey has the form of a key.
const someKey = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"

// broker is a real node and what a client of it is told.
type broker struct {
	addr, key, ca string
	dir           string // of the certificate
}

// certificate makes one for names below base, and returns its folder.
func certificate(t *testing.T, names []string, now time.Time) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if _, err := certs.Create(certs.Request{Dir: dir, Names: names, Days: 30, Now: now}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// allNames are those that a good certificate covers.
func allNames() (names []string) {
	for _, n := range (endpoint.Endpoint{Host: base}).Names() {
		names = append(names, n.Host)
	}
	return names
}

// start runs a broker with the certificate of a folder, empty for none, until the
// end of the test. It has a cache and a key.
func start(t *testing.T, dir string, change func(*node.Config)) *broker {
	t.Helper()
	c := node.DefaultConfig()
	c.Listen, c.PeerListen, c.GossipListen = "127.0.0.1:0", "", ""
	c.DataDir, c.DataGroups, c.Caches, c.Endpoint = t.TempDir(), 1, []string{"chat"}, base
	c.Origins = []string{"https://chat.example"}
	c.Version = "v1.0.0"
	transport := insecure.NewCredentials()
	if dir != "" {
		c.TLSCert, c.TLSKey = filepath.Join(dir, certs.File), filepath.Join(dir, certs.KeyFile)
		transport = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	if change != nil {
		change(&c)
	}
	n, err := node.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(n.Addr(), grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	admin, err := os.ReadFile(filepath.Join(c.DataDir, node.AdminTokenFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := adminpb.NewAdminClient(conn).CreateApiKey(
		metadata.AppendToOutgoingContext(t.Context(), "authorization", strings.TrimSpace(string(admin))),
		&adminpb.CreateApiKeyRequest{Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	return &broker{addr: n.Addr(), key: key.GetApiKey(), ca: filepath.Join(dir, certs.CAFile), dir: dir}
}

// good is an examination of which a broker has nothing to fear.
func (b *broker) good(t *testing.T) Config {
	t.Helper()
	c := Config{
		Endpoint: endpoint.Endpoint{Host: base}, Derived: true, TLS: true, Address: b.addr, Credential: b.key,
		Origin: "https://chat.example", Version: "v1.0.0", Timeout: 5 * time.Second, Pings: 1,
	}
	if b.dir != "" {
		roots, err := certs.Read(b.ca)
		if err != nil {
			t.Fatal(err)
		}
		c.Roots, c.RootsFile = roots, b.ca
	}
	return c
}

// front is a proxy with the broker's certificate, that lets handle do what it
// likes with requests.
func (b *broker) front(t *testing.T, isHTTP2 bool, handle func(http.ResponseWriter, *http.Request, *http.Response)) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(b.dir, certs.File), filepath.Join(b.dir, certs.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI = "https", b.addr, ""
		response, err := transport.RoundTrip(out)
		if err != nil {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		defer context.AfterFunc(r.Context(), func() { response.Body.Close() })()
		handle(w, r, response)
	}))
	server.EnableHTTP2 = isHTTP2
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// buffer passes an answer on once all of it is there.
func buffer(w http.ResponseWriter, _ *http.Request, response *http.Response) {
	body, err := io.ReadAll(response.Body)
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	for name, values := range response.Trailer {
		w.Header()[http.TrailerPrefix+name] = values
	}
	w.WriteHeader(response.StatusCode)
	if err == nil {
		w.Write(body)
	}
}

// expect is what an examination must find: for each check its worst verdict, and
// words of what was found or is to be done. Checks that are not named must not be
// worse than skipped.
type expect map[Check]string

// Check is the name of a check and a verdict.
type Check struct {
	name    string
	verdict Verdict
}

func (e expect) hold(t *testing.T, c Config) {
	t.Helper()
	findings := Examine(t.Context(), c)
	text, err := json.MarshalIndent(findings, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for want, words := range e {
		if !slices.ContainsFunc(findings, func(f Finding) bool {
			return f.Check == want.name && f.Verdict == want.verdict && strings.Contains(f.Found+" "+f.Remedy, words)
		}) {
			t.Errorf("no %s %s says %q", want.verdict, want.name, words)
		}
	}
	for _, f := range findings {
		_, said := e[Check{f.Check, f.Verdict}]
		if (f.Verdict == Wrong || f.Verdict == Warning) && !said {
			t.Errorf("%s is %s", f.Check, f.Verdict)
		}
		if (f.Verdict == Wrong || f.Verdict == Warning) && f.Remedy == "" {
			t.Errorf("%s leaves people alone with it", f.Check)
		}
	}
	for _, secret := range []string{c.Credential, c.Wrapped} {
		if secret != "" && strings.Contains(string(text), secret) {
			t.Errorf("the credential is in the findings")
		}
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}

func lines(findings []Finding) string {
	var text strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&text, "%s %s: %s -> %s\n", f.Verdict, f.Check, f.Found, f.Remedy)
	}
	return text.String()
}
