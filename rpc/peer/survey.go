package peer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
)

// pieceBytes is about how much one message of a survey carries: little enough
// to leave room between the messages for others, enough to make few of them.
const pieceBytes = 256 << 10

// Survey implements peerv1.PeerServer.
func (s *Server) Survey(in *peerv1.SurveyRequest, stream grpc.ServerStreamingServer[peerv1.SurveyResponse]) error {
	var broken error // the connection, which nobody is to be told about over it
	refusal := s.serve(stream.Context(), in, func(ctx context.Context) error {
		all, err := s.config.Witness.Survey(ctx, cluster.GroupID(in.GetGroup()), in.GetTerm(), in.GetPage())
		if err != nil {
			return err
		}
		p := pieces{send: stream.Send}
		for seen := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			if broken = p.add(seen); broken != nil {
				return nil
			}
		}
		broken = p.flush()
		return nil
	})
	if refusal != nil {
		return stream.Send(&peerv1.SurveyResponse{Refusal: refusal})
	}
	return broken
}

// pieces cuts a survey into messages.
type pieces struct {
	send    func(*peerv1.SurveyResponse) error
	waiting peerv1.SurveyResponse
	size    int
}

// add puts one topic into the messages.
func (p *pieces) add(seen fanout.Seen) error {
	piece := p.open(seen)
	for _, item := range seen.Items {
		if p.size >= pieceBytes {
			if err := p.flush(); err != nil {
				return err
			}
			piece = p.open(seen)
		}
		one := &peerv1.SurveyResponse_Item{Position: wirePosition(item.Position), Encoded: item.Encoded}
		piece.Items = append(piece.Items, one)
		p.size += proto.Size(one)
	}
	if p.size >= pieceBytes {
		return p.flush()
	}
	return nil
}

// open begins a piece of a topic.
func (p *pieces) open(seen fanout.Seen) *peerv1.SurveyResponse_Seen {
	piece := &peerv1.SurveyResponse_Seen{Topic: wireTopic(seen.Key), Highest: wirePosition(seen.Last)}
	p.waiting.Seen = append(p.waiting.Seen, piece)
	p.size += proto.Size(piece)
	return piece
}

// flush sends what is waiting.
func (p *pieces) flush() error {
	if len(p.waiting.Seen) == 0 {
		return nil
	}
	err := p.send(&p.waiting)
	p.waiting.Seen, p.size = nil, 0
	return err
}

// Survey asks the node what it has seen in the topics of a group, for the leader
// that will begin to number with that page, and hands it to take, piece by piece: a topic with many
// items comes several times, each time with its highest position. An error of
// take ends the survey and is returned. The bytes of the items belong to take.
// Until Survey has returned nil the answer is not complete.
func (c *Client) Survey(ctx context.Context, g cluster.GroupID, page uint64, take func(fanout.Seen) error) error {
	in := &peerv1.SurveyRequest{Origin: new(peerv1.Origin), Group: uint32(g), Term: fanout.PageOf(page).Term, Page: page}
	call, err := c.begin(ctx, in)
	if err != nil {
		return err
	}
	defer call.end()
	stream, err := c.open(call, peerv1.Peer_Survey_FullMethodName, in)
	for err == nil {
		piece := new(peerv1.SurveyResponse)
		if err = stream.RecvMsg(piece); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			break
		}
		if piece.GetRefusal() != nil {
			return c.refused(call, piece.GetRefusal())
		}
		for _, s := range piece.GetSeen() {
			if err := take(seenOf(s)); err != nil {
				return fmt.Errorf("peer: survey of group %d at node %s: %w", g, c.node, err)
			}
		}
	}
	return c.failed(call, err)
}

func seenOf(piece *peerv1.SurveyResponse_Seen) fanout.Seen {
	seen := fanout.Seen{Key: keyOf(piece.GetTopic()), Last: positionOf(piece.GetHighest())}
	for _, item := range piece.GetItems() {
		seen.Items = append(seen.Items, fanout.Item{Position: positionOf(item.GetPosition()), Encoded: item.GetEncoded()})
	}
	return seen
}
