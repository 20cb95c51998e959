package api

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	adminv1 "github.com/mayfly-broker/mayfly/proto/admin/v1"
	authpb "github.com/mayfly-broker/mayfly/proto/auth"
	cachepb "github.com/mayfly-broker/mayfly/proto/cache"
	controlpb "github.com/mayfly-broker/mayfly/proto/control"
	leaderboardpb "github.com/mayfly-broker/mayfly/proto/leaderboard"
	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	tokenpb "github.com/mayfly-broker/mayfly/proto/token"
	webhookpb "github.com/mayfly-broker/mayfly/proto/webhook"
	"github.com/mayfly-broker/mayfly/rpc/h2"
)

// Transport settings. The reasons are in protocol.md 5.8 and reliability.md 8.
const (
	// maxReceive is the largest message that is taken in, above what any
	// official SDK sends; Limits.RequestBytes is what users get.
	maxReceive = 11 << 20
	// maxHeaders bounds the header list; a credential is at most 8 KiB.
	maxHeaders = 16 << 10
	// handshakeTime is how long a connection may take to say something.
	handshakeTime = 5 * time.Second
	// pingMinTime is how often clients may ping, idle or not: SDKs do every
	// five seconds.
	pingMinTime = 2 * time.Second
	// pingTime and pingTimeout find clients that are gone without a word.
	pingTime    = 30 * time.Second
	pingTimeout = 10 * time.Second
	// idleTime is when a connection without calls is closed, and firstTime when one
	// that never had any: SDKs may connect a while before they are used, and come
	// back by themselves when they are.
	idleTime  = 10 * time.Minute
	firstTime = time.Minute
)

// watchPeriod is how soon a live subscription notices a revocation.
const watchPeriod = 250 * time.Millisecond

// Server serves every public service of a node.
type Server struct {
	config  Config
	ports   Ports
	door    *door
	health  *health.Server
	streams *streams

	watch    sync.Once
	over     sync.Once
	quit     chan struct{}
	watching sync.WaitGroup
}

// NewServer makes a Server that serves nothing yet. It fails when a port is
// missing or a setting makes no sense.
func NewServer(config Config, ports Ports) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := ports.check(); err != nil {
		return nil, err
	}
	ask := &inquiry{credentials: ports.Credentials}
	listening, dismiss := context.WithCancel(context.Background())
	s := &Server{
		config: config,
		ports:  ports,
		door: &door{
			Server:  h2.NewServer(transport(config)),
			book:    config.Book,
			lanes:   newLanes(),
			refused: config.Refused,
			gate:    ports.Gate,
			caches:  ports.Caches,
			inquiry: ask,
			audit:   ports.Audit,
			self:    config.Node,
			logger:  config.Logger,
			meter:   config.Meter,
			budget:  new(budget),
			usage:   config.Usage,
			codec:   newCodec(),
			faults:  config.Faults,

			handlers:  make(map[string]handler),
			listening: listening,
			dismiss:   dismiss,
		},
		health:  health.NewServer(),
		streams: newStreams(config.Heartbeat, config.Stall),
		quit:    make(chan struct{}),
	}
	s.bound(config.Limits)
	s.register(s.door)
	if len(s.door.unruled) > 0 {
		return nil, fmt.Errorf("api: no rule says who may call %v", s.door.unruled)
	}
	return s, nil
}

// transport is how clients are treated.
func transport(config Config) h2.Config {
	return h2.Config{
		Codec:         newCodec(),
		MaxReceive:    maxReceive,
		MaxStreams:    config.Limits.StreamsPerConnection,
		MaxHeaders:    maxHeaders,
		HandshakeTime: handshakeTime,
		PingMinTime:   pingMinTime,
		PingTime:      pingTime,
		PingTimeout:   pingTimeout,
		IdleTime:      idleTime,
		FirstTime:     firstTime,
		Unguarded:     func(method string) bool { return rules[method].isUnguarded() },
		Room:          config.Room,
		Prompt:        func(method string) bool { return prompt[method] },
		Other:         config.Other,
	}
}

// register registers every service at the door.
func (s *Server) register(door reflection.GRPCServer) {
	m := &mint{minter: s.ports.Minter, credentials: s.ports.Credentials, inquiry: s.door.inquiry, endpoint: s.config.Endpoint}
	data := &scs{data: s.ports.Data}
	if s.config.Lookup != nil {
		data.data = lookups{s.ports.Data, s.config.Lookup}
	}
	cachepb.RegisterScsServer(door, data)
	leaderboardpb.RegisterLeaderboardServer(door, &leaderboards{data: data})
	pubsubpb.RegisterPubsubServer(door, &pubsub{topics: s.ports.Topics, streams: s.streams})
	cachepb.RegisterPingServer(door, ping{})
	controlpb.RegisterScsControlServer(door, &scsControl{caches: s.ports.Caches, signing: s.ports.SigningKeys, minter: s.ports.Minter})
	authpb.RegisterAuthServer(door, &authService{mint: m})
	tokenpb.RegisterTokenServer(door, &tokenService{mint: m})
	adminv1.RegisterCredentialsServer(door, &credentials{mint: m, signing: s.ports.SigningKeys})
	adminv1.RegisterAuditServer(door, &audit{record: s.ports.Audit})
	webhookpb.RegisterWebhookServer(door, &webhooks{catalog: s.ports.Webhooks, check: s.config.CheckWebhookURL})
	adminv1.RegisterAdminServer(door, &admin{mint: m, cluster: s.ports.Cluster, version: s.config.Version, commit: s.config.Commit})
	adminv1.RegisterUsageServer(door, &usages{kept: s.ports.Usage, prices: s.config.Prices})
	grpc_health_v1.RegisterHealthServer(door, s.health)
	adminv1.RegisterCachesServer(door, &cacheAdmin{caches: s.ports.Caches, memory: s.ports.Memory})
	reflection.Register(door)
}

// Serve serves the connections that l accepts, until Stop. It may be called for
// several listeners. It returns nil after Stop.
func (s *Server) Serve(l net.Listener) error {
	s.watch.Do(func() { s.watching.Go(s.watchRevocations) })
	if err := s.door.Serve(l); !errors.Is(err, h2.ErrStopped) {
		return err
	}
	return nil // Stop was faster
}

// watchRevocations looks again at the credentials of live subscriptions when
// those of the cluster have changed.
func (s *Server) watchRevocations() {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	seen := s.ports.Credentials.CredentialRevision()
	var next time.Time // when a credential ends that was to end later, or never
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
		revision, now := s.ports.Credentials.CredentialRevision(), time.Now()
		if revision == seen && (next.IsZero() || now.Before(next)) {
			continue
		}
		seen, next = revision, time.Time{}
		for _, one := range s.streams.list() {
			if end := one.recheck(s.ports.Gate, now); next.IsZero() || !end.IsZero() && end.Before(next) {
				next = end
			}
		}
	}
}

// Transport tells how often clients were in the way of others.
func (s *Server) Transport() h2.Counts { return s.door.Counts() }

// Waiting tells how many calls wait for their turn, by the lane.
func (s *Server) Waiting() map[string]int {
	l := &s.door.lanes
	return map[string]int{"quick": l.quick.Stats().Waiting, "slow": l.slow.Stats().Waiting, "control": l.control.Stats().Waiting}
}

// Streams returns how many subscriptions are being served.
func (s *Server) Streams() int { return len(s.streams.list()) }

// Settle has counted what live subscriptions were sent so far. Those that end are
// counted by themselves.
func (s *Server) Settle() {
	for _, one := range s.streams.list() {
		one.sent.settle()
	}
}

// SetReady tells those who ask for the node's health whether clients should turn
// to it; calls are served all the same. A new Server is ready, and one that drains
// never is again.
func (s *Server) SetReady(ready bool) {
	health := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if ready {
		health = grpc_health_v1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", health)
}

// Drain prepares for the end: health turns to not serving, new calls are refused
// with UNAVAILABLE, and live subscriptions are ended cleanly one after the other
// over Config.DrainSpread, which makes clients come back by themselves. It
// returns when they are gone or ctx is done, whose error it then returns. Calls
// under way go on.
func (s *Server) Drain(ctx context.Context) error {
	s.health.Shutdown()
	s.door.draining.Store(true)
	s.streams.close()
	live := s.streams.list()
	rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
	began := time.Now()
	for i, one := range live {
		due := s.config.DrainSpread * time.Duration(i) / time.Duration(len(live))
		if err := wait(ctx, due-time.Since(began)); err != nil {
			return err
		}
		one.end(cleanEnd)
	}
	deaf := time.AfterFunc(farewell, func() {
		for _, one := range s.streams.list() {
			one.out.Cut()
		}
	})
	defer deaf.Stop()
	select {
	case <-s.streams.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// farewell is how long clients have to hear what they are told at the end. Those
// that do not read would keep a node from stopping for ever.
const farewell = time.Second

// wait waits that long, or until ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the server: it closes the listeners, tells clients to connect
// elsewhere, drains, and lets calls under way finish. When ctx is done it cuts
// what is left. It waits for every handler. It returns ctx's error when a call was
// cut.
func (s *Server) Stop(ctx context.Context) error {
	var graceful sync.WaitGroup
	graceful.Go(s.door.GracefulStop)
	err := s.Drain(ctx)
	if err == nil {
		// Who watches the node's health was told; a moment later it has to go.
		defer time.AfterFunc(farewell/4, s.door.dismiss).Stop()
		err = s.door.finish(ctx)
	}
	// Nothing is left to be said. A connection that does not take in even that is
	// not waited for.
	if err != nil {
		s.door.Stop()
	}
	cut := time.AfterFunc(farewell, s.door.Stop)
	graceful.Wait()
	cut.Stop()
	s.door.dismiss()
	s.over.Do(func() { close(s.quit) })
	s.watch.Do(func() {}) // whoever serves from now on watches nothing
	s.watching.Wait()
	return err
}
