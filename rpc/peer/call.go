package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// hop is what a node keeps of the caller's deadline for itself, so that the
// other one's answer, also that it came too late, is there before it.
const hop = 5 * time.Millisecond

// partedFrom is the least budget, in milliseconds, that tells anything about
// clocks; see Client.parted.
const partedFrom = 100

// kind says what is at stake when a request is lost.
type kind bool

const (
	question kind = false // nothing
	change   kind = true  // something may have been changed
)

// answered is a response of the Peer service.
type answered interface {
	proto.Message
	GetRefusal() *peerv1.Refusal
}

// call is one request under way.
type call struct {
	caller context.Context // whose end is the caller's own
	ctx    context.Context // ends at the latest when the budget does
	end    context.CancelFunc
	kind   kind
	origin *peerv1.Origin
	// left says that the request may have reached the other node.
	left bool
}

// ask sends one request and waits for its answer.
func (c *Client) ask(ctx context.Context, method string, in asked, out answered, k kind) error {
	call, err := c.begin(ctx, in)
	if err != nil {
		return err
	}
	defer call.end()
	call.kind = k
	stream, err := c.open(call, method, in)
	if err == nil {
		err = stream.RecvMsg(out)
	}
	if err != nil {
		return c.failed(call, err)
	}
	if out.GetRefusal() != nil {
		return c.refused(call, out.GetRefusal())
	}
	return nil
}

// begin fills in where a request comes from and how long it may take. The
// caller of begin ends the call.
func (c *Client) begin(caller context.Context, in asked) (*call, error) {
	if err := caller.Err(); err != nil {
		return nil, err
	}
	if size := proto.Size(in); size > maxRequest-maxHeaders {
		return nil, fmt.Errorf("%w: the request has %d bytes, nodes take at most %d", route.ErrInvalid, size, maxRequest-maxHeaders)
	}
	ctx, end := context.WithTimeout(caller, maxBudget)
	deadline, _ := ctx.Deadline()
	budget := time.Until(deadline) - hop
	if budget < time.Millisecond {
		end()
		return nil, fmt.Errorf("peer: no time is left to ask node %s: %w", c.node, context.DeadlineExceeded)
	}
	origin := in.GetOrigin()
	origin.Node, origin.BootId = c.self.Node, c.self.BootID
	origin.BudgetMs = uint64(budget.Milliseconds())
	origin.SentAtMs, origin.Clock = c.ticks(), c.clock.Load()
	return &call{caller: caller, ctx: ctx, end: end, origin: origin}, nil
}

// open sends the request of a call; the answer is read from the stream.
func (c *Client) open(call *call, method string, in asked) (grpc.ClientStream, error) {
	// Whether the request is for one answer or for several is the server's
	// business alone. NewStream fails before anything has left.
	stream, err := c.conn.NewStream(call.ctx, &grpc.StreamDesc{ServerStreams: method == peerv1.Peer_Survey_FullMethodName}, method)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(in); err != nil && !errors.Is(err, io.EOF) {
		return nil, err // it was never encoded
	}
	call.left = true // io.EOF means that RecvMsg will say what went wrong
	return stream, stream.CloseSend()
}

// failed says what became of a request whose call failed.
func (c *Client) failed(call *call, err error) error {
	code := status.Code(err)
	late := code == codes.DeadlineExceeded || errors.Is(call.ctx.Err(), context.DeadlineExceeded)
	cause := fmt.Errorf("peer: node %s: %w", c.node, err)
	switch {
	case call.caller.Err() != nil:
		cause = fmt.Errorf("peer: node %s: %w", c.node, call.caller.Err())
	case late:
		cause = fmt.Errorf("peer: node %s did not answer in time: %w", c.node, context.DeadlineExceeded)
	}
	switch {
	case call.left && call.kind == change && code != codes.Unimplemented:
		return fmt.Errorf("%w: %w", route.ErrUnknownOutcome, cause)
	case call.caller.Err() != nil, late:
		return cause
	case !call.left && code == codes.Internal:
		return fmt.Errorf("%w: %w", route.ErrInvalid, cause) // it could not be encoded
	default:
		return fmt.Errorf("%w: %w", route.ErrNotExecuted, cause)
	}
}

// refused says what became of a request that the other node refused.
func (c *Client) refused(call *call, refusal *peerv1.Refusal) error {
	if refusal.GetReason() == peerv1.Refusal_REASON_EXPIRED && c.parted(call) {
		return fmt.Errorf("%w: the clocks of node %s and this one have parted; they are compared anew", route.ErrNotExecuted, c.node)
	}
	if err := call.caller.Err(); err != nil && refusal.GetReason() == peerv1.Refusal_REASON_NOT_EXECUTED {
		return err
	}
	return refused(refusal, bool(call.kind))
}

// parted reports whether a request that the other node calls expired is fresh by
// this node's clock, and then sees to it that requests from now on are compared
// anew. To be sure it looks only at budgets that a busy network does not eat up,
// and of which less than half has passed.
func (c *Client) parted(call *call) bool {
	budget, passed := call.origin.GetBudgetMs(), c.ticks()-call.origin.GetSentAtMs()
	if budget < partedFrom || passed >= budget/2 {
		return false
	}
	c.clock.CompareAndSwap(call.origin.GetClock(), call.origin.GetClock()+1)
	return true
}
