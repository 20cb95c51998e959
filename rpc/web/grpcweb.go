package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// A page keeps everything that it received on a stream in memory for as long as
// the stream lives, so it is made to begin anew after a while.
const (
	pageStreamAge   = time.Hour
	pageStreamBytes = 4 << 20 // of messages
)

// writeTime is how long one write may take until the client counts as gone.
const writeTime = 30 * time.Second

// keptBuffer is the largest buffer that a call keeps between two messages.
const keptBuffer = 32 << 10

// The content types of gRPC-Web. The official SDK speaks the text form.
const (
	typeText   = "application/grpc-web-text"
	typeBinary = "application/grpc-web"
)

// grpcWebForm says whether a request is a gRPC-Web call, and of which form.
func grpcWebForm(r *http.Request) (text, ok bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.Method != http.MethodPost {
		return false, false
	}
	switch strings.TrimSuffix(kind, "+proto") {
	case typeText:
		return true, true
	case typeBinary:
		return false, true
	default:
		return false, false
	}
}

// grpcWeb serves a gRPC-Web call. Whatever becomes of it, the answer is 200 and
// the status stands in its last frame: the official client understands nothing
// else.
func (s *Server) grpcWeb(w http.ResponseWriter, r *http.Request, text bool) {
	s.turnAway()
	ctx, cancel := withTimeout(r.Context(), r.Header.Get("Grpc-Timeout"))
	defer cancel()
	x := &pageExchange{exchange: newExchange(w, r), text: text}
	h := w.Header()
	h.Set("Content-Type", typeBinary+"+proto")
	if text {
		h.Set("Content-Type", typeText+"+proto")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold back what is streamed
	end, md := s.call(ctx, api.Call{
		Method: r.URL.Path, Header: incoming(r),
		MaxAge: pageStreamAge, MaxBytes: pageStreamBytes,
	}, x)
	if end.Code() == codes.Unavailable && !x.received {
		s.turnAway() // the node began to stop behind the first look
	}
	if end.Code() != codes.OK {
		x.discard()
	}
	if err := x.frame(flagTrailers, trailers(end, md)); err == nil {
		_ = x.Flush() // the client may have gone
	}
}

// withTimeout bounds ctx by the text of a grpc-timeout header. One that makes no
// sense bounds nothing, as in grpc-go's own handler of foreign calls.
func withTimeout(ctx context.Context, header string) (context.Context, context.CancelFunc) {
	if timeout, ok := parseTimeout(header); ok {
		return context.WithTimeout(ctx, timeout)
	}
	return ctx, func() {}
}

// timeoutUnits are the last letters of a timeout.
var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// parseTimeout reads a grpc-timeout: at most eight digits and a unit.
func parseTimeout(text string) (time.Duration, bool) {
	if len(text) < 2 || len(text) > 9 {
		return 0, false
	}
	unit, ok := timeoutUnits[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !ok || err != nil {
		return 0, false
	}
	const longest = 1 << 62
	if n > longest/uint64(unit) {
		return longest, true
	}
	return time.Duration(n) * unit, true
}

// incoming are the headers of a request as gRPC's metadata.
func incoming(r *http.Request) metadata.MD {
	md := make(metadata.MD, len(r.Header))
	for key, values := range r.Header {
		md[strings.ToLower(key)] = values
	}
	return md
}

// exchange is a request and its answer.
type exchange struct {
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	until   time.Time // when the write deadline is
	cut     *atomic.Bool
	room    *share.Holder
}

var errCut = errors.New("the client did not read")

func newExchange(w http.ResponseWriter, r *http.Request) exchange {
	return exchange{w: w, r: r, control: http.NewResponseController(w), cut: new(atomic.Bool), room: roomOf(r)}
}

// body reads the request's body, of at most max bytes.
func (x *exchange) body(max int) ([]byte, error) {
	if x.r.ContentLength > int64(max) {
		return nil, api.ErrTooLarge
	}
	body, err := readAll(io.LimitReader(x.r.Body, int64(max)+1), x.room)
	switch {
	case len(body) > max:
		return nil, api.ErrTooLarge
	case errors.Is(err, api.ErrNoRoom):
		return nil, err
	case err != nil:
		return nil, errors.New("the body did not come to its end")
	}
	return body, nil // and from here on net/http waits for the client to go, for any time
}

// discardMost is how much of a body is thrown away for the sake of an answer.
const discardMost = 32 << 20

// discard takes in what is left of a body that nobody wants, before its request is
// refused. Many clients, browsers among them, look at an answer only when they have
// sent everything; a connection that is closed before is all that they would see.
func (x *exchange) discard() {
	if x.r.ContentLength <= discardMost {
		_, _ = io.CopyN(io.Discard, x.r.Body, discardMost) // whatever comes of it, the answer is next
	}
}

// write writes to the client, or fails after a while.
func (x *exchange) write(b []byte) error {
	if err := x.hurry(); err != nil {
		return err
	}
	_, err := x.w.Write(b)
	return err
}

// hurry gives what is written next its time, or at least half of it: moving a
// deadline costs as much as encoding an item.
func (x *exchange) hurry() error {
	if now := time.Now(); x.until.Sub(now) < writeTime/2 {
		x.until = now.Add(writeTime)
		if err := x.control.SetWriteDeadline(x.until); err != nil {
			return err
		}
	}
	if x.cut.Load() { // after the deadline was set, so that Cut has the last word
		x.Cut()
		return errCut
	}
	return nil
}

// Flush implements api.Exchange.
func (x *exchange) Flush() error {
	if err := x.hurry(); err != nil {
		return err
	}
	return x.control.Flush()
}

// Cut implements api.Exchange.
func (x *exchange) Cut() {
	x.cut.Store(true)
	_ = x.control.SetWriteDeadline(time.Unix(1, 0)) // fails only on a connection that is dead
}

// pageExchange is the exchange of a gRPC-Web call.
type pageExchange struct {
	exchange
	text     bool
	received bool // the message was asked for, so the call may have had an effect
	buf      []byte
}

// Receive implements api.Exchange.
func (x *pageExchange) Receive(max int) ([]byte, error) {
	x.received = true
	limit := max + frameHeader
	if x.text {
		limit = textSize(limit)
	}
	body, err := x.body(limit)
	if err != nil {
		return nil, err
	}
	if x.text {
		if body, err = decodeText(body); err != nil {
			return nil, err
		}
	}
	return onlyMessage(body)
}

// Send implements api.Exchange.
func (x *pageExchange) Send(message []byte) error {
	if len(message) > unasked {
		if !x.room.Take(int64(len(message))) {
			return api.ErrNoRoom
		}
		defer x.room.Give(int64(len(message)))
	}
	return x.frame(flagMessage, message)
}

func (x *pageExchange) frame(flags byte, content []byte) error {
	x.buf = appendFrame(x.buf[:0], flags, content, x.text)
	err := x.write(x.buf)
	if cap(x.buf) > keptBuffer {
		x.buf = nil
	}
	return err
}
