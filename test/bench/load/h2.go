package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// h2Conn is an HTTP/2 connection that carries gRPC subscriptions. Subscribe
// first, then receive: it is for one goroutine at a time. Close may be called
// from any.
type h2Conn struct {
	net.Conn
	addr    string
	in      *bufio.Reader
	out     *bufio.Writer
	framer  *http2.Framer
	head    bytes.Buffer
	headers *hpack.Encoder

	streams []*h2Stream // the one with id 2n+1 is at place n
	unsaid  uint32      // bytes received that the server has not been told of
}

// h2Stream is one subscription.
type h2Stream struct {
	take    func(*delivery) error
	partial []byte // the beginning of a message
	unsaid  uint32
}

const h2Buffer = 64 << 10

// The windows that the server is given, in bytes. HTTP/2 begins with 64 KiB for
// a whole connection, which clients that watch their traffic, such as grpc-go,
// enlarge within moments: with less, a pause of the client becomes one of the
// server, and a busy machine is measured instead.
const (
	streamWindow     = 256 << 10
	connectionWindow = 1 << 20
	firstWindow      = 65535
)

// dialH2 opens a connection.
func dialH2(ctx context.Context, addr string) (*h2Conn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	// Thousands of connections that wait for their end would use up the ports.
	_ = socket.(*net.TCPConn).SetLinger(0) // fails only on a connection that is dead
	c := &h2Conn{Conn: socket, addr: addr, in: bufio.NewReaderSize(socket, h2Buffer), out: bufio.NewWriterSize(socket, h2Buffer)}
	c.framer = http2.NewFramer(c.out, c.in)
	c.framer.SetReuseFrames()
	c.headers = hpack.NewEncoder(&c.head)
	_, _ = c.out.WriteString(http2.ClientPreface) // errors of the buffer stay with it
	if err := c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}); err != nil {
		return nil, err
	}
	return c, c.framer.WriteWindowUpdate(0, connectionWindow-firstWindow)
}

// subscribe asks for a subscription whose messages go to take. The request
// leaves with the first call of receive.
func (c *h2Conn) subscribe(topic string, take func(*delivery) error) error {
	message, err := proto.Marshal(&pubsubpb.SubscribeRequest{CacheName: Cache, Topic: topic})
	if err != nil {
		return err
	}
	id := uint32(2*len(c.streams) + 1)
	c.streams = append(c.streams, &h2Stream{take: take})
	c.head.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: pubsubpb.Pubsub_Subscribe_FullMethodName},
		{Name: ":authority", Value: c.addr},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "user-agent", Value: "mayfly-bench"},
		{Name: "te", Value: "trailers"},
	} {
		if err := c.headers.WriteField(field); err != nil {
			return err
		}
	}
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.head.Bytes(), EndHeaders: true}); err != nil {
		return err
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return c.framer.WriteData(id, true, append(frame, message...))
}
