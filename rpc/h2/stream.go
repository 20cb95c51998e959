package h2

import (
	"context"
	"encoding/binary"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Stream is one call. It is part of what grpc.ServerTransportStreamFromContext
// returns for the context of a call served here, which has all its methods.
type Stream struct {
	conn *conn
	id   uint32
	// state says who is to send next; see courier.go.
	state atomic.Uint32
	feed  feed

	// Guarded by the connection's lock.

	// pending is what could not be appended to the outbox yet. The first offset
	// bytes of the first message, its prefix included, were.
	pending [][]byte
	offset  int
	sent    uint64 // messages
	window  int64  // what the client takes, in bytes
	headed  bool   // the response's headers were sent
	inHand  bool   // a handler serves the stream
	gone    bool   // the client has seen its end, or does not want it any more
	// trailers is the block that ends the response, once the handler has
	// returned; last says that it ends without.
	trailers        []byte
	last            bool
	header, trailer metadata.MD
	inbox           inbox
	// weight is what the stream takes while its handler waits for the rest of the
	// message, 0 when it does not; charged what it has taken of the connection's room.
	weight, charged int64
	seen            uint64 // of look

	roomy bool // a message had to take room; of the handler's goroutine
	path  string
	// method is the call's; nil for an exchange, which is none.
	method   *method
	exchange *exchange
	ctx      context.Context
	cancel   context.CancelFunc
}

// prefix is how many bytes go before each message: those of gRPC, or none in an
// exchange.
func (s *Stream) prefix() int {
	if s.exchange != nil {
		return 0
	}
	return prefixSize
}

// inbox is what a client has sent on a stream and nobody has taken.
type inbox struct {
	buf    []byte
	window int64 // what it may still send
	begun  bool  // a handler was given the stream
	whole  bool  // with its first message complete
	ended  bool  // nothing more will come
}

// quota is how many bytes a handler may leave unsent before it has to wait.
const quota = 64 << 10

// errGone is what handlers are told on a stream that nobody listens to.
var errGone = status.Error(codes.Canceled, "the client has gone")

func newStream(c *conn, id uint32, m *method, h *head) *Stream {
	s := &Stream{conn: c, id: id, path: h.path, method: m, window: c.out.initial}
	s.inbox.window = firstWindow
	ctx := metadata.NewIncomingContext(c.ctx, h.metadata)
	ctx = grpc.NewContextWithServerTransportStream(ctx, transportStream{s})
	if h.timed {
		s.ctx, s.cancel = context.WithTimeout(ctx, h.timeout)
	} else {
		s.ctx, s.cancel = context.WithCancel(ctx)
	}
	return s
}

// ready returns the stream if its handler is to begin now. The caller holds the
// lock.
func (s *Stream) ready() *Stream {
	in := &s.inbox
	if in.begun {
		return nil
	}
	if s.method.late && !in.ended {
		// A message that does not fit the window is waited for by the handler,
		// which looks at the credential before it takes in so much.
		size, ok := in.next()
		if !ok || len(in.buf) < size && size <= firstWindow {
			return nil
		}
	}
	return s.start()
}

// start lets the handler begin. The caller holds the lock.
func (s *Stream) start() *Stream {
	in := &s.inbox
	size, ok := in.next()
	in.whole = ok && len(in.buf) >= size
	in.begun, s.inHand = true, true
	s.conn.begins(s)
	return s
}

// limit is the size of the largest message that the call takes in.
func (s *Stream) limit() int {
	if s.method.guarded {
		return s.conn.server.config.MaxReceive
	}
	return min(s.conn.server.config.MaxReceive, firstWindow-prefixSize)
}

// next returns the size of the next message, prefix included, once that is
// known.
func (in *inbox) next() (size int, ok bool) {
	if len(in.buf) < prefixSize {
		return prefixSize, false
	}
	return prefixSize + int(binary.BigEndian.Uint32(in.buf[1:])), true
}

// add appends what has come. There is never twice as much room as that took, and never
// more than the message needs.
func (in *inbox) add(b []byte) {
	if need := len(in.buf) + len(b); need > cap(in.buf) {
		room := max(2*cap(in.buf), need)
		if size, ok := in.next(); ok && size >= need {
			room = min(room, size)
		}
		in.buf = append(make([]byte, 0, room), in.buf...)
	}
	in.buf = append(in.buf, b...)
}

// receive waits for the next message. It returns io.EOF when there is none.
func (s *Stream) receive() ([]byte, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	waits, late := false, s.ctx
	for {
		size, known := s.inbox.next()
		switch {
		case s.gone:
			return nil, errGone
		case known && s.inbox.buf[0] != 0:
			return nil, status.Error(codes.Internal, "a message is compressed although the request names no grpc-encoding")
		case known && size-prefixSize > s.limit():
			return nil, status.Errorf(codes.ResourceExhausted, "a message of %d bytes, the most is %d", size-prefixSize, s.limit())
		case known && len(s.inbox.buf) >= size:
			message := s.inbox.buf[prefixSize:size:size]
			s.taken(size)
			s.roomy = s.charged > 0
			return message, nil
		case s.inbox.ended && len(s.inbox.buf) == 0:
			return nil, io.EOF
		case s.inbox.ended:
			return nil, status.Error(codes.Internal, "the request ends in the middle of a message")
		case s.ctx.Err() != nil:
			return nil, status.FromContextError(s.ctx.Err()).Err()
		case late.Err() != nil:
			c.server.counts.late.Add(1)
			return nil, status.Error(codes.DeadlineExceeded, "the message did not come to its end in time")
		case known && s.charged == 0:
			if err := s.reserve(size); err != nil {
				return nil, err
			}
			continue // more may have come meanwhile
		}
		s.grant(size)
		c.flush()
		switch {
		case late == s.ctx && (known || s.method.late): //nolint:errorlint // which context it is
			var cancel context.CancelFunc
			late, cancel = context.WithTimeout(s.ctx, timeFor(size))
			defer cancel()
			defer context.AfterFunc(late, c.nudge)()
		case !waits:
			defer context.AfterFunc(s.ctx, c.nudge)()
		default:
			c.await()
			continue
		}
		waits = true // and something may have come during the writing
	}
}

// taken lets go of the first n bytes of the inbox, and has the client send more. The
// caller holds the lock.
func (s *Stream) taken(n int) {
	in := &s.inbox
	if in.buf = in.buf[n:]; len(in.buf) == 0 {
		in.buf = nil // lets go of the room
	}
	s.grant(0)
}

// grant lets the client send so much that a message of that size gets through,
// and a window's worth in any case. Small amounts are put off.
func (s *Stream) grant(size int) {
	in := &s.inbox
	has := in.window + int64(len(in.buf))
	credit := max(firstWindow, int64(size)) - has
	if in.ended || credit <= 0 || credit < firstWindow/2 && int64(size) <= has {
		return
	}
	in.window += credit
	s.conn.out.credit(s.id, credit)
}

// nudge wakes those who wait, so that they look at their contexts.
func (c *conn) nudge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turned()
}

// bytesOf returns an encoded message in one piece. It is only read, until it was
// sent.
func bytesOf(data mem.BufferSlice) []byte {
	if len(data) == 1 {
		return data[0].ReadOnlyData()
	}
	return data.Materialize()
}

// head sends the headers, once. The caller holds the lock.
func (s *Stream) head() {
	if s.headed {
		return
	}
	s.headed = true
	block := okHeaders
	if len(s.header) > 0 {
		block = appendMetadata(append([]byte(nil), okHeaders...), s.header)
	}
	s.conn.out.headers(s.id, block, false)
}

// send sends a message of a stream, and waits while too much is unsent.
func (s *Stream) send(v any) error {
	data, err := s.conn.server.config.Codec.Marshal(v)
	if err != nil {
		return status.Errorf(codes.Internal, "encode the answer: %v", err)
	}
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone {
		return errGone
	}
	s.head()
	c.send(s, bytesOf(data))
	if len(s.pending) == 0 {
		data.Free()
	}
	c.flush()
	if s.unsent() <= quota {
		return nil
	}
	c.hoard(s)
	defer func() { s.discharge() }()
	defer context.AfterFunc(s.ctx, c.nudge)()
	for s.unsent() > quota && !s.gone {
		if err := s.ctx.Err(); err != nil {
			return status.FromContextError(err).Err()
		}
		c.await()
	}
	if s.gone {
		return errGone
	}
	return nil
}

// unsent is how many bytes wait for the client.
func (s *Stream) unsent() int {
	n := -s.offset
	for _, m := range s.pending {
		n += s.prefix() + len(m)
	}
	return n
}

// keep makes what is pending the stream's own, because the list was borrowed.
func (s *Stream) keep() {
	if len(s.pending) == 0 {
		s.pending = nil
		return
	}
	s.pending = append([][]byte(nil), s.pending...)
}

// run serves the call. quietly: who reads the connection writes the answer.
func (s *Stream) run(quietly bool) {
	defer s.conn.server.handlers.Done()
	m := s.method
	if m.prompt {
		began := time.Now()
		defer func() { s.conn.pace.note(time.Since(began)) }()
	}
	if m.stream != nil {
		s.finish(nil, m.stream(m.impl, serverStream{transportStream{s}}), false)
		return
	}
	if s.conn.isCrammed() { // since it began
		s.finish(nil, errNoRoom, quietly)
		return
	}
	answer, err := m.unary(m.impl, s.ctx, s.decode, nil)
	if err != nil {
		s.finish(nil, err, quietly)
		return
	}
	data, err := s.conn.server.config.Codec.Marshal(answer)
	if err != nil {
		err = status.Errorf(codes.Internal, "encode the answer: %v", err)
	}
	s.finish(data, err, quietly)
}

// decode takes in the message of a unary call.
func (s *Stream) decode(v any) error {
	message, err := s.receive()
	if err == io.EOF { //nolint:errorlint // receive's own, never wrapped
		return status.Error(codes.Internal, "the request has no message")
	}
	if err != nil {
		return err
	}
	return s.unmarshal(message, v)
}

func (s *Stream) unmarshal(message []byte, v any) error {
	var in struct { // one allocation for all
		bytes mem.SliceBuffer
		slice [1]mem.Buffer
	}
	in.bytes = message
	in.slice[0] = &in.bytes
	if s.roomy { // decoded messages hold copies
		s.roomy = false
		defer s.dischargeAlone()
	}
	if err := s.conn.server.config.Codec.Unmarshal(in.slice[:], v); err != nil {
		return status.Errorf(codes.Internal, "decode the request: %v", err)
	}
	return nil
}

// finish ends the call: with an answer, if it is unary and there is no error.
func (s *Stream) finish(answer mem.BufferSlice, err error, quietly bool) {
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	c := s.conn
	if st.Code() == codes.Unauthenticated {
		c.temper.fault(1)
	}
	c.mu.Lock()
	if !s.gone {
		c.conclude(s, answer, st)
	}
	c.release(s)
	if !quietly {
		c.flush()
	}
	c.mu.Unlock()
	s.cancel()
}

// conclude appends what ends a stream. The caller holds the lock.
func (c *conn) conclude(s *Stream, answer mem.BufferSlice, st *status.Status) {
	var block []byte
	switch {
	case answer != nil:
		s.head()
	case !s.headed: // all in one block
		s.headed = true
		block = appendMetadata(append([]byte(nil), okHeaders...), s.header)
	}
	switch {
	case block == nil && st.Code() == codes.OK && len(s.trailer) == 0:
		s.trailers = okTrailers
	default:
		s.trailers = appendStatus(block, st, s.trailer)
	}
	switch {
	case answer != nil:
		c.send(s, bytesOf(answer)) // and the trailers
		if c.hoard(s); s.gone {
			answer.Free()
		}
	case len(s.pending) == 0:
		c.push(s)
	case s.feed.done == nil: // the handler is not there to wait for it
		c.hoard(s)
	}
}

// transportStream is a Stream as grpc.SetTrailer and its like see it, and who
// asks for it in the call's context.
type transportStream struct{ *Stream }

// Method is the full name of the call's method.
func (s transportStream) Method() string { return s.path }

func (s transportStream) SetHeader(md metadata.MD) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.headed {
		return status.Error(codes.Internal, "the headers were sent already")
	}
	s.header = metadata.Join(s.header, md)
	return nil
}

func (s transportStream) SendHeader(md metadata.MD) error {
	if err := s.SetHeader(md); err != nil {
		return err
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.gone {
		return errGone
	}
	s.head()
	s.conn.flush()
	return nil
}

func (s transportStream) SetTrailer(md metadata.MD) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
	return nil
}

// serverStream is a Stream as handlers of streaming calls see it.
type serverStream struct{ transportStream }

func (s serverStream) Context() context.Context { return s.ctx }

func (s serverStream) SetTrailer(md metadata.MD) {
	_ = s.transportStream.SetTrailer(md) // never fails
}

func (s serverStream) SendMsg(v any) error { return s.send(v) }

func (s serverStream) RecvMsg(v any) error {
	message, err := s.receive()
	if err != nil {
		return err
	}
	return s.unmarshal(message, v)
}
