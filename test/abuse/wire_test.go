package abuse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// rude speaks HTTP/2 without manners: it opens, resets and leaves as it likes. What it
// is answered is read and forgotten, or not even read.
type rude struct {
	net.Conn
	out    *bufio.Writer
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
	addr   string
	next   uint32
	// ended counts streams that the other side has ended.
	ended atomic.Int64
}

// rude connects, and says what must be said first. It reads unless told otherwise.
func (v *victim) rude(ctx context.Context, reads bool, settings ...http2.Setting) (*rude, error) {
	conn, err := v.dial(ctx)
	if err != nil {
		return nil, err
	}
	r := &rude{Conn: conn, out: bufio.NewWriterSize(conn, 16<<10), addr: v.Addr, next: 1}
	r.framer = http2.NewFramer(r.out, conn)
	r.framer.AllowIllegalWrites = true
	r.hpack = hpack.NewEncoder(&r.block)
	_, _ = r.out.WriteString(http2.ClientPreface)
	_ = r.framer.WriteSettings(settings...)
	if reads {
		_ = r.framer.WriteWindowUpdate(0, 1<<31-1-65_535)
	}
	if err := r.out.Flush(); err != nil {
		return nil, err
	}
	if reads {
		go r.forget()
	}
	return r, nil
}

// forget reads until the connection ends.
func (r *rude) forget() {
	in := http2.NewFramer(io.Discard, bufio.NewReaderSize(r.Conn, 4<<10))
	in.SetReuseFrames()
	for {
		f, err := in.ReadFrame()
		if err != nil {
			_ = r.Close()
			return
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				r.ended.Add(1)
			}
		case *http2.RSTStreamFrame:
			r.ended.Add(1)
		}
	}
}

// head begins a stream and returns its number. Fields are names and values in turns.
func (r *rude) head(path, key string, end bool, fields ...string) uint32 {
	r.block.Reset()
	for i, all := 0, append([]string{
		":method", "POST", ":scheme", "http", ":authority", r.addr, ":path", path,
		"content-type", "application/grpc", "te", "trailers", "cache", cache, "authorization", key,
	}, fields...); i < len(all); i += 2 {
		_ = r.hpack.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	id := r.next
	r.next += 2
	_ = r.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block.Bytes(), EndHeaders: true, EndStream: end})
	return id
}

// call makes a whole call.
func (r *rude) call(path, key string, message proto.Message) error {
	raw, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	return r.framer.WriteData(r.head(path, key, false), true, append(prefix(0, len(raw)), raw...))
}

// prefix is what gRPC puts before a message.
func prefix(flag byte, size int) []byte {
	return binary.BigEndian.AppendUint32([]byte{flag}, uint32(size))
}

// part announces a message and sends some of it.
func (r *rude) part(id uint32, size, sent int) error {
	const frame = 16 << 10
	b := append(prefix(0, size), make([]byte, sent)...)
	for len(b) > 0 {
		n := min(len(b), frame)
		if err := r.framer.WriteData(id, false, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// webSocket connects, and becomes a WebSocket.
func (v *victim) webSocket(ctx context.Context, topic string) (net.Conn, error) {
	conn, err := v.dial(ctx)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET /topics/%s/%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nAuthorization: %s\r\n\r\n", cache, topic, v.Addr, v.key)
	if err != nil {
		return nil, err
	}
	answer := make([]byte, len("HTTP/1.1 101"))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	if string(answer) != "HTTP/1.1 101" {
		return nil, fmt.Errorf("the socket is answered %q", answer)
	}
	return conn, nil
}

// frame is a frame of a WebSocket as clients send it, with a length that may be a lie.
func frame(head byte, announced uint64, content []byte) []byte {
	const masked = 0x80
	b := []byte{head}
	switch {
	case announced < 126:
		b = append(b, masked|byte(announced))
	case announced < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, masked|126), uint16(announced))
	default:
		b = binary.BigEndian.AppendUint64(append(b, masked|127), announced)
	}
	b = append(b, 0, 0, 0, 0) // a mask that changes nothing
	return append(b, content...)
}
