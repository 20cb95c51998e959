package test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/mayfly-broker/mayfly/test/harness"
)

// caller is somebody with a credential at a node.
type caller struct {
	node       *harness.Node
	conn       *grpc.ClientConn
	credential string
}

// answer is what a call came to: a status of gRPC, or of HTTP, and all that was said.
type answer struct {
	code codes.Code
	http int
	said string
}

// refused reports whether the caller was told that it may not.
func (a answer) refused() bool {
	return a.code == codes.PermissionDenied || a.http == http.StatusForbidden
}

// unknown reports whether the caller was told that its credential is none.
func (a answer) unknown() bool {
	return a.code == codes.Unauthenticated || a.http == http.StatusUnauthorized
}

func (a answer) String() string {
	if a.http != 0 {
		return fmt.Sprintf("%d %.200q", a.http, a.said)
	}
	return fmt.Sprintf("%s %.200q", a.code, a.said)
}

// door is a way to make a call of gRPC.
type door struct {
	name string
	call func(ctx context.Context, c caller, method protoreflect.MethodDescriptor, cache string, in proto.Message) (answer, error)
}

var (
	nativeDoor = door{"gRPC", callNative}
	textDoor   = door{"gRPC-Web, text", func(ctx context.Context, c caller, m protoreflect.MethodDescriptor, cache string, in proto.Message) (answer, error) {
		return callWeb(ctx, c, m, cache, in, true)
	}}
	binaryDoor = door{"gRPC-Web, binary", func(ctx context.Context, c caller, m protoreflect.MethodDescriptor, cache string, in proto.Message) (answer, error) {
		return callWeb(ctx, c, m, cache, in, false)
	}}
)

// path is where a method is called.
func path(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

// outputOf is an empty answer of a method.
func outputOf(m protoreflect.MethodDescriptor) (proto.Message, error) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		return nil, err
	}
	return kind.New().Interface(), nil
}

// callNative makes a call as the official SDKs for servers do. Of a stream it takes the
// first message, or its end.
func callNative(ctx context.Context, c caller, m protoreflect.MethodDescriptor, cache string, in proto.Message) (answer, error) {
	ctx, cancel := context.WithCancel(harness.WithCache(ctx, cache))
	defer cancel()
	if c.credential != "" {
		ctx = harness.WithKey(ctx, c.credential)
	}
	out, err := outputOf(m)
	if err != nil {
		return answer{}, err
	}
	if !m.IsStreamingServer() {
		err = c.conn.Invoke(ctx, path(m), in, out)
	} else {
		var stream grpc.ClientStream
		if stream, err = c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path(m)); err == nil {
			if err = errors.Join(stream.SendMsg(in), stream.CloseSend()); err == nil {
				err = stream.RecvMsg(out)
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
		}
	}
	end := status.Convert(err)
	return answer{code: end.Code(), said: end.Message()}, nil
}

// callWeb makes a call as pages do.
func callWeb(ctx context.Context, c caller, m protoreflect.MethodDescriptor, cache string, in proto.Message, text bool) (answer, error) {
	message, err := proto.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	body := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	kind := "application/grpc-web+proto"
	if text {
		kind, body = "application/grpc-web-text", []byte(base64.StdEncoding.EncodeToString(body))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.node.URL()+path(m), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header = http.Header{"Content-Type": {kind}, "Accept": {kind}, "X-Grpc-Web": {"1"}, "Cache": {cache}}
	if c.credential != "" {
		request.Header.Set("Authorization", c.credential)
	}
	response, err := keptAlive.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		said, err := io.ReadAll(response.Body)
		return answer{http: response.StatusCode, said: string(said)}, err
	}
	return webAnswer(response.Body, text)
}

// webAnswer reads frames until the first message, or the end of the call.
func webAnswer(body io.Reader, text bool) (answer, error) {
	if text {
		body = &quartets{from: body}
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(body, head); err != nil {
		return answer{}, fmt.Errorf("no frame: %w", err)
	}
	if head[0] != 0x80 {
		return answer{code: codes.OK}, nil
	}
	trailer := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(body, trailer); err != nil {
		return answer{}, fmt.Errorf("half a frame: %w", err)
	}
	said := string(trailer)
	_, code, _ := strings.Cut(said, "grpc-status:")
	code, _, _ = strings.Cut(code, "\r\n")
	number, err := strconv.Atoi(strings.TrimSpace(code))
	return answer{code: codes.Code(number), said: said}, err
}

// quartets decodes base64 that comes in chunks, each with a padding of its own.
type quartets struct {
	from io.Reader
	left []byte
}

func (q *quartets) Read(b []byte) (int, error) {
	if len(q.left) == 0 {
		var four [4]byte
		if _, err := io.ReadFull(q.from, four[:]); err != nil {
			return 0, err
		}
		decoded, err := base64.StdEncoding.DecodeString(string(four[:]))
		if err != nil {
			return 0, err
		}
		q.left = decoded
	}
	n := copy(b, q.left)
	q.left = q.left[n:]
	return n, nil
}

// keptAlive is how this folder's stories make many requests over HTTP.
var keptAlive = &http.Transport{MaxIdleConnsPerHost: 64}

// ask asks for a path over plain HTTP, with the credential in its header. What goes on
// for long is heard until it has begun.
func ask(ctx context.Context, c caller, verb, path, query, body string) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	header := http.Header{}
	if c.credential != "" {
		header.Set("Authorization", "Bearer "+c.credential)
	}
	events := query == "events"
	if events {
		query = ""
		header.Set("Accept", "text/event-stream")
	}
	request, err := http.NewRequestWithContext(ctx, verb, c.node.URL()+path+"?"+query, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header = header
	response, err := keptAlive.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	var said []byte
	if !events || response.StatusCode != http.StatusOK {
		if said, err = io.ReadAll(response.Body); err != nil {
			return answer{}, err
		}
	}
	return answer{http: response.StatusCode, said: fmt.Sprint(string(said), response.Header)}, nil
}

// filledPath puts a place into a route's path or query.
func filledPath(pattern string, at place) string {
	return strings.NewReplacer("{cache}", url.PathEscape(at.cache), "{name}", url.PathEscape(at.name), "{topic}", url.PathEscape(at.name)).Replace(pattern)
}
