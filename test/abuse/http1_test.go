package abuse

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// drip is the pause between two crumbs of a client that wants to look slow.
const drip = 100 * time.Millisecond

// slowHeaders sends requests whose headers never end, line by line.
func slowHeaders(ctx context.Context, v *victim) {
	crowd(sized(300, 5000), func(i int) {
		persist(ctx, func() bool {
			conn, err := v.dial(ctx)
			if err != nil {
				return false
			}
			defer func() { _ = conn.Close() }()
			v.tries.Add(1)
			_, err = fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: %s\r\n", v.Addr)
			for line := 0; err == nil && rest(ctx, drip); line++ {
				_, err = fmt.Fprintf(conn, "X-%d: %d\r\n", i, line)
			}
			return true
		})
	})
}

// slowBodies sends bodies in crumbs, with a credential and without.
func slowBodies(ctx context.Context, v *victim) {
	crowd(sized(300, 3000), func(i int) {
		key := v.key
		if i%2 == 0 {
			key = ""
		}
		persist(ctx, func() bool {
			conn, err := v.dial(ctx)
			if err != nil {
				return false
			}
			defer func() { _ = conn.Close() }()
			v.tries.Add(1)
			_, err = fmt.Fprintf(conn, "POST /topics/%s/slow HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\n\r\n", cache, v.Addr, key)
			for err == nil && rest(ctx, drip) {
				_, err = io.WriteString(conn, "1\r\nx\r\n")
			}
			return true
		})
	})
}

// pipeline asks for ever more on connections, and reads no answer.
func pipeline(ctx context.Context, v *victim) {
	requests := strings.Repeat(fmt.Sprintf("GET /livez HTTP/1.1\r\nHost: %s\r\n\r\n", v.Addr), 500)
	crowd(sized(20, 200), func(int) {
		persist(ctx, func() bool {
			conn, err := v.dial(ctx)
			if err != nil {
				return false
			}
			defer func() { _ = conn.Close() }()
			for ctx.Err() == nil {
				if _, err := io.WriteString(conn, requests); err != nil {
					return true
				}
				v.tries.Add(500)
			}
			return true
		})
	})
}

// sockets is rude on WebSockets: pings without end, messages without end, lengths that
// lie, and wishes whose answers it does not read.
func sockets(ctx context.Context, v *victim) {
	const (
		text, part, ping = 0x81, 0x00, 0x89
		compressed       = 0xc1
	)
	wishes := []byte(`{"id":"` + strings.Repeat("i", 60) + `","subscribe":{"topic":"t","sequence_number":"no number"}}`)
	filler := bytes.Repeat([]byte("x"), 16<<10)
	crowd(sized(20, 200), func(i int) {
		persist(ctx, func() bool {
			conn, err := v.webSocket(ctx, "socket")
			if err != nil {
				return false
			}
			defer func() { _ = conn.Close() }()
			begun := false
			for ctx.Err() == nil {
				v.tries.Add(1)
				switch i % 5 {
				case 0:
					_, err = conn.Write(frame(ping, 125, filler[:125]))
				case 1:
					head := byte(part)
					if !begun {
						head = 0x01
					}
					begun = true
					_, err = conn.Write(frame(head, uint64(len(filler)), filler))
				case 2:
					_, err = conn.Write(frame(text, 1<<40, filler))
				case 3:
					_, err = conn.Write(frame(compressed, uint64(len(filler)), filler))
				default:
					_, err = conn.Write(frame(text, uint64(len(wishes)), wishes))
				}
				if err != nil {
					return true
				}
			}
			return true
		})
	})
}

// packed is so many zeros, compressed.
func packed(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, n))
	_ = w.Close()
	return b.Bytes()
}

// post sends a body. It reports whether that was answered at all.
func (v *victim) post(ctx context.Context, path string, body []byte, header ...string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.URL()+path, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", v.key)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DialContext: v.from.DialContext, DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return true
}
