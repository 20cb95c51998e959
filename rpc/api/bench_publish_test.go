package api

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// BenchmarkPublish is a publish that nobody listens to, ten of them written
// together. The client takes care to need next to nothing itself: what is
// allocated is the server's.
func BenchmarkPublish(b *testing.B) {
	const together = 10
	w := newWorld(b, settings{})
	p := newTersePublisher(b, w.listenTCP(b))
	p.publish(b, 10*together, together) // connections and pools are what they are in service
	b.ReportAllocs()
	began := cpu()
	b.ResetTimer()
	p.publish(b, b.N, together)
	b.ReportMetric(float64((cpu()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// tersePublisher publishes the same message again and again.
type tersePublisher struct {
	socket net.Conn
	out    bytes.Buffer
	framer *http2.Framer
	head   *hpack.Encoder
	block  bytes.Buffer
	fields []hpack.HeaderField
	body   []byte
	stream uint32
}

func newTersePublisher(b *testing.B, address string) *tersePublisher {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = socket.Close() })
	message, err := proto.Marshal(&pubsubpb.PublishRequest{
		CacheName: "c", Topic: "t", Value: &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: make([]byte, 100)}},
	})
	if err != nil {
		b.Fatal(err)
	}
	p := &tersePublisher{socket: socket, stream: 1}
	p.body = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	p.framer = http2.NewFramer(&p.out, socket)
	p.framer.SetReuseFrames()
	p.head = hpack.NewEncoder(&p.block)
	for _, f := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", pubsubpb.Pubsub_Publish_FullMethodName}, {":authority", address},
		{"content-type", "application/grpc"}, {"te", "trailers"}, {"user-agent", "grpc-go/1.0"},
	} {
		p.fields = append(p.fields, hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	p.out.WriteString(http2.ClientPreface)
	p.must(b, p.framer.WriteSettings())
	p.must(b, p.framer.WriteWindowUpdate(0, 1<<30)) // for all answers there will be
	return p
}

func (p *tersePublisher) must(b *testing.B, err error) {
	if err != nil {
		b.Helper()
		b.Fatal(err)
	}
}

// publish makes so many calls, so many at a time.
func (p *tersePublisher) publish(b *testing.B, calls, together int) {
	for calls > 0 {
		n := min(calls, together)
		for range n {
			p.call(b)
		}
		_, err := p.out.WriteTo(p.socket)
		p.must(b, err)
		for ended := 0; ended < n; {
			frame, err := p.framer.ReadFrame()
			p.must(b, err)
			if h, ok := frame.(*http2.HeadersFrame); ok && h.StreamEnded() {
				ended++
			}
		}
		calls -= n
	}
}

func (p *tersePublisher) call(b *testing.B) {
	p.block.Reset()
	for _, f := range p.fields {
		p.must(b, p.head.WriteField(f))
	}
	p.must(b, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: p.stream, BlockFragment: p.block.Bytes(), EndHeaders: true}))
	p.must(b, p.framer.WriteData(p.stream, true, p.body))
	p.stream += 2
}
