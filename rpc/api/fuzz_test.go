package api

import (
	"context"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/h2"
)

// handlers collects the methods of a server as the door wraps them, so that
// they can be called without a connection.
type handlers struct {
	*door
	names   []string
	unaries map[string]func(ctx context.Context, decode func(any) error) error
	streams map[string]func(grpc.ServerStream) error
}

func (h *handlers) RegisterService(desc *grpc.ServiceDesc, impl any) {
	for _, m := range desc.Methods {
		handle := h.unary(h.method(desc, m.MethodName), m.Handler)
		name := "/" + desc.ServiceName + "/" + m.MethodName
		h.names = append(h.names, name)
		h.unaries[name] = func(ctx context.Context, decode func(any) error) error {
			return second(handle(impl, ctx, decode, nil))
		}
	}
	for _, s := range desc.Streams {
		handle := h.stream(h.method(desc, s.StreamName), s.Handler)
		name := "/" + desc.ServiceName + "/" + s.StreamName
		h.names = append(h.names, name)
		h.streams[name] = func(stream grpc.ServerStream) error { return handle(impl, stream) }
	}
}

// oneShot is a stream whose client sends one message, and is gone after reading
// left.
type oneShot struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelFunc
	raw    []byte
	sent   bool
	left   int
}

func (s *oneShot) Context() context.Context     { return s.ctx }
func (s *oneShot) SetTrailer(metadata.MD)       {}
func (s *oneShot) SetHeader(metadata.MD) error  { return nil }
func (s *oneShot) SendHeader(metadata.MD) error { return nil }

func (s *oneShot) RecvMsg(m any) error {
	if s.sent {
		return io.EOF
	}
	s.sent = true
	return newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(s.raw)}, m)
}

func (s *oneShot) SendMsg(m any) error {
	if s.left--; s.left <= 0 {
		s.cancel()
	}
	b, err := newCodec().Marshal(m)
	b.Free()
	return err
}

// briefly carries a subscription until it has nothing more to send.
type briefly struct {
	grpc.ServerTransportStream
	ctx context.Context
}

func (b *briefly) Deliver(source h2.Source) error {
	for over := false; !over; {
		var n int
		if n, over = source.Next(&h2.Turn{Now: time.Now(), Messages: make([][]byte, 3)}); n == 0 {
			<-b.ctx.Done()
			return b.ctx.Err()
		}
	}
	return nil
}

func (b *briefly) Wake()                    {}
func (b *briefly) Cut()                     {}
func (b *briefly) Progress() (uint64, bool) { return 0, true }

// filled is a message with something in every field, two elements in every
// list, and the given member of every oneof.
func filled(d protoreflect.MessageDescriptor, member int) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err)
	}
	m := kind.New()
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if o := f.ContainingOneof(); o != nil && o.Fields().Get(member%o.Fields().Len()) != f {
			continue
		}
		scalar := func() protoreflect.Value {
			switch f.Kind() {
			case protoreflect.MessageKind:
				return protoreflect.ValueOfMessage(filled(f.Message(), member).ProtoReflect())
			case protoreflect.StringKind:
				return protoreflect.ValueOfString("c")
			case protoreflect.BytesKind:
				return protoreflect.ValueOfBytes([]byte("17"))
			case protoreflect.BoolKind:
				return protoreflect.ValueOfBool(true)
			case protoreflect.EnumKind:
				return protoreflect.ValueOfEnum(1)
			case protoreflect.Uint32Kind:
				return protoreflect.ValueOfUint32(2)
			case protoreflect.Uint64Kind:
				return protoreflect.ValueOfUint64(1000)
			case protoreflect.Int64Kind:
				return protoreflect.ValueOfInt64(-3)
			case protoreflect.Sint32Kind, protoreflect.Int32Kind:
				return protoreflect.ValueOfInt32(-1)
			case protoreflect.DoubleKind:
				return protoreflect.ValueOfFloat64(1.5)
			case protoreflect.FloatKind:
				return protoreflect.ValueOfFloat32(1.5)
			default:
				panic("a kind nobody thought of: " + f.Kind().String())
			}
		}
		switch {
		case f.IsMap():
		case f.IsList():
			m.Mutable(f).List().Append(scalar())
			m.Mutable(f).List().Append(scalar())
		default:
			m.Set(f, scalar())
		}
	}
	return m.Interface()
}

// FuzzRequests sends any bytes to any method, with any cache header: nothing
// panics, nothing is the server's fault, and no request costs memory out of
// proportion.
func FuzzRequests(f *testing.F) {
	w := newWorld(f, settings{})
	h := &handlers{
		door:    w.server.door,
		unaries: make(map[string]func(context.Context, func(any) error) error),
		streams: make(map[string]func(grpc.ServerStream) error),
	}
	w.server.register(h)
	root := w.rootText(f) // open mode ends with the first key that an input makes
	slices.Sort(h.names)
	for i, name := range h.names {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(dotted(name)))
		if err != nil {
			f.Fatal(err)
		}
		input := d.(protoreflect.MethodDescriptor).Input()
		f.Add(uint8(i), "c", []byte{})
		for member := range 6 {
			raw, err := proto.Marshal(filled(input, member))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), "c", raw)
		}
		f.Add(uint8(i), "", protowire.AppendTag(nil, 1, protowire.BytesType))
	}
	f.Fuzz(func(t *testing.T, method uint8, cache string, raw []byte) {
		name := h.names[int(method)%len(h.names)]
		ctx, cancel := context.WithCancel(metadata.NewIncomingContext(context.Background(), metadata.Pairs("cache", cache, "authorization", root)))
		defer cancel()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := h.send(ctx, cancel, name, raw)
		runtime.ReadMemStats(&after)
		switch status.Code(err) {
		case codes.Internal, codes.Unknown, codes.DataLoss:
			t.Errorf("%s: %v", name, err)
		}
		// What lists the whole catalog answers by its size, not by the request's.
		lists := name == controlpb.ScsControl_ListCaches_FullMethodName || name == adminv1.Admin_ListApiKeys_FullMethodName ||
			name == adminv1.Caches_DescribeCaches_FullMethodName
		if spent, most := after.TotalAlloc-before.TotalAlloc, uint64(2<<20+200*len(raw)); spent > most && !lists {
			t.Errorf("%s: %d bytes cost %d bytes of memory, want at most %d", name, len(raw), spent, most)
		}
		if used := w.server.door.budget.used.Load(); used != 0 {
			t.Errorf("%s: %d bytes were not given back", name, used)
		}
		// The next input meets an empty cache again.
		_ = w.Delete(context.Background(), "c")
		_ = w.Create(context.Background(), "c", nil)
	})
}

func (h *handlers) send(ctx context.Context, cancel context.CancelFunc, name string, raw []byte) error {
	if stream, ok := h.streams[name]; ok {
		one := &oneShot{ctx: ctx, cancel: cancel, raw: raw, left: math.MaxInt}
		if name == pubsubpb.Pubsub_Subscribe_FullMethodName || name == grpc_health_v1.Health_Watch_FullMethodName {
			one.left = 1 // it would go on for ever
			one.ctx = grpc.NewContextWithServerTransportStream(ctx, &briefly{ctx: ctx})
		}
		return stream(one)
	}
	return h.unaries[name](ctx, func(m any) error { return newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, m) })
}

// dotted turns /package.Service/Method into package.Service.Method.
func dotted(full string) string {
	b := []byte(full[1:])
	b[slices.Index(b, '/')] = '.'
	return string(b)
}
