package load

import (
	"context"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// Cache is the cache that all load goes to. It must exist on the server.
const Cache = "default"

// publishers is how many publishes may wait for their answer at a time.
const publishers = 64

// mayflyBus speaks the wire protocol of Mayfly. Publishers share a connection
// of their own, and make their calls with grpc-go.
type mayflyBus struct {
	ctx   context.Context
	stop  context.CancelFunc
	addr  string
	topic string
	form  Form

	pool    connections
	conns   []io.Closer
	items   chan []byte
	asked   sync.WaitGroup // publishes without an answer yet
	running sync.WaitGroup
}

// dialMayfly makes a bus that subscribes at addr and publishes through another
// node, or the same.
func dialMayfly(ctx context.Context, addr, through, topic string, form Form, fail func(error)) (*mayflyBus, error) {
	b := &mayflyBus{addr: addr, topic: topic, form: form, items: make(chan []byte)}
	b.ctx, b.stop = context.WithCancel(ctx)
	conn, err := b.pool.dial(through)
	if err != nil {
		return nil, err
	}
	client := pubsubpb.NewPubsubClient(conn)
	for range publishers {
		b.running.Go(func() { b.publishAll(client, fail) })
	}
	return b, nil
}

// publishAll is one publisher.
func (b *mayflyBus) publishAll(client pubsubpb.PubsubClient, fail func(error)) {
	for item := range b.items {
		_, err := client.Publish(b.ctx, &pubsubpb.PublishRequest{
			CacheName: Cache,
			Topic:     b.topic,
			Value:     &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: string(item)}},
		}, grpc.WaitForReady(true))
		if err != nil {
			fail(fmt.Errorf("publish: %w", err))
		}
		b.asked.Done()
	}
}

func (b *mayflyBus) publish(items [][]byte) error {
	for _, item := range items {
		b.asked.Add(1)
		b.items <- item
	}
	return nil
}

func (b *mayflyBus) settle() error {
	b.asked.Wait()
	return nil
}

func (b *mayflyBus) subscribe(readers []*reader, perConnection int, fail func(error)) error {
	if b.form == Events {
		return b.subscribeEvents(readers, fail)
	}
	for len(readers) > 0 {
		n := min(perConnection, len(readers))
		conn, err := dialH2(b.ctx, b.addr)
		if err != nil {
			return err
		}
		b.conns = append(b.conns, conn)
		for _, r := range readers[:n] {
			if err := conn.subscribe(b.topic, follow(r)); err != nil {
				return err
			}
		}
		b.running.Go(func() {
			if err := conn.receive(); b.ctx.Err() == nil {
				fail(err)
			}
		})
		readers = readers[n:]
	}
	return nil
}

// subscribeEvents is subscribe for readers of server-sent events, who share nothing.
func (b *mayflyBus) subscribeEvents(readers []*reader, fail func(error)) error {
	for _, r := range readers {
		conn, err := dialEvents(b.ctx, b.addr, b.topic, follow(r))
		if err != nil {
			return err
		}
		b.conns = append(b.conns, conn)
		b.running.Go(func() {
			if err := conn.receive(); b.ctx.Err() == nil {
				fail(err)
			}
		})
	}
	return nil
}

// follow returns what a subscription does with its messages: it counts the
// items for the reader and lets none be missing.
func follow(r *reader) func(*delivery) error {
	var last uint64
	return func(d *delivery) error {
		switch {
		case d.kind == heartbeat:
			return nil
		case d.kind == discontinuity:
			return fmt.Errorf("a subscriber was told of a discontinuity after item %d", last)
		case last != 0 && d.sequence != last+1:
			return fmt.Errorf("a subscriber got sequence number %d after %d", d.sequence, last)
		}
		last = d.sequence
		return r.take(d.stamp)
	}
}

func (b *mayflyBus) close() {
	b.stop()
	close(b.items)
	for _, conn := range b.conns {
		_ = conn.Close()
	}
	b.running.Wait()
	b.pool.close()
}

// connections are gRPC connections that are closed together. Their options are
// grpc-go's defaults, with which the official SDK leaves all that matters here.
type connections []*grpc.ClientConn

func (c *connections) dial(addr string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	*c = append(*c, conn)
	return conn, nil
}

func (c *connections) close() {
	for _, conn := range *c {
		_ = conn.Close()
	}
}
