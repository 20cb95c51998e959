package cli

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/mayfly-broker/mayfly/cmd/config"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
)

const (
	defaultServer  = "127.0.0.1:8080"
	defaultTimeout = 5 * time.Second
)

// clientOptions are the settings of every command that talks to a broker.
type clientOptions struct {
	server, apiKey, dataDir, output, file, caCert, tlsName string
	tls                                                    bool
	timeout                                                time.Duration
}

func (p *Program) newClientOptions() *clientOptions {
	return &clientOptions{server: defaultServer, timeout: defaultTimeout, output: "table", dataDir: p.defaultDataDir()}
}

func (o *clientOptions) settings() []config.Setting {
	return append([]config.Setting{
		{Name: "server", Help: "client address of the broker", Value: config.Address(&o.server)},
		{Name: "api-key", Help: "API key or token, in either form; better given as MAYFLY_API_KEY, which no process list shows", Value: config.Text(&o.apiKey), Secret: true},
		{Name: "tls", Help: "speak TLS with the broker, whose certificate this machine must trust", Value: config.Switch(&o.tls)},
		{Name: "ca-cert", Help: "PEM file of the authority that the broker's certificate is to be trusted for; turns TLS on", Value: config.Path(&o.caCert), Default: "this machine's own"},
		{Name: "tls-name", Help: "name that the broker's certificate must cover; turns TLS on", Value: config.Text(&o.tlsName), Default: "the host of --server"},
		{Name: "timeout", Help: "longest wait for an answer", Value: config.Duration(&o.timeout)},
		dataDirSetting(&o.dataDir),
		fileSetting(&o.file),
	}, o.outputSettings()...)
}

func (o *clientOptions) outputSettings() []config.Setting {
	return []config.Setting{{Name: "output", Short: "o", Help: "form of the answer", Value: config.Choice(&o.output, "table", "json")}}
}

// session is one command's talk with a broker.
type session struct {
	program    *Program
	cmd        *cobra.Command
	opts       *clientOptions
	out        printer
	credential credential
	network    network
	conn       *grpc.ClientConn
}

// client finishes a command that talks to a broker. Access says which
// credential it uses when the user gives none.
func (p *Program) client(access access, cmd *cobra.Command, run func(ctx context.Context, s *session, args []string) error) *cobra.Command {
	opts := p.newClientOptions()
	if completesCache(cmd) {
		cmd.ValidArgsFunction = p.completeCaches(opts)
	}
	return p.leaf(cmd, opts.settings(), func(ctx context.Context, cmd *cobra.Command, args, _ []string) error {
		s, err := p.newSession(cmd, opts, access)
		if err != nil {
			return err
		}
		defer func() { _ = s.conn.Close() }()
		return run(ctx, s, args)
	})
}

// newSession prepares a connection; nothing is sent before the first call.
func (p *Program) newSession(cmd *cobra.Command, opts *clientOptions, access access) (*session, error) {
	s := &session{
		program: p,
		cmd:     cmd,
		opts:    opts,
		out:     printer{w: p.Stdout, json: opts.output == "json"},
		network: network{dial: p.Dial},
	}
	var err error
	if s.credential, err = findCredential(opts, access); err != nil {
		return nil, usageError{cmd, err}
	}
	transport, err := opts.transport()
	if err != nil {
		return nil, usageError{cmd, err}
	}
	// The address is handed to our own dialer as it is: that keeps the plain
	// reason of a failed attempt for the user to read.
	s.conn, err = grpc.NewClient("passthrough:///"+opts.server,
		grpc.WithTransportCredentials(transport),
		grpc.WithContextDialer(s.network.connect),
		grpc.WithUnaryInterceptor(s.intercept),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// grpc-go sends no more than one ping in 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		// The server bounds what it sends; whoever fetches a long list wants it.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	)
	return s, err
}

// intercept gives every call its deadline and credential, and turns a status
// into a sentence. A server that refuses the admin credential we found, having
// nothing to do with that data folder, is asked once more as by anybody: a
// refused call has done nothing.
func (s *session) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.timeout)
	defer cancel()
	err := invoke(s.present(ctx, request, s.credential.text), method, request, reply, conn, opts...)
	if status.Code(err) == codes.Unauthenticated && s.credential.found() {
		if invoke(s.present(ctx, request, ""), method, request, reply, conn, opts...) == nil {
			return nil
		}
	}
	return s.explain(method, err)
}

// present puts a credential where a call carries it: into its metadata, and for
// the token service also into the message, which decides there.
func (s *session) present(ctx context.Context, request any, credential string) context.Context {
	if r, ok := request.(*tokenpb.GenerateDisposableTokenRequest); ok {
		r.AuthToken = credential
	}
	if credential == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", credential)
}

// inCache names the cache of a data call, which travels as a header.
func inCache(ctx context.Context, cache string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "cache", cache)
}

// network connects, and remembers why the last attempt failed. It is used by
// the goroutines of grpc-go.
type network struct {
	dial func(ctx context.Context, address string) (net.Conn, error)

	mu      sync.Mutex
	failure error // of the last attempt, nil after a good one; guarded by mu
}

func (n *network) connect(ctx context.Context, address string) (net.Conn, error) {
	dial := n.dial
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	conn, err := dial(ctx, address)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failure = err
	return conn, err
}

// reason is why no connection came about, in few words, or "".
func (n *network) reason() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failure == nil {
		return ""
	}
	if operation, ok := errors.AsType[*net.OpError](n.failure); ok {
		if last := errors.Unwrap(operation.Err); last != nil {
			return last.Error()
		}
		return operation.Err.Error()
	}
	return n.failure.Error()
}
