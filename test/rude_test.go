package test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// rude is an HTTP/2 client without manners: it opens as many streams as it
// likes, grants the server all the credit there is, and reads only when told.
type rude struct {
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	addr   string
	next   uint32
}

func dialRude(t *testing.T, server *harness.Server) *rude {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := &rude{conn: conn, framer: http2.NewFramer(conn, conn), addr: server.Addr, next: 1}
	r.hpack = hpack.NewEncoder(&r.block)
	r.must(t, conn.SetDeadline(time.Now().Add(4*harness.Patience)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	r.must(t, err)
	const allCredit = 1<<31 - 1
	r.must(t, r.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: allCredit}))
	r.must(t, r.framer.WriteWindowUpdate(0, allCredit-65_535))
	return r
}

func (r *rude) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("rude client: %v", err)
	}
}

// subscribe opens a stream for the topic and does not look at the answer.
func (r *rude) subscribe(topic string) error {
	message, err := proto.Marshal(&pubsubpb.SubscribeRequest{CacheName: "story", Topic: topic})
	if err != nil {
		return err
	}
	r.block.Reset()
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":authority", r.addr}, {":path", pubsubpb.Pubsub_Subscribe_FullMethodName},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		if err := r.hpack.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return err
		}
	}
	stream := r.next
	r.next += 2
	if err := r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.block.Bytes(), EndHeaders: true}); err != nil {
		return err
	}
	frame := append([]byte{0}, binary.BigEndian.AppendUint32(nil, uint32(len(message)))...)
	return r.framer.WriteData(stream, true, append(frame, message...))
}
