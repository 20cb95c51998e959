package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// Ten thousand subscriptions on one connection, where the operator allows it:
// every one of them gets the item.
func TestTenThousandStreams(t *testing.T) {
	t.Parallel()
	const streams = 10_000
	server := harness.Start(t, harness.Options{Args: []string{"--max-streams", "20000"}})
	server.CreateCache(t, "story")
	conn := server.Conn(t)
	honest := newListener(t, server, "crowded")
	ctx, cancel := context.WithCancel(harness.Bounded(t))
	defer cancel()
	opened := make([]grpc.ServerStreamingClient[pubsubpb.SubscribeResponse], streams)
	for i := range opened {
		stream, err := pubsubpb.NewPubsubClient(conn).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "crowded"})
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		opened[i] = stream
	}
	for i, stream := range opened {
		if message, err := stream.Recv(); err != nil || message.GetHeartbeat() == nil {
			t.Fatalf("stream %d: got %v, %v; want a heartbeat", i, message, err)
		}
	}
	publish(t, server, "crowded", []string{"for all"})
	for i, stream := range opened {
		if got, err := nextText(stream); err != nil || got != "for all" {
			t.Fatalf("stream %d: got %q, %v", i, got, err)
		}
	}
	honest.expect(t, "for all")
	t.Logf("%d MiB with %d streams", server.ResidentBytes(t)>>20, streams)
	cancel()
	publish(t, server, "crowded", []string{"after they left"})
	honest.expect(t, "after they left")
}

// With the usual limit the eleventh hundred waits for its turn in a polite
// client, and others do not notice.
func TestStreamsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--max-streams", "100"}})
	server.CreateCache(t, "story")
	client := pubsubpb.NewPubsubClient(server.Conn(t))
	ctx, cancel := context.WithCancel(harness.Bounded(t))
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	heard := make(chan error, 1000)
	for range 1000 {
		asking.Go(func() {
			heard <- first(client.Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "t"}))
		})
	}
	for i := range 100 {
		if err := <-heard; err != nil {
			t.Fatalf("subscription %d of the first hundred: %v", i, err)
		}
	}
	honest := newListener(t, server, "elsewhere")
	publish(t, server, "elsewhere", numbered("item", 50))
	honest.expect(t, numbered("item", 50)...)
	select {
	case err := <-heard:
		t.Errorf("one more than the limit was answered: %v", err)
	default:
	}
}

// A client that opens ten thousand streams without asking how many it may is
// refused what is too many, and only it.
func TestRudeStreams(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	honest := newListener(t, server, "elsewhere")
	r := dialRude(t, server)
	sent := make(chan error, 1)
	go func() {
		for range 10_000 {
			if err := r.subscribe("crowded"); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	// Either each stream too many is refused by itself, or the connection is
	// ended. Both must come from the server before the deadline.
	served, refused := map[uint32]bool{}, 0
	for len(served)+refused < 10_000 {
		frame, err := r.framer.ReadFrame()
		if err != nil {
			if refused == 0 && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
				t.Fatalf("after %d streams served and %d refused: %v", len(served), refused, err)
			}
			break
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			served[frame.StreamID] = true
		case *http2.RSTStreamFrame:
			if frame.ErrCode != http2.ErrCodeRefusedStream {
				t.Fatalf("stream %d ended with %s, want %s", frame.StreamID, frame.ErrCode, http2.ErrCodeRefusedStream)
			}
			refused++
		}
	}
	<-sent
	if len(served) > 1000 {
		t.Errorf("%d streams served on one connection, the limit is 1000", len(served))
	}
	t.Logf("%d served, %d refused", len(served), refused)
	publish(t, server, "elsewhere", numbered("item", 50))
	honest.expect(t, numbered("item", 50)...)
}

// Clients that subscribe and never read: one keeps its gRPC streams unread,
// one does not even read its socket. Publishing goes on at full speed, honest
// listeners get everything, and the broker's memory stays bounded although
// forty times the bound goes through it.
func TestClientsThatNeverRead(t *testing.T) {
	t.Parallel()
	const (
		streams = 100
		items   = 8_000
		size    = 64 << 10 // 500 MiB in all
		bound   = 256 << 20
	)
	server := harness.Start(t, harness.Options{})
	server.CreateCache(t, "story")
	lazy := pubsubpb.NewPubsubClient(server.Conn(t))
	for range streams {
		stream, err := lazy.Subscribe(harness.Bounded(t), &pubsubpb.SubscribeRequest{CacheName: "story", Topic: "torrent"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil { // it is subscribed, and reads no more
			t.Fatal(err)
		}
	}
	deaf := dialRude(t, server)
	for range streams {
		deaf.must(t, deaf.subscribe("torrent"))
	}
	honest, quiet := newListener(t, server, "torrent"), newListener(t, server, "quiet")
	publisher, ctx := pubsubpb.NewPubsubClient(server.Conn(t)), harness.Bounded(t)
	filler := strings.Repeat("x", size)
	most := int64(0)
	for i := range items {
		value := fmt.Sprintf("%06d%s", i, filler)
		if _, err := publisher.Publish(ctx, text("story", "torrent", value)); err != nil {
			t.Fatalf("publish %d: %v", i, err)
		}
		honest.expect(t, value)
		if i%500 == 0 {
			publish(t, server, "quiet", []string{fmt.Sprint(i)})
			quiet.expect(t, fmt.Sprint(i))
			most = max(most, server.ResidentBytes(t))
		}
	}
	t.Logf("%d MiB at most, while %d MiB were published", most>>20, items*size>>20)
	if most > bound {
		t.Errorf("the broker held %d MiB, want at most %d", most>>20, bound>>20)
	}
}

// More bytes at once than the operator allows are refused as such, or served in
// turn; the broker goes on.
func TestRequestsInFlightAreBounded(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{Args: []string{"--max-in-flight", "32MiB"}})
	server.CreateCache(t, "story")
	const size = 1 << 20
	value := strings.Repeat("x", size-100)
	client := pubsubpb.NewPubsubClient(server.Conn(t))
	ctx := harness.Bounded(t)
	var sending sync.WaitGroup
	errs := make([]error, 400)
	for i := range errs {
		sending.Go(func() { _, errs[i] = client.Publish(ctx, text("story", fmt.Sprint("topic", i), value)) })
	}
	sending.Wait()
	for i, err := range errs {
		if code := status.Code(err); code != codes.OK && code != codes.ResourceExhausted {
			t.Errorf("publish %d: %v, want an answer or ResourceExhausted", i, err)
		}
	}
	works(t, clientsOf(server.Conn(t)))
}

// listener is an honest subscriber that reads whatever comes.
type listener struct {
	items chan string
	err   error // why items was closed
}

func newListener(t *testing.T, server *harness.Server, topic string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(harness.Bounded(t))
	stream, err := pubsubpb.NewPubsubClient(server.Conn(t)).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: "story", Topic: topic})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatalf("subscribe to %s: %v", topic, err)
	}
	l := &listener{items: make(chan string, 1024)}
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		defer close(l.items)
		for {
			value, err := nextText(stream)
			if err != nil {
				l.err = err
				return
			}
			select {
			case l.items <- value:
			case <-ctx.Done():
				return
			}
		}
	}()
	return l
}

// expect demands that exactly these items come next.
func (l *listener) expect(t *testing.T, values ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	for _, want := range values {
		select {
		case got, ok := <-l.items:
			if !ok {
				t.Fatalf("the honest listener was cut off: %v", l.err)
			}
			if got != want {
				t.Fatalf("the honest listener got %.40q, want %.40q", got, want)
			}
		case <-ctx.Done():
			t.Fatalf("the honest listener waited in vain for %.40q", want)
		}
	}
}

// nextText skips heartbeats and fails on anything that is not an item.
func nextText(stream grpc.ServerStreamingClient[pubsubpb.SubscribeResponse]) (string, error) {
	for {
		message, err := stream.Recv()
		switch {
		case err != nil:
			return "", err
		case message.GetItem() != nil:
			return message.GetItem().GetValue().GetText(), nil
		case message.GetHeartbeat() == nil:
			return "", fmt.Errorf("got %T, want an item", message.GetKind())
		}
	}
}
