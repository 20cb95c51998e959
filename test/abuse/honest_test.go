package abuse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

const (
	honestPause   = 20 * time.Millisecond  // between two rounds of an honest client
	newcomerPause = 200 * time.Millisecond // between two who come anew
	honestTime    = 10 * time.Second       // for one call
)

// times are how long honest calls took, and what went wrong.
type times struct {
	mu     sync.Mutex
	took   []time.Duration
	failed []error
}

func (h *times) note(began time.Time, what string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.failed = append(h.failed, fmt.Errorf("%s after %v: %w", what, time.Since(began).Round(time.Millisecond), err))
		return
	}
	h.took = append(h.took, time.Since(began))
}

// quantile is the time that so many of a hundred calls did not exceed.
func (h *times) quantile(percent int) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.took) == 0 {
		return 0
	}
	slices.Sort(h.took)
	return h.took[min(len(h.took)-1, len(h.took)*percent/100)]
}

// honest is a client that was there before and those that come anew.
type honest struct {
	calls, newcomers times

	stop func()
}

// beHonest begins; stop waits for the end.
func beHonest(t *testing.T, v *victim) *honest {
	t.Helper()
	h := new(honest)
	ctx, cancel := context.WithCancel(harness.WithKey(harness.WithCache(t.Context(), cache), v.key))
	conn := v.Conn(t)
	stream, err := pubsubpb.NewPubsubClient(conn).Subscribe(ctx, &pubsubpb.SubscribeRequest{CacheName: cache, Topic: "honest"})
	if err == nil {
		_, err = stream.Recv() // the first heartbeat
	}
	if err != nil {
		t.Fatalf("the honest client: %v", err)
	}
	heard := make(chan string, 1)
	var all sync.WaitGroup
	all.Go(func() { listen(stream, heard) })
	all.Go(func() { h.talk(ctx, conn, heard) })
	all.Go(func() { h.comeAnew(ctx, v) })
	h.stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	t.Cleanup(h.stop)
	return h
}

// listen hands on what the topic says.
func listen(stream grpc.ServerStreamingClient[pubsubpb.SubscribeResponse], heard chan<- string) {
	defer close(heard)
	for {
		m, err := stream.Recv()
		if err != nil {
			return
		}
		if item := m.GetItem(); item != nil {
			heard <- item.GetValue().GetText()
		}
	}
}

// talk publishes and hears it, writes and reads, one after the other.
func (h *honest) talk(ctx context.Context, conn *grpc.ClientConn, heard <-chan string) {
	pubsub, scs := pubsubpb.NewPubsubClient(conn), cachepb.NewScsClient(conn)
	for i := 0; rest(ctx, honestPause); i++ {
		text := fmt.Sprint("item ", i)
		for _, one := range []struct {
			what string
			do   func(ctx context.Context) error
		}{
			{"an item", func(ctx context.Context) error {
				_, err := pubsub.Publish(ctx, &pubsubpb.PublishRequest{CacheName: cache, Topic: "honest", Value: textValue(text)})
				if err != nil {
					return err
				}
				for { // what came late belongs to a publish that has failed
					select {
					case got, ok := <-heard:
						if !ok || got == text {
							return ctx.Err()
						}
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			}},
			{"a set", func(ctx context.Context) error {
				_, err := scs.Set(ctx, &cachepb.SetRequest{CacheKey: []byte("honest"), CacheBody: []byte(text), TtlMilliseconds: 60_000})
				return err
			}},
			{"a get", func(ctx context.Context) error {
				_, err := scs.Get(ctx, &cachepb.GetRequest{CacheKey: []byte("honest")})
				return err
			}},
		} {
			bounded, cancel := context.WithTimeout(ctx, honestTime)
			began := time.Now()
			err := one.do(bounded)
			cancel()
			if ctx.Err() != nil {
				return
			}
			h.calls.note(began, one.what, err)
		}
	}
}

func textValue(text string) *pubsubpb.TopicValue {
	return &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: text}}
}

// comeAnew connects again and again, and asks for something.
func (h *honest) comeAnew(ctx context.Context, v *victim) {
	client := http.Client{Timeout: honestTime, Transport: &http.Transport{DisableKeepAlives: true}}
	for rest(ctx, newcomerPause) {
		began := time.Now()
		err := get(ctx, &client, v.URL()+"/livez")
		if ctx.Err() != nil {
			return
		}
		h.newcomers.note(began, "a newcomer", err)
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", answer.Status)
	}
	return nil
}
