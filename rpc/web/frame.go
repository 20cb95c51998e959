package web

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A gRPC-Web frame is a byte of flags, the length of what follows in four bytes,
// most significant first, and so much content.
const (
	frameHeader  = 5
	flagMessage  = 0x00
	flagTrailers = 0x80
)

// textSize is how many characters n bytes may become in the text form, in a few
// chunks if need be.
func textSize(n int) int { return base64.StdEncoding.EncodedLen(n) + 1024 }

// decodeText takes the text form off a request body: base64, in one padded chunk
// or several one after the other. The result reuses the memory of text.
func decodeText(text []byte) ([]byte, error) {
	if bytes.ContainsAny(text, "\r\n") { // the library would pass over them, and lose the count
		return nil, errors.New("the body holds a line break, which is not base64")
	}
	decoded := text[:0]
	for len(text) > 0 {
		chunk := text
		if pad := bytes.IndexByte(text, '='); pad >= 0 {
			chunk = text[:min(len(text), pad+4-pad%4)]
		}
		n, err := base64.StdEncoding.Strict().Decode(decoded[len(decoded):cap(decoded)], chunk)
		if err != nil {
			return nil, fmt.Errorf("the body is not base64: %w", err)
		}
		decoded = decoded[:len(decoded)+n]
		text = text[len(chunk):]
	}
	return decoded, nil
}

// onlyMessage returns the one message that a request body holds. It shares the
// body's memory.
func onlyMessage(body []byte) ([]byte, error) {
	if len(body) < frameHeader {
		return nil, fmt.Errorf("the body has %d bytes, too few for a frame", len(body))
	}
	flags, length, content := body[0], binary.BigEndian.Uint32(body[1:]), body[frameHeader:]
	switch {
	case flags != flagMessage:
		return nil, fmt.Errorf("the frame has flags %#x; only plain messages are understood, no compression", flags)
	case uint64(length) != uint64(len(content)):
		return nil, fmt.Errorf("the frame is to hold %d bytes, and %d follow; a request is one message", length, len(content))
	}
	return content, nil
}

// appendFrame appends a frame in the binary form, or as one padded chunk of the
// text form.
func appendFrame(dst []byte, flags byte, content []byte, text bool) []byte {
	head := [frameHeader + 1]byte{flags}
	binary.BigEndian.PutUint32(head[1:], uint32(len(content)))
	switch {
	case !text:
		return append(append(dst, head[:frameHeader]...), content...)
	case len(content) == 0:
		return base64.StdEncoding.AppendEncode(dst, head[:frameHeader])
	default:
		// Six bytes become eight characters without padding, so the content
		// need not be copied behind its header first.
		head[frameHeader] = content[0]
		return base64.StdEncoding.AppendEncode(base64.StdEncoding.AppendEncode(dst, head[:]), content[1:])
	}
}

// trailers is the content of the last frame.
func trailers(end *status.Status, md metadata.MD) []byte {
	b := fmt.Appendf(nil, "grpc-status:%d\r\n", end.Code())
	if text := end.Message(); text != "" {
		b = fmt.Appendf(b, "grpc-message:%s\r\n", printable(text))
	}
	keys := make([]string, 0, len(md))
	for key := range md {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		for _, value := range md[key] {
			b = fmt.Appendf(b, "%s:%s\r\n", key, printable(value))
		}
	}
	return b
}

// printable keeps a text on its line. The official client shows it as it is,
// without undoing any escapes.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}
