package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/certs"
	"github.com/mayfly-broker/mayfly/cmd/endpoint"
	"github.com/mayfly-broker/mayfly/cmd/node"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// everything is what a good broker has.
var everything = expect{
	{checkPorts, OK}: "answers", {checkTLS, OK}: "TLS 1.3", {checkALPN, OK}: "", {checkCover, OK}: "", {checkChain, OK}: "NODE_EXTRA_CA_CERTS",
	{checkDates, OK}: "good until", {checkNative, OK}: "token." + base, {checkKeepalive, OK}: "4 pings", {checkPages, OK}: "web.control." + base,
	{checkCORS, OK}: "https://chat.example", {checkHTTP, OK}: "api.cache." + base, {checkReady, OK}: "", {checkClock, OK}: "agree",
	{checkVersion, OK}: "v1.0.0", {checkCredential, OK}: "the broker takes it", {checkMinted, OK}: base,
	{checkStreams, OK}: "WebSocket",
}

// One broker, looked at in many ways.
func TestExamine(t *testing.T) {
	t.Parallel()
	b := start(t, certificate(t, allNames(), time.Now()), nil)
	other := start(t, b.dir, nil)
	wrap := func(host string) string {
		text, err := auth.Wrap(host, b.key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   expect
	}{
		"all is well":   {func(c *Config) { c.Pings = 0 }, everything},
		"a wrapped key": {func(c *Config) { c.Wrapped = wrap(base) }, expect{{checkCredential, OK}: "it leads SDKs to " + base}},
		"a wrapped key for elsewhere": {func(c *Config) { c.Wrapped = wrap("127.0.0.1:8080") },
			expect{{checkCredential, Wrong}: "it leads SDKs to 127.0.0.1:8080, not to " + base}},
		"a key of another broker": {func(c *Config) { c.Credential = other.key },
			expect{{checkCredential, Wrong}: "does not take it", {checkStreams, Skipped}: "may not list caches", {checkVersion, Skipped}: "super user", {checkMinted, Skipped}: "may not"}},
		"a text that is no key": {func(c *Config) { c.Credential = "x.y" }, expect{{checkCredential, Wrong}: "no key and no token"}},
		"no key": {func(c *Config) { c.Credential = "" },
			expect{{checkCredential, Skipped}: "MOMENTO_API_KEY", {checkStreams, Skipped}: "may not list caches"}},
		"no key, a cache": {func(c *Config) { c.Credential, c.Cache = "", "chat" },
			expect{{checkStreams, Skipped}: "server-sent events: the broker does not let this credential"}},
		"a cache that is not there": {func(c *Config) { c.Cache = "nowhere" }, expect{{checkStreams, Skipped}: "gRPC-Web: the broker does not let"}},
		"pages of another origin": {func(c *Config) { c.Origin = "https://other.example" },
			expect{{checkCORS, Wrong}: "--allow-origins https://other.example", {checkStreams, Skipped}: "gRPC-Web"}},
		"no pages":              {func(c *Config) { c.Origin = "" }, expect{{checkCORS, Skipped}: "--origin"}},
		"a clock that is ahead": {func(c *Config) { c.Now = shifted(-30 * time.Second) }, expect{{checkClock, Warning}: "s ahead"}},
		"a clock that is behind": {func(c *Config) { c.Now = shifted(2 * time.Hour) },
			expect{{checkClock, Wrong}: "2h0m", {checkDates, OK}: ""}},
		"a certificate near its end": {func(c *Config) { c.Now = shifted(20 * 24 * time.Hour) },
			expect{{checkClock, Wrong}: "behind", {checkDates, Warning}: "within 10 days"}},
		"another version":   {func(c *Config) { c.Version = "v2.0.0" }, expect{{checkVersion, Warning}: "v1.0.0, this program v2.0.0"}},
		"an unknown one":    {func(c *Config) { c.Version = "" }, expect{{checkVersion, Skipped}: "unknown"}},
		"a stranger's word": {func(c *Config) { c.Roots, c.RootsFile = nil, "" }, expect{{checkChain, Wrong}: "--ca-cert", {checkCredential, Skipped}: "not sent"}},
		"pings too often":   {func(c *Config) { c.Pings, c.PingPause = 0, time.Millisecond }, expect{{checkKeepalive, Wrong}: "sent away"}},
		"a port in the endpoint": {func(c *Config) { c.Endpoint.Port = 8443 },
			expect{{checkNames, Warning}: "Go SDK", {checkMinted, Wrong}: "not to mayfly.test:8443"}},
		"an address": {func(c *Config) { c.Endpoint = endpoint.Endpoint{Host: "10.1.2.3"} },
			expect{{checkNames, Warning}: "below an address", {checkCover, Wrong}: "does not cover 10.1.2.3", {checkCredential, Skipped}: "not sent"}},
		"without TLS": {func(c *Config) { c.Derived, c.TLS = false, false }, expect{{checkTLS, Wrong}: "speaks TLS, and was to be talked to without"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.good(t)
			tt.change(&c)
			tt.want.hold(t, c)
		})
	}
}

func shifted(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

func TestCertificatesThatAreNotGood(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		names []string
		now   time.Time
		want  expect
	}{
		"a wildcard alone": {[]string{base, "*." + base}, time.Now(), expect{{checkCover, Wrong}: "does not cover web.cache." + base, {checkStreams, Skipped}: "not sent to a server"}},
		"it has ended":     {allNames(), time.Now().AddDate(0, 0, -60), expect{{checkDates, Wrong}: "HAS ENDED", {checkCredential, Skipped}: "not sent"}},
		"not yet good":     {allNames(), time.Now().AddDate(0, 0, 60), expect{{checkDates, Wrong}: "not yet", {checkCredential, Skipped}: "not sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, certificate(t, tt.names, tt.now), nil)
			tt.want.hold(t, b.good(t))
		})
	}
}

// forClients replaces the certificate of a folder by one of the same authority that is for
// clients alone.
func forClients(t *testing.T, dir string) string {
	t.Helper()
	authority, err := tls.LoadX509KeyPair(filepath.Join(dir, certs.CAFile), filepath.Join(dir, certs.CAKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	old, err := tls.LoadX509KeyPair(filepath.Join(dir, certs.File), filepath.Join(dir, certs.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	template := *old.Leaf
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, authority.Leaf, old.Leaf.PublicKey, authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, certs.File), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The authority has made it, and is not to be blamed.
func TestCertificateForClients(t *testing.T) {
	t.Parallel()
	b := start(t, forClients(t, certificate(t, allNames(), time.Now())), nil)
	expect{{checkChain, OK}: "NODE_EXTRA_CA_CERTS", {checkUsage, Wrong}: "serverAuth", {checkCredential, Skipped}: "not sent"}.hold(t, b.good(t))
}

// A broker in open mode answers no name but this machine's own; what stands in between has
// no part in it.
func TestOpenMode(t *testing.T) {
	t.Parallel()
	b := start(t, certificate(t, allNames(), time.Now()), func(c *node.Config) { c.Open = true })
	c := b.good(t)
	c.Credential = ""
	key := "mayfly key create --superuser"
	expect{
		{checkPages, Wrong}: key, {checkCORS, Wrong}: key, {checkHTTP, Warning}: key, {checkStreams, Skipped}: "no API key exists",
	}.hold(t, c)
	for _, f := range Examine(t.Context(), c) {
		if f.Verdict == Wrong && (!strings.Contains(f.Found, "no API key yet") || strings.Contains(f.Remedy, "proxy")) {
			t.Errorf("%s %s: %s -> %s", f.Verdict, f.Check, f.Found, f.Remedy)
		}
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	b := start(t, "", func(c *node.Config) { c.Endpoint = "" })
	t.Run("where TLS is wanted", func(t *testing.T) {
		t.Parallel()
		expect{{checkTLS, Wrong}: "plain text", {checkCredential, Skipped}: "not tried", {checkNative, Skipped}: ""}.hold(t, b.good(t))
	})
	t.Run("as the commands talk", func(t *testing.T) {
		t.Parallel()
		c := b.good(t)
		e, err := endpoint.Parse(b.addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Endpoint, c.Derived, c.TLS, c.Address = e, false, false, ""
		expect{
			{checkNames, OK}: "127.0.0.1", {checkPorts, OK}: "", {checkTLS, Skipped}: "", {checkNative, OK}: "", {checkKeepalive, OK}: "", {checkPages, OK}: "",
			{checkHTTP, OK}: "", {checkCredential, OK}: "", {checkStreams, OK}: "native gRPC",
		}.hold(t, c)
	})
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := &broker{addr: l.Addr().String(), key: someKey}
	c := b.good(t)
	c.Timeout = time.Second
	expect{{checkTLS, Wrong}: "no answer in time", {checkCredential, Skipped}: ""}.hold(t, c) // it listens, and says nothing
	l.Close()
	expect{{checkPorts, Wrong}: "connection refused", {checkCredential, Skipped}: ""}.hold(t, c)
}

// What stands in between may do harm in many ways.
func TestProxies(t *testing.T) {
	t.Parallel()
	b := start(t, certificate(t, allNames(), time.Now()), nil)
	for name, tt := range map[string]struct {
		isHTTP2 bool
		handle  func(http.ResponseWriter, *http.Request, *http.Response)
		want    expect
	}{
		"it holds streams back": {true, buffer, expect{{checkStreams, Wrong}: "gRPC-Web: nothing of a subscription came", {checkStreams, Warning}: "server-sent events: nothing"}},
		"no HTTP/2":             {false, buffer, expect{{checkALPN, Wrong}: "proxy ends TLS", {checkNative, Wrong}: "", {checkStreams, Skipped}: "", {checkVersion, Warning}: "", {checkCredential, Warning}: "", {checkMinted, Skipped}: ""}},
		"it is another service": {true, func(w http.ResponseWriter, _ *http.Request, _ *http.Response) { io.WriteString(w, "<html>welcome") },
			expect{{checkNative, Wrong}: "is it a Mayfly broker", {checkPages, Wrong}: "status 200", {checkCORS, Wrong}: "Access-Control-Allow-Origin is missing", {checkHTTP, Warning}: "something else", {checkCredential, Warning}: "", {checkVersion, Warning}: ""}},
		"it adds headers of its own": {true, func(w http.ResponseWriter, r *http.Request, response *http.Response) {
			response.Header.Add("Access-Control-Allow-Origin", "*")
			if strings.HasSuffix(r.URL.Path, "/Ping") {
				buffer(w, r, response)
				return
			}
			http.Error(w, "teapot", http.StatusTeapot)
		}, expect{{checkCORS, Wrong}: "more than once", {checkHTTP, Warning}: "status 418", {checkCredential, Warning}: "", {checkVersion, Warning}: ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := b.good(t)
			c.Address = b.front(t, tt.isHTTP2, tt.handle)
			c.Timeout = 2 * time.Second
			tt.want.hold(t, c)
		})
	}
}

// A server that has not proved who it is must not see the credential, whatever
// else is asked of it.
func TestCredentialIsKeptBack(t *testing.T) {
	t.Parallel()
	var seen, asked atomic.Int64
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "" || strings.Contains(string(body), someKey) {
			seen.Add(1)
		}
		http.Redirect(w, r, "https://elsewhere.example/", http.StatusFound)
	}))
	stranger.EnableHTTP2 = true
	stranger.StartTLS()
	defer stranger.Close()
	c := (&broker{addr: stranger.Listener.Addr().String(), key: someKey}).good(t)
	c.Cache = "chat"
	Examine(t.Context(), c)
	if seen.Load() != 0 || asked.Load() == 0 {
		t.Errorf("%d of %d requests held the credential", seen.Load(), asked.Load())
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	x := newExam(Config{
		Endpoint: endpoint.Endpoint{Host: base}, Derived: true, TLS: true, Timeout: time.Second,
		Resolve: map[string]netip.Addr{"control." + base: one},
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			switch host {
			case "cache." + base, base:
				return []netip.Addr{two, one, two}, nil
			case "api.cache." + base:
				return nil, errors.New("broken")
			case "web.cache." + base:
				return []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.2")}, nil
			default:
				return nil, &net.DNSError{IsNotFound: true}
			}
		},
	})
	got := lines(x.names(t.Context()))
	for _, want := range []string{
		"ok names: 2 names lead (cache.mayfly.test, mayfly.test) to 192.0.2.1, 192.0.2.2 -> \n",
		"warning names: control.mayfly.test leads elsewhere, to 192.0.2.1 -> ",
		"warning names: web.cache.mayfly.test leads elsewhere, to 192.0.2.2 -> ",
		"wrong names: token.mayfly.test leads nowhere: DNS has no such name; needed by: Node.js, Go and Python SDKs -> ",
		"warning names: web.token.mayfly.test leads nowhere",
		"none of its own for token.mayfly.test",
		"warning names: api.cache.mayfly.test leads nowhere: broken;",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
	x.Origin = "https://chat.example"
	if got := lines(x.names(t.Context())); !strings.Contains(got, "wrong names: web.token.mayfly.test") {
		t.Errorf("pages do not need web.token:\n%s", got)
	}
	if hosts := x.usable(); slices.ContainsFunc(hosts, func(h *host) bool { return h.Host == "token."+base }) {
		t.Error("a name that leads nowhere is used")
	}
}

// An examination ends when its user does not want to wait any more.
func TestExamineIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := (&broker{}).good(t)
	c.Address = ""
	c.Lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, f := range Examine(ctx, c) {
		if f.Check != checkNames {
			t.Errorf("%s was looked at", f.Check)
		}
	}
}

func TestDiscreet(t *testing.T) {
	findings := []Finding{wrong("a", "a.b.c is not good", "try a.b.c again"), ok("b", "fine")}
	discreet(findings, "", "a.b.c")
	if got := lines(findings); strings.Contains(got, "a.b.c") || !strings.Contains(got, "[credential] is not good") {
		t.Error(got)
	}
}

// An incomplete chain is a common fault of public certificates.
func TestVouch(t *testing.T) {
	dir := certificate(t, allNames(), time.Now())
	read := func(name string) Finding {
		chain, err := certs.Read(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return (&exam{Config: Config{Now: time.Now}}).vouch(chain)
	}
	if f := read(certs.File); f.Verdict != Wrong || !strings.Contains(f.Remedy, "in between") {
		t.Error(lines([]Finding{f}))
	}
	if f := read(certs.CAFile); f.Verdict != Wrong || !strings.Contains(f.Remedy, "made by itself") {
		t.Error(lines([]Finding{f}))
	}
}

func FuzzPlainText(f *testing.F) {
	for _, seed := range []string{"", "AAAAAAA=", "gAAAAA9ncnBjLXN0YXR1czow", "!!!!", "AAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(plainText(body)) > len(body)+1 {
			t.Error("text has grown")
		}
		trailer(body)
	})
}
