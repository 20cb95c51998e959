package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

const (
	// markEvery is how often topics that told items lately tell how far they
	// are: the loss of a last item is noticed within it.
	markEvery = time.Second
	// batchBytes is about how much one message carries while the link is busy:
	// enough to make calls cheap, little enough that an urgent topic behind it
	// waits a millisecond on a slow network. A quiet link sends each item at once.
	batchBytes = 128 << 10
	// batchEvents is how many events of one topic are looked at in one turn.
	batchEvents = 256
	// maxRefused is how many refusals wait until the link takes them; then no
	// more requests are read.
	maxRefused = 64
)

// mirror is one stream on the side of the node that leads. There is no queue in
// it: what the link does not take stays in the topics' logs, which drop their
// oldest and tell exactly what is missing. So a slow node costs the bytes of
// one message here, beside what its connection's window holds.
type mirror struct {
	server  *Server
	stream  grpc.BidiStreamingServer[peerv1.MirrorRequest, peerv1.MirrorResponse]
	caller  cluster.NodeID
	mux     *fanout.Mux
	refused chan fanout.Portion
	heard   chan error // why no more requests come; nil: the caller is done
	events  [batchEvents]fanout.Event
}

// Mirror implements peerv1.PeerServer.
func (s *Server) Mirror(stream grpc.BidiStreamingServer[peerv1.MirrorRequest, peerv1.MirrorResponse]) error {
	link, err := linkOf(stream.Context())
	if err != nil {
		return err
	}
	m := &mirror{
		server: s, stream: stream, caller: cluster.NodeID(link.caller.Node), mux: s.config.Topics.Mux(),
		refused: make(chan fanout.Portion, maxRefused), heard: make(chan error, 1),
	}
	defer m.mux.Close()
	// Reading ends when the stream does, a moment after Mirror has returned.
	s.hearing.Go(func() { m.heard <- m.hear(stream.Context()) })
	return m.tell()
}

// hear reads what is wanted.
func (m *mirror) hear(ctx context.Context) error {
	for introduced := false; ; {
		in, err := m.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = m.server.shielded(ctx, in, func(ctx context.Context) error {
			if !introduced {
				link, err := linkOf(ctx)
				if err != nil {
					return err
				}
				if err := link.sentBy(in.GetOrigin()); err != nil {
					return fmt.Errorf("%w: %w", route.ErrInvalid, err)
				}
			}
			return m.change(ctx, in.GetChanges())
		})
		if err != nil {
			return err
		}
		introduced = true
	}
}

// change opens and shuts topics. What is refused is told in its place.
func (m *mirror) change(ctx context.Context, changes []*peerv1.MirrorRequest_Change) error {
	for _, c := range changes {
		if topic := c.GetClose(); topic != nil {
			m.mux.Shut(keyOf(topic))
			continue
		}
		open := c.GetOpen()
		if open == nil || open.GetHandle() == 0 || open.GetTopic().GetCache() == "" || open.GetTopic().GetName() == "" {
			return fmt.Errorf("%w: a change needs a topic, which needs a cache, a name and, to be opened, a handle", route.ErrInvalid)
		}
		err := m.mux.Open(open.GetHandle(), open.GetGroup(), keyOf(open.GetTopic()),
			positionOf(open.GetSeen()), open.GetSeen() != nil, time.Now())
		if err == nil {
			continue
		}
		select {
		case m.refused <- fanout.Portion{Handle: open.GetHandle(), Partition: open.GetGroup(), Kind: fanout.Over, Err: err}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tell sends what is there, as much as the link takes, until the stream ends.
func (m *mirror) tell() error {
	marks := time.NewTicker(markEvery)
	defer marks.Stop()
	busy := make(chan struct{})
	close(busy)
	for {
		wait := make(<-chan struct{})
		if frames := m.gather(); len(frames) > 0 {
			if err := m.stream.Send(&peerv1.MirrorResponse{Frames: frames}); err != nil {
				return err
			}
			m.server.sent.add(m.caller, frames)
			wait = busy // there may be more: look at the others and go on
		}
		select {
		case <-wait:
		case <-m.mux.Ready():
		case p := <-m.refused:
			if err := m.refuse(p); err != nil {
				return err
			}
		case <-marks.C:
			m.mux.Mark()
		case err := <-m.heard:
			return m.end(err)
		case <-m.server.stopping:
			return nil
		}
	}
}

// gather takes what the topics have to tell, up to one message.
func (m *mirror) gather() (frames []*peerv1.MirrorResponse_Frame) {
	for bytes := 0; bytes < batchBytes; {
		p, ok := m.mux.Take(m.events[:])
		if !ok {
			break
		}
		var size int
		frames, size = framed(frames, p, m.server.config.Topics)
		bytes += size
	}
	clear(m.events[:]) // the bytes are the topics' and the message's
	return frames
}

// refuse tells why a topic was not opened.
func (m *mirror) refuse(p fanout.Portion) error {
	frames, _ := framed(nil, p, m.server.config.Topics)
	return m.stream.Send(&peerv1.MirrorResponse{Frames: frames})
}

// end tells why the whole stream is refused, under handle 0, unless the caller
// ended it.
func (m *mirror) end(err error) error {
	if err == nil {
		return nil
	}
	refusal, known := refuse(err)
	if !known || m.stream.Context().Err() != nil {
		return err // the connection, or a panic that the log has
	}
	return m.stream.Send(&peerv1.MirrorResponse{Frames: []*peerv1.MirrorResponse_Frame{
		{Kind: &peerv1.MirrorResponse_Frame_Over{Over: refusal}},
	}})
}
