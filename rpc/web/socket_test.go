package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// hub is a broker as far as a socket can tell: what is published to a topic, its
// subscriptions hear. Numbers go up from 1, whatever the topic.
type hub struct {
	mu     sync.Mutex
	number uint64
	heard  []string // calls, with their credential
	subs   map[chan proto.Message]string
	ends   map[string]*status.Status // how a subscription to a topic ends at once
	// flood: subscriptions are sent items without end.
	flood bool
	// identify settles whose key this node has not heard of; nil finds nobody.
	identify func() error
}

func newHub() *hub {
	return &hub{subs: make(map[chan proto.Message]string), ends: make(map[string]*status.Status)}
}

func (h *hub) Call(ctx context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD) {
	raw, err := x.Receive(1000)
	if errors.Is(err, api.ErrTooLarge) {
		return status.New(codes.ResourceExhausted, "too large"), nil
	}
	if call.Method == pubsubpb.Pubsub_Publish_FullMethodName {
		m := new(pubsubpb.PublishRequest)
		if err := proto.Unmarshal(raw, m); err != nil {
			return status.New(codes.Internal, err.Error()), nil
		}
		return h.publish(call, m), nil
	}
	m := new(pubsubpb.SubscribeRequest)
	if err := proto.Unmarshal(raw, m); err != nil {
		return status.New(codes.Internal, err.Error()), nil
	}
	return h.subscribe(ctx, call, x, m), nil
}

func (h *hub) Identify(context.Context, string) (auth.Principal, error) {
	if h.identify == nil {
		return auth.Principal{}, auth.ErrForged
	}
	return auth.Principal{}, h.identify()
}

func (h *hub) publish(call api.Call, m *pubsubpb.PublishRequest) *status.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = append(h.heard, fmt.Sprint(call.Header["authorization"], " publishes to ", m.GetCacheName(), "/", m.GetTopic()))
	if m.GetTopic() == "forbidden" {
		return status.New(codes.PermissionDenied, "no")
	}
	h.number++
	for sub, topic := range h.subs {
		if topic == m.GetTopic() {
			item := itemOf(h.number, m.GetValue())
			item.GetItem().PublisherId = ""
			sub <- item
		}
	}
	return status.New(codes.OK, "")
}

func (h *hub) subscribe(ctx context.Context, call api.Call, x api.Exchange, m *pubsubpb.SubscribeRequest) *status.Status {
	sub := make(chan proto.Message, 100)
	h.mu.Lock()
	h.heard = append(h.heard, fmt.Sprint(call.Header["authorization"], " listens to ", m.GetCacheName(), "/", m.GetTopic(),
		" from ", m.GetSequencePage(), "-", m.GetResumeAtTopicSequenceNumber()))
	end := h.ends[m.GetTopic()]
	h.subs[sub] = m.GetTopic()
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, sub)
	}()
	if end != nil && end.Code() != codes.Unauthenticated {
		return end
	}
	sub <- heartbeat()
	for {
		select {
		case message := <-sub:
			raw, _ := proto.Marshal(message)
			if err := errors.Join(x.Send(raw), x.Flush()); err != nil {
				return status.New(codes.Unknown, err.Error())
			}
			if h.flood {
				sub <- itemOf(1, textValue(strings.Repeat("x", 500)))
			}
			if end != nil {
				return end
			}
		case <-ctx.Done():
			return status.FromContextError(ctx.Err())
		case <-call.Over.Done():
			raw, _ := proto.Marshal(gap(0, 41))
			_ = x.Send(raw)
			return status.New(codes.OK, "")
		}
	}
}

// knock asks for a WebSocket over a pipe.
func knock(d *door, path string, headers ...string) (*websocket.Conn, answer) {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return d.dial(), nil }}
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, r, err := websocket.Dial(ctx, "ws://localhost"+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header}) //nolint:bodyclose // the library did
	if r == nil {
		return nil, answer{body: err.Error()}
	}
	a := answer{status: r.StatusCode, header: r.Header}
	if err != nil {
		body, _ := io.ReadAll(r.Body)
		a.body = string(body)
	}
	return c, a
}

// answer is how a handshake was answered.
type answer struct {
	status int
	header http.Header
	body   string
}

func mustKnock(t testing.TB, d *door, path string, headers ...string) *websocket.Conn {
	t.Helper()
	c, a := knock(d, path, headers...)
	if c == nil {
		t.Fatalf("%d %s", a.status, a.body)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// next is what a socket says next, or how it was closed.
func next(c *websocket.Conn) string {
	ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
	defer cancel()
	_, text, err := c.Read(ctx)
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return fmt.Sprintf("closed %d %s", closed.Code, closed.Reason)
	}
	if err != nil {
		return "cut"
	}
	return string(text)
}

func tell(t testing.TB, c *websocket.Conn, kind websocket.MessageType, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Write(ctx, kind, []byte(text)); err != nil {
		t.Error(err)
	}
}

const beat = `{"topic":"t","heartbeat":{}}`

// What is said on a socket, line by line: "> " by the client, "< " by the node.
func TestSocketConversations(t *testing.T) {
	for name, test := range map[string]struct {
		query string
		talk  []string
		heard string
	}{
		"chat": {"", []string{
			"< " + beat,
			`> {"publish":{"value":{"text":"hé"}}}`,
			`< {"topic":"t","items":[{"item":{"topic_sequence_number":1,"sequence_page":7,"value":{"text":"hé"}}}]}`,
			`> {"publish":{"topic":"t","value":{"binary":"/wA="}}}`,
			`< {"topic":"t","items":[{"item":{"topic_sequence_number":2,"sequence_page":7,"value":{"binary":"/wA="}}}]}`,
		}, "[] listens to c/t from 0-0"},
		"resume":        {"?sequence_number=4&sequence_page=7", []string{"< " + beat}, "[] listens to c/t from 7-4"},
		"a token":       {"?token=k", []string{"< " + beat}, "[k] listens to c/t from 0-0"},
		"only publish":  {"?subscribe=false", []string{`> {"id":"a","publish":{"value":{"text":"x"}}}`, `< {"id":"a","ok":true}`}, "[] publishes to c/t"},
		"publish, no":   {"?subscribe=false", []string{`> {"publish":{"topic":"forbidden","value":{"text":"x"}}}`, `< {"error":{"code":"PERMISSION_DENIED","message":"no"}}`}, "[] publishes to c/forbidden"},
		"too large":     {"?subscribe=false", []string{`> {"id":"a","publish":{"value":{"text":"` + strings.Repeat("x", 1001) + `"}}}`, `< {"id":"a","error":{"code":"RESOURCE_EXHAUSTED","message":"too large"}}`}, ""},
		"more topics":   {"?subscribe=false", []string{`> {"id":"1","subscribe":{"topic":"u","sequence_number":9,"sequence_page":7}}`, `< {"id":"1","ok":true}`, `< {"topic":"u","heartbeat":{}}`, `> {"publish":{"topic":"u","value":{"text":""}}}`, `< {"topic":"u","items":[{"item":{"topic_sequence_number":1,"sequence_page":7,"value":{"text":""}}}]}`}, "[] listens to c/u from 7-9"},
		"twice":         {"", []string{"< " + beat, `> {"id":"1","subscribe":{"topic":"t"}}`, `< {"id":"1","error":{"code":"ALREADY_EXISTS","message":"this socket listens to that topic already"}}`}, "listens to c/t"},
		"unsubscribe":   {"", []string{"< " + beat, `> {"id":"1","unsubscribe":{}}`, `< {"id":"1","ok":true}`, `> {"id":"2","publish":{"value":{"text":"x"}}}`, `< {"id":"2","ok":true}`, `> {"id":"3","subscribe":{}}`, `< {"id":"3","ok":true}`, "< " + beat}, "listens to c/t"},
		"never did":     {"?subscribe=false", []string{`> {"id":"1","unsubscribe":{"topic":"u"}}`, `< {"id":"1","topic":"u","error":{"code":"NOT_FOUND","message":"this socket does not listen to that topic"}}`}, ""},
		"no cache":      {"?subscribe=false", []string{`> {"id":"1","subscribe":{"topic":"lost"}}`, `< {"id":"1","topic":"lost","error":{"code":"NOT_FOUND","message":"Cache Not Found"}}`, `> {"subscribe":{}}`, "< " + beat}, ""},
		"two wishes":    {"?subscribe=false", []string{`> {"id":"1","subscribe":{},"unsubscribe":{}}`, `< {"id":"1","error":{"code":"INVALID_ARGUMENT","message":"a message holds one of token, publish, subscribe and unsubscribe"}}`}, ""},
		"no wish":       {"?subscribe=false", []string{`> {}`, `< {"error":{"code":"INVALID_ARGUMENT","message":"a message holds one of token, publish, subscribe and unsubscribe"}}`}, ""},
		"two values":    {"?subscribe=false", []string{`> {"publish":{"value":{"text":"a","binary":"YQ=="}}}`, `< {"error":{"code":"INVALID_ARGUMENT","message":"a value is one of text and binary"}}`}, ""},
		"no value":      {"?subscribe=false", []string{`> {"publish":{}}`, `< {"error":{"code":"INVALID_ARGUMENT","message":"a value is one of text and binary"}}`}, ""},
		"no JSON":       {"?subscribe=false", []string{`> hello`, `< {"error":{"code":"INVALID_ARGUMENT","message":"the message is not understood`, `> {"subscribe":{}}`, "< " + beat}, ""},
		"JSON and more": {"?subscribe=false", []string{`> {"subscribe":{}}{}`, `< {"error":{"code":"INVALID_ARGUMENT","message":"the message goes on behind its end"}}`}, ""},
		"misspelt":      {"?subscribe=false", []string{`> {"subscribe":{"tpoic":"t"}}`, `< {"error":{"code":"INVALID_ARGUMENT","message":"the message is not understood: json: unknown field \"tpoic\""}}`}, ""},
		"no UTF-8":      {"?subscribe=false", []string{"> {\"id\":\"\xff\",\"subscribe\":{}}", `< {"error":{"code":"INVALID_ARGUMENT","message":"the message is not UTF-8"}}`}, ""},
		"long id":       {"?subscribe=false", []string{`> {"id":"` + strings.Repeat("x", maxID+1) + `","subscribe":{}}`, `< {"id":"xxx`}, ""},
		"late token":    {"?subscribe=false", []string{`> {"token":"x"}`, `< {"error":{"code":"FAILED_PRECONDITION"`}, ""},
		"bytes":         {"?subscribe=false", []string{"b {}", `< {"error":{"code":"INVALID_ARGUMENT","message":"a message is text`, `> {"subscribe":{}}`, "< " + beat}, ""},
		"cut off":       {"", []string{"< " + beat, `> {"subscribe":{"topic":"expired"}}`, `< {"topic":"expired","heartbeat":{}}`, `< {"topic":"t","items":[{"discontinuity":{"last_topic_sequence":0,"new_topic_sequence":41,"new_sequence_page":7}}]}`, "< closed 4401 the token has expired"}, ""},
		"no leader":     {"", []string{"< " + beat, `> {"id":"1","subscribe":{"topic":"leaderless"}}`, `< {"topic":"t","items":[{"discontinuity":`, "< closed 1001 come back"}, ""},
		"moved":         {"", []string{"< " + beat, `> {"id":"1","subscribe":{"topic":"moved"}}`, `< {"topic":"t","items":[{"discontinuity":{"last_topic_sequence":0,"new_topic_sequence":41,"new_sequence_page":7}}]}`, "< closed 1001 come back and go on from where you are"}, ""},
		"too much":      {"?subscribe=false", []string{"> " + strings.Repeat(" ", socketMessage+1), "< closed 1009 "}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub()
				h.ends["lost"] = status.New(codes.NotFound, "")
				h.ends["expired"] = status.New(codes.Unauthenticated, "the token has expired")
				h.ends["leaderless"] = status.New(codes.Unavailable, "soon")
				h.ends["moved"] = status.New(codes.OK, "")
				c := mustKnock(t, openDoorTo(t, serverOf(t, h)), "/topics/c/t"+test.query)
				c.SetReadLimit(-1)
				began := time.Now()
				for _, line := range test.talk {
					switch text := line[2:]; line[0] {
					case '>':
						tell(t, c, websocket.MessageText, text)
					case 'b':
						tell(t, c, websocket.MessageBinary, text)
					default:
						if got := next(c); !strings.HasPrefix(got, text) {
							t.Fatalf("%.300s\nwant\n%s", got, text)
						}
					}
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("it took %v", took)
				}
				h.mu.Lock()
				defer h.mu.Unlock()
				if !strings.Contains(strings.Join(h.heard, "\n"), test.heard) {
					t.Errorf("the calls were %q, want %q", h.heard, test.heard)
				}
			})
		})
	}
}

func TestSocketTopicsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustKnock(t, openDoorTo(t, serverOf(t, newHub())), "/topics/c/t?subscribe=false")
		for i := range socketTopics {
			tell(t, c, websocket.MessageText, fmt.Sprintf(`{"subscribe":{"topic":"t%d"}}`, i))
			if got := next(c); !strings.Contains(got, "heartbeat") {
				t.Fatal(got)
			}
		}
		tell(t, c, websocket.MessageText, `{"subscribe":{"topic":"one more"}}`)
		if got := next(c); !strings.Contains(got, "RESOURCE_EXHAUSTED") {
			t.Error(got)
		}
	})
}

// Subscriptions that a client gave up stay until what they said last has gone out;
// one that reads nothing cannot have more and more of them.
func TestSocketLeftoversAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		c := mustKnock(t, openDoorTo(t, serverOf(t, h)), "/topics/c/t?subscribe=false")
		ctx, cancel := context.WithCancel(t.Context())
		var telling sync.WaitGroup
		telling.Go(func() {
			for ctx.Err() == nil {
				for _, text := range []string{`{"subscribe":{}}`, `{"unsubscribe":{}}`} {
					if c.Write(ctx, websocket.MessageText, []byte(text)) != nil {
						return
					}
				}
				h.mu.Lock()
				if len(h.subs) > 3*socketTopics {
					cancel()
				}
				h.mu.Unlock()
			}
		})
		synctest.Wait()
		h.mu.Lock()
		if n := len(h.subs); n > 2*socketTopics {
			t.Errorf("%d subscriptions are under way", n)
		}
		h.mu.Unlock()
		cancel()
		_ = c.CloseNow()
		telling.Wait()
	})
}

// Who calls is known before anything is done: from the header, the query or the first
// message, which has to come soon.
func TestSocketCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		query   string // KEY and TOKEN stand for good ones
		headers []string
		first   string
		status  int
		says    string
	}{
		"header":         {"", []string{"Authorization", "KEY"}, "", 101, beat},
		"query":          {"?token=TOKEN", nil, "", 101, beat},
		"both":           {"?token=TOKEN", []string{"Authorization", "KEY"}, "", 400, "one of them"},
		"forged":         {"?token=TOKENx", nil, "", 401, "UNAUTHENTICATED"},
		"message":        {"", nil, `{"id":"1","token":"TOKEN"}`, 101, `{"id":"1","ok":true}`},
		"quiet message":  {"", nil, `{"token":"TOKEN"}`, 101, beat},
		"forged message": {"", nil, `{"token":"TOKENx"}`, 101, "closed 4401"},
		"no message":     {"", nil, "", 101, "closed 4401 no token came"},
		"other message":  {"", nil, `{"publish":{"value":{"text":"x"}}}`, 101, "closed 4401 the first message is to be a token"},
		"no JSON":        {"", nil, `token`, 101, "closed 4401 the first message is to be a token: "},
		"large message":  {"", nil, `{"token":"` + strings.Repeat("x", tokenMessage) + `"}`, 101, "closed 1009"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				keys := newKeyring(t)
				gate := keys.gate(t)
				key, token, _ := keys.mint(t, gate)
				fill := strings.NewReplacer("KEY", key, "TOKEN", token)
				h := newHub()
				s := newTestServer(t, gate, nil)
				s.Open(h)
				for i := range test.headers {
					test.headers[i] = fill.Replace(test.headers[i])
				}
				c, a := knock(openDoorTo(t, s), "/topics/c/t"+fill.Replace(test.query), test.headers...)
				if a.status != test.status {
					t.Fatalf("status %d, want %d", a.status, test.status)
				}
				if c == nil {
					if !strings.Contains(a.body, test.says) || a.header.Get("Content-Type") != "application/json" {
						t.Errorf("%s %s", a.header, a.body)
					}
					return
				}
				defer c.CloseNow()
				if test.first != "" {
					tell(t, c, websocket.MessageText, fill.Replace(test.first))
				}
				if got := next(c); !strings.HasPrefix(got, test.says) {
					t.Errorf("%s, want %s", got, test.says)
				}
				h.mu.Lock()
				defer h.mu.Unlock()
				if strings.HasPrefix(test.says, "closed") && len(h.heard) > 0 {
					t.Errorf("it called all the same: %q", h.heard)
				}
			})
		})
	}
}

// A key that this node has not heard of is looked for once. Whoever made it up gets no
// socket, and none to be silent on above all.
func TestSocketsOfUnheardOfKeys(t *testing.T) {
	const path = "/topics/c/t?subscribe=false"
	for name, made := range map[string]bool{"a new key": true, "a made up key": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				elsewhere, here := newKeyring(t), newKeyring(t)
				key, token, _ := elsewhere.mint(t, elsewhere.gate(t))
				gate := here.gate(t)
				here.mint(t, gate) // the cluster is secured
				asked := 0
				h := newHub()
				h.identify = func() error {
					asked++
					if !made {
						return auth.ErrForged
					}
					time.Sleep(tokenTime / 2) //nolint:forbidigo // in synthetic time
					return nil
				}
				s := newTestServer(t, gate, nil)
				s.Open(h)
				d := openDoorTo(t, s)
				for i, credential := range []string{key, token} {
					c, a := knock(d, path, "Authorization", credential)
					if made != (c != nil) || !made && a.status != 401 {
						t.Errorf("by its header: %d %s", a.status, a.body)
					}
					if c != nil {
						_ = c.CloseNow()
					}
					c = mustKnock(t, d, path)
					tell(t, c, websocket.MessageText, `{"id":"1","token":"`+credential+`"}`)
					if got, want := next(c), map[bool]string{true: `{"id":"1","ok":true}`, false: "closed 4401"}[made]; !strings.HasPrefix(got, want) {
						t.Errorf("by its first message: %s, want %s", got, want)
					}
					_ = c.CloseNow()
					if asked != 2*(i+1) {
						t.Errorf("asked %d times for %d sockets", asked, 2*(i+1))
					}
				}
			})
		})
	}
}

// A credential that is no longer good ends a socket that only publishes, too.
func TestSocketsAreLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := newKeyring(t)
		gate := keys.gate(t)
		s := newTestServer(t, gate, nil)
		s.Open(newHub())
		c := mustKnock(t, openDoorTo(t, s), "/topics/c/t?subscribe=false") // in open mode
		keys.mint(t, gate)
		began := time.Now()
		if got := next(c); !strings.HasPrefix(got, "closed 4401") || time.Since(began) > socketPing {
			t.Errorf("after %v: %s", time.Since(began), got)
		}
	})
}

func TestSocketHandshakes(t *testing.T) {
	good := []string{"Upgrade", "websocket", "Connection", "keep-alive, Upgrade", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	for name, test := range map[string]struct {
		path   string
		change []string
		says   string
	}{
		"version":    {"/topics/c/t", []string{"Sec-WebSocket-Version", "8"}, "not 13"},
		"key":        {"/topics/c/t", []string{"Sec-WebSocket-Key", "AAAA"}, "16 bytes"},
		"connection": {"/topics/c/t", []string{"Connection", "close"}, "Connection"},
		"number":     {"/topics/c/t?sequence_number=x", nil, "sequence_number"},
	} {
		w := send(serverOf(t, newHub()), "GET", test.path, "", append(append([]string{}, good...), test.change...)...)
		if w.Code != 400 || !strings.Contains(w.Body.String(), test.says) || w.Header().Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// Pages of other origins get neither a socket nor a grant.
func TestSocketOrigins(t *testing.T) {
	for origin, want := range map[string]int{"http://localhost:5173": 101, "https://chat.example": 101, "https://evil.example": 403, "null": 403} {
		synctest.Test(t, func(t *testing.T) {
			s := serverOf(t, newHub(), "https://chat.example", "http://localhost:5173")
			c, a := knock(openDoorTo(t, s), "/topics/c/t", "Origin", origin)
			if c != nil {
				defer c.CloseNow()
			}
			granted := a.header.Get("Access-Control-Allow-Origin")
			if a.status != want || granted != "" && want != 101 {
				t.Errorf("%s: %d, granted %q", origin, a.status, granted)
			}
		})
	}
}

// However a socket comes to its end, its client is told where it is, and to come back.
func TestSocketsAreSentAway(t *testing.T) {
	for name, test := range map[string]struct {
		query  string
		leave  func(d *door, s *Server)
		within time.Duration
	}{
		"age":                {"", func(*door, *Server) {}, socketAge},
		"age, no topic":      {"?subscribe=false", func(*door, *Server) {}, socketAge},
		"draining":           {"", func(_ *door, s *Server) { s.Drain() }, socketSpread},
		"draining, no topic": {"?subscribe=false", func(_ *door, s *Server) { s.Drain() }, socketSpread},
		"stopping":           {"", func(d *door, _ *Server) { go d.stop() }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serverOf(t, newHub())
				d := openDoorTo(t, s)
				c := mustKnock(t, d, "/topics/c/t"+test.query)
				want := []string{"closed 1001 come back and go on from where you are"}
				if test.query == "" {
					want = []string{beat, `{"topic":"t","items":[{"discontinuity":{"last_topic_sequence":0,"new_topic_sequence":41,"new_sequence_page":7}}]}`, want[0]}
				}
				began := time.Now()
				test.leave(d, s)
				for _, line := range want {
					if got := next(c); got != line {
						// Stop waits for a second only, and then cuts.
						if name == "stopping" && got == "cut" {
							return
						}
						t.Fatalf("%s, want %s", got, line)
					}
				}
				if took := time.Since(began); took > test.within {
					t.Errorf("after %v", took)
				}
			})
		})
	}
}

// rawSocket is a client that knows the protocol well enough to break it.
type rawSocket struct {
	net.Conn
	mu sync.Mutex
}

const rawHandshake = "GET /topics/c/t HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

func (c *rawSocket) send(frame string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := io.WriteString(c.Conn, frame)
	return err
}

// answer reads what the node sends, and answers pings if it is to.
func (c *rawSocket) answer(pongs bool) {
	r := bufio.NewReader(c.Conn)
	for line := ""; line != "\r\n"; {
		line, _ = r.ReadString('\n')
		if line == "" {
			return
		}
	}
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		content := make([]byte, head[1])
		if _, err := io.ReadFull(r, content); err != nil {
			return
		}
		if head[0] == 0x89 && pongs {
			c.send("\x8a" + string([]byte{0x80 | head[1]}) + "\x00\x00\x00\x00" + string(content))
		}
	}
}

// A client that reads nothing keeps a node from stopping for a moment only.
func TestDeafSocketsDoNotKeepANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serverOf(t, newHub())
		c := mustKnock(t, openDoorTo(t, s), "/topics/c/t?subscribe=false")
		defer c.CloseNow()
		synctest.Wait()
		s.Drain()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Stop(ctx); err != nil || time.Since(began) > socketSpread+socketEnd+time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Clients that do not read, do not answer or do not come to the end of a message are
// let go, and nothing of them stays.
func TestSocketsOfSlowClients(t *testing.T) {
	for name, test := range map[string]struct {
		flood  bool
		client func(c *rawSocket)
		within time.Duration
	}{
		"reads nothing":   {true, func(c *rawSocket) { _, _ = io.ReadFull(c, make([]byte, 200)) }, writeTime + time.Second},
		"answers no ping": {false, func(c *rawSocket) { go c.answer(false) }, 2*socketPing + time.Second},
		"half a frame": {false, func(c *rawSocket) {
			go c.answer(true)
			c.send("\x81\x85\x00\x00\x00\x00{")
		}, 2*socketPing + time.Second},
		"drops": {false, func(c *rawSocket) {
			go c.answer(true)
			go func() {
				c.send("\x01\x81\x00\x00\x00\x00{")
				for c.send("\x00\x81\x00\x00\x00\x00 ") == nil {
					time.Sleep(time.Second)
				}
			}()
		}, exchangeTime + 2*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub()
				h.flood = test.flood
				c := &rawSocket{Conn: openDoorTo(t, serverOf(t, h)).dial()}
				defer c.Close()
				c.send(rawHandshake)
				test.client(c)
				synctest.Wait()
				h.mu.Lock()
				began := len(h.subs)
				h.mu.Unlock()
				time.Sleep(test.within)
				h.mu.Lock()
				defer h.mu.Unlock()
				if began != 1 || len(h.subs) != 0 {
					t.Errorf("of %d subscriptions %d are there after %v", began, len(h.subs), test.within)
				}
			})
		})
	}
}

// Whatever is said on a socket: it is answered, and the next message is heard.
func FuzzSocketMessages(f *testing.F) {
	for _, seed := range []string{
		`{"publish":{"value":{"text":"x"}}}`, `{"id":"1","publish":{"topic":"t","value":{"binary":"/wA="}}}`, `{"subscribe":{"topic":"u","sequence_number":18446744073709551615,"sequence_page":1}}`,
		`{"unsubscribe":{}}`, `{"token":"x"}`, `{"id":"\u0000\ud800","subscribe":null}`, `[[[[`, "\x00", "", `{"subscribe":{"sequence_number":-1}}`, `{"publish":{"value":{"text":null,"binary":null}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > socketMessage {
			return
		}
		m, err := parseWish(raw)
		if err == nil && len(m.ID) > maxID {
			t.Fatalf("%+v", m)
		}
		c := mustKnock(t, openFuzzDoor(t), "/topics/c/t?subscribe=false")
		c.SetReadLimit(-1)
		var telling sync.WaitGroup
		defer telling.Wait()
		telling.Go(func() { // a pipe keeps nothing, so the answers are read meanwhile
			tell(t, c, websocket.MessageText, string(raw))
			tell(t, c, websocket.MessageText, `{"id":"the end","publish":{"topic":"other","value":{"text":""}}}`)
		})
		complained := false
		for {
			got := next(c)
			if strings.HasPrefix(got, "closed") || got == "cut" {
				t.Fatalf("%q: %s", raw, got)
			}
			if strings.HasPrefix(got, `{"id":"the end",`) && strings.Contains(got, `"ok":true`) {
				break
			}
			complained = complained || strings.Contains(got, `"error":{`)
		}
		if err != nil && !complained {
			t.Fatalf("%q was passed over", raw)
		}
	})
}

// openFuzzDoor opens a door to a hub.
func openFuzzDoor(t *testing.T) *door {
	t.Helper()
	return openDoorTo(t, serverOf(t, newHub()))
}
