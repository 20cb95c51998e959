package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/rpc/api"
)

// BenchmarkEvents is what one item costs that goes to many readers of events, each on
// a connection, per delivery.
func BenchmarkEvents(b *testing.B) {
	for _, readers := range []int{1, 1000} {
		b.Run(fmt.Sprint(readers), func(b *testing.B) { benchmarkEvents(b, readers) })
	}
}

func benchmarkEvents(b *testing.B, readers int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	item, err := proto.Marshal(itemOf(12345, textValue(strings.Repeat("x", 100))))
	if err != nil {
		b.Fatal(err)
	}
	hello, err := proto.Marshal(heartbeat())
	if err != nil {
		b.Fatal(err)
	}
	var placed, delivered sync.WaitGroup
	placed.Add(readers)
	delivered.Add(readers * b.N)
	start := make(chan struct{})
	s := serverOf(b, callFunc(func(ctx context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
		_, _ = x.Receive(1000)
		_, _ = x.Send(hello), x.Flush()
		placed.Done()
		<-start
		for range b.N {
			if x.(api.SharedSender).SendShared(item) != nil || x.Flush() != nil {
				break
			}
		}
		<-ctx.Done()
		return status.New(codes.OK, ""), nil
	}))
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(listener) })
	conns := make([]net.Conn, readers)
	for i := range conns {
		if conns[i], err = net.Dial("tcp", listener.Addr().String()); err != nil {
			b.Fatal(err)
		}
		_, _ = io.WriteString(conns[i], "GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
		serving.Go(func() {
			lines := bufio.NewReader(conns[i])
			for {
				line, err := lines.ReadSlice('\n')
				if err != nil {
					return
				}
				if line[0] == 'd' && strings.HasPrefix(string(line), "data: ") {
					delivered.Done()
				}
			}
		})
	}
	placed.Wait()
	b.ResetTimer()
	close(start)
	delivered.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*readers), "ns/delivery")
	for _, c := range conns {
		_ = c.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Stop(ctx)
	serving.Wait()
}
