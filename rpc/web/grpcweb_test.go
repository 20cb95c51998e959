package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// callFunc serves calls as a test likes.
type callFunc func(ctx context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD)

func (f callFunc) Call(ctx context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD) {
	return f(ctx, call, x)
}

func (callFunc) Identify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, auth.ErrForged
}

// echo sends back what it received.
func echo(_ context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
	message, err := x.Receive(1 << 20)
	switch {
	case errors.Is(err, api.ErrTooLarge):
		return status.New(codes.ResourceExhausted, "too large"), metadata.Pairs("err", "request_size_limit_exceeded")
	case err != nil:
		return status.New(codes.InvalidArgument, err.Error()), nil
	}
	if err := x.Send(message); err != nil {
		return status.New(codes.Unknown, err.Error()), nil
	}
	return status.New(codes.OK, ""), nil
}

func serverOf(t testing.TB, calls Calls, origins ...string) *Server {
	t.Helper()
	s := newTestServer(t, newKeyring(t).gate(t), nil)
	s.Open(calls)
	s.config.Origins = origins
	return s
}

// call posts a body as gRPC-Web.
func call(s *Server, path, kind, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := recorder{httptest.NewRecorder()}
	s.http.Handler.ServeHTTP(w, r)
	return w.ResponseRecorder
}

// recorder is a recorder that nothing hurries.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// framed is a message in its frame.
func framed(message string) string {
	return string(appendFrame(nil, flagMessage, []byte(message), false))
}

func textOf(body string) string { return base64.StdEncoding.EncodeToString([]byte(body)) }

// unframe takes an answer apart: its messages, and its trailers.
func unframe(t *testing.T, body []byte, text bool) (messages []string, trailer string) {
	t.Helper()
	if text {
		var err error
		if body, err = decodeText(body); err != nil {
			t.Fatal(err)
		}
	}
	for len(body) > 0 {
		if trailer != "" {
			t.Fatalf("%q follows the trailers", body)
		}
		n := binary.BigEndian.Uint32(body[1:])
		content := string(body[frameHeader : frameHeader+n])
		if body[0] == flagTrailers {
			trailer = content
		} else {
			messages = append(messages, content)
		}
		body = body[frameHeader+n:]
	}
	return messages, trailer
}

func TestGRPCWeb(t *testing.T) {
	s := serverOf(t, callFunc(echo))
	const textKind, binaryKind = "application/grpc-web-text", "application/grpc-web"
	long := strings.Repeat("long ", 10_000)
	invalid := "grpc-status:3\r\n"
	for name, test := range map[string]struct {
		kind, body string
		message    string
		trailer    string
	}{
		"text":            {textKind, textOf(framed("hello")), "hello", "grpc-status:0\r\n"},
		"text, padded":    {textKind, textOf(framed("he")), "he", "grpc-status:0\r\n"},
		"text with proto": {textKind + "+proto", textOf(framed("hello")), "hello", "grpc-status:0\r\n"},
		"with parameters": {textKind + "; charset=utf-8", textOf(framed("hello")), "hello", "grpc-status:0\r\n"},
		"text in chunks":  {textKind, textOf(framed("hello")[:4]) + textOf(framed("hello")[4:]), "hello", "grpc-status:0\r\n"},
		"binary":          {binaryKind, framed("hello"), "hello", "grpc-status:0\r\n"},
		"binary proto":    {binaryKind + "+proto", framed("hello"), "hello", "grpc-status:0\r\n"},
		"empty message":   {textKind, textOf(framed("")), "", "grpc-status:0\r\n"},
		"long":            {textKind, textOf(framed(long)), long, "grpc-status:0\r\n"},
		"no body":         {textKind, "", "", invalid},
		"not base64":      {textKind, "?!", "", invalid},
		"cut base64":      {textKind, textOf(framed("hello"))[:7], "", invalid},
		"line break":      {textKind, "AAAA\r\nAAEA", "", invalid},
		"half a frame":    {binaryKind, framed("hello")[:7], "", invalid},
		"two frames":      {binaryKind, framed("a") + framed("b"), "", invalid},
		"compressed":      {binaryKind, "\x01" + framed("hello")[1:], "", invalid},
		"trailers":        {binaryKind, "\x80" + framed("hello")[1:], "", invalid},
		"huge length":     {binaryKind, "\x00\xff\xff\xff\xffhello", "", invalid},
		"too large":       {binaryKind, framed(strings.Repeat("x", 1<<20+1)), "", "grpc-status:8\r\ngrpc-message:too large\r\nerr:request_size_limit_exceeded\r\n"},
	} {
		w := call(s, "/service/Method", test.kind, test.body)
		text := strings.HasPrefix(test.kind, textKind)
		wantKind := binaryKind + "+proto"
		if text {
			wantKind = textKind + "+proto"
		}
		if w.Code != 200 || w.Header().Get("Content-Type") != wantKind {
			t.Errorf("%s: %d, type %s", name, w.Code, w.Header().Get("Content-Type"))
		}
		messages, trailer := unframe(t, w.Body.Bytes(), text)
		if strings.Join(messages, "") != test.message || !strings.HasPrefix(trailer, test.trailer) {
			t.Errorf("%s: %.50q and %q, want %.50q and %q", name, messages, trailer, test.message, test.trailer)
		}
		if ok := strings.HasPrefix(test.trailer, "grpc-status:0"); ok != (len(messages) == 1) {
			t.Errorf("%s: %d messages", name, len(messages))
		}
	}
	if w := call(s, "/service/Method", "application/grpc", framed("hello")); w.Code != 404 {
		t.Errorf("gRPC itself without HTTP/2: %d", w.Code)
	}
	if w := ask(s, "GET", "/service/Method", "Content-Type", textKind); w.Code != 404 {
		t.Errorf("GET: %d", w.Code)
	}
}

func TestWhatACallIsTold(t *testing.T) {
	var got api.Call
	var left time.Duration
	s := serverOf(t, callFunc(func(ctx context.Context, call api.Call, _ api.Exchange) (*status.Status, metadata.MD) {
		got = call
		if deadline, ok := ctx.Deadline(); ok {
			left = time.Until(deadline)
		}
		return status.New(codes.NotFound, "no\r\ngrpc-status:0 größe"), metadata.Pairs("err", "a\r\nb", "err", "c")
	}))
	w := call(s, "/cache_client.Scs/Get", "application/grpc-web-text", "", "Authorization", "key", "Cache", "c", "Grpc-Timeout", "5000m")
	if got.Method != "/cache_client.Scs/Get" || got.Header.Get("authorization")[0] != "key" || got.Header.Get("cache")[0] != "c" {
		t.Errorf("the call is %+v", got)
	}
	if got.MaxAge <= 0 || got.MaxBytes <= 0 {
		t.Errorf("streams of pages are not bounded: %v, %d", got.MaxAge, got.MaxBytes)
	}
	if left <= 4*time.Second || left > 5*time.Second {
		t.Errorf("%v are left of five seconds", left)
	}
	if _, trailer := unframe(t, w.Body.Bytes(), true); trailer != "grpc-status:5\r\ngrpc-message:no??grpc-status:0 gr??e\r\nerr:a??b\r\nerr:c\r\n" {
		t.Errorf("the trailers are %q", trailer)
	}
}

func TestTimeouts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "5000m": 5 * time.Second, "7u": 7 * time.Microsecond,
		"0n": 0, "99999999H": 1 << 62,
		"": -1, "5": -1, "m": -1, "5x": -1, "-5m": -1, "+5m": -1, "123456789m": -1, "5.0m": -1,
	} {
		got, ok := parseTimeout(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// Each message that is flushed arrives at once, in whole quartets.
func TestStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan string)
		d := openDoorTo(t, serverOf(t, callFunc(func(ctx context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
			_, _ = x.Receive(100)
			for {
				select {
				case m, ok := <-next:
					if !ok {
						return status.New(codes.OK, ""), nil
					}
					if x.Send([]byte(m)) != nil || x.Flush() != nil {
						return status.New(codes.Unknown, "gone"), nil
					}
				case <-ctx.Done():
					return status.FromContextError(ctx.Err()), nil
				}
			}
		})))
		c := d.dial()
		defer c.Close()
		say(c, "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 8\r\n\r\nAAAAAAA=")
		r := bufio.NewReader(c)
		var answer *http.Response
		for i, m := range []string{"a", "bc", "def", ""} {
			time.Sleep(2 * exchangeTime) // a stream may rest for as long as it likes
			go func() { next <- m }()
			if i == 0 {
				var err error
				if answer, err = http.ReadResponse(r, nil); err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
			}
			want := appendFrame(nil, flagMessage, []byte(m), true)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(answer.Body, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%q arrived as %q, %v", m, got, err)
			}
		}
		go close(next)
		if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != string(appendFrame(nil, flagTrailers, []byte("grpc-status:0\r\n"), true)) {
			t.Errorf("at the end: %q, %v", rest, err)
		}
	})
}

// A page whose call meets the beginning of the end is left without an answer, so that
// its browser sends the call again, elsewhere. One whose message was read may have had
// an effect, and is answered.
func TestCallsThatMeetTheEnd(t *testing.T) {
	for name, received := range map[string]bool{"refused before": false, "failed after": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *Server
				s = serverOf(t, callFunc(func(_ context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
					s.Drain()
					if received {
						_, _ = x.Receive(100)
					}
					return status.New(codes.Unavailable, "stopping"), nil
				}))
				c := openDoorTo(t, s).dial()
				defer c.Close()
				say(c, "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00")
				answer, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil {
					defer answer.Body.Close()
				}
				if answered := err == nil; answered != received {
					t.Errorf("answered: %v, %v", answered, err)
				}
			})
		})
	}
}

// A call ends when its client goes, and when its client does not read.
func TestCallsEndWithTheirClients(t *testing.T) {
	const page = "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00"
	const events = "GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
	closes, readsNothing := func(c io.Closer) { c.Close() }, func(io.Closer) { time.Sleep(writeTime + time.Second) }
	item, err := proto.Marshal(itemOf(1, textValue(strings.Repeat("x", 1000))))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		request string
		leave   func(c io.Closer)
	}{
		"page closes":         {page, closes},
		"page reads nothing":  {page, readsNothing},
		"events closed":       {events, closes},
		"events nobody reads": {events, readsNothing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended sync.WaitGroup
				ended.Add(1)
				d := openDoorTo(t, serverOf(t, callFunc(func(ctx context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
					defer ended.Done()
					_, _ = x.Receive(100)
					for ctx.Err() == nil {
						if x.Send(item) != nil || x.Flush() != nil {
							break
						}
					}
					return status.New(codes.Canceled, ""), nil
				})))
				c := d.dial()
				say(c, test.request)
				synctest.Wait()
				began := time.Now()
				test.leave(c)
				ended.Wait()
				if took := time.Since(began); took > writeTime+time.Second {
					t.Errorf("it went on for %v", took)
				}
				c.Close()
			})
		})
	}
}

// Cut frees a Send that is stuck, from another goroutine, and for good.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoorTo(t, serverOf(t, callFunc(func(_ context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
			_, _ = x.Receive(100)
			time.AfterFunc(time.Second, x.Cut)
			began := time.Now()
			for x.Send(make([]byte, 1000)) == nil && x.Flush() == nil { //nolint:revive // until it fails
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("it took %v", took)
			}
			if x.Send(nil) == nil && x.Flush() == nil {
				t.Error("after Cut there is an answer all the same")
			}
			return status.New(codes.OK, ""), nil
		})))
		c := d.dial()
		defer c.Close()
		say(c, "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00")
		time.Sleep(2 * time.Second)
	})
}

// Cut counts for what is sent later, too.
func TestCutBeforeSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoorTo(t, serverOf(t, callFunc(func(_ context.Context, _ api.Call, x api.Exchange) (*status.Status, metadata.MD) {
			x.Cut()
			began := time.Now()
			if x.Send(make([]byte, 1000)) == nil && x.Flush() == nil {
				t.Error("there is an answer all the same")
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("it took %v", took)
			}
			return status.New(codes.OK, ""), nil
		})))
		c := d.dial()
		defer c.Close()
		say(c, "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n")
		time.Sleep(time.Second)
	})
}

// A body that says it is too large is refused before it comes.
func TestLargeBodiesAreNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoorTo(t, serverOf(t, callFunc(echo)))
		c := d.dial()
		defer c.Close()
		began := time.Now()
		say(c, "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 99999999\r\n\r\n")
		if _, body := hear(t, bufio.NewReader(c)); !strings.Contains(body, "grpc-status:8") || time.Since(began) > 0 {
			t.Errorf("after %v: %q", time.Since(began), body)
		}
	})
}

// A body that is refused is taken in first: the client looks at the answer only
// afterwards, and may go on on the same connection.
func TestRefusedBodiesAreTakenIn(t *testing.T) {
	for name, calls := range map[string]callFunc{
		"too large": echo,
		"unread": func(context.Context, api.Call, api.Exchange) (*status.Status, metadata.MD) {
			return status.New(codes.ResourceExhausted, ""), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := openDoorTo(t, serverOf(t, calls))
				c := d.dial()
				defer c.Close()
				r := bufio.NewReader(c)
				for range 2 {
					head := "POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 3000000\r\n\r\n"
					if _, err := io.WriteString(c, head+strings.Repeat("x", 3_000_000)); err != nil {
						t.Fatal(err)
					}
					if _, body := hear(t, r); !strings.Contains(body, "grpc-status:8") {
						t.Fatalf("answered %q", body)
					}
				}
			})
		})
	}
}

// A node that does not serve calls yet, or any more, does not answer pages at all:
// any status would be their end.
func TestPagesAreTurnedAway(t *testing.T) {
	for name, shut := range map[string]func(*Server){
		"starting": func(s *Server) { s.calls.Store(nil) },
		"draining": (*Server).Drain,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serverOf(t, callFunc(func(context.Context, api.Call, api.Exchange) (*status.Status, metadata.MD) {
					return status.New(codes.Unavailable, "stopping"), nil
				}))
				shut(s)
				d := openDoorTo(t, s)
				for _, request := range []string{
					"POST /s/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc-web\r\nContent-Length: 5\r\n\r\n\x00\x00\x00\x00\x00",
					"OPTIONS /s/M HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n\r\n",
					"GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
					"GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
				} {
					c := d.dial()
					say(c, request)
					if answer, err := io.ReadAll(c); err != nil || len(answer) > 0 {
						t.Errorf("answered %q, %v", answer, err)
					}
					c.Close()
				}
				for request, want := range map[string]int{"GET /livez": 200, "GET /cache/c?key=k": 503, "GET /topics/c/t": 503} {
					c := d.dial()
					say(c, request+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
					if status, _ := hear(t, bufio.NewReader(c)); status != want {
						t.Errorf("%s: %d, want %d", request, status, want)
					}
					c.Close()
				}
			})
		})
	}
}

// Whatever the body: no panic, and what is taken for a message was sent as one.
func FuzzRequestBody(f *testing.F) {
	f.Add([]byte(textOf(framed("hello"))), true)
	f.Add([]byte(textOf(framed("he"))+textOf("more")), true)
	f.Add([]byte("===="), true)
	f.Add([]byte("AA=="), true)
	f.Add([]byte(framed("hello")), false)
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff}, false)
	f.Fuzz(func(t *testing.T, body []byte, text bool) {
		s := serverOf(t, callFunc(echo))
		kind := typeBinary
		if text {
			kind = typeText
		}
		w := call(s, "/s/M", kind, string(body))
		messages, trailer := unframe(t, w.Body.Bytes(), text)
		if ok := strings.HasPrefix(trailer, "grpc-status:0\r\n"); w.Code != 200 || trailer == "" || ok != (len(messages) == 1) {
			t.Fatalf("%d, %d messages, %q", w.Code, len(messages), trailer)
		}
		if len(messages) == 0 {
			return
		}
		sent := framed(messages[0])
		if text {
			plain, err := decodeText(bytes.Clone(body))
			if err != nil {
				t.Fatal(err)
			}
			body = plain
		}
		if string(body) != sent {
			t.Fatalf("%q was taken for %q", body, messages[0])
		}
	})
}

// Text in chunks, cut anywhere, is the text.
func FuzzDecodeText(f *testing.F) {
	f.Add([]byte("hello, page"), uint8(3))
	f.Add([]byte{}, uint8(1))
	f.Add([]byte{0xff}, uint8(0))
	f.Fuzz(func(t *testing.T, content []byte, size uint8) {
		var encoded []byte
		for rest := content; len(rest) > 0; {
			n := min(len(rest), int(size)+1)
			encoded = base64.StdEncoding.AppendEncode(encoded, rest[:n])
			rest = rest[n:]
		}
		got, err := decodeText(encoded)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%q in chunks of %d is %q, %v", content, int(size)+1, got, err)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	message := make([]byte, 150)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendFrame(buf[:0], flagMessage, message, true)
	}
}
