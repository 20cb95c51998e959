package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/rpc/api"
	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// Bounds for HTTP clients. A request's header carries a credential of at most
// 8 KiB.
const (
	headerTime   = 5 * time.Second
	maxHeader    = 16 << 10
	idleTime     = 2 * time.Minute
	exchangeTime = time.Minute // for a body and its answer
)

// Config is what a Server is told at birth.
type Config struct {
	// Ready returns why the node cannot serve at this moment, nothing when it
	// can. It is asked on every GET /readyz and must be quick. Needed.
	Ready func() []Reason
	// Metrics answers GET /metrics, for callers that Gate lets through. Needed.
	Metrics http.Handler
	// Gate finds out who calls. Needed.
	Gate *auth.Gate
	// Origins are the origins whose pages may call, each as browsers write it:
	// scheme://host, and :port unless it is the scheme's own. "*" stands for all,
	// but not in open mode. Empty means pages of this machine.
	Origins []string
	// Headers are those that pages may send beside the ones of every call, for brokers
	// that listen to more; in lower case.
	Headers []string
	// Console serves what is below /console; nil for nothing.
	Console http.Handler
	// Proxies are the proxies whose word counts for where a request came from.
	Proxies []netip.Prefix
	// Vending answers /vend/NAME; nil has no endpoint.
	Vending Vending
	// Room is what large bodies and answers share, in bytes; nil: enough for all.
	Room *share.Pool
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Calls serves calls that were not carried by gRPC's own transport. See api.Server,
// which does, for the promises.
type Calls interface {
	Call(ctx context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD)
	Identify(ctx context.Context, credential string) (auth.Principal, error)
}

// Server serves the HTTP side of a node's client port.
type Server struct {
	config Config
	http   *http.Server
	// pageHeaders is what preflights are told that pages may send.
	pageHeaders string
	calls       atomic.Pointer[Calls] // nil before Open
	draining    atomic.Bool

	eventTexts, itemTexts *encodings // of what topics say

	// life is done when sockets are to be dropped, leaving when they are to be sent
	// away.
	life, leaving context.Context
	cut, sendAway context.CancelFunc

	mu      sync.Mutex
	stopped bool
	busy    sync.WaitGroup // Serve, its connections, and sockets
}

// NewServer makes a Server that serves nothing yet. It fails when something
// needed is missing.
func NewServer(config Config) (*Server, error) {
	if config.Ready == nil || config.Metrics == nil || config.Gate == nil {
		return nil, errors.New("web: Ready, Metrics and Gate are needed")
	}
	if err := CheckOrigins(config.Origins); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, pageHeaders: strings.Join(append([]string{allowHeaders}, config.Headers...), ", "), eventTexts: newEncodings(eventText), itemTexts: newEncodings(itemText)}
	s.life, s.cut = context.WithCancel(context.Background())
	s.leaving, s.sendAway = context.WithCancel(s.life)
	s.http = &http.Server{
		Handler:           s.watched(bounded(tempered(s.introduced(s.guarded(plainOnly(s.roomy(s.routes()))))))),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		// What net/http has to say is about clients that misbehave.
		ErrorLog: slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
		// Calls take turns by where they come from, as those of gRPC, and requests that
		// lead to nothing are told to their connection.
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			ctx = peer.NewContext(ctx, &peer.Peer{Addr: c.RemoteAddr()})
			if inner, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
				c = inner.NetConn()
			}
			return context.WithValue(ctx, connKey{}, c)
		},
		// A connection is new before Serve has returned, and closed after its
		// last handler has. That of a socket is counted on by its handler.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.busy.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.busy.Done()
			}
		},
	}
	return s, nil
}

// bounded gives every exchange a time by which it must be over, so that a client
// that neither sends nor reads is let go.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, until := http.NewResponseController(w), time.Now().Add(exchangeTime)
		// They fail only on a connection that is dead. Where there is no body
		// net/http is waiting already for the client to go, which may take any
		// time.
		if r.Body != http.NoBody {
			_ = control.SetReadDeadline(until)
		}
		_ = control.SetWriteDeadline(until)
		next.ServeHTTP(w, r)
	})
}

// text answers with a line for people.
func text(w http.ResponseWriter, status int, line string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(line + "\n")) // the client may have gone
}

// Serve serves the connections that l accepts, until Stop, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return l.Close()
	}
	s.busy.Add(1)
	s.mu.Unlock()
	defer s.busy.Done()
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler serves requests that came in over another transport than Serve's, HTTP/2
// for instance. Whoever serves them ends them; Stop does not wait for them.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// watched tells the operator of a handler that panics, and ends its request without
// an answer. Transports would tell what was thrown.
func (s *Server) watched(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			thrown := recover()
			if thrown == nil {
				return
			}
			if err, ok := thrown.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				// Its type alone: a value may quote what a client sent.
				s.config.Logger.Error("a request failed in a way that nobody foresaw",
					slog.String("type", fmt.Sprintf("%T", thrown)), slog.String("stack", string(debug.Stack())))
			}
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}

// Open has calls served from now on, by calls. Pages are left without an answer
// until then, as during Drain, and other callers are told to come back.
func (s *Server) Open(calls Calls) { s.calls.Store(&calls) }

// call serves a call, if calls are served yet.
func (s *Server) call(ctx context.Context, call api.Call, x api.Exchange) (*status.Status, metadata.MD) {
	calls := s.calls.Load()
	if calls == nil {
		return status.New(codes.Unavailable, "this node is starting, try another one or wait"), nil
	}
	end, md := (*calls).Call(ctx, call, x)
	if end.Code() != codes.Unauthenticated && end.Code() != codes.Unimplemented {
		proven(ctx)
	}
	return end, md
}

// turnAway leaves a page without an answer while calls are not served: any status
// would be the end for good of what it listens to.
func (s *Server) turnAway() {
	if s.calls.Load() == nil || s.draining.Load() {
		panic(http.ErrAbortHandler) // ends the connection and nothing else
	}
}

// Drain prepares for the end. A page whose subscription is ended comes back at
// once, and gives up for good if it is then told any status; so calls of pages
// are left without an answer from now on, as if nobody listened any more. Sockets
// are closed within a moment, and their clients told to come back.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.sendAway()
}

// Stop ends the server: it accepts nothing more and lets the requests under way
// finish. When ctx is done it cuts what is left and returns the error of ctx. It
// waits for every connection.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.sendAway()
	late := context.AfterFunc(ctx, s.cut)
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	s.busy.Wait()
	if !late() && err == nil {
		err = ctx.Err()
	}
	s.cut()
	return err
}
