package h2

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// blockOf encodes fields as a client does, with the dynamic table and Huffman code.
func blockOf(f testing.TB, fields []hpack.HeaderField) []byte {
	f.Helper()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, field := range fields {
		if err := e.WriteField(field); err != nil {
			f.Fatal(err)
		}
	}
	return block.Bytes()
}

// fieldsOf reads a header block as a connection does; nothing of one that HTTP/2 does
// not allow.
func fieldsOf(block []byte) []hpack.HeaderField {
	var wire bytes.Buffer
	fr := http2.NewFramer(&wire, &wire)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	fr.MaxHeaderListSize = 16 << 10
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true}) // into memory
	frame, err := fr.ReadFrame()
	if meta, ok := frame.(*http2.MetaHeadersFrame); ok && err == nil && !meta.Truncated {
		return meta.Fields
	}
	return nil
}

// FuzzHeads: whatever a header block holds is sorted into a call or a request, or
// refused; a head that comes twice reads as it did the first time, and what we write of
// it can be read again.
func FuzzHeads(f *testing.F) {
	for _, changes := range [][]string{
		nil, {"grpc-timeout", "5S", "cache", "c", "authorization", "x"}, {"grpc-timeout", "99999999H"}, {"grpc-timeout", "-1S"},
		{"x-bin", "AP8"}, {"x-bin", "AP8=,!"}, {":authority", "", "host", "here"}, {"host", "there"}, {"connection", "close"},
		{"grpc-encoding", "gzip"}, {"content-type", "application/grpc-web-text"}, {"te", "gzip"}, {":path", "*", ":method", "OPTIONS"},
		{":path", "/a?b=%zz", "content-length", "18446744073709551615"}, {":path", "//x/../y", "cookie", "a=b"}, {":protocol", "websocket", ":method", "CONNECT"},
	} {
		f.Add(blockOf(f, fields(changes...)))
	}
	f.Add([]byte{0x82, 0x86, 0x84, 0xbe})                         // a name that the table does not have
	f.Add([]byte{0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f})             // a table of 4 GiB
	f.Add([]byte{0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f})       // a name of 4 GiB
	f.Add([]byte{0x40, 0x81, 0xff, 0x81, 0xff, 0x40, 0x80, 0x80}) // Huffman code that is all padding
	f.Fuzz(func(t *testing.T, block []byte) {
		fields := fieldsOf(block)
		once := readHead(fields)
		refused, err := once.check()
		if err == nil && refused == nil {
			if once.method != "POST" || !isGRPC(first(once.metadata["content-type"])) || len(once.metadata[":authority"]) != 1 {
				t.Fatalf("taken for a call: %q", fields)
			}
		}
		if once.timed && once.wrong == "" && once.timeout < 0 {
			t.Fatalf("a timeout of %v", once.timeout)
		}
		var u habit
		u.keep(fields, *readHead(fields))
		if again, repeated := u.read(fields); !repeated || !cmp.Equal(again.metadata, readHead(fields).metadata) || again.timeout != once.timeout {
			t.Fatalf("read a second time as %+v, at first as %+v", again, once)
		}
		if r, ok := requestOf(fields); ok && (r.Method == "" || r.Host == "" || r.URL == nil || r.ContentLength < -1 || strings.Contains(r.URL.Path, "\x00") && !strings.Contains(r.RequestURI, "%00")) {
			t.Fatalf("taken for a request: %+v", r)
		}
		answersAreRead(t, once.metadata)
	})
}

// answersAreRead demands that what is written of metadata is what was meant.
func answersAreRead(t *testing.T, md metadata.MD) {
	t.Helper()
	text := strings.Join(slices.Concat(md["cache"], md["x"]), "%")
	written := fieldsOf(appendStatus(nil, status.New(codes.NotFound, text), md))
	back := readHead(written).metadata
	for name, values := range md {
		if !isReserved(name) && name != "host" && !slices.Equal(back[name], values) {
			t.Fatalf("%q: %q became %q", name, values, back[name])
		}
	}
	for _, c := range []byte(valueOf(written, "grpc-message")) {
		if c < ' ' || c > '~' {
			t.Fatalf("a message with %q in it", c)
		}
	}
}
