package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/admit"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/h2"
	"github.com/mayfly-broker/mayfly/rpc/metering"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// door is the way into every service: a registrar that puts the checks all
// calls share around each generated handler.
type door struct {
	*h2.Server

	bounds      atomic.Pointer[bounds] // in force; never nil
	book        *quota.Book
	refused     func(limit, cache string)
	lanes       lanes
	gate        *auth.Gate
	caches      Caches
	inquiry     *inquiry
	audit       Audit
	self        string // this node's name
	refusedActs refusalLog
	logger      *slog.Logger
	meter       func(method string, stream bool) Meter
	budget      *budget
	usage       *metering.Meter // nil: nothing is counted
	codec       codec
	faults      Faults // nil: none on purpose
	draining    atomic.Bool
	underWay    atomic.Int64 // calls being served
	strangers   atomic.Int64 // streams of those who need no credential

	// listening is done when those who only listen, to the node's health for
	// instance, have to go. They would never end by themselves.
	listening context.Context
	dismiss   context.CancelFunc

	handlers map[string]handler // by full method name; set while registering
	unruled  []string           // methods that rules does not know; set while registering
}

// method is a method as the door knows it.
type method struct {
	rule
	name    string
	streams bool // the answer is a stream
	meter   Meter
}

// RegisterService registers a service whose methods all go through the door.
func (d *door) RegisterService(desc *grpc.ServiceDesc, impl any) {
	wrapped := *desc
	wrapped.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		known := d.method(desc, m.MethodName)
		wrapped.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: d.unary(known, m.Handler)}
		d.handlers[known.name] = handler{impl: impl, unary: wrapped.Methods[i].Handler}
	}
	wrapped.Streams = make([]grpc.StreamDesc, len(desc.Streams))
	for i, s := range desc.Streams {
		wrapped.Streams[i] = s
		known := d.method(desc, s.StreamName)
		known.streams = true
		wrapped.Streams[i].Handler = d.stream(known, s.Handler)
		d.handlers[known.name] = handler{impl: impl, stream: wrapped.Streams[i].Handler, duplex: s.ClientStreams}
	}
	d.Server.RegisterService(&wrapped, impl)
}

func (d *door) method(desc *grpc.ServiceDesc, name string) *method {
	full := "/" + desc.ServiceName + "/" + name
	rule, ok := rules[full]
	if !ok {
		d.unruled = append(d.unruled, full)
	}
	return &method{name: full, rule: rule}
}

func (d *door) unary(m *method, handle grpc.MethodHandler) grpc.MethodHandler {
	m.meter = d.meter(m.name, false)
	return func(impl any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (answer any, err error) {
		c := d.enter(ctx, m)
		defer func() {
			thrown := recover()
			if err == nil && thrown == nil {
				answer, err = c.encode(answer)
				c.owe(answer)
			}
			err = c.leave(err, thrown)
		}()
		if err := c.begin(); err != nil {
			return nil, err
		}
		return handle(impl, c, func(message any) error { return c.receive(decode, message) }, nil)
	}
}

func (d *door) stream(m *method, handle grpc.StreamHandler) grpc.StreamHandler {
	m.meter = d.meter(m.name, true)
	return func(impl any, stream grpc.ServerStream) (err error) {
		ctx := stream.Context()
		if m.need == nothing {
			defer d.strangers.Add(-1)
			if d.strangers.Add(1) > maxStrangers {
				return errStrangers
			}
			listener, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(d.listening, cancel)()
			ctx = listener
		}
		c := d.enter(ctx, m)
		defer func() { err = c.leave(err, recover()) }()
		if err := c.begin(); err != nil {
			return err
		}
		return c.breaks.outcome(handle(impl, &checkedStream{ServerStream: c.breaks.wrap(stream), call: c}))
	}
}

// maxStrangers is how many streams there may be of those who need no credential, such
// as health checks: they end when their clients like.
const maxStrangers = 1024

// checkedStream is a stream whose messages come in through the door.
type checkedStream struct {
	grpc.ServerStream
	call *call
}

func (s *checkedStream) Context() context.Context { return s.call }

func (s *checkedStream) RecvMsg(message any) error {
	return s.call.receive(s.ServerStream.RecvMsg, message)
}

func (s *checkedStream) SendMsg(message any) error {
	message, err := s.call.encode(message)
	if err != nil {
		return err
	}
	return s.call.send(s.ServerStream, message)
}

// call is one RPC: the context its handler gets, and what the door found out.
type call struct {
	context.Context

	door    *door
	method  *method
	bounds  *bounds // those in force when it began
	began   time.Time
	request request
	who     auth.Principal
	// act is what an operator asks for; nil for other calls. actNumber is its
	// number if it was put on record as begun.
	act       *route.Act
	actNumber uint64
	// cache is the cache the call is about; nil when it is about none.
	cache *storev1.CacheRecord
	// lane is where the call waits for its turn, nil for nowhere, and pass what it was
	// let in with. away: the pass was given up while the client did not read.
	lane    *admit.Lane
	passing sync.Mutex // over pass
	pass    admit.Pass
	away    bool
	// debts are whom the answer is charged to.
	debts debts
	// topic is the topic the call is about; empty when it is about none.
	topic string
	// breaks is the end that the call's stream is to meet; nil for none.
	breaks *breaking
	use    use
}

func (d *door) enter(ctx context.Context, m *method) *call {
	d.underWay.Add(1)
	m.meter.Begin()
	return &call{Context: ctx, door: d, method: m, bounds: d.bounds.Load(), lane: d.lanes.of(m.need), began: time.Now()}
}

type callKey struct{}

// Value makes the call findable from contexts derived from it.
func (c *call) Value(key any) any {
	if key == (callKey{}) || key == (route.IdlerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// callOf returns the call whose handler was given ctx, or a context that ctx
// derives from.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.(*call); ok {
		return c
	}
	return ctx.Value(callKey{}).(*call)
}

// begin looks at what is known before the body is read.
func (c *call) begin() error {
	if err := c.provoke(); err != nil {
		return err
	}
	return c.identify()
}

// identify finds out who calls, from the header, before the body is read.
func (c *call) identify() error {
	switch c.method.need {
	case nothing:
		return nil
	case ownCredential:
		return c.admit()
	default:
		if err := c.admit(); err != nil {
			return err
		}
		return c.identifyBy(c.header("authorization"))
	}
}

func (c *call) admit() error {
	if c.door.draining.Load() {
		return errDraining
	}
	return nil
}

func (c *call) identifyBy(text string) (err error) {
	c.who, err = c.door.who(c, text)
	return err
}

// who finds out whose credential a text is. A key that this node has not heard of
// may have been made a moment ago.
func (d *door) who(ctx context.Context, text string) (auth.Principal, error) {
	p, err := d.gate.Authenticate(text, time.Now())
	if errors.Is(err, auth.ErrUnheardOf) && d.inquiry.catchUp(ctx) == nil {
		p, err = d.gate.Authenticate(text, time.Now())
	}
	return p, err
}

// header returns the first value of a request header, or "".
func (c *call) header(name string) string {
	if values := metadata.ValueFromIncomingContext(c, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// receive takes in a message and checks all that can be checked in general.
func (c *call) receive(decode func(any) error, message any) error {
	c.release()
	c.request = request{
		message:     message.(proto.Message),
		maxSize:     c.bounds.RequestBytes,
		maxElements: c.bounds.Elements,
		budget:      c.door.budget,
		enter:       c.enter,
	}
	if err := decode(&c.request); err != nil {
		return err
	}
	if c.request.wrong != nil {
		return c.request.wrong
	}
	if err := c.authorize(message); err != nil {
		return err
	}
	if err := c.checkKnown(); err != nil {
		return err
	}
	if c.cache != nil {
		if err := c.afford(message); err != nil {
			return err
		}
	}
	return c.beginAct(message)
}

func (c *call) release() {
	if c.request.reserved > 0 {
		c.door.budget.give(c.request.reserved)
		c.request.reserved = 0
	}
}

// panicked is a bug that was caught before it could end the process. It keeps
// the type of what was thrown and not the value, which may quote what a client
// sent; a stack shows no contents.
type panicked struct {
	kind  string
	stack []byte
}

func caught(value any) *panicked {
	return &panicked{kind: fmt.Sprintf("%T", value), stack: debug.Stack()}
}

func (p *panicked) Error() string { return "panic of type " + p.kind }

// leave ends the call: it gives back what the call held and returns its error as
// a status, with trailers.
func (c *call) leave(err error, thrown any) error {
	defer c.door.underWay.Add(-1)
	c.release()
	c.Idle()
	err = c.told(err, thrown)
	c.count(err)
	c.endAct(err)
	c.method.meter.End(status.Code(err), time.Since(c.began))
	return err
}

// told turns the error of a call into a status and trailers.
func (c *call) told(err error, thrown any) error {
	if thrown != nil {
		err = caught(thrown)
	}
	if err == nil {
		return nil
	}
	told, known := refusalOf(err, c.method.retried)
	switch {
	case known:
		if told.code == codes.ResourceExhausted {
			c.door.refused(told.limit(), c.cache.GetName())
		}
	case isStatus(err):
		return err
	default:
		c.report(err)
	}
	if md := told.trailer(); md != nil {
		_ = grpc.SetTrailer(c, md) // fails only when the call is over anyway
	}
	return status.Error(told.code, told.text)
}

// report logs an error that nobody foresaw.
func (c *call) report(err error) {
	attrs := []slog.Attr{slog.String("method", c.method.name), slog.Any("err", err)}
	if p, ok := errors.AsType[*panicked](err); ok {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	c.door.logger.LogAttrs(c, slog.LevelError, "a call failed in a way that nobody foresaw", attrs...)
}

// finishPoll is how often finish looks again. A node stops once.
const finishPoll = 5 * time.Millisecond

// finish waits until no call is under way, or ctx is done, whose error it then
// returns.
func (d *door) finish(ctx context.Context) error {
	for d.underWay.Load() > 0 {
		if err := wait(ctx, finishPoll); err != nil {
			return err
		}
	}
	return nil
}
