package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
	peerv1 "github.com/mayfly-broker/mayfly/proto/peer/v1"
	"github.com/mayfly-broker/mayfly/rpc/route"
)

const mirroredGroup = 1

var room = fanout.Key{Cache: "chat", Topic: "room"}

// watcher is a node that is interested in what node "b" leads.
type watcher struct {
	topics *fanout.Broker
	wanted chan struct{} // rung by the broker
	client *Client
	joined atomic.Int64         // how often
	taken  func(fanout.Portion) // told of everything that comes over the link; may hold it up

	mu   sync.Mutex
	conn net.Conn // to node "b"
}

// watch makes node "a" of the town mirror the group until the test ends.
func (w *town) watch(t *testing.T, taken func(fanout.Portion)) *watcher {
	t.Helper()
	n := &watcher{wanted: make(chan struct{}, 1), taken: taken}
	n.topics = topics(t, fanout.Config{Notify: func(uint32) {
		select {
		case n.wanted <- struct{}{}:
		default:
		}
	}})
	if err := n.topics.Mirror(mirroredGroup); err != nil {
		t.Fatal(err)
	}
	m := w.mux(t, "a")
	n.client = w.through(t, m, func(ctx context.Context, node cluster.NodeID) (net.Conn, error) {
		conn, err := m.DialCalls(ctx, node)
		n.mu.Lock()
		defer n.mu.Unlock()
		n.conn = conn
		return conn, err
	}).Client("b")
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() {
		for ctx.Err() == nil {
			n.follow(ctx)
		}
	})
	t.Cleanup(func() {
		cancel()
		following.Wait()
	})
	return n
}

// follow mirrors the group over one stream, until that is over.
func (n *watcher) follow(ctx context.Context) {
	up, err := n.client.Mirror(ctx)
	if err != nil {
		return
	}
	relay := n.topics.NewRelay()
	if err := relay.Join(mirroredGroup); err != nil {
		panic(err)
	}
	n.joined.Add(1)
	over := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for up.Ask(relay.Requests()) == nil {
			select {
			case <-n.wanted:
			case <-over:
				return
			}
		}
	})
	for {
		p, err := up.Next()
		if err == nil {
			n.taken(p)
			err = relay.Take(p, time.Now())
		}
		if err != nil {
			break
		}
	}
	close(over)
	up.Close()
	relay.Close()
	asking.Wait()
}

// cut breaks the connection.
func (n *watcher) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.conn.Close()
}

func (n *watcher) subscribe(t *testing.T, from fanout.Position) *fanout.Subscription {
	t.Helper()
	s, err := n.topics.Subscribe(mirroredGroup, room, from, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func topics(t testing.TB, config fanout.Config) *fanout.Broker {
	t.Helper()
	b, err := fanout.New(config, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// leading makes a broker that numbers the group's topics.
func leading(t testing.TB, config fanout.Config) *fanout.Broker {
	t.Helper()
	b := topics(t, config)
	page, err := fanout.Page{Term: 1}.Number()
	if err == nil {
		err = b.Own(mirroredGroup, page)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func publishAt(t testing.TB, b *fanout.Broker, size int) fanout.Position {
	t.Helper()
	at, err := b.Publish(mirroredGroup, room, time.Now(), func(at fanout.Position) []byte {
		return fmt.Appendf(make([]byte, 0, size), "%0*d", size, at.Sequence)
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// reads follows a subscription to the item with the last number, checks every
// item, and returns the discontinuities it was told.
func reads(ctx context.Context, s *fanout.Subscription, last uint64, size int, progress *atomic.Uint64) (gaps []fanout.Discontinuity, err error) {
	buf := make([]fanout.Event, 64)
	for seen := uint64(0); seen < last; {
		progress.Store(seen)
		n, err := s.NextBatch(ctx, buf)
		if err != nil {
			return gaps, fmt.Errorf("behind item %d: %w", seen, err)
		}
		for _, e := range buf[:n] {
			if gap, ok := e.Discontinuity(); ok {
				if gap.Last != seen || gap.New <= seen {
					return gaps, fmt.Errorf("behind item %d: %+v", seen, gap)
				}
				gaps, seen = append(gaps, gap), gap.New
				continue
			}
			item, _ := e.Item()
			if item.Sequence != seen+1 || string(item.Encoded) != fmt.Sprintf("%0*d", size, item.Sequence) {
				return gaps, fmt.Errorf("behind item %d: item %d with %d bytes", seen, item.Sequence, len(item.Encoded))
			}
			seen = item.Sequence
		}
	}
	return gaps, nil
}

// A thousand readers on one node, and every item crosses the link once.
func TestMirrorCrossesOnce(t *testing.T) {
	const readers, items, size = 1000, 400, 100
	owner := leading(t, fanout.Config{})
	var w town
	w.served(t, &double{mux: owner.NewMux})
	var crossed, marked atomic.Int64
	n := w.watch(t, func(p fanout.Portion) {
		for i := range p.Events {
			if _, ok := p.Events[i].Item(); ok {
				crossed.Add(1)
			}
		}
		if p.Kind == fanout.HighWater {
			marked.Store(int64(p.Position.Sequence))
		}
	})
	subscriptions := make([]*fanout.Subscription, readers)
	for i := range subscriptions {
		subscriptions[i] = n.subscribe(t, fanout.Position{})
	}
	until(t, "the mirror is fed", func() bool {
		for _, s := range subscriptions {
			if !s.Live() {
				return false
			}
		}
		return true
	})
	if got := owner.Stats().Subscriptions; got != 1 {
		t.Errorf("the owner serves %d readers, want one for the whole node", got)
	}
	var reading sync.WaitGroup
	for _, s := range subscriptions {
		reading.Go(func() {
			if gaps, err := reads(t.Context(), s, items, size, new(atomic.Uint64)); err != nil || len(gaps) != 0 {
				t.Errorf("%v, %v", gaps, err)
			}
			s.Close()
		})
	}
	for range items {
		publishAt(t, owner, size)
	}
	reading.Wait()
	if got := crossed.Load(); got != items {
		t.Errorf("%d items crossed the link, want %d", got, items)
	}
	until(t, "the last position is confirmed", func() bool { return marked.Load() == items })
	n.topics.Sweep(time.Now())
	n.topics.Sweep(time.Now().Add(time.Minute))
	until(t, "the owner knows that nobody listens", func() bool { return owner.Stats().Subscriptions == 0 })
}

// The connection breaks again and again while items flow: nobody misses one, or
// sees one twice.
func TestMirrorResumes(t *testing.T) {
	const readers, items, size = 100, 3000, 100
	owner := leading(t, fanout.Config{TopicItems: items})
	var w town
	w.served(t, &double{mux: owner.NewMux})
	n := w.watch(t, func(fanout.Portion) {})
	first := n.subscribe(t, fanout.Position{})
	until(t, "the mirror is fed", first.Live)
	subscriptions := []*fanout.Subscription{first}
	for range readers - 1 {
		subscriptions = append(subscriptions, n.subscribe(t, fanout.Position{}))
	}
	var reading sync.WaitGroup
	progress := make([]atomic.Uint64, readers)
	for i, s := range subscriptions {
		reading.Go(func() {
			if gaps, err := reads(t.Context(), s, items, size, &progress[i]); err != nil || len(gaps) != 0 {
				t.Errorf("%v, %v", gaps, err)
			}
			s.Close()
		})
	}
	for i := range uint64(items) {
		publishAt(t, owner, size)
		if i%1000 == 500 { // cut it while items are on their way
			until(t, "somebody reads what came since", func() bool { return progress[i%readers].Load() > i-500 || t.Failed() })
			n.cut()
		}
	}
	reading.Wait()
	if got := n.joined.Load(); got != 4 {
		t.Errorf("joined %d times, want once and after each of three cuts", got)
	}
}

// A link that takes nothing for a while costs the owner nothing, and in the end
// one discontinuity that says exactly what is missing.
func TestMirrorOfSlowLink(t *testing.T) {
	const size, kept = 8 << 10, 64
	owner := leading(t, fanout.Config{TopicItems: kept})
	var w town
	w.served(t, &double{mux: owner.NewMux})
	flows := make(chan struct{})
	var gaps []fanout.Discontinuity // over the link
	var crossed atomic.Uint64
	n := w.watch(t, func(p fanout.Portion) {
		if p.Kind == fanout.Told {
			<-flows
		}
		for i := range p.Events {
			if gap, ok := p.Events[i].Discontinuity(); ok {
				gaps = append(gaps, gap)
			} else {
				crossed.Add(1)
			}
		}
	})
	s := n.subscribe(t, fanout.Position{})
	defer s.Close()
	until(t, "the mirror is fed", s.Live)
	last := uint64(0)
	for taken := true; taken; { // until the connection's windows are full
		for range kept / 2 {
			last = publishAt(t, owner, size).Sequence
		}
		taken = within(2*time.Second, func() bool { return uint64(owner.Stats().Delivered) == last })
	}
	before := uint64(owner.Stats().Delivered)
	for range 3 * kept {
		last = publishAt(t, owner, size).Sequence
	}
	if got := owner.Stats(); uint64(got.Delivered) != before || got.Bytes > kept*(size+64) {
		t.Errorf("for a link that is full the owner keeps %d bytes, and took %d items", got.Bytes, uint64(got.Delivered)-before)
	}
	close(flows)
	if _, err := reads(t.Context(), s, last, size, new(atomic.Uint64)); err != nil {
		t.Fatal(err)
	}
	if want := (fanout.Discontinuity{Last: before, New: last - kept, Page: s.Position().Page}); len(gaps) != 1 || gaps[0] != want {
		t.Errorf("over the link came %+v, want %+v and no other", gaps, want)
	}
	if got := crossed.Load(); got != before+kept {
		t.Errorf("%d items crossed the link, want %d before the gap and %d after it", got, before, kept)
	}
}

// within waits for something to become true, and reports whether it did in time.
func within(d time.Duration, ok func() bool) bool {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(d); !ok(); <-look.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// A node that does not lead says who does, and a topic for which there is no
// room does not take the others with it.
func TestMirrorIsRefused(t *testing.T) {
	owner := leading(t, fanout.Config{MaxTopics: 1})
	var w town
	w.served(t, &double{mux: owner.NewMux, leader: "c"})
	up, err := w.caller(t).Mirror(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	next := func() fanout.Portion {
		t.Helper()
		p, err := up.Next()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	other := fanout.Key{Cache: "chat", Topic: "other"}
	ask := func(r fanout.Request) fanout.Portion {
		t.Helper()
		if err := up.Ask([]fanout.Request{r}); err != nil {
			t.Fatal(err)
		}
		return next()
	}
	if p := ask(fanout.Request{Partition: mirroredGroup, Key: room, Handle: 1}); p.Kind != fanout.Begun || p.Handle != 1 {
		t.Fatalf("opened: %+v", p)
	}
	if p := ask(fanout.Request{Partition: mirroredGroup, Key: other, Handle: 2}); p.Kind != fanout.Over || p.Handle != 2 || !errors.Is(p.Err, fanout.ErrTooManyTopics) {
		t.Errorf("one too many: %+v", p)
	}
	if p := ask(fanout.Request{Partition: mirroredGroup, Key: other, Handle: 3, Replay: true, Seen: fanout.Position{Page: 1 << 60}}); !errors.Is(p.Err, fanout.ErrBadPosition) {
		t.Errorf("a position of nobody: %+v", p)
	}
	p := ask(fanout.Request{Partition: 9, Key: other, Handle: 4})
	if hint, ok := errors.AsType[*route.NotLeaderError](p.Err); !ok || hint.Leader != "c" || hint.Group != 9 || !errors.Is(p.Err, fanout.ErrNotOwner) {
		t.Errorf("of another node's group: %+v", p)
	}
	owner.Disown(mirroredGroup)
	p = next()
	if hint, ok := errors.AsType[*route.NotLeaderError](p.Err); !ok || hint.Leader != "c" || hint.Group != mirroredGroup || p.Handle != 1 {
		t.Errorf("leadership has moved: %+v", p)
	}
}

// Who is not who it says, and what is no request, ends the stream with a reason.
func TestMirrorIsChecked(t *testing.T) {
	owner := leading(t, fanout.Config{})
	var w town
	w.served(t, &double{mux: owner.NewMux})
	c := w.caller(t)
	stranger := origin()
	stranger.BootId = "boot of yesterday"
	good := func() *peerv1.MirrorRequest { return &peerv1.MirrorRequest{Origin: origin()} }
	odd := func(c *peerv1.MirrorRequest_Change) *peerv1.MirrorRequest {
		r := good()
		r.Changes = []*peerv1.MirrorRequest_Change{c}
		return r
	}
	for name, in := range map[string]*peerv1.MirrorRequest{
		"no origin":   {},
		"a stranger":  {Origin: stranger},
		"no change":   odd(&peerv1.MirrorRequest_Change{}),
		"handle 0":    odd(changeOf(fanout.Request{Partition: mirroredGroup, Key: room})),
		"no topic":    odd(changeOf(fanout.Request{Partition: mirroredGroup, Key: fanout.Key{Cache: "chat"}, Handle: 1})),
		"not even it": odd(&peerv1.MirrorRequest_Change{Kind: &peerv1.MirrorRequest_Change_Open{}}),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := peerv1.NewPeerClient(c.conn).Mirror(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(in); err != nil {
			t.Fatal(err)
		}
		u := &Upstream{client: c, ctx: ctx, stream: stream, end: cancel}
		if p, err := u.Next(); !errors.Is(err, route.ErrInvalid) {
			t.Errorf("%s: %+v, %v, want ErrInvalid", name, p, err)
		}
		if p, err := u.Next(); !errors.Is(err, route.ErrNotExecuted) {
			t.Errorf("%s, afterwards: %+v, %v", name, p, err)
		}
		u.Close()
	}
	if got := owner.Stats().Topics; got != 0 {
		t.Errorf("%d topics were made", got)
	}
}

// A stop does not wait for streams that never end by themselves.
func TestStopEndsMirrors(t *testing.T) {
	owner := leading(t, fanout.Config{})
	var w town
	m := w.mux(t, "b")
	d := &double{mux: owner.NewMux}
	s, err := NewServer(ServerConfig{Node: d, Catalog: d, Terms: d, Witness: d, Topics: d})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(m.Calls()) })
	up, err := w.caller(t).Mirror(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if err := up.Ask([]fanout.Request{{Partition: mirroredGroup, Key: room, Handle: 1}}); err != nil {
		t.Fatal(err)
	}
	if p, err := up.Next(); err != nil || p.Kind != fanout.Begun {
		t.Fatalf("%+v, %v", p, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	serving.Wait()
	if p, err := up.Next(); !errors.Is(err, route.ErrNotExecuted) {
		t.Errorf("the stream's end: %+v, %v", p, err)
	}
	until(t, "the owner lets go of the topic", func() bool { return owner.Stats().Subscriptions == 0 })
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := up.client.Mirror(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("opened after its end: %v", err)
	}
}
