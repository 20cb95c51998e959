package h2

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
)

// However windows cut a message, what comes out is its prefix and the message.
func TestMessagesAreCutAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 40), 1, 5).Draw(t, "messages")
		c := &conn{streams: map[uint32]*Stream{}}
		s := &Stream{id: 1, conn: c}
		c.streams[1] = s
		var want, got []byte
		for _, m := range messages {
			s.pending = append(s.pending, m)
			want = append(binary.BigEndian.AppendUint32(append(want, 0), uint32(len(m))), m...)
		}
		for len(s.pending) > 0 {
			s.window += int64(rapid.IntRange(0, 12).Draw(t, "stream"))
			c.out.window += int64(rapid.IntRange(0, 12).Draw(t, "connection"))
			stream, connection := s.window, c.out.window
			switch why := c.push(s); {
			case why == byStream && s.window > 0, why == byConnection && c.out.window > 0, why == byBuffer:
				t.Fatalf("stopped by %d with windows %d and %d", why, s.window, c.out.window)
			case stream-s.window != connection-c.out.window || s.window < 0 || c.out.window < 0:
				t.Fatalf("windows went from %d and %d to %d and %d", stream, connection, s.window, c.out.window)
			}
		}
		r := http2.NewFramer(nil, bytes.NewReader(c.out.buf))
		for {
			f, err := r.ReadFrame()
			if err != nil {
				break
			}
			got = append(got, f.(*http2.DataFrame).Data()...)
		}
		if !bytes.Equal(got, want) || s.sent != uint64(len(messages)) {
			t.Fatalf("got %x after %d messages, want %x", got, s.sent, want)
		}
	})
}

// Header blocks are read by the decoder that everybody uses as they were meant.
func TestHeaderBlocks(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, test := range map[string]struct {
		block []byte
		want  map[string]string
	}{
		"headers":   {okHeaders, map[string]string{":status": "200", "content-type": "application/grpc"}},
		"ok":        {appendStatus(nil, status.New(codes.OK, ""), nil), map[string]string{"grpc-status": "0"}},
		"not found": {appendResponse(nil, 404), map[string]string{":status": "404", "content-type": "application/grpc"}},
		"an error": {
			appendStatus(nil, status.New(codes.NotFound, "100% ü"), metadata.Pairs("err", "gone", "x-bin", "\x00\x01\xff", "grpc-status", "0")),
			map[string]string{"grpc-status": "5", "grpc-message": "100%25 %C3%BC", "err": "gone", "x-bin": "AAH/"},
		},
		"a long text": {appendField(nil, "n", long), map[string]string{"n": long}},
		"127 bytes":   {appendField(nil, "n", long[:127]), map[string]string{"n": long[:127]}},
		"126 bytes":   {appendField(nil, "n", long[:126]), map[string]string{"n": long[:126]}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			decoder := hpack.NewDecoder(0, func(f hpack.HeaderField) { got[f.Name] = f.Value })
			if _, err := decoder.Write(test.block); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			for name, value := range test.want {
				if got[name] != value {
					t.Errorf("%s is %q, want %q", name, got[name], value)
				}
			}
		})
	}
}

// A block that does not fit a frame goes on in others.
func TestLongHeaderBlocks(t *testing.T) {
	var o outbox
	long := strings.Repeat("x", 2*frameSize)
	o.headers(1, appendField(nil, "n", long), true)
	r := http2.NewFramer(nil, bytes.NewReader(o.buf))
	r.ReadMetaHeaders = hpack.NewDecoder(0, nil)
	f, err := r.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	if h := f.(*http2.MetaHeadersFrame); !h.StreamEnded() || len(h.Fields) != 1 || h.Fields[0].Value != long {
		t.Errorf("got %v", h)
	}
}
