package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/auth"
)

// Bounds for HTTP clients. A request's header carries a credential of at most
// 8 KiB.
const (
	headerTime   = 5 * time.Second
	maxHeader    = 16 << 10
	idleTime     = 2 * time.Minute
	exchangeTime = 30 * time.Second // for a body and its answer
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
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Server serves the HTTP side of a node's client port.
type Server struct {
	config Config
	http   *http.Server
}

// NewServer makes a Server that serves nothing yet. It fails when something
// needed is missing.
func NewServer(config Config) (*Server, error) {
	if config.Ready == nil || config.Metrics == nil || config.Gate == nil {
		return nil, errors.New("web: Ready, Metrics and Gate are needed")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config}
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		// What net/http has to say is about clients that misbehave.
		ErrorLog: slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// routes is all that can be asked for.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/livez", get(s.live))
	mux.Handle("/readyz", get(s.ready))
	mux.Handle("/metrics", get(s.metrics))
	mux.Handle("/{$}", get(s.welcome))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		text(w, http.StatusNotFound, "There is nothing at this path; / says what there is.")
	})
	return bounded(mux)
}

// bounded gives every exchange a time by which it must be over, so that a client
// that neither sends nor reads is let go.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, until := http.NewResponseController(w), time.Now().Add(exchangeTime)
		// They fail only on a connection that is dead.
		_ = control.SetReadDeadline(until)
		_ = control.SetWriteDeadline(until)
		next.ServeHTTP(w, r)
	})
}

// get answers GET and HEAD, and says so to other methods.
func get(handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			text(w, http.StatusMethodNotAllowed, "This path answers GET and HEAD.")
			return
		}
		handle(w, r)
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
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Stop ends the server: it accepts nothing more and lets the requests under way
// finish. When ctx is done it cuts what is left and returns the error of ctx.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
	}
	return err
}
