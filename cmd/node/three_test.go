package node

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	permissionpb "github.com/mayfly-broker/mayfly/proto/permission"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// member is one node of several in this process.
type member struct {
	config Config
	node   *Node
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	ended  chan error
}

// start builds the node and runs it.
func (m *member) start(ctx context.Context) (err error) {
	if m.node, err = New(ctx, m.config); err != nil {
		return fmt.Errorf("%s: %w", m.config.Name, err)
	}
	running, cancel := context.WithCancel(context.Background())
	m.cancel, m.ended = cancel, make(chan error, 1)
	go func() { m.ended <- m.node.Run(running) }()
	m.conn, err = grpc.NewClient(m.node.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

// stop ends the node and returns how long that took.
func (m *member) stop(t *testing.T) time.Duration {
	t.Helper()
	if m.cancel == nil {
		return 0
	}
	began := time.Now()
	m.cancel()
	m.cancel = nil
	if err := <-m.ended; err != nil {
		t.Errorf("node %s ended with %v", m.config.Name, err)
	}
	_ = m.conn.Close()
	return time.Since(began)
}

// safeLog is a log that many nodes write to.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// freePorts finds addresses that nobody listens on, since founders name each
// other's before they are born.
func freePorts(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all of them are taken until all are found
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// founders are configurations of nodes that found a cluster together.
func founders(t *testing.T, n int, log *safeLog) []*member {
	addrs := freePorts(t, n)
	var all []*member
	for i := range n {
		c := small(t)
		c.Name, c.PeerListen = string(rune('a'+i)), addrs[i]
		c.BootstrapExpect, c.Join = n, addrs
		c.Version = "v0.0.0-20260102030405-0123456789ab+dirty" // as of a build of no release
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		all = append(all, &member{config: c})
	}
	return all
}

// startAll starts nodes side by side, as they need each other.
func startAll(t *testing.T, all []*member) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	errs := make([]error, len(all))
	var starting sync.WaitGroup
	for i, m := range all {
		t.Cleanup(func() { m.stop(t) })
		starting.Go(func() { errs[i] = m.start(ctx) })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// subscribed opens a stream and waits for its first heartbeat; what it yields are
// the texts of items.
func (m *member) subscribed(t *testing.T, topic string) func() string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	stream, err := pubsubpb.NewPubsubClient(m.conn).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || first.GetHeartbeat() == nil {
		t.Fatalf("a subscription on %s began with %v, %v", m.config.Name, first, err)
	}
	return func() string {
		for {
			got, err := stream.Recv()
			if err != nil {
				return err.Error()
			}
			if text := got.GetItem().GetValue().GetText(); text != "" {
				return text
			}
		}
	}
}

// settle publishes to a topic again and again until every reader of it has its
// place, which takes a question to the topic's leader, and has read so far.
func (m *member) settle(t *testing.T, topic string, readers ...func() string) {
	t.Helper()
	const end = "all are here"
	for _, read := range readers {
		placed := make(chan string, 1)
		go func() { placed <- read() }()
		again := time.NewTicker(20 * time.Millisecond)
		for waiting := true; waiting; {
			m.publish(t, topic, "who is here")
			select {
			case got := <-placed:
				if waiting = false; got != "who is here" {
					t.Fatalf("a reader of %s heard %q", topic, got)
				}
			case <-again.C:
			}
		}
		again.Stop()
	}
	m.publish(t, topic, end)
	for _, read := range readers {
		for got := read(); got != end; got = read() {
			if got != "who is here" {
				t.Fatalf("a reader of %s heard %q", topic, got)
			}
		}
	}
}

func (m *member) publish(t *testing.T, topic, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := pubsubpb.NewPubsubClient(m.conn).Publish(ctx, &pubsubpb.PublishRequest{
		CacheName: "story", Topic: topic, Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: text}},
	}); err != nil {
		t.Errorf("publishing on %s: %v", m.config.Name, err)
	}
}

// push writes through one node, and returns how long the list is then.
func (m *member) push(t *testing.T, list, value string) uint32 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := cachepb.NewScsClient(m.conn).ListPushBack(metadata.AppendToOutgoingContext(ctx, "cache", "story"), &cachepb.ListPushBackRequest{
		ListName: []byte(list), Value: []byte(value), TtlMilliseconds: 600_000,
	})
	if err != nil {
		t.Errorf("pushing on %s: %v", m.config.Name, err)
	}
	return got.GetListLength()
}

// Three nodes are founded, used from everywhere, lose one, get it back and stop;
// nothing is left running (TestMain looks), and nothing secret is in their logs.
func TestThreeNodesInOneProcess(t *testing.T) {
	var log safeLog
	all := founders(t, 3, &log)
	startAll(t, all)
	if _, err := controlpb.NewScsControlClient(all[0].conn).CreateCache(t.Context(), &controlpb.CreateCacheRequest{CacheName: "story"}); err != nil {
		t.Fatal(err)
	}

	var readers []func() string
	for i := range 4 { // topics of both groups
		topic, first := fmt.Sprint("news-", i), len(readers)
		for _, m := range all {
			readers = append(readers, m.subscribed(t, topic))
		}
		all[i%3].settle(t, topic, readers[first:]...)
	}
	for _, m := range all {
		for i := range 4 {
			m.publish(t, fmt.Sprint("news-", i), m.config.Name)
		}
	}
	for i, read := range readers {
		for _, m := range all {
			if got := read(); got != m.config.Name {
				t.Fatalf("reader %d heard %q, want %q", i, got, m.config.Name)
			}
		}
	}
	for i, m := range all {
		if length := m.push(t, "list", m.config.Name); length != uint32(i+1) {
			t.Errorf("the list has %d values after push %d", length, i+1)
		}
	}

	if took := all[2].stop(t); took > 8*time.Second { // its readers are told to go, nobody has to be waited for
		t.Errorf("a node with readers took %v to stop", took)
	}
	if length := all[0].push(t, "list", "without c"); length != 4 {
		t.Errorf("the list has %d values while a node is away", length)
	}
	startAll(t, all[2:])
	if length := all[2].push(t, "list", "c again"); length != 5 {
		t.Errorf("the list has %d values when the node is back", length)
	}
	again := all[2].subscribed(t, "news-0")
	all[0].settle(t, "news-0", again)
	all[1].publish(t, "news-0", "c is back")
	if got := again(); got != "c is back" {
		t.Errorf("the node that is back hears %q", got)
	}

	secrets := secretsOf(t, all)
	var stopping sync.WaitGroup
	for _, m := range all {
		stopping.Go(func() { m.stop(t) })
	}
	stopping.Wait()
	for name, secret := range secrets {
		if secret == "" || strings.Contains(log.String(), secret) {
			t.Errorf("the logs hold the %s", name)
		}
	}
}

// secretsOf is all that must not be in a log, by what it is.
func secretsOf(t *testing.T, all []*member) map[string]string {
	t.Helper()
	admin := adminToken(t, all[0].config.DataDir)
	key, err := adminv1.NewAdminClient(all[1].conn).CreateApiKey(as(t, admin), &adminv1.CreateApiKeyRequest{
		Permissions: &permissionpb.Permissions{Kind: &permissionpb.Permissions_SuperUser{}}, ValidForSeconds: 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := office{all[2].node}.JoinToken(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	// A newcomer that is refused shows its token all the same.
	spent := small(t)
	spent.Name, spent.Join, spent.JoinToken, spent.Logger = "a", []string{all[1].config.PeerListen}, token, all[0].config.Logger
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if n, err := New(ctx, spent); err == nil {
		t.Errorf("a second node of the name %s was let in", n.host.Node())
	}
	secrets := map[string]string{"admin credential": admin, "key": key.GetApiKey(), "refresh token": key.GetRefreshToken(), "join token": token}
	held := all[0].node.links.wallet.Trust()
	for name, secret := range map[string][]byte{"gossip key": held.GossipKeys[0], "authority's key": held.Authorities[0].Key} {
		secrets[name] = base64.StdEncoding.EncodeToString(secret)
		secrets[name+" in hex"] = hex.EncodeToString(secret)
		secrets[name+" as bytes"] = strings.Trim(fmt.Sprintf("%d", secret), "[]")
	}
	return secrets
}

// A node that waits for others ends as soon as it is told to, and leaves nothing
// behind.
func TestStopWhileWaitingForOthers(t *testing.T) {
	var log safeLog
	for name, among := range map[string]int{"nobody is there": 1, "one is missing": 2} {
		t.Run(name, func(t *testing.T) {
			all := founders(t, 3, &log)[:among]
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var starting sync.WaitGroup
			for _, m := range all {
				starting.Go(func() {
					if _, err := New(ctx, m.config); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s ended with %v", m.config.Name, err)
					}
				})
			}
			began := time.Now()
			starting.Wait()
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the end took %v", took)
			}
		})
	}
}

// A node of a cluster whose others are away waits for them, and ends when told to.
func TestStopWhileCatchingUp(t *testing.T) {
	var log safeLog
	all := founders(t, 3, &log)
	startAll(t, all)
	for _, m := range all {
		m.stop(t) // the last one has nobody to hand its groups to
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	if _, err := New(ctx, all[0].config); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node alone of three came up: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
}
