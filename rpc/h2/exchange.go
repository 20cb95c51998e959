package h2

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// exchange is a request that is not gRPC, and its answer: the stream as a handler
// of net/http sees it. It implements http.ResponseWriter, http.Flusher, and what
// http.ResponseController asks for: FlushError and both deadlines. There are no
// trailers, no pushes, no hijacking and no informational answers but 100.
type exchange struct {
	stream  *Stream
	request *http.Request
	header  http.Header
	// status is what was answered, 0 before.
	status int
	// buf is what was written and not handed to the connection, at most chunk.
	buf []byte
	// promised is the Content-Length that the handler set, -1 for none; written is
	// what it wrote.
	promised, written int64
	noBody            bool // the answer has none, whatever is written

	// Guarded by the connection's lock.
	expects          bool // the client waits to be asked for the body
	reading, writing deadline
}

// chunk is how much of an answer is gathered before it is handed on unasked: what
// fits a frame.
const chunk = frameSize

func newExchange(s *Stream, r *http.Request) *exchange {
	x := &exchange{stream: s, header: make(http.Header), promised: -1}
	x.expects = strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	r.RemoteAddr = s.conn.socket.RemoteAddr().String()
	if s.inbox.ended {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Body = &body{x: x, length: r.ContentLength}
	}
	x.request = r.WithContext(s.ctx)
	return x
}

// run serves the exchange.
func (x *exchange) run() {
	s := x.stream
	defer s.conn.server.handlers.Done()
	whole := false
	defer func() {
		_ = recover() // see Config.Other; what cannot be finished is cut
		x.end(whole)
	}()
	s.conn.server.config.Other.ServeHTTP(x, x.request)
	whole = true
}

// end finishes the answer, or cuts it when it is not whole.
func (x *exchange) end(whole bool) {
	s, c := x.stream, x.stream.conn
	if whole && x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	c.mu.Lock()
	x.reading.stop()
	short := x.promised >= 0 && x.written < x.promised && !x.noBody
	switch {
	case s.gone:
	case !whole, short, x.writing.late:
		c.reset(s.id, http2.ErrCodeInternal)
	default:
		x.conclude()
	}
	if s.gone {
		x.writing.stop()
	}
	c.release(s)
	c.flush()
	c.mu.Unlock()
	s.cancel()
}

// conclude hands on what is left, and the end of the stream. The caller holds the
// lock.
func (x *exchange) conclude() {
	s, c := x.stream, x.stream.conn
	if !s.headed {
		if x.promised < 0 && (!x.noBody || x.request.Method == http.MethodHead && x.written > 0) {
			x.header.Set("Content-Length", strconv.FormatInt(x.written, 10))
		}
		if len(x.buf) == 0 { // all in one block
			s.headed = true
			s.trailers = x.head()
			c.push(s)
			return
		}
		x.sendHead()
	}
	s.last = true
	switch {
	case len(x.buf) > 0:
		c.send(s, x.buf)
	case len(s.pending) == 0:
		c.push(s)
	}
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 || status < 200 || status > 999 {
		return
	}
	x.status = status
	x.noBody = status == http.StatusNoContent || status == http.StatusNotModified || x.request.Method == http.MethodHead
	if n, err := strconv.ParseInt(x.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		x.promised = n
	}
}

// Write implements http.ResponseWriter. It waits for the client when much is
// unsent.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if x.status == http.StatusNoContent || x.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if x.promised >= 0 && x.written+int64(len(p)) > x.promised {
		return 0, http.ErrContentLength
	}
	if x.written == 0 && len(p) > 0 && x.header.Get("Content-Type") == "" {
		x.header.Set("Content-Type", http.DetectContentType(p))
	}
	x.written += int64(len(p))
	if x.noBody {
		return len(p), nil
	}
	for done := 0; done < len(p); {
		n := min(len(p)-done, chunk-len(x.buf))
		x.buf = append(x.buf, p[done:done+n]...)
		done += n
		if len(x.buf) == chunk {
			if err := x.hand(); err != nil {
				return done, err
			}
		}
	}
	return len(p), nil
}

// Flush implements http.Flusher.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError is Flush that says when the client is gone or late.
func (x *exchange) FlushError() error {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	return x.hand()
}

// hand hands the connection what was written, and waits while too much of it is
// unsent.
func (x *exchange) hand() error {
	s, c := x.stream, x.stream.conn
	data := x.buf
	x.buf = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := x.over(); err != nil {
		return err
	}
	x.sendHead()
	if len(data) > 0 {
		c.send(s, data)
	}
	c.flush()
	for waits := false; s.unsent() > quota; {
		if err := x.over(); err != nil {
			return err
		}
		if !waits {
			waits = true
			defer context.AfterFunc(s.ctx, c.nudge)()
			continue
		}
		c.await()
	}
	return x.over()
}

// over says why nothing more can be sent. The caller holds the lock.
func (x *exchange) over() error {
	switch {
	case x.writing.late:
		return os.ErrDeadlineExceeded
	case x.stream.gone:
		return errGone
	default:
		return x.stream.ctx.Err()
	}
}

// sendHead sends the head of the answer, once. The caller holds the lock.
func (x *exchange) sendHead() {
	if !x.stream.headed {
		x.stream.headed = true
		x.stream.conn.out.headers(x.stream.id, x.head(), false)
	}
}

// head is the block that begins the answer.
func (x *exchange) head() []byte {
	if x.header.Get("Date") == "" {
		x.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	block := appendHTTPStatus(nil, x.status)
	for name, values := range x.header {
		switch name {
		case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
			continue // of HTTP/1 alone (RFC 9113, 8.2.2)
		}
		for _, value := range values {
			block = appendField(block, strings.ToLower(name), oneLine.Replace(value))
		}
	}
	return block
}

// Fault counts so many requests that led to nothing. The connection rests for it; the
// handler need not, so that it returns no time.
func (x *exchange) Fault(n int) time.Duration {
	x.stream.conn.temper.fault(n)
	return 0
}

// oneLine keeps what a handler put into a header from becoming another one where
// the answer is written as HTTP/1.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

// SetReadDeadline is for http.ResponseController: reading the body fails from that
// time on; the zero time means never.
func (x *exchange) SetReadDeadline(at time.Time) error {
	x.reading.set(x.stream.conn, at, func() {})
	return nil
}

// SetWriteDeadline is for http.ResponseController: when not everything that was
// written has left by that time the stream is reset, and writing fails from then
// on; the zero time means never. The handler's return does not end it.
func (x *exchange) SetWriteDeadline(at time.Time) error {
	s, c := x.stream, x.stream.conn
	x.writing.set(c, at, func() {
		if !s.gone && len(s.pending) > 0 {
			c.reset(s.id, http2.ErrCodeInternal)
			c.server.running.Go(c.flushAlone) // the socket may be full; the connection is counted, too
		}
	})
	return nil
}
