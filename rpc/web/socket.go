package web

import (
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// Bounds of a WebSocket.
const (
	socketAge    = eventStreamAge
	socketSpread = 2 * time.Second  // over which a node that stops sends its sockets away
	socketPing   = 30 * time.Second // between two pings, and for the answer to one
	socketTopics = 100              // subscriptions at a time
	socketEnd    = 2 * time.Second  // for the client's word that it has heard the farewell
	tokenTime    = 10 * time.Second // for the token, when it is the first message, and for its key to be found
	tokenMessage = 16 << 10         // the size of that message
	// A message holds what is published as JSON, so it is larger than that. What
	// does not fit can be sent by POST.
	socketMessage = 2 << 20
)

// statusUnauthorized is the code that closes a socket without a good credential, or
// whose credential is no longer good. Codes from 4000 on are an application's own.
const statusUnauthorized websocket.StatusCode = 4401

// farewell is why a socket is closed.
type farewell struct {
	code   websocket.StatusCode
	reason string
}

// Error is the reason.
func (f *farewell) Error() string { return f.reason }

// goingAway sends a client to another node, or back to this one, where it goes on from
// the last place that it was told.
var goingAway = &farewell{websocket.StatusGoingAway, "come back and go on from where you are"}

func unauthorized(why string) *farewell {
	why = printable(why)
	return &farewell{statusUnauthorized, why[:min(len(why), 120)]} // a close frame holds no more
}

// asksForSocket reports whether a request wants to become a WebSocket.
func asksForSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// checkHandshake finds what is wrong with a request for a WebSocket.
func checkHandshake(r *http.Request) error {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	switch {
	case !strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade"):
		return errors.New("the header Connection of a WebSocket's handshake is Upgrade")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return errors.New("Sec-WebSocket-Version is not 13")
	case err != nil || len(key) != 16:
		return errors.New("Sec-WebSocket-Key is not 16 bytes in base64")
	}
	return nil
}

// socket serves a topic, and more if the client likes, on a WebSocket.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	s.turnAway()
	request, err := subscription(r)
	if err == nil {
		err = checkHandshake(r)
	}
	if err != nil {
		w.Header().Set("Sec-WebSocket-Version", "13")
		badRequest(w, "%v", err)
		return
	}
	md, ok := caller(w, r)
	if !ok {
		return
	}
	known := len(md) > 0 || s.config.Gate.Open()
	if known {
		ctx, cancel := context.WithTimeout(r.Context(), tokenTime)
		err := s.checkCredential(ctx, md)
		cancel()
		if err != nil {
			failed(w, status.New(codes.Unauthenticated, err.Error()), nil)
			return
		}
		proven(r.Context())
	}
	// The connection is no longer net/http's when it is a socket.
	s.busy.Add(1)
	defer s.busy.Done()
	temper := newSocketTemper(r)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // guarded has looked at the origin already
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     temper.pinged,
	})
	if err != nil {
		return // and has been answered
	}
	k := &socket{server: s, conn: conn, room: roomOf(r), temper: temper, cache: request.GetCacheName(), topic: request.GetTopic(), header: md,
		subs: make(map[string]*socketExchange), quiet: make(chan struct{})}
	ctx := s.life
	if p, ok := peer.FromContext(r.Context()); ok {
		ctx = peer.NewContext(ctx, p)
	}
	k.ctx, k.cut = context.WithCancel(ctx)
	k.leaving, k.leave = context.WithCancelCause(k.ctx)
	if r.URL.Query().Get("subscribe") != "false" {
		k.first = request
	}
	k.serve(known)
}

// checkCredential finds what is wrong with a credential. A key that this node has not
// heard of may be new, so that the others are asked until ctx is done; anybody can make
// one up, so that nothing is for its holder before they know it.
func (s *Server) checkCredential(ctx context.Context, md metadata.MD) error {
	text := ""
	if v := md.Get("authorization"); len(v) > 0 {
		text = v[0]
	}
	_, err := s.config.Gate.Authenticate(text, time.Now())
	if calls := s.calls.Load(); calls != nil && errors.Is(err, auth.ErrUnheardOf) {
		_, err = (*calls).Identify(ctx, text)
	}
	return err
}

// socket is a WebSocket. Its reader is the goroutine of the request; another one keeps
// watch, and each subscription has its own.
type socket struct {
	server *Server
	conn   *websocket.Conn
	room   *share.Holder // for the message at hand
	temper *socketTemper // of the reader
	cache  string
	topic  string                     // what messages mean that name none
	first  *pubsubpb.SubscribeRequest // what the path asks for; nil for nothing

	// ctx is done when the connection is to be dropped, leaving when it is to be
	// closed with the farewell that is the cause.
	ctx, leaving context.Context
	cut          context.CancelFunc
	leave        context.CancelCauseFunc
	busy         sync.WaitGroup

	header metadata.MD // of the calls; of the reader until it is known

	mu   sync.Mutex
	subs map[string]*socketExchange // by topic
	left bool                       // there will be no more subscriptions
	// running counts those in subs, and those given up whose last words still wait
	// for the client to read.
	running int
	// quiet is closed when left and the last subscription is over.
	quiet chan struct{}
}

// serve serves the socket until it is closed.
func (k *socket) serve(known bool) {
	defer func() {
		k.cut()
		_ = k.conn.CloseNow()
		k.busy.Wait()
	}()
	identified := make(chan struct{})
	k.busy.Go(func() { k.watch(identified) })
	if !known && !k.awaitToken() {
		<-k.ctx.Done() // until the farewell is said
		return
	}
	close(identified)
	k.conn.SetReadLimit(socketMessage)
	if k.first != nil {
		k.subscribe("", k.first)
	}
	for {
		raw, ok := k.read()
		if !ok {
			return
		}
		k.handle(raw)
		k.room.Give(k.room.Held())
	}
}

// read returns the next message. It may be long in coming, but not in parts.
func (k *socket) read() (raw []byte, ok bool) {
	for {
		kind, r, err := k.conn.Reader(k.ctx)
		if err != nil {
			k.temper.ended(err)
			return nil, false
		}
		late := time.AfterFunc(exchangeTime, k.cut)
		raw, err := readAll(r, k.room)
		late.Stop()
		switch {
		case err != nil:
			k.temper.ended(err)
			return nil, false
		case kind == websocket.MessageText:
			return raw, true
		}
		k.complain("", "", codes.InvalidArgument, "a message is text that holds JSON, bytes go into it as base64")
		k.temper.fault(k.ctx)
	}
}

// awaitToken takes the first message, which proves who calls.
func (k *socket) awaitToken() bool {
	k.conn.SetReadLimit(tokenMessage)
	late := time.AfterFunc(tokenTime, func() { k.leave(unauthorized("no token came")) })
	defer late.Stop()
	raw, ok := k.read()
	if !ok {
		k.cut()
		return false
	}
	late.Stop()
	m, err := parseWish(raw)
	switch {
	case err != nil:
		k.leave(unauthorized("the first message is to be a token: " + err.Error()))
		return false
	case m.Token == nil:
		k.leave(unauthorized("the first message is to be a token"))
		return false
	}
	k.header = metadata.Pairs("authorization", *m.Token)
	ctx, cancel := context.WithTimeout(k.leaving, tokenTime)
	defer cancel()
	if err := k.server.checkCredential(ctx, k.header); err != nil {
		k.leave(unauthorized(err.Error()))
		return false
	}
	k.done(m.ID)
	return true
}

// watch looks whether the client is still there and may be, and closes the socket
// when it is time.
func (k *socket) watch(identified <-chan struct{}) {
	ping := time.NewTicker(socketPing)
	defer ping.Stop()
	old := time.NewTimer(socketAge - rand.N(socketAge/8))
	defer old.Stop()
	draining := k.server.leaving.Done()
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.leaving.Done():
			k.close()
			return
		case <-old.C:
			k.leave(goingAway)
		case <-draining:
			draining = nil
			old.Reset(rand.N(socketSpread))
		case <-ping.C:
			k.check(identified)
		}
	}
}

// check drops the socket if its client does not answer, and closes it if its
// credential is no longer good.
func (k *socket) check(identified <-chan struct{}) {
	ctx, cancel := context.WithTimeout(k.leaving, socketPing)
	defer cancel()
	defer context.AfterFunc(k.server.leaving, cancel)() // which comes first now
	if err := k.conn.Ping(ctx); err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			k.cut()
		}
		return
	}
	select {
	case <-identified:
	default:
		return
	}
	if err := k.server.checkCredential(ctx, k.header); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.leave(unauthorized(err.Error()))
	}
}

// close lets the subscriptions say where they are, and then says farewell.
func (k *socket) close() {
	k.mu.Lock()
	k.left = true
	k.settle()
	k.mu.Unlock()
	late := time.NewTimer(writeTime)
	defer late.Stop()
	select {
	case <-k.quiet:
	case <-late.C:
	case <-k.ctx.Done():
		return
	}
	why := goingAway
	if f, ok := errors.AsType[*farewell](context.Cause(k.leaving)); ok {
		why = f
	}
	deaf := time.AfterFunc(socketEnd, k.cut)
	defer deaf.Stop()
	_ = k.conn.Close(why.code, why.reason) // the client may have gone
	k.cut()
}

// settle closes quiet when it is time. The caller holds the lock.
func (k *socket) settle() {
	if !k.left || len(k.subs) > 0 {
		return
	}
	select {
	case <-k.quiet:
	default:
		close(k.quiet)
	}
}
