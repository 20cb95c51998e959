package api

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that ordinary messages go to
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// codec is the server's codec: protobuf, except that a frame goes out as the
// bytes it is, and a request comes in under the door's eyes.
type codec struct {
	proto encoding.CodecV2
}

func newCodec() codec { return codec{proto: encoding.GetCodecV2("proto")} }

// Name makes the content type the one every client uses.
func (codec) Name() string { return "proto" }

// frame is one message of a stream, encoded already. Its bytes are only read,
// so any number of frames may share them; Free and Ref do nothing.
type frame struct {
	bytes mem.SliceBuffer
	slice [1]mem.Buffer
}

// set makes f the frame with these bytes. The slice holds a pointer into the
// frame itself, which is what keeps sending free of allocations: f must not be
// copied afterwards.
func (f *frame) set(encoded []byte) {
	f.bytes = encoded
	f.slice[0] = &f.bytes
}

func newFrame(encoded []byte) *frame {
	f := new(frame)
	f.set(encoded)
	return f
}

// encoded is a message that is encoded already, and whoever marshals it frees.
type encoded struct{ data mem.BufferSlice }

// published answers a publish: a message without fields.
var published = newFrame([]byte{})

// Marshal encodes an answer.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch v := v.(type) {
	case *frame:
		return v.slice[:], nil
	case *encoded:
		return v.data, nil
	case *pubsubpb.PublishResponse: // has nothing to say
		return published.slice[:], nil
	default:
		return c.proto.Marshal(v)
	}
}

// request is a message being received. What is wrong with it is kept for the
// door: an error of the codec itself would become INTERNAL, which SDKs repeat.
type request struct {
	message proto.Message
	size    int
	wrong   error

	maxSize, maxElements int
	budget               *budget
	reserved             int
	// enter waits for the turn of the call. Until then the message costs its bytes.
	enter func(size int) error
}

// mayEnter waits for the turn of the call. Without one it says what is wrong.
func (r *request) mayEnter() bool {
	r.wrong = r.enter(r.size)
	return r.wrong == nil
}

// Unmarshal decodes what a client sent. The data is freed by the caller; decoded
// messages hold copies.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*request)
	if !ok {
		return c.proto.Unmarshal(data, v)
	}
	r.size = data.Len()
	if r.size > r.maxSize {
		r.wrong = requestTooLarge(r.maxSize)
		return nil
	}
	if !r.budget.take(r.size) {
		r.wrong = errBusy
		return nil
	}
	r.reserved += r.size
	if !r.mayEnter() {
		return nil
	}
	// An element takes two bytes or more, so most messages need no counting.
	if r.size/2 > r.maxElements {
		raw := data.Materialize()
		if left := r.maxElements; !countElements(raw, r.message.ProtoReflect().Descriptor(), &left) {
			r.wrong = invalid("more than %d elements in one request", r.maxElements)
			return nil
		}
	}
	if err := c.proto.Unmarshal(data, r.message); err != nil {
		r.wrong = invalid("malformed request message")
	}
	return nil
}

// countElements takes one off left for each element of a repeated field,
// however deep, and reports whether there were enough. A decoded element is up
// to forty times larger than its encoding, so they are counted before. What is
// malformed counts nothing and is left to the decoder.
func countElements(raw []byte, message protoreflect.MessageDescriptor, left *int) bool {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return true
		}
		raw = raw[n:]
		size := protowire.ConsumeFieldValue(number, kind, raw)
		if size < 0 {
			return true
		}
		value := raw[:size]
		raw = raw[size:]
		field := message.Fields().ByNumber(number)
		if field == nil {
			continue
		}
		if field.IsList() {
			if *left--; *left < 0 {
				return false
			}
		}
		if field.Message() == nil || kind != protowire.BytesType {
			continue
		}
		if inner, n := protowire.ConsumeBytes(value); n >= 0 && !countElements(inner, field.Message(), left) {
			return false
		}
	}
	return true
}
