package api

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/mayfly-broker/mayfly/fanout"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// pubsub serves topics.
type pubsub struct {
	pubsubpb.UnimplementedPubsubServer
	topics  Topics
	streams *streams
}

func (p *pubsub) Publish(ctx context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	c := callOf(ctx)
	// The publisher is who the credential says it is, never what a message says.
	m := route.Message{PublisherID: c.who.TokenID}
	switch v := r.GetValue().GetKind().(type) {
	case *pubsubpb.TopicValue_Text:
		m.Text, m.Value = true, []byte(v.Text)
	case *pubsubpb.TopicValue_Binary:
		m.Value = v.Binary
	default:
		return nil, invalid("the message has no value, set text or binary")
	}
	if limit := c.maxMessage(); len(m.Value) > limit {
		return nil, messageTooLarge(limit)
	}
	if err := p.topics.Publish(ctx, r.GetCacheName(), r.GetTopic(), m); err != nil {
		return nil, err
	}
	return &pubsubpb.PublishResponse{}, nil
}

// Subscribe streams a topic. See doc.go for the life of a stream.
func (p *pubsub) Subscribe(r *pubsubpb.SubscribeRequest, stream grpc.ServerStreamingServer[pubsubpb.SubscribeResponse]) error {
	c := callOf(stream.Context())
	out, ok := grpc.ServerTransportStreamFromContext(c).(carrier)
	if !ok {
		return errors.New("the transport carries no subscriptions")
	}
	seats, err := c.sit()
	if err != nil {
		return err
	}
	defer seats.leave()

	hello := newGreeting(stream)
	defer hello.stop()
	sub, err := p.topics.Subscribe(c, r.GetCacheName(), r.GetTopic(), fanout.Position{
		Page:     r.GetSequencePage(),
		Sequence: r.GetResumeAtTopicSequenceNumber(),
	})
	if err != nil {
		return err
	}
	defer sub.Close()
	c.Idle() // what is left costs nobody's turn
	awaitPlace(c, sub)
	if err := hello.send(); err != nil {
		return err
	}
	return p.streams.run(c, c.breaks.wrapOut(out), sub)
}

// greetingPatience is how long a client waits for its first heartbeat while the
// subscription is being placed. SDKs give up after five seconds.
const greetingPatience = time.Second

// awaitPlace waits, for as long as a greeting may, until the leader of the topic
// knows of the subscription: what the client publishes after it is greeted, through
// whichever node, it will hear. Notify by the reader that comes next begins with a
// call, so it misses nothing.
func awaitPlace(ctx context.Context, sub Subscription) {
	ctx, cancel := context.WithTimeout(ctx, greetingPatience)
	defer cancel()
	if sub.Live() {
		return
	}
	news := make(chan struct{}, 1)
	sub.Notify(func() {
		select {
		case news <- struct{}{}:
		default:
		}
	})
	for !sub.Live() {
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// greeting sends the first heartbeat, once: when the subscription is placed, or
// when that takes too long.
type greeting struct {
	stream grpc.ServerStream
	timer  *time.Timer

	mu   sync.Mutex
	done bool
	err  error
}

func newGreeting(stream grpc.ServerStream) *greeting {
	g := &greeting{stream: stream}
	g.timer = time.AfterFunc(greetingPatience, func() { _ = g.send() }) // the handler's own send returns the error
	return g
}

// send sends the heartbeat unless it went out already.
func (g *greeting) send() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.done {
		g.done, g.err = true, g.stream.SendMsg(heartbeat)
	}
	return g.err
}

// stop makes sure that nothing is sent from now on: a stream must not be used
// after its handler has returned.
func (g *greeting) stop() {
	g.timer.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done = true
}

// handOver returns in how long the stream is to be handed over to the client's
// next one; false for never. Streams of pages end before they fill the page's
// memory. Node clients put their request timeout on
// the first stream of a subscription, which kills it although it is well, and come
// back half a second later from nowhere. Ended cleanly just before, they come
// back at once, and from where they were (protocol.md 5.4).
func handOver(c *call) (time.Duration, bool) {
	if f := foreignOf(c); f != nil && (f.MaxAge > 0 || f.Over != nil) {
		return f.maxAge(), true
	}
	deadline, ok := c.Deadline()
	if !ok || !strings.Contains(c.header("user-agent"), "grpc-node") {
		return 0, false
	}
	left := time.Until(deadline)
	return max(0, left-min(left/10, handOverMargin)), true
}

// handOverMargin is what is left of a deadline at the hand-over: enough for the
// end of the stream to arrive first on a slow line.
const handOverMargin = 500 * time.Millisecond
