package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/cluster/replica"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
	"github.com/mayfly-broker/mayfly/store"
)

// A node that cannot be reached is tried again after retryFirst, then ever less
// often, but within retryLast: a node that comes back is found within a second.
// Meanwhile requests to it are refused at once.
const (
	retryFirst = 50 * time.Millisecond
	retryLast  = time.Second
	// dialTime is how long one attempt may take; it holds up the requests that
	// came first.
	dialTime = 2 * time.Second
)

// Client is the face of another node: what it is asked is carried out there, or
// refused. All requests share one connection, which is opened by the first and
// again after it broke. Client implements route.Node; Pool makes it.
//
// A request takes ten seconds at most, also when its context would wait longer.
// What the connection's end means is decided here: a change whose request had
// left has an unknown outcome, everything else was not executed.
type Client struct {
	node   cluster.NodeID
	self   Identity
	conn   *grpc.ClientConn
	ticks  func() uint64 // the clock; only tests have another
	clock  atomic.Uint32 // Origin.clock
	logger *slog.Logger
	silent atomic.Bool // the log was told that the node is out of reach
}

var _ route.Node = (*Client)(nil)

// newClient makes a client and connects nothing yet.
func newClient(node cluster.NodeID, config PoolConfig) *Client {
	c := &Client{node: node, self: config.Self, ticks: ticks, logger: config.Logger.With(slog.String("peer", string(node)))}
	conn, err := grpc.NewClient("passthrough:///peer", // who is meant is known to the dialer
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return c.dial(ctx, config.Dial) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the dialer's business
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingTime, Timeout: pingTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryFirst, Multiplier: 1.6, Jitter: 0.2, MaxDelay: retryLast},
			MinConnectTimeout: dialTime,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.MaxCallSendMsgSize(maxRequest)),
	)
	if err != nil {
		panic(fmt.Sprintf("peer: grpc does not take these options: %v", err)) // none of them comes from outside
	}
	c.conn = conn
	return c
}

// dial opens the connection and tells the log when the node is lost and found.
func (c *Client) dial(ctx context.Context, open func(context.Context, cluster.NodeID) (net.Conn, error)) (net.Conn, error) {
	conn, err := open(ctx, c.node)
	switch {
	case err == nil:
		if c.silent.Swap(false) {
			c.logger.Info("the node is reached again")
		}
	case ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded):
		if !c.silent.Swap(true) {
			c.logger.Warn("the node cannot be reached; trying on", slog.Any("err", err))
		}
	}
	return conn, err
}

// Apply implements route.Node.
func (c *Client) Apply(ctx context.Context, g cluster.GroupID, command *storev1.Command) (*storev1.Result, error) {
	encoded, err := store.EncodeCommand(nil, command)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	in := &peerv1.ApplyRequest{Origin: new(peerv1.Origin), Group: uint32(g), Command: encoded}
	out := new(peerv1.ApplyResponse)
	if err := c.ask(ctx, peerv1.Peer_Apply_FullMethodName, in, out, change); err != nil {
		return nil, err
	}
	return present(c, out.GetResult(), change)
}

// View implements route.Node.
func (c *Client) View(ctx context.Context, g cluster.GroupID, query *storev1.Query, relaxed bool) (*storev1.Result, error) {
	in := &peerv1.ViewRequest{Origin: new(peerv1.Origin), Group: uint32(g), Query: query, Relaxed: relaxed}
	out := new(peerv1.ViewResponse)
	if err := c.ask(ctx, peerv1.Peer_View_FullMethodName, in, out, question); err != nil {
		return nil, err
	}
	return present(c, out.GetResult(), question)
}

// ApplyCatalog is Local's ApplyCatalog on the other node.
func (c *Client) ApplyCatalog(ctx context.Context, command *storev1.CatalogCommand) (*storev1.CatalogResult, uint64, error) {
	encoded, err := store.EncodeCatalogCommand(nil, command)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", route.ErrInvalid, err)
	}
	in := &peerv1.ApplyCatalogRequest{Origin: new(peerv1.Origin), Command: encoded}
	out := new(peerv1.ApplyCatalogResponse)
	if err := c.ask(ctx, peerv1.Peer_ApplyCatalog_FullMethodName, in, out, change); err != nil {
		return nil, 0, err
	}
	result, err := present(c, out.GetResult(), change)
	return result, out.GetIndex(), err
}

// Publish implements route.Node. A message whose outcome is unknown must not be
// sent again: nobody could tell it from a second one.
func (c *Client) Publish(ctx context.Context, g cluster.GroupID, topic fanout.Key, m route.Message) (fanout.Position, error) {
	in := &peerv1.PublishRequest{
		Origin: new(peerv1.Origin), Group: uint32(g), Topic: wireTopic(topic),
		Text: m.Text, Value: m.Value, PublisherId: m.PublisherID,
	}
	out := new(peerv1.PublishResponse)
	if err := c.ask(ctx, peerv1.Peer_Publish_FullMethodName, in, out, change); err != nil {
		return fanout.Position{}, err
	}
	at, err := present(c, out.GetPosition(), change)
	return positionOf(at), err
}

// Terms asks for the current terms of replicas on the node, in the order of
// refs; 0 stands for one that does not run there.
func (c *Client) Terms(ctx context.Context, refs []replica.Ref) ([]uint64, error) {
	in := &peerv1.TermsRequest{Origin: new(peerv1.Origin), Replicas: make([]*peerv1.TermsRequest_Replica, len(refs))}
	for i, ref := range refs {
		in.Replicas[i] = &peerv1.TermsRequest_Replica{Group: uint32(ref.Group), Number: ref.Number}
	}
	out := new(peerv1.TermsResponse)
	if err := c.ask(ctx, peerv1.Peer_Terms_FullMethodName, in, out, question); err != nil {
		return nil, err
	}
	if len(out.GetTerms()) != len(refs) {
		return nil, fmt.Errorf("peer: node %s was asked for %d terms and gave %d", c.node, len(refs), len(out.GetTerms()))
	}
	return out.GetTerms(), nil
}

// present checks that an answer that is no refusal holds what was asked for.
func present[T any](c *Client, result *T, k kind) (*T, error) {
	switch {
	case result != nil:
		return result, nil
	case k == change:
		return nil, fmt.Errorf("%w: node %s answered with nothing", route.ErrUnknownOutcome, c.node)
	default:
		return nil, fmt.Errorf("peer: node %s answered with nothing", c.node)
	}
}

// close closes the connection; requests under way fail.
func (c *Client) close() error { return c.conn.Close() }
