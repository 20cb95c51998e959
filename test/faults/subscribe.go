package faults

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/status"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
)

// Heartbeat is the pause between heartbeats that nodes of a round are started
// with, and silence is how long a reader waits for anything at all before it
// takes a stream for dead, as keepalive does for SDKs.
const (
	Heartbeat = 500 * time.Millisecond
	silence   = 6 * Heartbeat
	again     = 200 * time.Millisecond // between two streams, if the first one failed
)

// Kind is what happened to a stream.
type Kind string

// What happens to a stream.
const (
	Began Kind = "began" // subscribed, behind the position in the event
	Beat  Kind = "heartbeat"
	Item  Kind = "item"
	Gap   Kind = "gap" // a discontinuity
	Ended Kind = "ended"
)

// Event is one thing that happened to a reader's stream.
type Event struct {
	At     time.Duration `json:"at"`
	Stream int           `json:"stream"` // counts the reader's streams
	Node   string        `json:"node"`
	Kind   Kind          `json:"kind"`
	// Page and Sequence are those of the item; of a discontinuity, behind which
	// the stream goes on; of a beginning, behind which the reader asked to begin,
	// 0 for what is new.
	Page     uint64 `json:"page,omitempty"`
	Sequence uint64 `json:"sequence,omitempty"`
	Value    string `json:"value,omitempty"`
	// Last is the last number that a discontinuity takes for seen.
	Last uint64 `json:"last,omitempty"`
	// Error is how the stream ended, empty for a clean end.
	Error string `json:"error,omitempty"`
}

// Reader listens to one topic, and begins again behind the last item when its
// stream ends, at another node perhaps.
type Reader struct {
	// Name tells readers apart.
	Name  string
	Topic string

	topics *Topics
	rand   *rand.Rand

	mu     sync.Mutex
	events []Event
}

// Events returns what happened to the reader so far.
func (r *Reader) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}

func (r *Reader) note(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.At = r.topics.Clock.Now()
	r.events = append(r.events, e)
}

// Listen keeps a reader of every topic at every node until ctx ends. When its
// stream ends each looks for a node again, its own one half of the time.
func (t *Topics) Listen(ctx context.Context) {
	var all sync.WaitGroup
	for i, topic := range t.Names {
		for n, home := range t.Doors.All() {
			r := &Reader{
				Name: fmt.Sprint(topic, "@", home.Node), Topic: topic, topics: t,
				rand: rand.New(rand.NewPCG(t.Seed, uint64(2000+100*i+n))),
			}
			t.mu.Lock()
			t.readers = append(t.readers, r)
			t.mu.Unlock()
			all.Go(func() { r.run(ctx, home) })
		}
	}
	all.Wait()
}

// Readers are those that Listen keeps.
func (t *Topics) Readers() []*Reader {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.readers)
}

func (r *Reader) run(ctx context.Context, home Door) {
	var page, sequence uint64 // the last position it knows, as an SDK does
	door := home
	for stream := 1; ctx.Err() == nil; stream++ {
		err := r.stream(ctx, door, stream, &page, &sequence)
		if ctx.Err() != nil {
			return
		}
		r.note(Event{Stream: stream, Node: door.Node, Kind: Ended, Error: endOf(err)})
		if err != nil {
			rest(ctx, r.rand, again)
		}
		if door = home; r.rand.IntN(2) == 0 {
			door = r.topics.Doors.pick(r.rand)
		}
	}
}

func endOf(err error) string {
	if err == nil {
		return ""
	}
	s := status.Convert(err)
	return fmt.Sprintf("%s: %s", s.Code(), s.Message())
}

// stream reads one stream to its end, nil for a clean one, and moves the position
// on.
func (r *Reader) stream(ctx context.Context, at Door, number int, page, sequence *uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()
	request := &pubsubpb.SubscribeRequest{CacheName: r.topics.Cache, Topic: r.Topic}
	if *page != 0 {
		request.ResumeAtTopicSequenceNumber, request.SequencePage = *sequence+1, *page
	}
	r.note(Event{Stream: number, Node: at.Node, Kind: Began, Page: *page, Sequence: *sequence})
	stream, err := pubsubpb.NewPubsubClient(at.Conn).Subscribe(ctx, request)
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err == io.EOF { //nolint:errorlint // a stream returns it as it is
			return nil
		}
		if err != nil {
			return err
		}
		quiet.Reset(silence)
		e := Event{Stream: number, Node: at.Node, Kind: Beat}
		switch m := message.GetKind().(type) {
		case *pubsubpb.SubscribeResponse_Item:
			e.Kind, e.Page, e.Sequence, e.Value = Item, m.Item.GetSequencePage(), m.Item.GetTopicSequenceNumber(), m.Item.GetValue().GetText()
			*page, *sequence = e.Page, e.Sequence
		case *pubsubpb.SubscribeResponse_Discontinuity:
			d := m.Discontinuity
			e.Kind, e.Page, e.Sequence, e.Last = Gap, d.GetNewSequencePage(), d.GetNewTopicSequence(), d.GetLastTopicSequence()
			*page, *sequence = e.Page, e.Sequence
		}
		r.note(e)
	}
}
