package peer

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

// What a topic tells comes out of its frames as it went in, whatever gaps and
// pages are in it.
func TestFramesKeepEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := fanout.Position{Page: rapid.Uint64Range(1, 9).Draw(t, "page"), Sequence: rapid.Uint64Range(0, 9).Draw(t, "number")}
		var want []fanout.Event
		for range rapid.IntRange(1, 20).Draw(t, "events") {
			switch rapid.IntRange(0, 5).Draw(t, "event") {
			case 0: // a new page
				gap := fanout.Discontinuity{Last: at.Sequence, Page: at.Page + 1, New: rapid.Uint64Range(0, 9).Draw(t, "new")}
				at = fanout.Position{Page: gap.Page, Sequence: gap.New}
				want = append(want, fanout.GapEvent(gap))
			case 1: // lost items
				gap := fanout.Discontinuity{Last: at.Sequence, Page: at.Page, New: at.Sequence + rapid.Uint64Range(1, 9).Draw(t, "lost")}
				at.Sequence = gap.New
				want = append(want, fanout.GapEvent(gap))
			default:
				at.Sequence++
				want = append(want, fanout.ItemEvent(fanout.Item{Position: at, Encoded: rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "bytes")}))
			}
		}
		frames, _ := framed(nil, fanout.Portion{Handle: 3, Kind: fanout.Told, Events: want}, &double{})
		var got, events []fanout.Event
		for _, frame := range frames {
			carried := new(peerv1.MirrorResponse_Frame)
			if err := proto.Unmarshal(mustMarshal(frame), carried); err != nil {
				t.Fatal(err)
			}
			p, buf, ok := portionOf(carried, events)
			if !ok || p.Handle != 3 || p.Kind != fanout.Told {
				t.Fatalf("a frame became %+v, %t", p, ok)
			}
			got, events = append(got, p.Events...), buf
		}
		if len(got) != len(want) {
			t.Fatalf("%d events became %d", len(want), len(got))
		}
		for i := range got {
			if !same(&got[i], &want[i]) {
				t.Fatalf("event %d: %+v became %+v", i, want[i], got[i])
			}
		}
	})
}

func same(a, b *fanout.Event) bool {
	gapA, isGap := a.Discontinuity()
	gapB, alsoGap := b.Discontinuity()
	if isGap || alsoGap {
		return isGap && alsoGap && gapA == gapB
	}
	itemA, _ := a.Item()
	itemB, _ := b.Item()
	return itemA.Position == itemB.Position && bytes.Equal(itemA.Encoded, itemB.Encoded)
}

// A topic's end means the same on both sides.
func TestFramesKeepEnds(t *testing.T) {
	for sent, want := range map[error]error{
		fanout.ErrCacheDropped:  fanout.ErrCacheDropped,
		fanout.ErrTooManyTopics: fanout.ErrTooManyTopics,
		fanout.ErrBadPosition:   fanout.ErrBadPosition,
		fanout.ErrNotOwner:      fanout.ErrNotOwner,
		fanout.ErrDisowned:      fanout.ErrNotOwner,
		fanout.ErrClosed:        fanout.ErrNotOwner,
	} {
		frames, _ := framed(nil, fanout.Portion{Handle: 3, Partition: 2, Kind: fanout.Over, Err: sent}, &double{leader: "c"})
		p, _, ok := portionOf(frames[0], nil)
		if !ok || p.Kind != fanout.Over || p.Handle != 3 || !errors.Is(p.Err, want) {
			t.Errorf("%v became %+v", sent, p)
		}
		hint, hinted := errors.AsType[*route.NotLeaderError](p.Err)
		if hinted != errors.Is(want, fanout.ErrNotOwner) || hinted && (hint.Leader != "c" || hint.Group != 2) {
			t.Errorf("%v came with %+v", sent, hint)
		}
	}
}

// FuzzFrames: whatever another node sends down, a relay bears it.
func FuzzFrames(f *testing.F) {
	for _, frame := range []*peerv1.MirrorResponse_Frame{
		{Handle: 1, Kind: &peerv1.MirrorResponse_Frame_Begun{Begun: &peerv1.Position{Page: 1 << 21, Sequence: 5}}},
		{Handle: 1, Kind: &peerv1.MirrorResponse_Frame_Items{Items: &peerv1.MirrorResponse_Items{
			First: &peerv1.Position{Page: 1 << 21, Sequence: 1<<64 - 1}, Encoded: [][]byte{{1}, nil, {2}},
		}}},
		{Handle: 1, Kind: &peerv1.MirrorResponse_Frame_Gap{Gap: &peerv1.MirrorResponse_Gap{Last: 1, Behind: &peerv1.Position{Page: 1 << 60}}}},
		{Handle: 1, Kind: &peerv1.MirrorResponse_Frame_HighWater{}},
		{Handle: 1, Kind: &peerv1.MirrorResponse_Frame_Over{}},
		{Handle: 2},
	} {
		f.Add(mustMarshal(&peerv1.MirrorResponse{Frames: []*peerv1.MirrorResponse_Frame{frame, frame}}))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		in := new(peerv1.MirrorResponse)
		if proto.Unmarshal(message, in) != nil {
			return
		}
		b := topics(t, fanout.Config{})
		if err := b.Mirror(mirroredGroup); err != nil {
			t.Fatal(err)
		}
		s, err := b.Subscribe(mirroredGroup, room, fanout.Position{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		relay := b.NewRelay()
		if err := relay.Join(mirroredGroup); err != nil {
			t.Fatal(err)
		}
		relay.Requests()
		var events []fanout.Event
		for _, frame := range in.GetFrames() {
			p, buf, ok := portionOf(frame, events)
			if events = buf; !ok {
				continue
			}
			if err := relay.Take(p, time.Now()); err != nil {
				break
			}
			relay.Retry()
			relay.Requests()
		}
		if _, err := s.Take(make([]fanout.Event, 8)); err != nil {
			t.Fatal(err)
		}
		s.Close()
		relay.Close()
	})
}
