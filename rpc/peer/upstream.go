package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// askedAtOnce is how many changes one message carries at most: a node that
// comes back may want a million topics.
const askedAtOnce = 1024

// Upstream is the stream over which this node mirrors what another one leads. It
// speaks the words of a fanout.Relay, whose requests it carries up and whose
// portions it brings down, and decides nothing.
//
// Next is called by one goroutine at a time, Ask by another: while the link is
// busy either may wait for the other side. Close may be called from any.
type Upstream struct {
	client *Client
	ctx    context.Context
	stream grpc.BidiStreamingClient[peerv1.MirrorRequest, peerv1.MirrorResponse]
	end    context.CancelFunc

	asking sync.Mutex
	frames []*peerv1.MirrorResponse_Frame // that came and were not returned yet
	events []fanout.Event                 // of the portion returned last
}

// Mirror opens a stream to the node, on which nothing is wanted yet. It waits
// for the connection if there is none, a few seconds at most, and lives until
// ctx ends, Close is called or the connection is lost. The caller closes it.
// Errors as for a question: the context's, or route.ErrNotExecuted.
func (c *Client) Mirror(ctx context.Context) (*Upstream, error) {
	ctx, end := context.WithCancel(ctx)
	u := &Upstream{client: c, ctx: ctx, end: end}
	stream, err := peerv1.NewPeerClient(c.conn).Mirror(ctx)
	if err == nil {
		u.stream = stream
		err = stream.Send(&peerv1.MirrorRequest{Origin: &peerv1.Origin{Node: c.self.Node, BootId: c.self.BootID}})
	}
	if err != nil {
		err = u.failed(err)
		end()
		return nil, err
	}
	return u, nil
}

// Ask sends requests in order. What becomes of them comes down with Next.
// Errors: as those of Next, which says more.
func (u *Upstream) Ask(requests []fanout.Request) error {
	u.asking.Lock()
	defer u.asking.Unlock()
	for len(requests) > 0 {
		n := min(len(requests), askedAtOnce)
		out := &peerv1.MirrorRequest{Changes: make([]*peerv1.MirrorRequest_Change, n)}
		for i, r := range requests[:n] {
			out.Changes[i] = changeOf(r)
		}
		if err := u.stream.Send(out); err != nil {
			return u.failed(err)
		}
		requests = requests[n:]
	}
	return nil
}

func changeOf(r fanout.Request) *peerv1.MirrorRequest_Change {
	if r.Shut {
		return &peerv1.MirrorRequest_Change{Kind: &peerv1.MirrorRequest_Change_Close{Close: wireTopic(r.Key)}}
	}
	open := &peerv1.MirrorRequest_Interest{Group: r.Partition, Topic: wireTopic(r.Key), Handle: r.Handle}
	if r.Replay {
		open.Seen = wirePosition(r.Seen)
	}
	return &peerv1.MirrorRequest_Change{Kind: &peerv1.MirrorRequest_Change_Open{Open: open}}
}

// Next waits for the next portion. Its events are good until the next call, the
// bytes of their items belong to the caller. After an error the stream is over:
// the context's if it was ended here, otherwise one that wraps the refusal or is
// route.ErrNotExecuted.
func (u *Upstream) Next() (fanout.Portion, error) {
	for {
		for len(u.frames) > 0 {
			frame := u.frames[0]
			u.frames[0] = nil
			u.frames = u.frames[1:]
			if frame.GetHandle() == 0 && frame.GetOver() != nil {
				return fanout.Portion{}, fmt.Errorf("peer: node %s refused to be mirrored: %w", u.client.node, refused(frame.GetOver(), false))
			}
			clear(u.events)
			p, events, ok := portionOf(frame, u.events)
			u.events = events
			if ok {
				return p, nil
			}
		}
		in, err := u.stream.Recv()
		if err != nil {
			return fanout.Portion{}, u.failed(err)
		}
		u.frames = in.GetFrames()
	}
}

// failed says why the stream is over.
func (u *Upstream) failed(err error) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: the mirror of node %s has ended: %w", route.ErrNotExecuted, u.client.node, err)
}

// Close ends the stream; Next and Ask return. Closing twice is harmless.
func (u *Upstream) Close() { u.end() }
