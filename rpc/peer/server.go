package peer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/rpc/usage"
)

// Bounds of what one node takes from another. Both ends know them, so what is
// too large is refused before it is sent.
const (
	// maxRequest is above the largest command a group takes (replica.MaxCommandBytes).
	maxRequest = replica.MaxCommandBytes + 1<<20
	// maxAnswer is above the largest list that clients may fetch at once.
	maxAnswer = 32 << 20
	// maxCalls bounds the calls under way on one connection.
	maxCalls = 4096
	// maxHeaders bounds a call's headers; ours have a few hundred bytes.
	maxHeaders = 16 << 10
	// maxReplicas bounds one question for terms. A node has a replica of each
	// group at most.
	maxReplicas = cluster.MaxGroups + 1
	// maxBudget is the longest a call may take: what clients are given at most.
	maxBudget = 10 * time.Second
	// defaultInFlight is the default of ServerConfig.InFlightBytes.
	defaultInFlight = 256 << 20
)

// A peer that holds its connections but answers nothing (a stopped process) is
// noticed within pingTime + pingTimeout.
const (
	pingTime    = 10 * time.Second // the least that grpc-go lets a client ask for
	pingTimeout = 5 * time.Second
	pingMinTime = 5 * time.Second
)

// Catalog is what the node that leads the meta group is asked; *route.Local is
// one. Errors are as for route.Node.
type Catalog interface {
	// ApplyCatalog runs a command on the meta group and returns, beside the
	// result, an index of its log at which the command is in force.
	ApplyCatalog(ctx context.Context, command *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error)
}

// Terms is what a leader asks to prove that it still leads; *replica.Host is
// one.
type Terms interface {
	// Terms returns the current terms of replicas of this node, in the order of
	// refs, 0 for one that does not run here. It must not wait.
	Terms(refs []replica.Ref) []uint64
}

// Witness is what a new leader asks before it numbers its first item.
type Witness interface {
	// Survey yields what this node has seen of the topics of a group, for the
	// leader elected in that term, which will begin to number with that page; 0
	// if it did not say. From the call on the node takes no item of the group
	// from a leader with an earlier page. An error refuses the survey, in the
	// words of route.
	Survey(ctx context.Context, g cluster.GroupID, term, page uint64) (iter.Seq[fanout.Seen], error)
}

// ServerConfig is what a Server is made of. The first five are needed.
type ServerConfig struct {
	// Node is this node's own face. It must not be one that forwards.
	Node    route.Node
	Catalog Catalog
	Terms   Terms
	Witness Witness
	Topics  Topics
	// Usage tells what this node did in the last hour; nil is refused as below.
	Usage func() []usage.Sample
	// Counted tells up to when all that clients used here is in the reports of usage;
	// nil is not known.
	Counted func() time.Time
	// Demand tells what clients of this node want of limits that all nodes share;
	// nil is refused as below.
	Demand func() []quota.Use
	// Memory tells what the items of the groups that this node leads take, of the
	// caches that have a budget or of all; nil is refused as below.
	Memory func(allCaches bool) route.MemoryReport
	// Steward, Office and Fence answer what keeps the cluster in order. What is
	// nil is refused with route.ErrNotExecuted.
	Steward Steward
	Office  Office
	Fence   Fence
	// InFlightBytes bounds the requests that are being served at one moment;
	// more are refused as overload. 0 means 256 MiB.
	InFlightBytes int64
	// Logger receives what operators should know; nil is silent.
	Logger *slog.Logger
}

// Server serves the Peer service to the other nodes.
type Server struct {
	peerv1.UnimplementedPeerServer

	config ServerConfig
	grpc   *grpc.Server
	flight flight
	sent   tally

	stopping chan struct{}  // closed when streams without an end of their own shall end
	stop     sync.Once      // closes it
	hearing  sync.WaitGroup // readers of streams
}

// NewServer makes a Server that serves nothing yet. It fails when something
// needed is missing.
func NewServer(config ServerConfig) (*Server, error) {
	if config.Node == nil || config.Catalog == nil || config.Terms == nil || config.Witness == nil || config.Topics == nil {
		return nil, errors.New("peer: a server needs a node, its catalog, its terms, a witness and topics")
	}
	if config.InFlightBytes < 0 {
		return nil, fmt.Errorf("peer: %d bytes in flight, it must be 0 for the default or more", config.InFlightBytes)
	}
	if config.InFlightBytes == 0 {
		config.InFlightBytes = defaultInFlight
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config:   config,
		flight:   flight{limit: config.InFlightBytes},
		stopping: make(chan struct{}),
		grpc: grpc.NewServer(
			grpc.Creds(hellos{}),
			grpc.MaxRecvMsgSize(maxRequest),
			grpc.MaxSendMsgSize(maxAnswer),
			grpc.MaxConcurrentStreams(maxCalls),
			grpc.MaxHeaderListSize(maxHeaders),
			grpc.ConnectionTimeout(helloTime),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingMinTime, PermitWithoutStream: true}),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingTime, Timeout: pingTimeout}),
			grpc.WaitForHandlers(true),
		),
	}
	peerv1.RegisterPeerServer(s.grpc, s)
	return s, nil
}

// Serve serves the connections that a Mux has for calls, until Stop, after
// which it returns nil.
func (s *Server) Serve(calls net.Listener) error { return s.grpc.Serve(calls) }

// Stop ends the server: no connection and no call is taken any more, and those
// under way are finished, mirrors at once. When ctx is done what is left is cut off: its context
// ends, and whether it changed anything is for the caller to find out. Stop
// waits for every call, and returns ctx's error when one was cut.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() { close(s.stopping) })
	defer s.hearing.Wait()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		s.grpc.GracefulStop()
	}()
	var err error
	select {
	case <-finished:
	case <-ctx.Done():
		err = ctx.Err()
		s.grpc.Stop()
		<-finished
	}
	return err
}
