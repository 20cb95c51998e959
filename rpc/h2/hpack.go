package h2

import (
	"encoding/base64"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Header blocks are written without the dynamic table, so that they depend on
// nothing: those that are usual are constants, and any stream's may go out at
// any time. They cost some forty bytes more per call, and next to no time.

// tableOff sets the size of the dynamic table to 0 (RFC 7541, 6.3). A client that
// asked for a smaller table than usual must be told of a size that fits.
const tableOff = 0x20

var (
	// okHeaders is ":status: 200" and the content type.
	okHeaders = appendResponse(nil, 200)
	// okTrailers is the status OK.
	okTrailers = appendField(nil, "grpc-status", "0")
)

// appendField appends a field as a literal that is not to be indexed, without
// Huffman code (RFC 7541, 6.2.2).
func appendField(b []byte, name, value string) []byte {
	b = appendText(append(b, 0), name)
	return appendText(b, value)
}

// appendText appends a string (RFC 7541, 5.2).
func appendText(b []byte, s string) []byte {
	const most = 1<<7 - 1 // what seven bits hold without more bytes
	n := len(s)
	if n < most {
		return append(append(b, byte(n)), s...)
	}
	b = append(b, most)
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), s...)
}

// appendHTTPStatus appends the field that begins every response.
func appendHTTPStatus(b []byte, httpStatus int) []byte {
	const statusIndex, ok = 8, 200 // of the static table (RFC 7541, appendix A)
	if httpStatus == ok {
		return append(b, 0x80|statusIndex)
	}
	return appendText(append(b, statusIndex), strconv.Itoa(httpStatus))
}

// appendResponse appends the fields that begin every response to a call.
func appendResponse(b []byte, httpStatus int) []byte {
	return appendField(appendHTTPStatus(b, httpStatus), "content-type", contentType)
}

// appendStatus appends what ends a call.
func appendStatus(b []byte, st *status.Status, trailer metadata.MD) []byte {
	if st.Code() == codes.OK && len(trailer) == 0 {
		return append(b, okTrailers...)
	}
	b = appendField(b, "grpc-status", strconv.Itoa(int(st.Code())))
	if text := st.Message(); text != "" {
		b = appendField(b, "grpc-message", percentEncode(text))
	}
	return appendMetadata(b, trailer)
}

// appendMetadata appends what a handler wants to say besides.
func appendMetadata(b []byte, md metadata.MD) []byte {
	for name, values := range md {
		name = strings.ToLower(name)
		if isReserved(name) {
			continue
		}
		for _, value := range values {
			if strings.HasSuffix(name, binarySuffix) {
				value = base64.RawStdEncoding.EncodeToString([]byte(value))
			}
			b = appendField(b, name, value)
		}
	}
	return b
}

// maxMessage bounds the text of a status, so that it fits what clients take.
const maxMessage = 4 << 10

// percentEncode makes a text fit a header: bytes that are not printable ASCII,
// and the percent sign, become %XX.
func percentEncode(text string) string {
	text = text[:min(len(text), maxMessage)]
	plain := func(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }
	i := 0
	for i < len(text) && plain(text[i]) {
		i++
	}
	if i == len(text) {
		return text
	}
	const hex = "0123456789ABCDEF"
	b := append(make([]byte, 0, len(text)+16), text[:i]...)
	for ; i < len(text); i++ {
		if c := text[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
