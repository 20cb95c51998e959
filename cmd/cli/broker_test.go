package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"path"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	adminpb "github.com/mayfly-broker/mayfly/proto/admin/v1"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
)

// broker answers calls as a test tells it to. It knows no rules: what the
// commands do against a real broker is told in the stories of the test folder.
type broker struct {
	// answer serves every unary call, by the bare name of the method.
	answer func(method string, request proto.Message, credential string) (proto.Message, error)
	// subscribe serves every subscription.
	subscribe func(*pubsubpb.SubscribeRequest, grpc.ServerStreamingServer[pubsubpb.SubscribeResponse]) error

	listener *bufconn.Listener

	mu    sync.Mutex
	calls []seen // guarded by mu
}

// seen is one unary call as it arrived.
type seen struct {
	method, cache, credential string
	request                   proto.Message
}

type pubsub struct {
	pubsubpb.UnimplementedPubsubServer
	broker *broker
}

func (p pubsub) Subscribe(request *pubsubpb.SubscribeRequest, stream grpc.ServerStreamingServer[pubsubpb.SubscribeResponse]) error {
	return p.broker.subscribe(request, stream)
}

// start serves until the test ends.
func (b *broker) start(t *testing.T) *broker {
	t.Helper()
	b.listener = bufconn.Listen(1 << 16)
	server := grpc.NewServer(grpc.UnaryInterceptor(b.intercept))
	controlpb.RegisterScsControlServer(server, controlpb.UnimplementedScsControlServer{})
	cachepb.RegisterScsServer(server, cachepb.UnimplementedScsServer{})
	tokenpb.RegisterTokenServer(server, tokenpb.UnimplementedTokenServer{})
	webhookpb.RegisterWebhookServer(server, webhookpb.UnimplementedWebhookServer{})
	adminpb.RegisterCachesServer(server, adminpb.UnimplementedCachesServer{})
	adminpb.RegisterAdminServer(server, adminpb.UnimplementedAdminServer{})
	adminpb.RegisterCredentialsServer(server, adminpb.UnimplementedCredentialsServer{})
	pubsubpb.RegisterPubsubServer(server, pubsub{broker: b})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(b.listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return b
}

// The broker of a test that makes no call may be told to stop before it begins.
func TestBrokerWithoutCalls(t *testing.T) {
	for range 200 {
		t.Run("", func(t *testing.T) { new(broker).start(t) })
	}
}

func (b *broker) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	call := seen{
		method:     path.Base(info.FullMethod),
		cache:      strings.Join(md.Get("cache"), ","),
		credential: strings.Join(md.Get("authorization"), ","),
		request:    proto.Clone(request.(proto.Message)),
	}
	b.mu.Lock()
	b.calls = append(b.calls, call)
	b.mu.Unlock()
	answer, err := b.answer(call.method, call.request, call.credential)
	if answer == nil && err == nil {
		err = status.Error(codes.Internal, "the test has no answer for "+call.method)
	}
	return answer, err
}

// took returns the calls since the last time.
func (b *broker) took() []seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

// always answers every call alike.
func always(answer proto.Message) func(string, proto.Message, string) (proto.Message, error) {
	return func(string, proto.Message, string) (proto.Message, error) { return answer, nil }
}

// fails every call.
func fails(code codes.Code, message string) func(string, proto.Message, string) (proto.Message, error) {
	return func(string, proto.Message, string) (proto.Message, error) { return nil, status.Error(code, message) }
}

// outcome is what a finished command left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// invocation is a command line and what surrounds it.
type invocation struct {
	broker  *broker
	dial    func(context.Context, string) (net.Conn, error)
	environ []string
	stdin   string
}

func (i invocation) run(t *testing.T, args ...string) outcome {
	t.Helper()
	return i.runContext(t.Context(), args...)
}

func (i invocation) runContext(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	p := Program{
		Name: "mayfly", Stdin: strings.NewReader(i.stdin), Stdout: &stdout, Stderr: &stderr,
		Environ: append([]string{"HOME=/no-home"}, i.environ...),
		Dial:    i.dial,
	}
	if i.broker != nil {
		p.Dial = i.dialer()
	}
	code := p.Run(ctx, args)
	return outcome{code, stdout.String(), stderr.String()}
}

// dialer connects to the broker whatever the address.
func (i invocation) dialer() func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return i.broker.listener.DialContext(ctx) }
}
