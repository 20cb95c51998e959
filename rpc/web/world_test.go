package web

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener whose connections are pipes in memory, so that time can be
// made up.
type pipes struct {
	accept chan any // net.Conn or error
	done   chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{accept: make(chan any), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case v := <-p.accept:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

// dial returns the client's end of a new connection.
func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.accept <- theirs
	return ours
}

// servePort runs a port over pipes until the test ends.
func servePort(t *testing.T) (*Port, *pipes) {
	t.Helper()
	l := newPipes()
	return servePortAt(t, l), l
}

func servePortAt(t *testing.T, l net.Listener) *Port {
	t.Helper()
	p := NewPort(l, nil)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := p.Serve(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		serving.Wait()
	})
	return p
}

// keyring is a cluster's credentials as auth asks for them.
type keyring struct {
	signing auth.SigningKey
	records map[string]auth.APIKey
}

func newKeyring(t testing.TB) *keyring {
	t.Helper()
	signing, err := auth.NewSigningKey(rand.Reader, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &keyring{signing: signing, records: make(map[string]auth.APIKey)}
}

func (k *keyring) CurrentSigningKey() (auth.SigningKey, bool) { return k.signing, true }
func (k *keyring) SigningKey(id string) (auth.SigningKey, bool) {
	return k.signing, id == k.signing.ID
}
func (k *keyring) APIKey(id string) (auth.APIKey, bool) {
	r, ok := k.records[id]
	return r, ok
}
func (k *keyring) TokenDenial(string) auth.Denial { return auth.Denial{} }
func (k *keyring) Secured() bool                  { return len(k.records) > 0 }
func (k *keyring) Revision() uint64               { return uint64(len(k.records)) }

func (k *keyring) gate(t testing.TB) *auth.Gate {
	t.Helper()
	v, err := auth.NewVerifier(auth.VerifierConfig{ClusterID: "test", Keys: k})
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewGate(v, true)
}

// mint secures the cluster with an API key for one topic, and returns that key, a
// disposable token and the admin credential.
func (k *keyring) mint(t *testing.T, gate *auth.Gate) (key, token, admin string) {
	t.Helper()
	m, err := auth.NewMinter(auth.MinterConfig{ClusterID: "test", Keys: k, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	admin, err = m.Admin(0, now)
	if err != nil {
		t.Fatal(err)
	}
	root, err := gate.Authenticate(admin, now)
	if err != nil {
		t.Fatal(err)
	}
	narrow := &permissionpb.Permissions{Kind: &permissionpb.Permissions_Explicit{Explicit: &permissionpb.ExplicitPermissions{
		Permissions: []*permissionpb.PermissionsType{{Kind: &permissionpb.PermissionsType_TopicPermissions{
			TopicPermissions: &permissionpb.TopicPermissions{
				Role:  permissionpb.TopicRole_TopicReadOnly,
				Cache: &permissionpb.TopicPermissions_AllCaches{},
				Topic: &permissionpb.TopicPermissions_AllTopics{},
			},
		}}},
	}}}
	made, err := m.APIKey(root, auth.KeyRequest{Permissions: narrow, Never: true}, now)
	if err != nil {
		t.Fatal(err)
	}
	disposable, err := m.Disposable(root, narrow, time.Hour, "", now)
	if err != nil {
		t.Fatal(err)
	}
	k.records[made.Record.ID] = made.Record
	return made.Text, disposable.Text, admin
}

// newTestServer makes a Server whose metrics are the line "metrics".
func newTestServer(t testing.TB, gate *auth.Gate, ready func() []Reason) *Server {
	t.Helper()
	if ready == nil {
		ready = func() []Reason { return nil }
	}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "metrics") })
	s, err := NewServer(Config{Ready: ready, Metrics: metrics, Gate: gate})
	if err != nil {
		t.Fatal(err)
	}
	s.Open(noCalls{})
	return s
}

// noCalls serves no call.
type noCalls struct{}

func (noCalls) Call(context.Context, api.Call, api.Exchange) (*status.Status, metadata.MD) {
	return status.New(codes.Unimplemented, "no calls here"), nil
}

func (noCalls) Identify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, auth.ErrForged
}

var errBroken = errors.New("the listener broke")
