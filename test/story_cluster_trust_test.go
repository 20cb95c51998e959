package test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// keysOf is what the data directory of a node holds of its cluster's secrets.
type keysOf struct {
	Node      string `json:"node"`
	ClusterID string `json:"cluster_id"`
	Trust     struct {
		Serial      int `json:"serial"`
		Authorities []struct {
			Certificate []byte `json:"certificate"`
			Key         []byte `json:"key"`
		} `json:"authorities"`
		GossipKeys [][]byte `json:"gossip_keys"`
	} `json:"trust"`
}

func keys(t *testing.T, s *harness.Server) (k keysOf) {
	t.Helper()
	path := filepath.Join(s.DataDir, "charter.json")
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &k)
	}
	if err != nil || k.Trust.Serial == 0 {
		t.Fatalf("%s: %v", path, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the keys of a node: %v, %v", info.Mode(), err)
	}
	return k
}

// spellings are all ways in which a log might tell of these keys.
func (k keysOf) spellings() (all []string) {
	secrets := append([][]byte{}, k.Trust.GossipKeys...)
	for _, a := range k.Trust.Authorities {
		secrets = append(secrets, a.Key)
	}
	for _, s := range secrets {
		all = append(all, base64.StdEncoding.EncodeToString(s), base64.RawURLEncoding.EncodeToString(s), hex.EncodeToString(s),
			strings.Trim(fmt.Sprintf("%d", s), "[]"), strings.Trim(fmt.Sprintf("%q", s), `"`))
	}
	return all
}

// issue makes a certificate as a thief of the authority could, for the node it names.
func (k keysOf) issue(t *testing.T, node string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	authority, err := x509.ParseCertificate(k.Trust.Authorities[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := x509.ParsePKCS8PrivateKey(k.Trust.Authorities[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, authority, signer, "/"+k.ClusterID+"/"+node+"/STORE", change)
}

// certify makes a certificate that is good now but for what change does to it.
func certify(t *testing.T, authority *x509.Certificate, signer any, path string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(5), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{{Scheme: "mayfly", Path: path}}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), signer.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// knock has a stranger call the peer port, and returns what it hears: the answer, and
// why there is none.
func knock(t *testing.T, addr, protocol string, from net.IP, words string, shown ...tls.Certificate) (heard string, err error) {
	t.Helper()
	ctx := harness.Bounded(t)
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if protocol != "" {
		secured := tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true, NextProtos: []string{protocol}, ServerName: "impostor",
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &append(shown, tls.Certificate{})[0], nil
			},
		})
		if err := secured.HandshakeContext(ctx); err != nil {
			return "", err
		}
		conn = secured
	}
	if _, err := io.WriteString(conn, words); err != nil {
		return "", err
	}
	_ = conn.SetDeadline(time.Now().Add(harness.Patience))
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<16))
	return string(answer), err
}

// hello is the first word of a node of that name, as the peer protocol has it.
func hello(k keysOf, node, store string) string {
	var body strings.Builder
	for i, field := range []string{k.ClusterID, node, store, "BOOT", k.Node} {
		fmt.Fprintf(&body, "%c%c%s", (i+1)<<3|2, len(field), field)
	}
	body.WriteString("\x30\x01") // for calls
	return fmt.Sprintf("MYFLY\x01\x01\x00%c%s", body.Len(), body.String())
}

// Whoever is not a node of the cluster is refused at the peer port, and both sides
// learn why, in words that hold no secret. A node looks at a caller's certificate, at
// its name, and at the hello behind it; nothing that the client port believes counts.
func TestStrangersAtThePeerPort(t *testing.T) {
	t.Parallel()
	clients := harness.NewAuthority(t)
	peer := harness.FreeAddr(t)
	node := harness.Start(t, harness.Options{Args: []string{"--node-name", "lone", "--peer-listen", peer}})
	k := keys(t, node)
	other := harness.Start(t, harness.Options{Args: []string{"--node-name", "n2", "--peer-listen", harness.FreeAddr(t)}})
	foreign := keys(t, other)
	clientCertificate, err := tls.LoadX509KeyPair(clients.CertFile, clients.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	const members = "mayfly-peer"
	good := k.issue(t, "n2", nil)
	for i, c := range []struct {
		name     string
		protocol string
		shown    []tls.Certificate
		words    string
		heard    string // by the stranger
		logged   string // by the node
	}{
		{"plain text of a node", "", nil, hello(k, "n2", "STORE"), "", "before nodes had certificates"},
		{"plain HTTP", "", nil, "GET / HTTP/1.1\r\n\r\n", "", "clients belong on the client port"},
		{"gRPC of a client", "h2", nil, "", "no application protocol", "does not speak as nodes do"},
		{"no certificate", members, nil, "", "certificate required", "shows no certificate"},
		{"a certificate of the client port", members, []tls.Certificate{clientCertificate}, "", "unknown certificate authority", "not of this cluster's authority"},
		{"a node of another cluster", members, []tls.Certificate{foreign.issue(t, "n2", nil)}, "", "unknown certificate authority", "not of this cluster's authority"},
		{"one authority, another cluster", members, []tls.Certificate{keysOf{ClusterID: "ELSEWHERE", Trust: k.Trust}.issue(t, "n2", nil)}, "", "bad certificate", "of another cluster"},
		{"an expired certificate", members, []tls.Certificate{k.issue(t, "n2", func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		})}, "", "expired certificate", "not good at this time"},
		{"a certificate that names nobody", members, []tls.Certificate{k.issue(t, "n2", func(c *x509.Certificate) { c.URIs = nil })}, "", "bad certificate", "does not name a node"},
		{"another name than the certificate's", members, []tls.Certificate{good}, hello(k, "n3", "STORE"), "the certificate is another node's than the hello", "the certificate is another node's than the hello"},
		{"another data directory than the certificate's", members, []tls.Certificate{good}, hello(k, "n2", "ANOTHER"), "the certificate is another node's than the hello", "the certificate is another node's than the hello"},
		{"a member's word without a certificate", "mayfly-join", nil, hello(k, "n4", "STORE"), "the certificate is another node's than the hello", "the certificate is another node's than the hello"},
	} {
		from := net.IPv4(127, 0, 1, byte(i+1)) // each machine is told of once a minute
		for range 3 {
			heard, err := knock(t, peer, c.protocol, from, c.words, c.shown...)
			if text := fmt.Sprint(heard, err); c.heard != "" && !strings.Contains(text, c.heard) {
				t.Errorf("%s hears %q, want %q", c.name, text, c.heard)
			}
		}
		told := 0
		harness.Eventually(t, harness.Patience, "the refusal of "+c.name+" in the log", func() (bool, string) {
			told = 0
			for line := range strings.Lines(node.Log(t)) {
				if strings.Contains(line, from.String()+":") {
					told++
					if !strings.Contains(line, c.logged) {
						t.Fatalf("%s: the log says %s, want %q", c.name, line, c.logged)
					}
				}
			}
			return told > 0, "nothing"
		})
		if told > 2 {
			t.Errorf("%s: the log tells of it %d times", c.name, told)
		}
	}
	if refused := node.Metrics(t).Of("mayfly_strangers_refused_total", "port", "peer"); refused < 30 {
		t.Errorf("%v strangers were counted", refused)
	}
	leaksNothing(t, map[string]*harness.Server{"the node": node, "the other": other}, append(k.spellings(), foreign.spellings()...))
}

// leaksNothing demands that no log and no metric holds any of the secrets.
func leaksNothing(t *testing.T, servers map[string]*harness.Server, secrets []string) {
	t.Helper()
	for name, s := range servers {
		log := s.Log(t)
		for _, secret := range secrets {
			if len(secret) < 20 {
				t.Fatalf("%q is no secret to look for", secret)
			}
			if strings.Contains(log, secret) {
				t.Errorf("the log of %s holds %q", name, secret)
			}
		}
	}
}

// A join token works once, for one node, against a node that proves to be of the
// cluster that the token is for; whoever repeats it, or shows it elsewhere, learns
// nothing. The cluster's keys are in none of the logs.
func TestJoinTokensAreNotReplayed(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{Nodes: 1})
	lone := harness.Start(t, harness.Options{Args: []string{"--peer-listen", harness.FreeAddr(t)}}) // another cluster
	first := c.Nodes[0]
	token := c.JoinToken(t)
	joined := c.Join(t)
	tokens := []string{token}
	asks := func(name, token, seed string) (*harness.Server, string) {
		t.Helper()
		tokens = append(tokens, token)
		s := harness.New(t, harness.Options{Args: []string{
			"--node-name", name, "--peer-listen", harness.FreeAddr(t), "--join", seed,
		}, Env: []string{"MAYFLY_JOIN_TOKEN=" + token}})
		s.Launch(t)
		harness.Eventually(t, harness.Patience, "the newcomer to be refused", func() (bool, string) {
			log := s.Log(t)
			return strings.Contains(log, "refused"), log
		})
		return s, s.Log(t)
	}
	seed := c.Seeds()
	third := harness.Start(t, harness.Options{
		Args: []string{"--node-name", "n3", "--peer-listen", harness.FreeAddr(t), "--join", seed}, Env: []string{"MAYFLY_JOIN_TOKEN=" + token},
	})
	replayed, log := asks("n4", token, seed)
	if !strings.Contains(log, "the join token is unknown, used or expired") {
		t.Errorf("the log says %s", log)
	}
	// The token is not shown to a node that is not of its cluster.
	fresh := c.JoinToken(t)
	status := lone.Status(t)
	misled, log := asks("n5", fresh, status.GetNodes()[0].GetPeerAddr())
	if !strings.Contains(log, "not of the cluster that the join token is for") {
		t.Errorf("the log says %s", log)
	}
	leaksNothing(t, map[string]*harness.Server{
		"the first": first.Server, "the second": joined.Server, "the third": third, "who replays": replayed, "who was misled": misled, "another cluster": lone,
	}, append(append(tokens, keys(t, first.Server).spellings()...), keys(t, lone).spellings()...))
}

// The key of gossip is replaced while nodes are up and down. One that was down all
// the time, over two rotations, learns the key when it returns. The authority is
// replaced too, for which everybody is waited.
func TestRotateTheKeysOfNodes(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	away, others := c.Nodes[2], c.Nodes[:2]
	before := keys(t, c.Nodes[0].Server)
	held := before.spellings()
	stale := c.JoinToken(t)
	away.Stop(t)
	rotate := func(more ...string) keysOf {
		t.Helper()
		others[1].CLI(t, "", append([]string{"cluster", "rotate-key", "--timeout", "1m"}, more...)...).OK(t)
		now := keys(t, others[0].Server)
		held = append(held, now.spellings()...)
		return now
	}
	rotate()
	after := rotate()
	if after.Trust.Serial != before.Trust.Serial+6 || string(after.Trust.GossipKeys[0]) == string(before.Trust.GossipKeys[0]) || len(after.Trust.GossipKeys) != 1 {
		t.Errorf("after two rotations the keys are number %d, %d of them", after.Trust.Serial, len(after.Trust.GossipKeys))
	}
	away.Start(t)
	hearEachOther(t, c)
	if got := keys(t, away.Server); string(got.Trust.GossipKeys[0]) != string(after.Trust.GossipKeys[0]) {
		t.Error("the node that was away has another key")
	}

	last := rotate("--authority")
	if string(last.Trust.Authorities[0].Key) == string(after.Trust.Authorities[0].Key) || len(last.Trust.Authorities) != 1 {
		t.Error("the authority is the old one")
	}
	for _, n := range c.Nodes { // connections are made anew with what was issued since
		n.Stop(t)
		n.Start(t)
	}
	hearEachOther(t, c)
	late := harness.New(t, harness.Options{
		Args: []string{"--join", c.Seeds(), "--peer-listen", harness.FreeAddr(t)}, Env: []string{"MAYFLY_JOIN_TOKEN=" + stale},
	})
	late.Launch(t)
	harness.Eventually(t, harness.Patience, "a token of before to be refused", func() (bool, string) {
		log := late.Log(t)
		return strings.Contains(log, "from before a rotation of its authority"), log
	})
	c.Join(t)
	if heard, err := knock(t, c.Nodes[0].Peer(), "mayfly-peer", net.IPv4(127, 0, 1, 200), "", after.issue(t, "n2", nil)); err == nil || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("with a certificate of the old authority: %q, %v", heard, err)
	}
	servers := map[string]*harness.Server{"the late one": late}
	for _, n := range c.Nodes {
		servers[n.Name] = n.Server
	}
	leaksNothing(t, servers, append(held, stale))
}

// Nodes on several machines found a cluster only with a secret that all of them were
// given: none without one begins, and one with another secret is not let in.
func TestFoundingTakesASecret(t *testing.T) {
	t.Parallel()
	const secret = "a founding secret of the tests"
	file := filepath.Join(t.TempDir(), "founding")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := harness.New(t, harness.Options{Args: []string{"--peer-listen", "0.0.0.0:0", "--advertise", "127.0.0.1", "--bootstrap-expect", "3", "--join", "192.0.2.1:7947"}})
	open.Launch(t)
	if code, output := open.Exits(t); code != 1 || !strings.Contains(output, "by a founding secret") || !strings.Contains(output, "--founding-secret-file") {
		t.Errorf("without a secret it ended with %d: %s", code, output)
	}
	peers := []string{harness.FreeAddr(t), harness.FreeAddr(t)}
	founder := func(i int, secret string) *harness.Server {
		return harness.New(t, harness.Options{Args: []string{
			"--node-name", fmt.Sprint("n", i+1), "--peer-listen", peers[i], "--bootstrap-expect", "2", "--join", peers[1-i], "--data-groups", "1",
		}, Env: []string{"MAYFLY_FOUNDING_SECRET" + secret}})
	}
	wrong, right := founder(0, "=another secret of the tests"), founder(1, "_FILE="+file)
	wrong.Launch(t)
	right.Launch(t)
	for _, s := range []*harness.Server{wrong, right} {
		harness.Eventually(t, harness.Patience, "a node to tell of the other's secret", func() (bool, string) {
			log := s.Log(t)
			return strings.Contains(log, "it has another founding secret; start all nodes with the same one"), log
		})
	}
	wrong.Kill(t)
	mended := founder(0, "_FILE="+file)
	mended.Launch(t)
	mended.AwaitServing(t)
	right.AwaitServing(t)
	leaksNothing(t, map[string]*harness.Server{"n1": mended, "n2": right, "the wrong one": wrong}, append(keys(t, right).spellings(), secret, "another secret of the tests"))
}
