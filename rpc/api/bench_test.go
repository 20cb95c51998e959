package api

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mayfly-broker/mayfly/fanout"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// The benchmarks measure the CPU time of this process, which holds the server
// and the publisher. Clients run in a process of their own, which is this test
// binary started with benchClient set: address, subscriptions, and how many of
// them share a connection.
const benchClient = "MAYFLY_BENCH_CLIENT"

func benchmarkClient(spec string) error {
	var address string
	var subscriptions, perConnection int
	if _, err := fmt.Sscan(spec, &address, &subscriptions, &perConnection); err != nil {
		return err
	}
	var wg sync.WaitGroup
	var ready sync.WaitGroup
	ready.Add(subscriptions)
	var conn *grpc.ClientConn
	for i := range subscriptions {
		if i%perConnection == 0 {
			var err error
			if conn, err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
				return err
			}
		}
		stream, err := pubsubpb.NewPubsubClient(conn).Subscribe(context.Background(), &pubsubpb.SubscribeRequest{CacheName: "c", Topic: "t"})
		if err != nil {
			return err
		}
		wg.Go(func() {
			into := new(skipped)
			if stream.RecvMsg(into) != nil {
				return
			}
			ready.Done()
			for stream.RecvMsg(into) == nil { //nolint:revive // reading is all there is to do
			}
		})
	}
	ready.Wait()
	fmt.Println("ready")
	wg.Wait()
	return nil
}

// skipped is a message that nobody reads.
type skipped = emptypb.Empty

func startClient(b *testing.B, address string, subscriptions, perConnection int) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchClient+"="+strings.Join([]string{address, strconv.Itoa(subscriptions), strconv.Itoa(perConnection)}, " "))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("client says %q, %v", line, err)
	}
}

// listenTCP makes the world's server listen on loopback.
func (w *world) listenTCP(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = w.server.Serve(l) }()
	return l.Addr().String()
}

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDeliver is the CPU time per delivered item, publishing included, with
// the publisher some 128 items ahead of the readers on average.
func BenchmarkDeliver(b *testing.B) {
	for _, size := range []int{100, 1024} {
		for _, subscribers := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%dB/%d", size, subscribers), func(b *testing.B) {
				w := newWorld(b, settings{fanout: fanout.Config{TopicItems: 1 << 16, TopicBytes: 128 << 20}})
				startClient(b, w.listenTCP(b), subscribers, 100)
				message := route.Message{Value: make([]byte, size)}
				items := max(1, b.N/subscribers)
				target := int64(0)
				b.ResetTimer()
				began := cpu()
				for i := range items {
					if err := w.Publish(b.Context(), "c", "t", message); err != nil {
						b.Fatal(err)
					}
					target += int64(subscribers)
					if i%64 == 63 || i == items-1 {
						w.awaitDelivery(b, target-128*int64(subscribers))
					}
				}
				w.awaitDelivery(b, target)
				used := cpu() - began
				b.ReportMetric(float64(used.Nanoseconds())/float64(target), "cpu-ns/item")
			})
		}
	}
}

func (w *world) awaitDelivery(b *testing.B, n int64) {
	for {
		stats := w.topics.Stats()
		if stats.Delivered >= n {
			return
		}
		if stats.Discontinuities > 0 || stats.Subscriptions == 0 {
			b.Fatalf("readers fell behind or went away: %+v", stats)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// BenchmarkGet is a get from memory beside an empty call of plain grpc-go, both
// with the client in the same process.
func BenchmarkGet(b *testing.B) {
	w := newWorld(b, settings{})
	w.set(b, "k", strings.Repeat("v", 100))
	conn := dialTCP(b, w.listenTCP(b))
	client, ctx := cachepb.NewScsClient(conn), in(b.Context())
	b.Run("mayfly", func(b *testing.B) {
		request := &cachepb.GetRequest{CacheKey: []byte("k")}
		loop(b, func() error { return second(client.Get(ctx, request)) })
	})
	b.Run("echo", func(b *testing.B) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		plain := grpc.NewServer()
		cachepb.RegisterPingServer(plain, ping{})
		go func() { _ = plain.Serve(l) }()
		b.Cleanup(plain.Stop)
		client := cachepb.NewPingClient(dialTCP(b, l.Addr().String()))
		loop(b, func() error { return second(client.Ping(ctx, &cachepb.PingRequest{})) })
	})
}

func dialTCP(b *testing.B, address string) *grpc.ClientConn {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

func loop(b *testing.B, call func() error) {
	b.ReportAllocs()
	b.SetParallelism(32)
	began := cpu()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := call(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((cpu()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func BenchmarkEncodeItem(b *testing.B) {
	m := route.Message{Text: true, Value: make([]byte, 100), PublisherID: "someone"}
	b.ReportAllocs()
	for b.Loop() {
		EncodeItem(fanout.Position{Page: firstPage, Sequence: 1 << 20}, m)
	}
}
