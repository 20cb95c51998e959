package api

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc"

	"github.com/mayfly-broker/mayfly/rpc/h2"
)

// Faults makes calls fail on purpose, on a broker that apps are tested against. It
// is used by many goroutines at once.
type Faults interface {
	// Headers are the request headers that Call looks at, in lower case, so that pages
	// may be allowed to send them. The slice is the caller's.
	Headers() []string
	// Call is asked when a call of a method, "/service/Method", begins, before
	// anything of it is looked at. It may let the call wait until ctx is done, and
	// returns the status that the call is to end with. streams says that the answer
	// is a stream; with broken set, that stream ends with that status after so many
	// messages, or where it would have ended well. header returns the first value of a
	// request header, or "".
	Call(ctx context.Context, method string, streams bool, header func(string) string) (messages int, broken, err error)
}

// provoke asks whether the call is to fail.
func (c *call) provoke() error {
	if c.door.faults == nil {
		return nil
	}
	messages, broken, err := c.door.faults.Call(c, c.method.name, c.method.streams, c.header)
	if broken != nil {
		c.breaks = &breaking{left: messages, why: broken}
	}
	return err
}

// breaking is the end that a stream is to meet.
type breaking struct {
	why error

	mu   sync.Mutex
	left int // messages that may still be sent
}

// errBroken ends the handler of a stream; the client is told why it broke.
var errBroken = errors.New("the stream breaks here")

// spend takes up to n messages off what may be sent and says how many, and whether
// none is left.
func (b *breaking) spend(n int) (allowed int, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	allowed = min(n, b.left)
	b.left -= allowed
	return allowed, b.left == 0
}

// outcome is what the client is told of a call that its handler ended with err. A
// nil breaking changes nothing.
func (b *breaking) outcome(err error) error {
	if b == nil {
		return err
	}
	if _, over := b.spend(0); over || err == nil {
		return b.why
	}
	return err
}

// wrap breaks the stream of a handler. A nil breaking leaves it as it is.
func (b *breaking) wrap(stream grpc.ServerStream) grpc.ServerStream {
	if b == nil {
		return stream
	}
	return &breakingStream{ServerStream: stream, b: b}
}

type breakingStream struct {
	grpc.ServerStream
	b *breaking
}

func (s *breakingStream) SendMsg(message any) error {
	if n, _ := s.b.spend(1); n == 0 {
		return errBroken
	}
	return s.ServerStream.SendMsg(message)
}

// wrapOut breaks what a subscription sends. A nil breaking leaves it as it is.
func (b *breaking) wrapOut(out carrier) carrier {
	if b == nil {
		return out
	}
	return &breakingCarrier{carrier: out, b: b}
}

type breakingCarrier struct {
	carrier
	b *breaking
}

func (c *breakingCarrier) Deliver(source h2.Source) error {
	return c.carrier.Deliver(&breakingSource{Source: source, b: c.b})
}

type breakingSource struct {
	h2.Source
	b *breaking
}

func (s *breakingSource) Next(t *h2.Turn) (n int, over bool) {
	if _, over := s.b.spend(0); over {
		return 0, true
	}
	n, over = s.Source.Next(t)
	n, broken := s.b.spend(n)
	return n, over || broken
}
