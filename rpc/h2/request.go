package h2

import (
	"context"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// valueOf returns the first value of a field, empty if it is not there.
func valueOf(fields []hpack.HeaderField, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// beginExchange begins a stream that carries a plain request. The caller holds the
// lock, and has found that there may be one more.
func (c *conn) beginExchange(f *http2.MetaHeadersFrame) (*Stream, error) {
	malformed := http2.StreamError{StreamID: f.StreamID, Code: http2.ErrCodeProtocol}
	r, ok := requestOf(f.Fields)
	if !ok || f.StreamEnded() && r.ContentLength > 0 { // a body that was promised and cut off must not pass for an empty one
		return nil, malformed
	}
	s := &Stream{conn: c, id: f.StreamID, path: r.URL.Path, window: c.out.initial}
	s.inbox.window = firstWindow
	s.inbox.begun, s.inbox.ended, s.inHand = true, f.StreamEnded(), true
	s.ctx, s.cancel = context.WithCancel(c.ctx)
	s.exchange = newExchange(s, r)
	c.streams[s.id] = s
	c.busy++
	return s, nil
}

// requestOf makes a request of the fields of its head; ok is false when HTTP/2 does
// not allow them (RFC 9113, 8.2.2 and 8.3.1).
func requestOf(fields []hpack.HeaderField) (r *http.Request, ok bool) {
	r = &http.Request{Proto: "HTTP/2.0", ProtoMajor: 2, Header: make(http.Header, len(fields)), ContentLength: -1}
	var scheme string
	var cookies []string
	for _, f := range fields {
		switch f.Name {
		case ":method":
			r.Method = f.Value
		case ":path":
			r.RequestURI = f.Value
		case ":scheme":
			scheme = f.Value
		case ":authority":
			r.Host = f.Value
		case "host":
			if r.Host != "" && !strings.EqualFold(r.Host, f.Value) {
				return nil, false // two names for one place
			}
			r.Host = f.Value
		case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
			return nil, false
		case "te":
			if f.Value != "trailers" {
				return nil, false
			}
		case "cookie":
			cookies = append(cookies, f.Value)
		case "content-length":
			length, err := strconv.ParseUint(f.Value, 10, 63)
			n := int64(length)
			if err != nil || r.ContentLength >= 0 && r.ContentLength != n {
				return nil, false
			}
			r.ContentLength = n
			r.Header.Set("Content-Length", f.Value)
		default:
			if strings.HasPrefix(f.Name, ":") {
				return nil, false // CONNECT for another protocol, which was not offered
			}
			name := textproto.CanonicalMIMEHeaderKey(f.Name)
			r.Header[name] = append(r.Header[name], f.Value)
		}
	}
	if len(cookies) > 0 { // they may come one by one (RFC 9113, 8.2.3)
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	if r.Method == "" || r.Method == http.MethodConnect || scheme == "" || r.Host == "" {
		return nil, false
	}
	var err error
	if r.RequestURI == "*" && r.Method == http.MethodOptions {
		r.URL = &url.URL{Path: "*"}
	} else if r.URL, err = url.ParseRequestURI(r.RequestURI); err != nil || !strings.HasPrefix(r.RequestURI, "/") {
		return nil, false
	}
	return r, true
}

// body is the body of a request, read from its stream.
type body struct {
	x *exchange
	// length is what the head promised, -1 for nothing; taken is what was read.
	length, taken int64
}

// Read implements io.Reader. It waits for the client within the exchange's
// deadline.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.x.read(p)
	b.taken += int64(n)
	if b.length >= 0 && (b.taken > b.length || err == io.EOF && b.taken < b.length) { //nolint:errorlint // read's own
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer. What was not read is not taken in; the stream's end
// says so to the client.
func (b *body) Close() error { return nil }

// read takes what the client has sent.
func (x *exchange) read(p []byte) (int, error) {
	s, c := x.stream, x.stream.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	x.goOn()
	for waits := false; ; {
		switch {
		case len(p) == 0:
			return 0, nil
		case s.gone:
			return 0, errGone
		case x.reading.late:
			return 0, os.ErrDeadlineExceeded
		case len(s.inbox.buf) > 0:
			n := copy(p, s.inbox.buf)
			s.taken(n)
			c.flush()
			return n, nil
		case s.inbox.ended:
			return 0, io.EOF
		case s.ctx.Err() != nil:
			return 0, s.ctx.Err()
		}
		if !waits {
			waits = true
			defer context.AfterFunc(s.ctx, c.nudge)()
			c.flush() // what asks the client to go on
			continue
		}
		c.await()
	}
}

// goOn asks a client to send the body that waits to be asked (RFC 9110, 10.1.1).
// The caller holds the lock.
func (x *exchange) goOn() {
	if !x.expects || x.stream.headed || x.stream.gone {
		return
	}
	x.expects = false
	x.stream.conn.out.headers(x.stream.id, appendHTTPStatus(nil, http.StatusContinue), false)
}

// deadline is a time by which something must be done. Guarded by the connection's
// lock.
type deadline struct {
	timer *time.Timer
	late  bool
	round int // of settings: a timer of an earlier one says nothing
}

// set changes the time; the zero time means none. missed is called, with the lock
// held, when it passes.
func (d *deadline) set(c *conn, at time.Time, missed func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.stop()
	d.late = false
	if at.IsZero() {
		return
	}
	if left := time.Until(at); left > 0 {
		round := d.round
		d.timer = time.AfterFunc(left, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if d.round == round {
				d.miss(c, missed)
			}
		})
		return
	}
	d.miss(c, missed)
}

func (d *deadline) miss(c *conn, missed func()) {
	d.late = true
	missed()
	c.turned()
}

// stop forgets the time. The caller holds the lock.
func (d *deadline) stop() {
	d.round++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
