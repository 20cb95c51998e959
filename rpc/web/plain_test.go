package web

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// backend remembers the last call and answers as it is told.
type backend struct {
	answers []proto.Message
	end     *status.Status
	trailer metadata.MD

	method string
	header metadata.MD
	got    proto.Message
}

func (*backend) Identify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, auth.ErrForged
}

func (b *backend) Call(_ context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD) {
	b.method, b.header = call.Method, call.Header
	b.got = requestOf(call.Method)
	raw, err := x.Receive(1000)
	switch {
	case errors.Is(err, api.ErrTooLarge):
		return status.New(codes.ResourceExhausted, "too large"), metadata.Pairs("err", "request_size_limit_exceeded")
	case err != nil:
		return status.New(codes.InvalidArgument, err.Error()), nil
	}
	if err := proto.Unmarshal(raw, b.got); err != nil {
		return status.New(codes.Internal, err.Error()), nil
	}
	for _, answer := range b.answers {
		raw, err := proto.Marshal(answer)
		if err != nil {
			return status.New(codes.Internal, err.Error()), nil
		}
		if err := errors.Join(x.Send(raw), x.Flush()); errors.Is(err, api.ErrEnough) {
			return status.New(codes.OK, ""), nil
		} else if err != nil {
			return status.New(codes.Internal, err.Error()), nil
		}
	}
	return b.end, b.trailer
}

// requestOf returns an empty message of the kind that a method takes.
func requestOf(method string) proto.Message {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		panic(err)
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(found.(protoreflect.MethodDescriptor).Input().FullName())
	if err != nil {
		panic(err)
	}
	return kind.New().Interface()
}

func heartbeat() *pubsubpb.SubscribeResponse {
	return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Heartbeat{Heartbeat: &pubsubpb.Heartbeat{}}}
}

func itemOf(sequence uint64, value *pubsubpb.TopicValue) *pubsubpb.SubscribeResponse {
	return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Item{Item: &pubsubpb.TopicItem{
		TopicSequenceNumber: sequence, SequencePage: 7, Value: value, PublisherId: "alice",
	}}}
}

func textValue(text string) *pubsubpb.TopicValue {
	return &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Text{Text: text}}
}

func gap(last, next uint64) *pubsubpb.SubscribeResponse {
	return &pubsubpb.SubscribeResponse{Kind: &pubsubpb.SubscribeResponse_Discontinuity{Discontinuity: &pubsubpb.Discontinuity{
		LastTopicSequence: last, NewTopicSequence: next, NewSequencePage: 7,
	}}}
}

// send makes a plain request.
func send(s *Server, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := recorder{httptest.NewRecorder()}
	s.http.Handler.ServeHTTP(w, r)
	return w.ResponseRecorder
}

func TestPlainRequests(t *testing.T) {
	good := status.New(codes.OK, "")
	hit := &cachepb.GetResponse{Result: cachepb.ECacheResult_Hit, CacheBody: []byte("\x00value")}
	heard := []proto.Message{heartbeat(), itemOf(4, textValue(`say "hé" <b>`)), itemOf(5, nil)}
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		answers            []proto.Message
		end                *status.Status
		trailer            metadata.MD
		status             int
		says               string
		asked              string // the call's message, empty when there must be none
	}{
		"get":                {"GET", "/cache/c?key=k%20%2F", "", nil, []proto.Message{hit}, good, nil, 200, "\x00value", `cache_key:"k /"`},
		"get, base64":        {"GET", "/cache/c?key_base64=_wA", "", nil, []proto.Message{hit}, good, nil, 200, "\x00value", `cache_key:"\xff\x00"`},
		"get, padded":        {"GET", "/cache/c?key_base64=_wA%3D", "", nil, []proto.Message{hit}, good, nil, 200, "\x00value", `cache_key:"\xff\x00"`},
		"get, miss":          {"GET", "/cache/c?key=k", "", nil, []proto.Message{&cachepb.GetResponse{Result: cachepb.ECacheResult_Miss}}, good, nil, 404, `{"code":"NOT_FOUND","message":"Key Not Found"}`, `cache_key:"k"`},
		"get, no cache":      {"GET", "/cache/c?key=k", "", nil, nil, status.New(codes.NotFound, "no such cache"), nil, 404, `"Cache Not Found"`, `cache_key:"k"`},
		"get, no key":        {"GET", "/cache/c", "", nil, nil, good, nil, 400, "key=TEXT", ""},
		"get, two keys":      {"GET", "/cache/c?key=k&key_base64=aw", "", nil, nil, good, nil, 400, "one of them", ""},
		"get, no base64":     {"GET", "/cache/c?key_base64=a%2Fb", "", nil, nil, good, nil, 400, "base64url", ""},
		"put":                {"PUT", "/cache/c?key=k&ttl_seconds=60&value=ignored", "v", []string{"Content-Type", "application/json"}, []proto.Message{&cachepb.SetResponse{}}, good, nil, 204, "", `cache_key:"k" cache_body:"v" ttl_milliseconds:60000`},
		"put, no ttl":        {"PUT", "/cache/c?key=k", "v", nil, nil, good, nil, 400, "ttl_seconds", ""},
		"put, ttl zero":      {"PUT", "/cache/c?key=k&ttl_seconds=0", "v", nil, nil, good, nil, 400, "ttl_seconds", ""},
		"put, ttl fraction":  {"PUT", "/cache/c?key=k&ttl_seconds=1.5", "v", nil, nil, good, nil, 400, "ttl_seconds", ""},
		"put, endless ttl":   {"PUT", "/cache/c?key=k&ttl_seconds=18446744073709551615", "v", nil, nil, good, nil, 400, "ttl_seconds", ""},
		"put, too large":     {"PUT", "/cache/c?key=k&ttl_seconds=60", strings.Repeat("v", 1001), nil, nil, good, nil, 413, `"RESOURCE_EXHAUSTED"`, ""},
		"put, no cache":      {"PUT", "/cache/c?key=k&ttl_seconds=60", "v", nil, nil, status.New(codes.NotFound, ""), nil, 404, `"Cache Not Found"`, `cache_key:"k" cache_body:"v" ttl_milliseconds:60000`},
		"delete":             {"DELETE", "/cache/c?key=k", "", nil, []proto.Message{&cachepb.DeleteResponse{}}, good, nil, 204, "", `cache_key:"k"`},
		"patch":              {"PATCH", "/cache/c?key=k", "", nil, nil, good, nil, 405, "GET, HEAD, PUT, DELETE", ""},
		"publish text":       {"POST", "/topics/c/room%2F1", "hé", []string{"Content-Type", "text/plain; charset=utf-8"}, nil, good, nil, 204, "", `cache_name:"c" topic:"room/1" value:{text:"hé"}`},
		"publish, no type":   {"POST", "/topics/c/t", "hé", nil, nil, good, nil, 204, "", `cache_name:"c" topic:"t" value:{text:"hé"}`},
		"publish like curl":  {"POST", "/topics/c/t", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, nil, good, nil, 204, "", `cache_name:"c" topic:"t" value:{text:"a=b"}`},
		"publish binary":     {"POST", "/topics/c/t", "\xff", []string{"Content-Type", "application/octet-stream"}, nil, good, nil, 204, "", `cache_name:"c" topic:"t" value:{binary:"\xff"}`},
		"publish no text":    {"POST", "/topics/c/t", "\xff", nil, nil, good, nil, 400, "octet-stream", ""},
		"publish, too fast":  {"POST", "/topics/c/t", "x", nil, nil, status.New(codes.ResourceExhausted, "too many operations"), metadata.Pairs("err", "operations_rate_limit_exceeded"), 429, "too many operations", `cache_name:"c" topic:"t" value:{text:"x"}`},
		"publish, forbidden": {"POST", "/topics/c/t", "x", nil, nil, status.New(codes.PermissionDenied, "no"), nil, 403, `"PERMISSION_DENIED"`, `cache_name:"c" topic:"t" value:{text:"x"}`},
		"publish, nobody":    {"POST", "/topics/c/t", "x", nil, nil, status.New(codes.Unauthenticated, "who?"), nil, 401, `"UNAUTHENTICATED"`, `cache_name:"c" topic:"t" value:{text:"x"}`},
		"publish, no leader": {"POST", "/topics/c/t", "x", nil, nil, status.New(codes.Unavailable, "soon"), nil, 503, `"UNAVAILABLE"`, `cache_name:"c" topic:"t" value:{text:"x"}`},
		"publish, bug":       {"POST", "/topics/c/t", "x", nil, nil, status.New(codes.DataLoss, "oh"), nil, 500, `"DATA_LOSS"`, `cache_name:"c" topic:"t" value:{text:"x"}`},
		"put to a topic":     {"PUT", "/topics/c/t", "x", nil, nil, good, nil, 405, "GET, POST", ""},
		"two credentials":    {"POST", "/topics/c/t?token=a", "x", []string{"Authorization", "b"}, nil, good, nil, 400, "one of them", ""},
		"poll": {
			"GET", "/topics/c/t?sequence_number=4&sequence_page=7", "", nil, heard, good, nil, 200,
			`{"items":[{"item":{"topic_sequence_number":4,"sequence_page":7,"value":{"text":"say \"hé\" \u003cb\u003e"},"publisher_id":"alice"}}]}` + "\n",
			`cache_name:"c" topic:"t" resume_at_topic_sequence_number:4 sequence_page:7`,
		},
		"poll, a gap": {
			"GET", "/topics/c/t", "", nil, []proto.Message{heartbeat(), gap(3, 9)}, good, nil, 200,
			`{"items":[{"discontinuity":{"last_topic_sequence":3,"new_topic_sequence":9,"new_sequence_page":7}}]}` + "\n", `cache_name:"c" topic:"t"`,
		},
		"poll, bytes": {
			"GET", "/topics/c/t", "", nil, []proto.Message{itemOf(1, &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{Binary: []byte{255, 0}}})}, good, nil, 200,
			`"value":{"binary":"/wA="}`, `cache_name:"c" topic:"t"`,
		},
		"poll, no bytes": {
			"GET", "/topics/c/t", "", nil, []proto.Message{itemOf(1, &pubsubpb.TopicValue{Kind: &pubsubpb.TopicValue_Binary{}})}, good, nil, 200,
			`"value":{"binary":""}`, `cache_name:"c" topic:"t"`,
		},
		"poll, in vain":   {"GET", "/topics/c/t", "", nil, []proto.Message{heartbeat()}, status.New(codes.DeadlineExceeded, ""), nil, 200, `{"items":[]}`, `cache_name:"c" topic:"t"`},
		"poll, stuck":     {"GET", "/topics/c/t", "", nil, nil, status.New(codes.DeadlineExceeded, "late"), nil, 504, "late", `cache_name:"c" topic:"t"`},
		"poll, no cache":  {"GET", "/topics/c/t", "", nil, nil, status.New(codes.NotFound, ""), nil, 404, "Cache Not Found", `cache_name:"c" topic:"t"`},
		"poll, no number": {"GET", "/topics/c/t?sequence_number=x", "", nil, nil, good, nil, 400, "sequence_number", ""},
		"poll, negative":  {"GET", "/topics/c/t?sequence_page=-1", "", nil, nil, good, nil, 400, "sequence_page", ""},
		"events": {
			"GET", "/topics/c/t", "", []string{"Accept", "text/event-stream"}, []proto.Message{heartbeat(), itemOf(4, textValue("hi\nthere")), gap(4, 8)}, good, nil, 200,
			"retry: 1000\n\n: heartbeat\n\n" +
				`id: 7-4` + "\n" + `data: {"topic_sequence_number":4,"sequence_page":7,"value":{"text":"hi\nthere"},"publisher_id":"alice"}` + "\n\n" +
				"event: discontinuity\nid: 7-8\n" + `data: {"last_topic_sequence":4,"new_topic_sequence":8,"new_sequence_page":7}` + "\n\n",
			`cache_name:"c" topic:"t"`,
		},
		"events, resumed":   {"GET", "/topics/c/t", "", []string{"Accept", "text/event-stream", "Last-Event-ID", "7-4"}, []proto.Message{heartbeat()}, good, nil, 200, "heartbeat", `cache_name:"c" topic:"t" resume_at_topic_sequence_number:5 sequence_page:7`},
		"events, from here": {"GET", "/topics/c/t?sequence_number=9&sequence_page=7", "", []string{"Accept", "text/event-stream"}, []proto.Message{heartbeat()}, good, nil, 200, "heartbeat", `cache_name:"c" topic:"t" resume_at_topic_sequence_number:9 sequence_page:7`},
		"events, bad id":    {"GET", "/topics/c/t", "", []string{"Accept", "text/event-stream", "Last-Event-ID", "7"}, nil, good, nil, 400, "Last-Event-ID", ""},
		"events, huge id":   {"GET", "/topics/c/t", "", []string{"Accept", "text/event-stream", "Last-Event-ID", "7-18446744073709551615"}, nil, good, nil, 400, "Last-Event-ID", ""},
		"events, no leader": {"GET", "/topics/c/t", "", []string{"Accept", "text/event-stream"}, nil, status.New(codes.Unavailable, "soon"), nil, 200, "retry: 1000\n\n: not at this moment", `cache_name:"c" topic:"t"`},
		"events, nobody":    {"GET", "/topics/c/t", "", []string{"Accept", "text/event-stream"}, nil, status.New(codes.Unauthenticated, "who?"), nil, 401, "who?", `cache_name:"c" topic:"t"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := &backend{answers: test.answers, end: test.end, trailer: test.trailer}
			w := send(serverOf(t, b), test.method, test.path, test.body, test.headers...)
			isKnown(t, test.method, test.path, w)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) || test.says == "" && w.Body.Len() > 0 {
				t.Errorf("%d %q, want %d and %q", w.Code, w.Body, test.status, test.says)
			}
			asked := ""
			if b.got != nil {
				asked = strings.ReplaceAll(prototext.MarshalOptions{}.Format(b.got), "  ", " ")
			}
			if asked != test.asked {
				t.Errorf("asked for %s, want %s", asked, test.asked)
			}
			if strings.HasPrefix(test.path, "/cache/c") && b.got != nil && !slices.Equal(b.header["cache"], []string{"c"}) {
				t.Errorf("the call's header is %v", b.header)
			}
			if w.Code >= 400 && w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("a problem of type %q", w.Header().Get("Content-Type"))
			}
			if w.Code == 200 && w.Header().Get("Cache-Control") != "no-store" {
				t.Error("the answer may be kept")
			}
		})
	}
}

func TestWaysToSendACredential(t *testing.T) {
	for name, test := range map[string]struct {
		query, header string
		want          []string
	}{
		"header": {"", "key", []string{"key"}},
		"bearer": {"", "Bearer key", []string{"key"}},
		"query":  {"&token=a%2Bb", "", []string{"a+b"}},
		"none":   {"", "", nil},
	} {
		b := &backend{end: status.New(codes.Unavailable, "")}
		send(serverOf(t, b), "GET", "/cache/c?key=k"+test.query, "", "Authorization", test.header)
		if got := b.header["authorization"]; !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// An answer is bounded by what it holds, too: it is in memory as a whole.
func TestPollTakesOnlySoMuch(t *testing.T) {
	for text, want := range map[string]int{"x": pollEvents, strings.Repeat("x", 300<<10): 4} {
		c := &collection{}
		raw, err := proto.Marshal(itemOf(1, textValue(text)))
		if err != nil {
			t.Fatal(err)
		}
		n := 1
		for ; c.Send(raw) == nil; n++ {
			if n > 2*pollEvents {
				t.Fatal("there is no end")
			}
		}
		if n != want || len(c.events) != want {
			t.Errorf("%d events of %d bytes, and %d are kept; want %d", n, len(text), len(c.events), want)
		}
	}
}

// A stream of events may be quiet for as long as it likes, and ends with its client.
func TestEventsOverTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan proto.Message)
		s := serverOf(t, callFunc(func(ctx context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
			if _, err := x.Receive(1000); err != nil {
				t.Error(err)
			}
			for {
				select {
				case m := <-next:
					raw, _ := proto.Marshal(m)
					if err := errors.Join(x.Send(raw), x.Flush()); err != nil {
						t.Error(err)
					}
				case <-ctx.Done():
					return status.FromContextError(ctx.Err()), nil
				}
			}
		}))
		d := openDoorTo(t, s)
		c := d.dial()
		say(c, "GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
		go func() { next <- heartbeat() }()
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || answer.Header.Get("Content-Type") != eventStream {
			t.Fatal(answer, err)
		}
		defer answer.Body.Close()
		lines := bufio.NewReader(answer.Body)
		for i := range uint64(3) {
			time.Sleep(10 * exchangeTime)
			go func() { next <- itemOf(i+1, textValue("x")) }()
			for line := ""; !strings.HasPrefix(line, "data: "); {
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
		}
		c.Close()
	})
}

// A stream of events ends one day, cleanly; the memory of a browser does not fill with
// it, so it may have any number of bytes.
func TestEventsAreRecycled(t *testing.T) {
	var got api.Call
	send(serverOf(t, callFunc(func(_ context.Context, call api.Call, _ api.Exchange) (*status.Status, metadata.MD) {
		got = call
		return status.New(codes.Unavailable, ""), nil
	})), "GET", "/topics/c/t", "", "Accept", eventStream)
	if got.MaxAge != eventStreamAge || got.MaxBytes != 0 {
		t.Errorf("the call is %+v", got)
	}
}

// Whatever the path and the query: an answer, and never a 500.
func FuzzPlainRequests(f *testing.F) {
	for _, path := range []string{"/cache/c?key=k", "/cache/c?key_base64=_wA", "/topics/c/t?sequence_number=1&sequence_page=2", "/topics/%00/%ff", "/cache/c/lists/l?start=-1&end=2&as=binary", "/cache/c/lists/l?ttl_seconds=1&at=front&truncate_to_size=9&refresh_ttl=false", "/cache/c/lists/%ff/pop?at=back", "/cache/c/lists/l?value_base64=_wA", "/cache/c?key=k&ttl_seconds=1&token=x", "//", "/cache/%2e%2e/x?%zz"} {
		f.Add("GET", path, "7-1")
		f.Add("PUT", path, "")
		f.Add("POST", path, "-")
		f.Add("DELETE", path, "0-0")
	}
	f.Fuzz(func(t *testing.T, method, path, lastID string) {
		r, err := http.NewRequest(method, "http://localhost/", strings.NewReader("body"))
		if err != nil {
			return
		}
		if r.URL, err = r.URL.Parse(path); err != nil || !strings.HasPrefix(r.URL.Path, "/") {
			return
		}
		r.Host = "localhost"
		r.Header["Last-Event-Id"], r.Header["Accept"] = []string{lastID}, []string{"text/event-stream"}
		w := recorder{httptest.NewRecorder()}
		serverOf(t, &backend{end: status.New(codes.OK, "")}).http.Handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
