package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// revocationTime is how long a stream may go on whose credential was revoked, by the
// promise a second, on a machine that is busy with other things.
const revocationTime = 5 * time.Second

// way is a transport that a subscription can come over. It calls ready when the
// subscription stands, and returns how it ended.
type way func(ctx context.Context, at listeningPost, credential string, ready func()) string

// listeningPost is a node, and a connection to it.
type listeningPost struct {
	*harness.Server
	conn *grpc.ClientConn
}

var ways = map[string]way{
	"gRPC": overGRPC, "gRPC-Web": overWeb, "server-sent events": overEvents, "WebSocket": overSocket, "long poll": overPoll,
}

func overGRPC(ctx context.Context, at listeningPost, credential string, ready func()) string {
	stream, err := pubsubpb.NewPubsubClient(at.conn).Subscribe(harness.WithKey(ctx, credential), &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "room"})
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			ready()
		}
	}
	return fmt.Sprintf("%v: %s", status.Code(err), status.Convert(err).Message())
}

// fetchAll makes a request, says ready at the first bytes of the answer, and returns
// all that came.
func fetchAll(ctx context.Context, method, target string, body []byte, header http.Header, ready func()) string {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	request.Header = header
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	var all bytes.Buffer
	_, err = io.CopyN(&all, answer.Body, 1)
	if err == nil {
		ready()
		_, err = io.Copy(&all, answer.Body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return answer.Status + " " + all.String()
}

func overWeb(ctx context.Context, at listeningPost, credential string, ready func()) string {
	message, err := proto.Marshal(&pubsubpb.SubscribeRequest{CacheName: "story", Topic: "room"})
	if err != nil {
		return err.Error()
	}
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	header := http.Header{"Content-Type": {"application/grpc-web+proto"}, "Authorization": {credential}}
	return fetchAll(ctx, http.MethodPost, at.URL()+pubsubpb.Pubsub_Subscribe_FullMethodName, body, header, ready)
}

func overEvents(ctx context.Context, at listeningPost, credential string, ready func()) string {
	return fetchAll(ctx, http.MethodGet, at.URL()+"/topics/story/room", nil, http.Header{"Accept": {"text/event-stream"}, "Authorization": {credential}}, ready)
}

func overPoll(ctx context.Context, at listeningPost, credential string, ready func()) string {
	ready() // it says nothing before its end
	return fetchAll(ctx, http.MethodGet, at.URL()+"/topics/story/room?token="+url.QueryEscape(credential), nil, http.Header{}, func() {})
}

func overSocket(ctx context.Context, at listeningPost, credential string, ready func()) string {
	c, _, err := websocket.Dial(ctx, "ws://"+at.Addr+"/topics/story/room?token="+url.QueryEscape(credential), nil) //nolint:bodyclose // the library did
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.CloseNow() }()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return err.Error()
		}
		ready()
	}
}

// ended is how a subscription ended, and when.
type ended struct {
	what, how string
	at        time.Time
}

// subscribeEverywhere listens over every way at every node, and returns how many do
// and where their ends are told. It returns when all subscriptions stand.
func subscribeEverywhere(t *testing.T, nodes []*harness.Server, credential string) (count int, ends <-chan ended) {
	t.Helper()
	all := make(chan ended, len(nodes)*len(ways))
	standing := make(chan struct{}, cap(all))
	ctx := harness.Bounded(t)
	for i, node := range nodes {
		at := listeningPost{node, node.Conn(t)}
		for name, over := range ways {
			what := fmt.Sprintf("%s at node %d", name, i)
			go func() {
				ready := false
				how := over(ctx, at, credential, func() {
					if !ready {
						ready = true
						standing <- struct{}{}
					}
				})
				all <- ended{what, how, time.Now()}
			}()
		}
	}
	for range cap(all) {
		select {
		case <-standing:
		case end := <-all:
			t.Fatalf("%s: %s", end.what, end.how)
		case <-time.After(harness.Patience):
			t.Fatal("not all subscriptions stand")
		}
	}
	return cap(all), all
}

// endAll demands that every subscription ends soon after began, for being revoked,
// and returns how long the last one took.
func endAll(t *testing.T, count int, ends <-chan ended, began time.Time) (slowest time.Duration) {
	t.Helper()
	for range count {
		select {
		case end := <-ends:
			slowest = max(slowest, end.at.Sub(began))
			if took := end.at.Sub(began); took > revocationTime {
				t.Errorf("%s lived on for %v", end.what, took)
			}
			tells := map[string]string{"gRPC ": "Unauthenticated: revoked", "gRPC-Web": "grpc-status:16", "WebSocket": "4401", "long poll": "UNAUTHENTICATED"}
			for name, words := range tells {
				if strings.HasPrefix(end.what, name) && !strings.Contains(strings.ReplaceAll(end.how, "grpc-status: ", "grpc-status:"), words) {
					t.Errorf("%s ended with %q, which does not say %q", end.what, end.how, words)
				}
			}
		case <-time.After(harness.Patience):
			t.Fatalf("after %v a revoked credential still listens", harness.Patience)
		}
	}
	return slowest
}

// A revoked token id, and a revoked key, end what they listen to on every node and
// over every transport, and every call from then on.
func TestRevocationEndsStreamsEverywhere(t *testing.T) {
	t.Parallel()
	c := harness.StartCluster(t, harness.ClusterOptions{})
	var nodes []*harness.Server
	for _, n := range c.Nodes {
		nodes = append(nodes, n.Server)
	}
	key := nodes[0].Secure(t)
	nodes[0].CreateCache(t, "story")
	mint := func(through *harness.Server, key string) (raw string) {
		t.Helper()
		var made struct {
			Raw string `json:"raw_token"`
		}
		through.CLIWithKey(t, key, "token", "create", "--cache", "story", "--topic", "room", "--key", "k", "--token-id", "alice", "-o", "json").JSON(t, &made)
		return made.Raw
	}
	call := func(at *harness.Server, credential string) codes.Code {
		ctx := harness.WithKey(harness.WithCache(harness.Bounded(t), "story"), credential)
		_, err := cachepb.NewScsClient(at.Conn(t)).Get(ctx, &cachepb.GetRequest{CacheKey: []byte("k")})
		return status.Code(err)
	}

	token := mint(nodes[1], key)
	count, ends := subscribeEverywhere(t, nodes, token)
	admin := adminv1.NewCredentialsClient(nodes[2].Conn(t))
	began := time.Now()
	if _, err := admin.RevokeTokens(harness.WithKey(harness.Bounded(t), key), &adminv1.RevokeTokensRequest{TokenId: "alice"}); err != nil {
		t.Fatal(err)
	}
	slowest := endAll(t, count, ends, began)
	for i, node := range nodes {
		if got := call(node, token); got != codes.Unauthenticated {
			t.Errorf("node %d answers a revoked token with %v", i, got)
		}
		if got := call(node, mint(node, key)); got != codes.OK {
			t.Errorf("node %d answers a token made afterwards with %v", i, got)
		}
	}

	var backend struct {
		ID     string
		APIKey string `json:"api_key"`
	}
	nodes[1].CLI(t, "", "key", "create", "--superuser", "-o", "json").JSON(t, &backend)
	count, ends = subscribeEverywhere(t, nodes, mint(nodes[0], backend.APIKey))
	began = time.Now()
	if _, err := adminv1.NewAdminClient(nodes[0].Conn(t)).RevokeApiKey(harness.WithKey(harness.Bounded(t), key), &adminv1.RevokeApiKeyRequest{Id: backend.ID}); err != nil {
		t.Fatal(err)
	}
	slowest = max(slowest, endAll(t, count, ends, began))
	t.Logf("of %d subscriptions on 3 nodes over %d transports, twice, the last ended %v after it was asked for", count, len(ways), slowest.Round(time.Millisecond))
}
