package h2

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is what the tests call.
type service struct {
	// held calls wait here, and say so in entered.
	entered, leave chan struct{}

	mu sync.Mutex
	// feeds are those that no test has asked for yet, live all of them.
	feeds, live map[*stock]struct{}
}

type message = wrapperspb.BytesValue

// stock is a source that is filled from outside.
type stock struct {
	s transportStream

	mu       sync.Mutex
	messages [][]byte
	over     bool
	asked    int
}

// Next implements Source.
func (f *stock) Next(t *Turn) (n int, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	n = copy(t.Messages, f.messages)
	f.messages = f.messages[n:]
	return n, f.over && len(f.messages) == 0
}

// turns is how often it was asked.
func (f *stock) turns() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *stock) put(messages ...string) {
	f.mu.Lock()
	for _, m := range messages {
		f.messages = append(f.messages, encoded(m))
	}
	f.mu.Unlock()
	f.s.Wake()
}

func (f *stock) end() {
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	f.s.Wake()
}

func encoded(text string) []byte {
	b, err := proto.Marshal(&message{Value: []byte(text)})
	if err != nil {
		panic(err)
	}
	return b
}

// feed returns a feed once there is one.
func (v *service) feed(t testing.TB) *stock {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		v.mu.Lock()
		for f := range v.feeds {
			delete(v.feeds, f)
			v.mu.Unlock()
			return f
		}
		v.mu.Unlock()
	}
	t.Fatal("nobody asks for a feed")
	return nil
}

func unary(do func(v *service, ctx context.Context, in *message) (*message, error)) grpc.MethodHandler {
	return func(impl any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(message)
		if err := decode(in); err != nil {
			return nil, err
		}
		out, err := do(impl.(*service), ctx, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

func echo(_ *service, _ context.Context, in *message) (*message, error) { return in, nil }

func hold(v *service, ctx context.Context, in *message) (*message, error) {
	v.entered <- struct{}{}
	select {
	case <-v.leave:
		return in, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// publish puts a message into all feeds.
func publish(v *service, _ context.Context, in *message) (*message, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for f := range v.live {
		f.put(string(in.GetValue()))
	}
	return new(message), nil
}

func fail(_ *service, ctx context.Context, in *message) (*message, error) {
	_ = grpc.SetTrailer(ctx, metadata.Pairs("err", string(in.GetValue())))
	return nil, status.Error(codes.NotFound, "not 100% there")
}

func feedStream(impl any, stream grpc.ServerStream) error {
	v := impl.(*service)
	in := new(message)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	if len(in.GetValue()) > 0 { // as subscriptions are greeted
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
	out, ok := grpc.ServerTransportStreamFromContext(stream.Context()).(transportStream)
	if !ok {
		return errors.New("no stream in the context")
	}
	f := &stock{s: out}
	v.mu.Lock()
	v.feeds[f], v.live[f] = struct{}{}, struct{}{}
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		delete(v.live, f)
		v.mu.Unlock()
	}()
	return out.Deliver(f)
}

// talk echoes every message, and says at the end how many there were.
func talk(_ any, stream grpc.ServerStream) error {
	for n := 0; ; n++ {
		in := new(message)
		switch err := stream.RecvMsg(in); {
		case err == io.EOF:
			return stream.SendMsg(&message{Value: []byte{byte(n)}})
		case err != nil:
			return err
		}
		if err := stream.SendMsg(in); err != nil {
			return err
		}
	}
}

const (
	echoMethod    = "/s/Echo"
	promptMethod  = "/s/PromptEcho"
	holdMethod    = "/s/Hold"
	promptHold    = "/s/PromptHold"
	publishMethod = "/s/Publish"
	failMethod    = "/s/Fail"
	feedMethod    = "/s/Feed"
	talkMethod    = "/s/Talk"
)

var desc = grpc.ServiceDesc{
	ServiceName: "s",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: unary(echo)},
		{MethodName: "PromptEcho", Handler: unary(echo)},
		{MethodName: "Hold", Handler: unary(hold)},
		{MethodName: "PromptHold", Handler: unary(hold)},
		{MethodName: "Publish", Handler: unary(publish)},
		{MethodName: "Fail", Handler: unary(fail)},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Feed", Handler: feedStream, ServerStreams: true},
		{StreamName: "Talk", Handler: talk, ServerStreams: true, ClientStreams: true},
	},
}

// world is a server and a way to it.
type world struct {
	*service
	server *Server
	dial   func() (net.Conn, error)
	served chan error
}

// newWorld serves on connections in memory.
func newWorld(t testing.TB, change func(*Config)) *world {
	t.Helper()
	l := bufconn.Listen(64 << 10)
	return newWorldAt(t, l, l.Dial, change)
}

// newTCPWorld serves on sockets.
func newTCPWorld(t testing.TB) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newWorldAt(t, l, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }, nil)
}

func newWorldAt(t testing.TB, l net.Listener, dial func() (net.Conn, error), change func(*Config)) *world {
	t.Helper()
	config := Config{
		Codec:         encoding.GetCodecV2("proto"),
		MaxStreams:    1000,
		MaxReceive:    11 << 20,
		MaxHeaders:    16 << 10,
		HandshakeTime: 5 * time.Second,
		PingMinTime:   2 * time.Second,
		PingTime:      30 * time.Second,
		PingTimeout:   10 * time.Second,
		IdleTime:      10 * time.Minute,
		FirstTime:     time.Minute,
		Prompt: func(method string) bool {
			return slices.Contains([]string{promptMethod, promptHold, publishMethod}, method)
		},
	}
	if change != nil {
		change(&config)
	}
	w := &world{
		service: &service{entered: make(chan struct{}, 10_000), leave: make(chan struct{}), feeds: make(map[*stock]struct{}), live: make(map[*stock]struct{})},
		server:  NewServer(config),
		dial:    dial,
		served:  make(chan error, 1),
	}
	w.server.RegisterService(&desc, w.service)
	go func() { w.served <- w.server.Serve(l) }()
	t.Cleanup(func() {
		w.server.Stop()
		if err := <-w.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

// client is grpc-go's.
func (w *world) client(t testing.TB, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///here", append([]grpc.DialOption{
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return w.dial() }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func call(ctx context.Context, conn *grpc.ClientConn, method, text string, options ...grpc.CallOption) (string, error) {
	out := new(message)
	err := conn.Invoke(ctx, method, &message{Value: []byte(text)}, out, options...)
	return string(out.GetValue()), err
}

// subscribe opens a stream of the feed.
func subscribe(t testing.TB, ctx context.Context, conn *grpc.ClientConn) grpc.ClientStream { //nolint:revive // a test's helper
	t.Helper()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, feedMethod)
	if err == nil {
		err = stream.SendMsg(&message{})
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func next(t testing.TB, stream grpc.ClientStream) string {
	t.Helper()
	out := new(message)
	if err := stream.RecvMsg(out); err != nil {
		t.Fatal(err)
	}
	return string(out.GetValue())
}

// rough is a client that writes frames as it likes, and reads when told.
type rough struct {
	t      testing.TB
	socket net.Conn
	*http2.Framer
	encoder *hpack.Encoder
	block   []byte
}

func (r *rough) Write(b []byte) (int, error) { r.block = append(r.block, b...); return len(b), nil }

// rough connects, and has the settings exchanged.
func (w *world) rough(t testing.TB, settings ...http2.Setting) *rough {
	t.Helper()
	socket, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	_ = socket.SetDeadline(time.Now().Add(20 * time.Second))
	r := &rough{t: t, socket: socket, Framer: http2.NewFramer(socket, socket)}
	r.AllowIllegalWrites = true
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.encoder = hpack.NewEncoder(r)
	if _, err := io.WriteString(socket, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	r.must(r.WriteSettings(settings...))
	return r
}

func (r *rough) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// request writes the headers of a request.
func (r *rough) request(id uint32, method string, end bool, changes ...string) {
	r.t.Helper()
	r.block = nil
	for _, f := range fields(append([]string{":path", ""}, changes...)...) {
		if f.Name == ":method" {
			r.must(r.encoder.WriteField(hpack.HeaderField{Name: ":path", Value: method}))
		}
		r.must(r.encoder.WriteField(f))
	}
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.block, EndHeaders: true, EndStream: end}))
}

// say writes a message.
func (r *rough) say(id uint32, text string, end bool) {
	r.t.Helper()
	m := encoded(text)
	r.must(r.WriteData(id, end, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)))
}

func (r *rough) call(id uint32, method, text string) {
	r.t.Helper()
	r.request(id, method, false)
	r.say(id, text, true)
}

// until reads frames until one is as wanted.
func (r *rough) until(want func(http2.Frame) bool) http2.Frame {
	r.t.Helper()
	for {
		f, err := r.ReadFrame()
		if err != nil {
			r.t.Fatalf("waiting for a frame: %v", err)
		}
		if want(f) {
			return f
		}
	}
}

// status reads until a stream ends, and returns its grpc-status.
func (r *rough) status(id uint32) string {
	r.t.Helper()
	f := r.until(func(f http2.Frame) bool {
		h, ok := f.(*http2.MetaHeadersFrame)
		return ok && h.StreamID == id && h.StreamEnded()
	})
	for _, field := range f.(*http2.MetaHeadersFrame).Fields {
		if field.Name == "grpc-status" {
			return field.Value
		}
	}
	return "none"
}

// pong pings and waits for the answer: everything before was read.
func (r *rough) pong() {
	r.t.Helper()
	r.must(r.WritePing(false, [8]byte{1}))
	r.until(func(f http2.Frame) bool { p, ok := f.(*http2.PingFrame); return ok && p.IsAck() })
}

func wants(t testing.TB, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("got %v, want %v", err, code)
	}
}

// recorder keeps what is written.
type recorder struct{ bytes []byte }

func (r *recorder) Write(b []byte) (int, error) { r.bytes = append(r.bytes, b...); return len(b), nil }

func newEncoder(to io.Writer) *hpack.Encoder { return hpack.NewEncoder(to) }
