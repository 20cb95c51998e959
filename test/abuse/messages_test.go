package abuse

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

const largest = 10 << 20 // of a message

// announce says that ten MiB will come, a thousand times, and sends a byte.
func announce(ctx context.Context, v *victim) {
	crowd(sized(2, 10), func(int) {
		persist(ctx, func() bool {
			r, err := v.rude(ctx, true)
			if err != nil {
				return false
			}
			for range 1000 {
				if r.part(r.head(cachepb.Scs_Set_FullMethodName, v.key, false), largest, 1) != nil {
					return true
				}
				v.tries.Add(1)
			}
			if r.out.Flush() == nil {
				<-ctx.Done()
			}
			return true
		})
	})
}

// large sends messages of ten MiB, as many at once as there are connections.
func large(ctx context.Context, v *victim) {
	crowd(sized(50, 1000), func(int) {
		persist(ctx, func() bool {
			r, err := v.rude(ctx, false)
			if err != nil {
				return false
			}
			defer func() { _ = r.Close() }()
			if r.upload(largest, v.key) {
				v.tries.Add(1)
			}
			return true
		})
	})
}

// upload sends one message as fast as its windows allow, until it is answered.
func (r *rude) upload(size int, key string) (answered bool) {
	in := http2.NewFramer(io.Discard, bufio.NewReader(r.Conn))
	id := r.head(cachepb.Scs_Set_FullMethodName, key, false)
	left, window := size, 65_535-5
	zeros := make([]byte, 16<<10)
	if r.framer.WriteData(id, false, prefix(0, size)) != nil {
		return false
	}
	for {
		for window > 0 && left > 0 {
			n := min(window, left, len(zeros))
			if r.framer.WriteData(id, n == left, zeros[:n]) != nil {
				return false
			}
			window -= n
			left -= n
		}
		if r.out.Flush() != nil {
			return false
		}
		switch f, err := in.ReadFrame(); f := f.(type) {
		case nil:
			return err == nil
		case *http2.WindowUpdateFrame:
			if f.StreamID == id {
				window += int(f.Increment)
			}
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return true
			}
		}
	}
}

// unread asks for large items and does not read what it is answered: it gives no
// credit, or does not even look at its socket.
func unread(ctx context.Context, v *victim) {
	conn, err := v.rude(ctx, true)
	if err != nil {
		return
	}
	item := &cachepb.SetRequest{CacheKey: []byte("large"), CacheBody: make([]byte, 4<<20), TtlMilliseconds: 600_000}
	put(ctx, v, item)
	_ = conn.Close()
	crowd(sized(40, 400), func(i int) {
		persist(ctx, func() bool {
			if i%10 > 0 { // over HTTP/1
				return v.neverRead(ctx)
			}
			window := uint32(0)
			if i%20 == 0 {
				window = 1<<31 - 1
			}
			r, err := v.rude(ctx, window == 0, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
			if err != nil {
				return false
			}
			defer func() { _ = r.Close() }()
			if window > 0 {
				_ = r.framer.WriteWindowUpdate(0, 1<<31-1-65_535)
			}
			for range 500 {
				if r.call(cachepb.Scs_Get_FullMethodName, v.key, &cachepb.GetRequest{CacheKey: []byte("large")}) != nil || r.out.Flush() != nil {
					return true
				}
				v.tries.Add(1)
			}
			rest(ctx, 30*time.Second)
			return true
		})
	})
}

// put writes an item as an honest client does.
func put(ctx context.Context, v *victim, item *cachepb.SetRequest) {
	conn, err := v.honestConn()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	ctx = harness.WithKey(harness.WithCache(ctx, cache), v.key)
	_, _ = cachepb.NewScsClient(conn).Set(ctx, item)
}

// neverRead asks for the large item and for a topic's events over HTTP/1.
func (v *victim) neverRead(ctx context.Context) bool {
	for _, path := range []string{"/cache/" + cache + "?key=large", "/topics/" + cache + "/socket"} {
		conn, err := v.dial(ctx)
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		v.tries.Add(1)
		_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nAccept: text/event-stream\r\n\r\n", path, v.Addr, v.key)
	}
	return rest(ctx, time.Minute)
}

// topics publishes once to each of very many topics, and subscribes to very many.
func topics(ctx context.Context, v *victim) {
	many := int64(sized(30_000, 1_000_000))
	crowd(4, func(i int) {
		r, err := v.rude(ctx, true)
		if err != nil {
			return
		}
		sent := int64(0)
		for ctx.Err() == nil {
			n := v.tries.Add(1)
			if n > many {
				break
			}
			topic := fmt.Sprintf("%s-%d", v.Addr, n)
			if r.call(pubsubpb.Pubsub_Publish_FullMethodName, v.key, &pubsubpb.PublishRequest{CacheName: cache, Topic: topic, Value: textValue(topic)}) != nil {
				return
			}
			if sent++; sent%burst == 0 && r.out.Flush() != nil {
				return
			}
			for sent-r.ended.Load() > 900 && rest(ctx, time.Millisecond) {
				_ = r.out.Flush()
			}
		}
		_ = r.out.Flush()
	})
	crowd(sized(2, 50), func(i int) {
		r, err := v.rude(ctx, true)
		if err != nil {
			return
		}
		for n := range 1000 {
			topic := fmt.Sprintf("listened-%d-%d", i, n)
			if r.call(pubsubpb.Pubsub_Subscribe_FullMethodName, v.key, &pubsubpb.SubscribeRequest{CacheName: cache, Topic: topic}) != nil {
				return
			}
			v.tries.Add(1)
		}
		_ = r.out.Flush()
	})
	<-ctx.Done()
}
