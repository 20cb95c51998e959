package peer

import (
	"errors"
	"fmt"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// framed translates a portion into frames and returns them behind those there
// are, with about how many bytes they have. The bytes of items are shared.
func framed(frames []*peerv1.MirrorResponse_Frame, p fanout.Portion, leader Topics) ([]*peerv1.MirrorResponse_Frame, int) {
	frame := &peerv1.MirrorResponse_Frame{Handle: p.Handle}
	switch p.Kind {
	case fanout.Begun:
		frame.Kind = &peerv1.MirrorResponse_Frame_Begun{Begun: wirePosition(p.Position)}
	case fanout.HighWater:
		frame.Kind = &peerv1.MirrorResponse_Frame_HighWater{HighWater: wirePosition(p.Position)}
	case fanout.Over:
		frame.Kind = &peerv1.MirrorResponse_Frame_Over{Over: overOf(p, leader)}
	default:
		return told(frames, p)
	}
	return append(frames, frame), frameBytes
}

// frameBytes is what a frame counts beside its items' bytes, and about what an
// item counts beside its own.
const frameBytes = 32

// told puts neighbouring items into one frame and every gap into its own.
func told(frames []*peerv1.MirrorResponse_Frame, p fanout.Portion) ([]*peerv1.MirrorResponse_Frame, int) {
	var run *peerv1.MirrorResponse_Items
	bytes := 0
	for i := range p.Events {
		bytes += frameBytes
		if gap, ok := p.Events[i].Discontinuity(); ok {
			run = nil
			frames = append(frames, &peerv1.MirrorResponse_Frame{Handle: p.Handle, Kind: &peerv1.MirrorResponse_Frame_Gap{Gap: &peerv1.MirrorResponse_Gap{
				Last: gap.Last, Behind: &peerv1.Position{Page: gap.Page, Sequence: gap.New},
			}}})
			continue
		}
		// Without a gap between them items are neighbours: a topic says so.
		item, _ := p.Events[i].Item()
		if run == nil {
			run = &peerv1.MirrorResponse_Items{First: wirePosition(item.Position)}
			frames = append(frames, &peerv1.MirrorResponse_Frame{Handle: p.Handle, Kind: &peerv1.MirrorResponse_Frame_Items{Items: run}})
		}
		run.Encoded = append(run.Encoded, item.Encoded)
		bytes += len(item.Encoded)
	}
	return frames, bytes
}

// ends is what each end of a topic is called on the wire, and what it is made of
// again. Any other is a node that does not lead the group, or no longer.
var ends = []struct {
	reason peerv1.Refusal_Reason
	is     error
}{
	{peerv1.Refusal_REASON_CACHE_NOT_FOUND, fanout.ErrCacheDropped},
	{peerv1.Refusal_REASON_OVERLOADED, fanout.ErrTooManyTopics},
	{peerv1.Refusal_REASON_INVALID, fanout.ErrBadPosition},
}

func overOf(p fanout.Portion, leader Topics) *peerv1.Refusal {
	for _, row := range ends {
		if errors.Is(p.Err, row.is) {
			return &peerv1.Refusal{Reason: row.reason}
		}
	}
	refusal, _ := refuse(leader.NotLeader(cluster.GroupID(p.Partition)))
	return refusal
}

// portionOf translates a frame back. Its events are put into the buffer, which
// is returned for the next one. False means that the frame is of a kind this
// node does not know.
func portionOf(frame *peerv1.MirrorResponse_Frame, events []fanout.Event) (fanout.Portion, []fanout.Event, bool) {
	p := fanout.Portion{Handle: frame.GetHandle()}
	switch kind := frame.GetKind().(type) {
	case *peerv1.MirrorResponse_Frame_Begun:
		p.Kind, p.Position = fanout.Begun, positionOf(kind.Begun)
	case *peerv1.MirrorResponse_Frame_HighWater:
		p.Kind, p.Position = fanout.HighWater, positionOf(kind.HighWater)
	case *peerv1.MirrorResponse_Frame_Over:
		p.Kind, p.Err = fanout.Over, endOf(kind.Over)
	case *peerv1.MirrorResponse_Frame_Gap:
		behind := positionOf(kind.Gap.GetBehind())
		events = append(events[:0], fanout.GapEvent(fanout.Discontinuity{Last: kind.Gap.GetLast(), New: behind.Sequence, Page: behind.Page}))
		p.Kind, p.Events = fanout.Told, events
	case *peerv1.MirrorResponse_Frame_Items:
		events = events[:0]
		at := positionOf(kind.Items.GetFirst())
		for _, encoded := range kind.Items.GetEncoded() {
			events = append(events, fanout.ItemEvent(fanout.Item{Position: at, Encoded: encoded}))
			at.Sequence++
		}
		p.Kind, p.Events = fanout.Told, events
	default:
		return p, events, false
	}
	return p, events, true
}

// endOf is why a topic is over, in the words of fanout.
func endOf(refusal *peerv1.Refusal) error {
	for _, row := range ends {
		if row.reason == refusal.GetReason() {
			return row.is
		}
	}
	return fmt.Errorf("%w: %w", fanout.ErrNotOwner, refused(refusal, false))
}

// Topics is what other nodes mirror; *route.Local is one.
type Topics interface {
	// Mux begins to read topics of the groups that this node leads, on behalf of
	// one other node. The Server closes it.
	Mux() *fanout.Mux
	// NotLeader says who leads a group as far as this node knows.
	NotLeader(g cluster.GroupID) *route.NotLeaderError
}
