package h2

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// What grpc-go's client sends comes back, whatever its size.
func TestEcho(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	for _, method := range []string{echoMethod, promptMethod} {
		for _, size := range []int{0, 1, 100, frameSize - 10, frameSize, 1<<16 - 20, 1 << 16, 5 << 20} {
			text := strings.Repeat("x", size)
			if got, err := call(t.Context(), conn, method, text); err != nil || got != text {
				t.Fatalf("%s: %d bytes for %d, %v", method, len(got), size, err)
			}
		}
	}
	wants(t, second(call(t.Context(), conn, echoMethod, strings.Repeat("x", 11<<20))), codes.ResourceExhausted)
	if got, err := call(t.Context(), conn, echoMethod, "still"); err != nil || got != "still" {
		t.Errorf("after a message too large: %q, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestManyCallsAtOnce(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStreams = 20 })
	conn := w.client(t)
	var calls sync.WaitGroup
	for i := range 200 {
		method := []string{echoMethod, promptMethod}[i%2]
		text := strings.Repeat("x", i*1000)
		calls.Go(func() {
			if got, err := call(t.Context(), conn, method, text); err != nil || got != text {
				t.Errorf("%d bytes for %d, %v", len(got), len(text), err)
			}
		})
	}
	calls.Wait()
}

func TestErrors(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	var trailer metadata.MD
	err := second(call(t.Context(), conn, failMethod, "why", grpc.Trailer(&trailer)))
	wants(t, err, codes.NotFound)
	if text := status.Convert(err).Message(); text != "not 100% there" {
		t.Errorf("the message is %q", text)
	}
	if got := trailer.Get("err"); len(got) != 1 || got[0] != "why" {
		t.Errorf("the trailer is %q", got)
	}
	wants(t, second(call(t.Context(), conn, "/s/None", "")), codes.Unimplemented)
	wants(t, second(call(t.Context(), conn, "/none/Echo", "")), codes.Unimplemented)
	wants(t, second(call(t.Context(), conn, "none", "")), codes.Unimplemented)
	wants(t, second(call(t.Context(), conn, echoMethod, "x", grpc.UseCompressor(gzip.Name))), codes.Unimplemented)
}

func TestDeadlinesAndCancels(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	for _, method := range []string{holdMethod, promptHold} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		wants(t, second(call(ctx, conn, method, "")), codes.DeadlineExceeded)
		<-w.entered
		cancel()
		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			<-w.entered
			cancel()
		}()
		wants(t, second(call(ctx, conn, method, "")), codes.Canceled)
	}
	// Their handlers have gone, too.
	w.server.GracefulStop()
}

func TestBothWays(t *testing.T) {
	w := newWorld(t, nil)
	stream, err := w.client(t).NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, talkMethod)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 40 // several windows' worth
	text := strings.Repeat("y", 10_000)
	for range rounds {
		if err := stream.SendMsg(&message{Value: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if got := next(t, stream); got != text {
			t.Fatalf("got %d bytes back", len(got))
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got := next(t, stream); got != string(rune(rounds)) {
		t.Errorf("the last word is %q", got)
	}
	if err := stream.RecvMsg(new(message)); err != io.EOF {
		t.Errorf("ends with %v", err)
	}
}

// A handler that sends more than its client takes waits, and goes on.
func TestHandlersWaitForTheirClients(t *testing.T) {
	w := newWorld(t, nil)
	stream, err := w.client(t, grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<16)).
		NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, talkMethod)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 60
	text := strings.Repeat("z", 8_000)
	sent := make(chan error, 1)
	go func() {
		for range rounds {
			if err := stream.SendMsg(&message{Value: []byte(text)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	time.Sleep(20 * time.Millisecond) // so that windows are likely to be full; right either way
	for range rounds {
		if got := next(t, stream); got != text {
			t.Fatalf("got %d bytes", len(got))
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestFeed(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := subscribe(t, ctx, conn)
	f := w.feed(t)
	f.put("a", "b")
	for _, want := range []string{"a", "b"} {
		if got := next(t, stream); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	f.put(strings.Split(strings.Repeat("x", 100), "")...)
	f.end()
	for range 100 {
		if got := next(t, stream); got != "x" {
			t.Fatalf("got %q", got)
		}
	}
	if err := stream.RecvMsg(new(message)); err != io.EOF {
		t.Errorf("ends with %v", err)
	}
	// One whose client goes away ends, too.
	subscribe(t, ctx, conn)
	w.feed(t)
	cancel()
	w.server.GracefulStop()
}

// No wake-up is lost, however they meet the turns of a courier.
func TestWakeUpsAreNotLost(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.client(t)
	const streams, rounds = 20, 300
	var feeds []*stock
	var readers sync.WaitGroup
	for range streams {
		stream := subscribe(t, t.Context(), conn)
		feeds = append(feeds, w.feed(t))
		readers.Go(func() {
			for range 2 * rounds {
				if err := stream.RecvMsg(new(message)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			for i := range rounds {
				for _, f := range feeds {
					f.put("m")
				}
				if i%10 == 0 {
					feeds[i%streams].s.Wake() // for nothing
				}
			}
		})
	}
	readers.Wait()
}
