package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Call is a call that came in over another transport than gRPC's own.
type Call struct {
	// Method is the full name, "/service/method".
	Method string
	// Header holds the request's metadata; its keys are in lower case.
	Header metadata.MD
	// MaxAge and MaxBytes are when a subscription is to end cleanly, its client
	// knowing where to go on: as soon as it is about that old or has sent so
	// much. 0 means never.
	MaxAge   time.Duration
	MaxBytes int
	// Over ends a subscription in the same way as soon as it is done; nil means
	// never.
	Over context.Context
}

// Exchange is what a Call is carried by: one message in, any number out. One
// goroutine at a time uses it, but for Cut.
type Exchange interface {
	// Receive returns the request's message. It is called at most once, and not
	// before the caller has shown a good credential. A message of more than max
	// bytes need not be read to its end: the error is then ErrTooLarge, or ErrNoRoom
	// if it would be welcome at another time. Another
	// error is the client's mistake, in words for its eyes.
	Receive(max int) ([]byte, error)
	// Send sends one message of the answer, which may stay behind until Flush. It
	// is only read, and not after Send has returned. ErrEnough ends a subscription
	// cleanly.
	Send(message []byte) error
	// Flush makes sure that what was sent is on its way. ErrEnough as for Send.
	Flush() error
	// Cut makes a Send or Flush that is under way in another goroutine fail, and
	// those to come.
	Cut()
}

// SharedSender is an Exchange that makes use of it when many are sent the same.
type SharedSender interface {
	// SendShared is Send of a message of a topic, whose bytes nobody ever writes to.
	// Every subscription to the topic is sent the same ones, and they may be kept.
	SendShared(message []byte) error
}

// ErrTooLarge is what Exchange.Receive returns for a message above its limit.
var ErrTooLarge = errors.New("the message is too large")

// ErrNoRoom is what Exchange.Receive and Send return when a large message, or a large
// answer, finds no room beside all others.
var ErrNoRoom error = limited("operations_rate_limit_exceeded", "too many operations with much in them at this moment, try again later")

// ErrEnough is what Exchange.Send and Flush return when the client of a subscription
// has what it came for.
var ErrEnough = errors.New("the client has what it came for")

// handler is a method as the door wrapped it.
type handler struct {
	impl   any
	unary  grpc.MethodHandler
	stream grpc.StreamHandler
	// duplex: its client may send more than one message.
	duplex bool
}

// Call serves a call that was not carried by gRPC's own transport: the same checks,
// limits and counters, the same handler. It returns when the call is over, with
// the status and the trailers that the client is to be told; what was sent last
// may still wait for a Flush. The server must be
// serving, and Stop waits for calls like this one too; it cannot cut them, which
// ending ctx does.
func (s *Server) Call(ctx context.Context, call Call, x Exchange) (*status.Status, metadata.MD) {
	h, ok := s.door.handlers[call.Method]
	if !ok || h.duplex {
		return status.New(codes.Unimplemented, "there is no such method here"), nil
	}
	f := &foreign{Call: call, codec: newCodec(), x: x, bell: make(chan struct{}, 1)}
	ctx = metadata.NewIncomingContext(ctx, call.Header)
	f.ctx = grpc.NewContextWithServerTransportStream(ctx, transportStream{f})
	var err error
	if h.stream != nil {
		err = h.stream(h.impl, f)
	} else {
		err = f.answer(h)
	}
	return status.Convert(err), f.trailers()
}

// foreign is a Call under way, as a handler of a stream sees it.
type foreign struct {
	Call
	ctx      context.Context
	codec    codec
	x        Exchange
	received bool

	sent int
	// patient: whoever sends says itself when there is nothing more for now.
	patient bool
	// full is called when MaxBytes have been sent, posted when the message of that
	// place in a turn of the source was taken.
	full   func()
	posted func(place int, message []byte)

	// What makes it a carrier; see there.
	bell  chan struct{}
	rests atomic.Bool
	moved atomic.Uint64 // messages of the source

	mu      sync.Mutex
	trailer metadata.MD
}

// foreignOf returns the foreign call whose handler was given ctx, nil if it came
// in the usual way.
func foreignOf(ctx context.Context) *foreign {
	t, _ := grpc.ServerTransportStreamFromContext(ctx).(transportStream)
	return t.foreign
}

// answer serves a unary call.
func (f *foreign) answer(h handler) error {
	answer, err := h.unary(h.impl, f.ctx, f.RecvMsg, nil)
	if err != nil {
		return err
	}
	f.patient = true // the status follows at once
	if err := f.SendMsg(answer); !errors.Is(err, ErrNoRoom) {
		return err
	}
	return status.Error(codes.ResourceExhausted, ErrNoRoom.Error())
}

// maxAge is MaxAge, a little less for each stream in its own way, so that those
// which began together do not end together.
func (f *foreign) maxAge() time.Duration {
	if f.MaxAge == 0 {
		return 1 << 62
	}
	return f.MaxAge - rand.N(f.MaxAge/8+1)
}

func (f *foreign) trailers() metadata.MD {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trailer
}

// Context implements grpc.ServerStream.
func (f *foreign) Context() context.Context { return f.ctx }

// RecvMsg implements grpc.ServerStream.
func (f *foreign) RecvMsg(message any) error {
	if f.received {
		return io.EOF
	}
	f.received = true
	limit := maxReceive
	r, known := message.(*request)
	if known {
		limit = r.maxSize
	}
	raw, err := f.x.Receive(limit)
	switch {
	case errors.Is(err, ErrTooLarge) && known:
		r.wrong = requestTooLarge(limit)
		return nil
	case f.ctx.Err() != nil:
		return f.ctx.Err()
	case errors.Is(err, ErrNoRoom):
		return ErrNoRoom
	case err != nil:
		return invalid("%v", err)
	}
	return f.codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, message)
}

// SendMsg implements grpc.ServerStream.
func (f *foreign) SendMsg(message any) error {
	data, err := f.codec.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool()) // no copy when it is in one piece
	defer func() { whole.Free(); data.Free() }()
	if err := f.post(f.x.Send, whole.ReadOnlyData()); err != nil {
		return err
	}
	if f.patient {
		return nil
	}
	return f.x.Flush()
}

// post sends one message, and counts.
func (f *foreign) post(send func([]byte) error, message []byte) error {
	if err := send(message); err != nil {
		return err
	}
	f.sent += len(message)
	if f.full != nil && f.MaxBytes > 0 && f.sent >= f.MaxBytes {
		f.full()
	}
	return nil
}

// SetHeader implements grpc.ServerStream. No service here sends headers.
func (f *foreign) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream.
func (f *foreign) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream.
func (f *foreign) SetTrailer(md metadata.MD) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trailer = metadata.Join(f.trailer, md)
}

// transportStream is the foreign call as grpc's own functions see it.
type transportStream struct{ *foreign }

// Method implements grpc.ServerTransportStream.
func (t transportStream) Method() string { return t.Call.Method }

// SetTrailer implements grpc.ServerTransportStream.
func (t transportStream) SetTrailer(md metadata.MD) error {
	t.foreign.SetTrailer(md)
	return nil
}
