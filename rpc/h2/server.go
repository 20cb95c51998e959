package h2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"

	"github.com/mayfly-broker/mayfly/rpc/share"
)

// ErrStopped is what Serve returns when the server was stopped before.
var ErrStopped = errors.New("h2: the server has been stopped")

// Config says how a Server treats its clients. All fields but Prompt, Unguarded, Room
// and Other are needed.
type Config struct {
	// Codec turns messages into bytes and back.
	Codec encoding.CodecV2
	// MaxStreams is how many calls a connection may have open at a time.
	MaxStreams uint32
	// MaxReceive is the size of the largest message taken in, in bytes.
	MaxReceive int
	// MaxHeaders is the size of the largest header list taken in, in bytes as
	// RFC 9113, 6.5.2 counts them.
	MaxHeaders uint32
	// HandshakeTime is how long a new connection may take to say something.
	HandshakeTime time.Duration
	// PingMinTime is how often clients may ping; those that do so more often
	// are sent away.
	PingMinTime time.Duration
	// PingTime is how long a connection may say nothing before it is asked
	// whether it is there, PingTimeout how long it may take to answer.
	PingTime, PingTimeout time.Duration
	// IdleTime is how long a connection may have no calls, FirstTime how long until
	// its first one.
	IdleTime, FirstTime time.Duration
	// Unguarded tells the methods whose handlers do not ask who calls before they take
	// in the message: it has to be small then, 64 KiB at most with what goes before it,
	// and to come whole. nil: none.
	Unguarded func(method string) bool
	// Room is what messages share that are on their way, and answers that are not
	// read, in bytes; larger ones wait, or are refused with RESOURCE_EXHAUSTED. Four
	// times MaxReceive is the least that makes sense. nil: enough for all.
	Room *share.Pool
	// Prompt tells the unary methods whose handlers are expected not to wait for
	// anything. They run where they are read, which saves waking a goroutine;
	// one that waits all the same delays the rest of its connection by a few
	// milliseconds at most. Methods are named "/service/method". nil: none.
	Prompt func(method string) bool
	// Other serves requests that are not gRPC by their content type; see exchange.go.
	// A handler that panics has its stream reset, and nobody else told: whoever
	// wants to know wraps it. nil: they are refused.
	Other http.Handler
}

// method is a registered method: one of unary and stream is set.
type method struct {
	impl   any
	unary  grpc.MethodHandler
	stream grpc.StreamHandler
	// late: the handler begins when the request's first message is there, which
	// is before all others for those that read just one.
	late   bool
	prompt bool
	// guarded: the handler asks who calls before it takes in the message.
	guarded bool
}

// Counts is how often clients were in the way of others since a Server was made.
type Counts struct {
	// Floods are connections that were ended for making work for nothing, Late
	// requests and answers that came to a halt on their way, and Shed those for which
	// there was no room.
	Floods, Late, Shed uint64
}

type counts struct{ floods, late, shed atomic.Uint64 }

// Server serves gRPC on connections that speak HTTP/2. Register services first,
// then Serve.
type Server struct {
	config Config
	// maxStreams is that of the config until somebody sets another.
	maxStreams atomic.Uint32
	methods    map[string]*method
	info       map[string]grpc.ServiceInfo
	// ctx is the parent of all calls' contexts.
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	stopping  bool

	watch    watch
	batches  batches
	waitRoom *share.Pool // for requests whose handlers wait for the rest of them
	counts   counts
	running  sync.WaitGroup // of connections
	handlers sync.WaitGroup
}

// NewServer makes a Server that serves nothing yet.
func NewServer(config Config) *Server {
	s := &Server{
		config:    config,
		methods:   make(map[string]*method),
		info:      make(map[string]grpc.ServiceInfo),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		waitRoom:  share.New(maxWaits, 1),
	}
	s.maxStreams.Store(config.MaxStreams)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// SetMaxStreams replaces Config.MaxStreams for connections that come from now on; it
// must not be 0. It may be called by any goroutine at any time.
func (s *Server) SetMaxStreams(n uint32) { s.maxStreams.Store(n) }

// RegisterService implements grpc.ServiceRegistrar. It panics, as grpc-go does,
// when impl lacks a method or the service is registered twice: both are
// mistakes of who wrote the program.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if want := reflect.TypeOf(desc.HandlerType).Elem(); !reflect.TypeOf(impl).Implements(want) {
		panic(fmt.Sprintf("h2: %T does not implement %v of %s", impl, want, desc.ServiceName))
	}
	if _, ok := s.info[desc.ServiceName]; ok {
		panic(fmt.Sprintf("h2: %s is registered twice", desc.ServiceName))
	}
	info := grpc.ServiceInfo{Metadata: desc.Metadata}
	for _, m := range desc.Methods {
		full := "/" + desc.ServiceName + "/" + m.MethodName
		s.methods[full] = &method{
			impl: impl, unary: m.Handler, late: true, guarded: s.isGuarded(full),
			prompt: s.config.Prompt != nil && s.config.Prompt(full),
		}
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: m.MethodName})
	}
	for _, d := range desc.Streams {
		full := "/" + desc.ServiceName + "/" + d.StreamName
		s.methods[full] = &method{impl: impl, stream: d.Handler, late: !d.ClientStreams, guarded: s.isGuarded(full)}
		info.Methods = append(info.Methods, grpc.MethodInfo{
			Name: d.StreamName, IsClientStream: d.ClientStreams, IsServerStream: d.ServerStreams,
		})
	}
	s.info[desc.ServiceName] = info
}

func (s *Server) isGuarded(method string) bool {
	return s.config.Unguarded == nil || !s.config.Unguarded(method)
}

// Counts reads the numbers one after the other while the server goes on.
func (s *Server) Counts() Counts {
	return Counts{Floods: s.counts.floods.Load(), Late: s.counts.late.Load(), Shed: s.counts.shed.Load()}
}

// GetServiceInfo returns what is registered, by service; for reflection.
func (s *Server) GetServiceInfo() map[string]grpc.ServiceInfo { return s.info }

// unknown words what is wrong with a method that is not registered.
func (s *Server) unknown(path string) string {
	service, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if _, ok := s.info[service]; ok {
		return "this service has no such method"
	}
	return "there is no such service"
}

// Serve serves the connections that l accepts until the server is stopped, when it
// returns nil. It closes l. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close() //nolint:errcheck // closed already after a stop
	if !s.listen(l) {
		return ErrStopped
	}
	for pause := time.Duration(0); ; {
		socket, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.admit(socket)
		case s.stopped():
			return nil
		case isTemporary(err): // out of file descriptors, for instance
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if !s.wait(pause) {
				return nil
			}
		default:
			return err
		}
	}
}

// isTemporary reports whether accepting may work again in a moment.
func isTemporary(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Temporary() bool
	}](err)
	return ok && e.Temporary()
}

// wait waits that long; false if the server was stopped meanwhile.
func (s *Server) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return !s.stopped()
	case <-s.ctx.Done():
		return false
	}
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// admit serves a connection.
func (s *Server) admit(socket net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		_ = socket.Close() // nothing was said on it yet
		return
	}
	c := newConn(s, socket)
	s.conns[c] = struct{}{}
	s.running.Add(1)
	go c.serve()
}

// dismiss forgets a connection whose last goroutine is about to end.
func (s *Server) dismiss(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.running.Done()
}

// halt closes the listeners and returns the connections of the moment.
func (s *Server) halt() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for l := range s.listeners {
		_ = l.Close() // Serve notices
	}
	clear(s.listeners)
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// GracefulStop closes the listeners, tells clients to go elsewhere, and returns
// when all calls have ended by themselves and all connections are closed. Stop
// cuts it short.
func (s *Server) GracefulStop() {
	for _, c := range s.halt() {
		s.running.Go(c.drain) // saying it may take a while on a connection that is stuck
	}
	s.running.Wait()
	s.handlers.Wait()
	s.cancel()
}

// Stop closes everything, cancels the contexts of calls under way, and returns
// when their handlers have.
func (s *Server) Stop() {
	for _, c := range s.halt() {
		c.close()
	}
	s.cancel()
	s.running.Wait()
	s.handlers.Wait()
}
