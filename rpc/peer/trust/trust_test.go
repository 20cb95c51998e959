package trust

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mayfly-broker/mayfly/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTrust(t testing.TB) cluster.Trust {
	t.Helper()
	first, err := NewTrust()
	if err == nil {
		err = first.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return first
}

func wallet(t testing.TB, of cluster.Trust, clusterID, node string, now ...func() time.Time) *Wallet {
	t.Helper()
	w, err := NewWallet(Name{clusterID, node, "store of " + node}, of, append(now, nil)[0])
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func founders(t testing.TB, secret, node string) *Wallet {
	t.Helper()
	w, err := NewFounders(secret, node, "store of "+node)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// met is what came of a connection on both sides.
type met struct {
	accepted *Accepted
	claimed  string
	atPort   error
	atCaller error // of the handshake, or of the first read after it
}

// meet has a caller do its handshake with a port.
func meet(t testing.TB, port Port, call func(context.Context, net.Conn) (net.Conn, error)) met {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var m met
	var answering sync.WaitGroup
	answering.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			m.atPort = err
			return
		}
		defer conn.Close()
		if m.accepted, m.claimed, m.atPort = port.Accept(ctx, conn); m.atPort == nil {
			_, m.atPort = fmt.Fprint(m.accepted, "welcome")
		}
	})
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := call(ctx, raw)
	if err == nil {
		_, _ = io.WriteString(conn, strings.Repeat("hello", 1000)) // what is not read must not hide the reason
		word := make([]byte, len("welcome"))
		if _, err = io.ReadFull(conn, word); err == nil && string(word) != "welcome" {
			err = fmt.Errorf("an answer of %q", word)
		}
		err = Explain(err)
	}
	m.atCaller = err
	raw.Close()
	answering.Wait()
	return m
}

// calls is a member or a founder as a caller.
func (w *Wallet) calls(purpose Purpose, node string) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, conn net.Conn) (net.Conn, error) { return w.Call(ctx, conn, purpose, node) }
}

func TestMembersKnowEachOther(t *testing.T) {
	ours := newTrust(t)
	a, b := wallet(t, ours, "c", "a"), wallet(t, ours, "c", "b")
	m := meet(t, Port{Members: b}, a.calls(Peer, "b"))
	if m.atPort != nil || m.atCaller != nil || m.claimed != "a" || m.accepted.Purpose != Peer || !m.accepted.Holder.Is(a.name) || m.accepted.Holder.Node() != "a" {
		t.Fatalf("%+v", m)
	}
	for _, other := range []Name{{"x", "a", "store of a"}, {"c", "x", "store of a"}, {"c", "a", "another store"}} {
		if m.accepted.Holder.Is(other) {
			t.Errorf("it passes for %v", other)
		}
	}
	state := m.accepted.ConnectionState()
	if state.Version != tls.VersionTLS13 || state.DidResume || strings.Contains(fmt.Sprint(state.PeerCertificates[0].URIs), "store of a") {
		t.Errorf("TLS %x, resumed %v, %v", state.Version, state.DidResume, state.PeerCertificates[0].URIs)
	}
}

func TestNewcomersKnowTheClusterByItsPin(t *testing.T) {
	ours := newTrust(t)
	b := wallet(t, ours, "c", "b")
	knock := func(name Name, pin string) met {
		return meet(t, Port{Members: b}, func(ctx context.Context, conn net.Conn) (net.Conn, error) { return Knock(ctx, conn, name, pin) })
	}
	m := knock(Name{Cluster: "c", Node: "d"}, b.Pin())
	if m.atPort != nil || m.atCaller != nil || m.accepted.Purpose != Join || m.accepted.Holder != (Holder{}) || m.claimed != "d" {
		t.Errorf("%+v", m)
	}
	if pin, err := Pin(ours.Authorities[0]); err != nil || pin != b.Pin() || len(pin) != PinLen {
		t.Errorf("pin %q, %v", pin, err)
	}
	for what, m := range map[string]met{
		"another pin":     knock(Name{Cluster: "c", Node: "d"}, strings.Repeat("A", PinLen)),
		"no pin":          knock(Name{Cluster: "c", Node: "d"}, ""),
		"another cluster": knock(Name{Cluster: "other", Node: "d"}, b.Pin()),
	} {
		if !errors.Is(m.atCaller, ErrStranger) {
			t.Errorf("%s: %v", what, m.atCaller)
		}
	}
}

func TestFoundersKnowEachOtherByTheSecret(t *testing.T) {
	const secret = "sixteen letters!"
	a, b, c := founders(t, secret, "a"), founders(t, secret, "b"), founders(t, secret+"!", "c")
	if m := meet(t, Port{Founders: b}, a.calls(Found, "")); m.atPort != nil || m.atCaller != nil || !m.accepted.Holder.Is(Name{FoundingCluster, "a", "store of a"}) {
		t.Errorf("%+v", m)
	}
	if m := meet(t, Port{Founders: c}, a.calls(Found, "")); !errors.Is(m.atCaller, ErrStranger) || !errors.Is(m.atPort, ErrRefused) {
		t.Errorf("with another secret: %+v", m)
	}
	if m := meet(t, Port{Founders: founders(t, "", "x")}, founders(t, "", "y").calls(Found, "")); m.atPort != nil || m.atCaller != nil {
		t.Errorf("on one machine: %+v", m)
	}
	if _, err := NewFounders("too short", "a", "s"); err == nil || strings.Contains(err.Error(), "too short") || !strings.Contains(err.Error(), "at least 16") {
		t.Errorf("a short secret: %v", err)
	}
}

// forge makes a wallet whose certificate is spoilt, though the authority issued it.
func forge(t *testing.T, w *Wallet, spoil func(*x509.Certificate)) *Wallet {
	t.Helper()
	held := *w.papers.Load()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := *held.own.Leaf
	spoil(&template)
	der, err := x509.CreateCertificate(rand.Reader, &template, held.signer.certificate, key.Public(), held.signer.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	held.own = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	forged := &Wallet{name: w.name, now: w.now}
	forged.papers.Store(&held)
	return forged
}

// Whoever is not a member is refused, and both sides say why.
func TestRefusals(t *testing.T) {
	ours := newTrust(t)
	a, b := wallet(t, ours, "c", "a"), wallet(t, ours, "c", "b")
	port := Port{Members: b, Founders: founders(t, "", "b")}
	foreign := wallet(t, newTrust(t), "c", "a")
	expired := forge(t, a, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = epoch, time.Now().Add(-time.Second) })
	unborn := forge(t, a, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) })
	nameless := func(c *x509.Certificate) { c.URIs = nil }
	plain := func(words string) func(context.Context, net.Conn) (net.Conn, error) {
		return func(_ context.Context, conn net.Conn) (net.Conn, error) {
			_, err := io.WriteString(conn, words)
			return conn, err
		}
	}
	bare := func(protocol string, version uint16) func(context.Context, net.Conn) (net.Conn, error) {
		return func(ctx context.Context, conn net.Conn) (net.Conn, error) {
			c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}, MaxVersion: version})
			return c, Explain(c.HandshakeContext(ctx))
		}
	}
	for name, test := range map[string]struct {
		port             Port
		call             func(context.Context, net.Conn) (net.Conn, error)
		atPort, atCaller string
	}{
		"a node of another cluster":   {port, foreign.calls(Peer, "b"), "does not accept this node's certificate", "not of this cluster's authority"},
		"an expired caller":           {port, expired.calls(Peer, "b"), "not good at this time", "this node's certificate is not good at this time"},
		"a caller of tomorrow":        {port, unborn.calls(Peer, "b"), "not good at this time", "this node's certificate is not good at this time"},
		"an expired callee":           {Port{Members: expired}, b.calls(Peer, "a"), "does not accept this node's certificate", "not good at this time"},
		"another node than meant":     {port, a.calls(Peer, "x"), "does not accept", "is of node \"b\", not of node x"},
		"one authority, two clusters": {port, wallet(t, ours, "other", "a").calls(Peer, "b"), "does not accept", "of another cluster"},
		"a callee that names nobody":  {Port{Members: forge(t, b, nameless)}, a.calls(Peer, "b"), "does not accept", "does not name a node"},
		"a caller that names nobody":  {port, forge(t, a, nameless).calls(Peer, "b"), "does not name a node", "its own log says why"},
		"a caller for servers only": {port, forge(t, a, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}).calls(Peer, "b"), "not one of a node", "its own log says why"},
		"a callee for clients only": {Port{Members: forge(t, b, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})}, a.calls(Peer, "b"), "does not accept", "not one of a node"},
		"a founder as a member":    {port, founders(t, "", "a").calls(Peer, "b"), "does not accept", "not of this cluster's authority"},
		"a member as a founder":    {port, a.calls(Found, ""), "does not accept", "not of this cluster's authority"},
		"a member at a newborn":    {Port{Founders: founders(t, "", "b")}, a.calls(Peer, "b"), "does not speak as nodes do", "belongs to no cluster yet"},
		"a founder at a member":    {Port{Members: b}, founders(t, "", "a").calls(Found, ""), "does not speak as nodes do", "founds none"},
		"no certificate":           {port, bare("mayfly-peer", 0), "shows no certificate", "this node showed none"},
		"a browser":                {port, bare("h2", 0), "does not speak as nodes do", "does not answer what this node asks"},
		"a browser of old":         {port, bare("mayfly-peer", tls.VersionTLS12), "does not speak as nodes do", "TLS 1.3"},
		"a Mayfly without TLS":     {port, plain("MYFLY\x01\x01\x00\x00"), "before nodes had certificates", ""},
		"HTTP":                     {port, plain("GET / HTTP/1.1\r\n\r\n"), "clients belong on the client port", ""},
		"garbage that begins well": {port, plain("\x16\x03\x01\x00\x05aaaaa"), "", ""},
		"a port scan": {port, func(_ context.Context, conn net.Conn) (net.Conn, error) {
			return conn, conn.(*net.TCPConn).CloseWrite()
		}, "said nothing", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := meet(t, test.port, test.call)
			if m.atPort == nil || m.atCaller == nil {
				t.Fatalf("they met: %+v", m)
			}
			if !strings.Contains(m.atPort.Error(), test.atPort) {
				t.Errorf("the port says %v, want %q", m.atPort, test.atPort)
			}
			if !strings.Contains(m.atCaller.Error(), test.atCaller) {
				t.Errorf("the caller hears %v, want %q", m.atCaller, test.atCaller)
			}
		})
	}
}

// A certificate that another authority has issued, under all the right names, as
// one of the client port or of the system would be, opens nothing.
func TestCertificatesOfOthersOpenNothing(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := wallet(t, newTrust(t), "c", "b")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Mayfly cluster"}, URIs: b.papers.Load().own.Leaf.URIs,
		NotBefore: epoch, NotAfter: judgment, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	m := meet(t, Port{Members: b}, func(ctx context.Context, conn net.Conn) (net.Conn, error) {
		c := tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true, NextProtos: []string{string(Peer)},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
			},
		})
		return c, c.HandshakeContext(ctx)
	})
	if !errors.Is(m.atPort, ErrStranger) || !errors.Is(m.atCaller, ErrRefused) {
		t.Errorf("%+v", m)
	}
}

// Who speaks TLS and does not say what for is a stranger, whatever it shows.
func TestCallersSayWhatFor(t *testing.T) {
	b := wallet(t, newTrust(t), "c", "b")
	for name, shown := range map[string][]tls.Certificate{"nothing": nil, "a certificate": {*b.papers.Load().own}} {
		for _, port := range []Port{{Members: b}, {Founders: b}} {
			m := meet(t, port, func(ctx context.Context, conn net.Conn) (net.Conn, error) {
				c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, Certificates: shown})
				return c, c.HandshakeContext(ctx)
			})
			if !errors.Is(m.atPort, ErrStranger) || m.accepted != nil || m.atCaller == nil {
				t.Errorf("showing %s: %+v", name, m)
			}
		}
	}
}

// A node that runs long renews its certificate, and one whose clock was mended too.
func TestRenewal(t *testing.T) {
	now := time.Now()
	w := wallet(t, newTrust(t), "c", "a", func() time.Time { return now })
	if first, want := w.Expires(), now.Add(Life); first.Sub(want).Abs() > time.Second {
		t.Errorf("it expires at %v, want %v", first, want)
	}
	for _, step := range []struct {
		after   time.Duration
		renewed bool
	}{
		{0, false}, {Life - renewBefore - time.Minute, false}, {2 * time.Minute, true}, {0, false},
		{Life, true}, {-2 * Life, true}, {0, false},
	} {
		now = now.Add(step.after)
		before := w.papers.Load().own
		renewed, err := w.Renew()
		if err != nil || renewed != step.renewed || (before != w.papers.Load().own) != renewed {
			t.Fatalf("after %v: %v, %v", step.after, renewed, err)
		}
		if leaf := w.papers.Load().own.Leaf; now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			t.Errorf("after %v it holds from %v to %v", step.after, leaf.NotBefore, leaf.NotAfter)
		}
	}
}

// While the authority is rotated any two nodes know each other that are at most one
// stage apart.
func TestRotationOfTheAuthority(t *testing.T) {
	one, two := newTrust(t), newTrust(t)
	old, next := one.Authorities[0], two.Authorities[0]
	stages := [][]cluster.Authority{{old}, {old, next}, {next, old}, {next}}
	at := func(stage int) cluster.Trust {
		return cluster.Trust{Serial: uint64(stage + 1), Authorities: stages[stage], GossipKeys: one.GossipKeys}
	}
	for i := range stages {
		for j := range stages {
			a, b := wallet(t, at(i), "c", "a"), wallet(t, at(j), "c", "b")
			m := meet(t, Port{Members: b}, a.calls(Peer, "b"))
			if far := i-j > 1 || j-i > 1; far == (m.atPort == nil && m.atCaller == nil) {
				t.Errorf("stages %d and %d: %v, %v", i, j, m.atPort, m.atCaller)
			}
		}
	}
	w := wallet(t, at(0), "c", "a")
	issued, pin := w.papers.Load().own, w.Pin()
	for stage := 1; stage < len(stages); stage++ {
		if err := w.Adopt(at(stage)); err != nil {
			t.Fatal(err)
		}
		if now := w.papers.Load().own; (now != issued) != (stage == 2) || (w.Pin() != pin) != (stage >= 2) {
			t.Errorf("stage %d: issued anew %v", stage, now != issued)
		}
		issued = w.papers.Load().own
	}
	broken := next
	broken.Key = old.Key
	for name, bad := range map[string]cluster.Trust{
		"nothing": {}, "garbage": {Authorities: []cluster.Authority{{Certificate: []byte("x"), Key: []byte("y")}}},
		"another's key": {Authorities: []cluster.Authority{broken}}, "no authority": {Authorities: []cluster.Authority{{Certificate: issued.Certificate[0], Key: old.Key}}},
	} {
		if err := w.Adopt(bad); err == nil || w.papers.Load().own != issued {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A caller that says nothing does not hold a port up beyond its time.
func TestSilentCallers(t *testing.T) {
	b := wallet(t, newTrust(t), "c", "b")
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := (Port{Members: b}).Accept(ctx, far); !errors.Is(err, ErrSilent) {
		t.Errorf("%v", err)
	}
}

// BenchmarkHandshake measures what a new connection between members costs both
// sides together.
func BenchmarkHandshake(b *testing.B) {
	ours := newTrust(b)
	caller, callee := wallet(b, ours, "c", "a"), wallet(b, ours, "c", "b")
	for b.Loop() {
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() {
			_, _, err := (Port{Members: callee}).Accept(b.Context(), far)
			done <- err
		}()
		_, err := caller.Call(b.Context(), near, Peer, "b")
		if err := errors.Join(err, <-done); err != nil {
			b.Fatal(err)
		}
		near.Close()
	}
}
