package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Server is one broker, started by the mayfly command on loopback ports of its
// own with a data directory of its own. It may be stopped, killed and started
// again; its ports and its directory stay the same.
type Server struct {
	// Addr is the client port as host:port.
	Addr string
	// DataDir outlives restarts and ends with the test; empty for a broker in
	// memory.
	DataDir string

	// TLS signed the certificate of the client port; nil for plaintext.
	TLS *Authority

	program   string
	args, env []string
	log       *os.File
	running   *process
	frozen    bool
}

// Options change how a server is started.
type Options struct {
	// Args are flags added to those that the harness gives; the last of two
	// equal flags wins.
	Args []string
	// Env are variables, NAME=value, added to an environment without any of
	// Mayfly's.
	Env []string
	// DataDir is used instead of a new empty directory.
	DataDir string
	// TLS has the client port speak TLS, with a certificate of this authority.
	TLS *Authority
	// ACME has the server order its certificate from this one.
	ACME *ACME
	// Name is added to that of its log.
	Name string
}

// New prepares a server without starting it.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	if o.ACME != nil {
		o.TLS, o.Args, o.Env = o.ACME.TLS, append(o.ACME.flags(), o.Args...), append(o.ACME.environment(), o.Env...)
	}
	s := &Server{
		Addr: FreeAddr(t), DataDir: o.DataDir, TLS: o.TLS, program: tools.Mayfly, env: o.Env,
		log: openLog(t, strings.TrimSuffix("mayfly-"+o.Name, "-")),
	}
	if o.ACME != nil {
		o.ACME.lead(s.Addr)
	}
	if s.DataDir == "" {
		s.DataDir = filepath.Join(t.TempDir(), "data")
	}
	s.args = slices.Concat([]string{
		"server", "--data-dir", s.DataDir,
		"--listen", s.Addr, "--peer-listen", FreeAddr(t), "--gossip-listen", FreeAddr(t),
	}, o.TLS.flags(), o.Args)
	return s
}

// Start prepares a server, starts it and waits until it serves.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := New(t, o)
	s.Start(t)
	return s
}

// StartDev starts `mayfly dev`, a broker that keeps everything in memory and has
// a cache called default. Flags are added to those that the harness gives.
func StartDev(t testing.TB, flags ...string) *Server {
	t.Helper()
	s := &Server{Addr: FreeAddr(t), program: tools.Mayfly, log: openLog(t, "mayfly-dev")}
	s.args = append([]string{"dev", "--listen", s.Addr}, flags...)
	s.Start(t)
	return s
}

// RunAs has another program be the server when it is started next.
func (s *Server) RunAs(program string) { s.program = program }

// Launch starts the server without waiting for it to serve.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	cmd := exec.Command(s.program, s.args...) //nolint:noctx // ends with the test, by signal
	cmd.Env = environment(s.env...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	note(s.log, "--- %s %s", filepath.Base(s.program), strings.Join(s.args, " "))
	s.running, s.frozen = start(t, "mayfly", cmd), false
}

// Start starts a server that is not running and waits until it serves.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.Launch(t)
	s.AwaitServing(t)
}

// AwaitServing waits until a server that was launched serves.
func (s *Server) AwaitServing(t testing.TB) {
	t.Helper()
	if !s.servesOrExits(t) {
		code, output := s.Exits(t)
		t.Fatalf("mayfly ended with code %d instead of serving on %s\n%s", code, s.Addr, output)
	}
}

// StartOrExit starts a server that is not running and reports whether it
// serves; when it does not, it has ended by itself.
func (s *Server) StartOrExit(t testing.TB) (serves bool) {
	t.Helper()
	s.Launch(t)
	return s.servesOrExits(t)
}

func (s *Server) servesOrExits(t testing.TB) (serves bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	go func() { // a server that has ended will never serve
		select {
		case <-s.running.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.serves(ctx)
	if err == nil {
		return true
	}
	select {
	case <-s.running.done:
	default:
		t.Fatalf("mayfly neither serves on %s nor ends: %v\n%s", s.Addr, err, tail(s.log))
	}
	return false
}

// serves returns nil once the server's health service says that it serves.
func (s *Server) serves(ctx context.Context) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err != nil {
			return err
		}
		if answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("health says %s", answer.GetStatus())
		case <-tick.C:
		}
	}
}

// Stop asks the server to stop, as an operator would, and waits until it has.
// It fails the test when the server does not end by itself or not with code 0.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.running.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, err := s.running.wait(Patience)
	if err != nil {
		t.Fatalf("mayfly after SIGTERM: %v\n%s", err, tail(s.log))
	}
	if code != 0 {
		t.Fatalf("mayfly ended with code %d after SIGTERM, want 0\n%s", code, tail(s.log))
	}
}

// Kill ends the server without warning, as a power cut would end the process.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.running.kill()
}

// HangUp sends the server SIGHUP, and does not wait for anything.
func (s *Server) HangUp(t testing.TB) {
	t.Helper()
	if err := s.running.signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// Freeze stops the server in the middle of whatever it does, without a warning,
// until Thaw lets it go on. Its ports stay open, and nobody answers there.
func (s *Server) Freeze(t testing.TB) {
	t.Helper()
	if err := s.running.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.frozen = true
}

// Thaw lets a frozen server go on as if no time had passed.
func (s *Server) Thaw(t testing.TB) {
	t.Helper()
	if err := s.running.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	s.frozen = false
}

// Up reports whether the server runs and is not frozen.
func (s *Server) Up() bool {
	if s.running == nil || s.frozen {
		return false
	}
	select {
	case <-s.running.done:
		return false
	default:
		return true
	}
}

// Exits waits for a launched server to end by itself and returns its exit code
// and what it printed since the launch.
func (s *Server) Exits(t testing.TB) (code int, output string) {
	t.Helper()
	code, err := s.running.wait(Patience)
	if err != nil {
		t.Fatalf("mayfly was to refuse to run: %v\n%s", err, tail(s.log))
	}
	text := s.Log(t)
	return code, text[strings.LastIndex(text, "--- "):]
}

// Log returns everything that the server has printed so far.
func (s *Server) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Conn returns a connection to the server, without a credential.
// It is closed at the end of the test.
func (s *Server) Conn(t testing.TB, more ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := s.dial(more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (s *Server) dial(more ...grpc.DialOption) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if s.TLS != nil {
		transport = credentials.NewTLS(s.TLS.Trust())
	}
	return grpc.NewClient(s.Addr, append([]grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: poll, Multiplier: 1.2, MaxDelay: 10 * poll},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20), grpc.MaxCallSendMsgSize(16<<20)),
	}, more...)...)
}
