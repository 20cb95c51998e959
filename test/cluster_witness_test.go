package test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	pubsubpb "github.com/mayfly-broker/mayfly/proto/pubsub"
	"github.com/mayfly-broker/mayfly/test/harness"
)

// witness is a subscriber that comes back whenever its stream ends, with the
// last position it knows, as the SDKs do, and writes down all it hears.
type witness struct {
	node  *harness.Node
	topic string
	conn  *grpc.ClientConn
	ready chan struct{} // closed when it is subscribed

	mu    sync.Mutex
	items []heardItem
	page  uint64 // its position, once it has one
	last  uint64
	gaps  []*pubsubpb.Discontinuity
	wrong []string // what must not have been heard
}

// heardItem is an item as a witness heard it.
type heardItem struct {
	page, number uint64
	value        string
}

// before compares positions.
func (h heardItem) before(other heardItem) bool {
	return h.page < other.page || h.page == other.page && h.number < other.number
}

// newWitness subscribes at a node until the test ends.
func newWitness(t *testing.T, n *harness.Node, topic string) *witness {
	t.Helper()
	w := &witness{node: n, topic: topic, conn: n.Conn(t), ready: make(chan struct{})}
	ctx, cancel := context.WithCancel(harness.Bounded(t))
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		pause := time.NewTicker(10 * pace)
		defer pause.Stop()
		for ctx.Err() == nil {
			w.listen(ctx)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
		}
	}()
	select {
	case <-w.ready:
	case <-ctx.Done():
		t.Fatalf("nobody could subscribe to %s at %s", topic, n.Name)
	}
	return w
}

// listen hears one stream to its end.
func (w *witness) listen(ctx context.Context) {
	request := &pubsubpb.SubscribeRequest{CacheName: "story", Topic: w.topic}
	if w.page != 0 {
		request.ResumeAtTopicSequenceNumber, request.SequencePage = w.last+1, w.page
	}
	stream, err := pubsubpb.NewPubsubClient(w.conn).Subscribe(ctx, request)
	if err != nil {
		return
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return
		}
		w.hear(message)
	}
}

func (w *witness) hear(message *pubsubpb.SubscribeResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case message.GetItem() != nil:
		w.item(message.GetItem())
	case message.GetDiscontinuity() != nil:
		w.discontinuity(message.GetDiscontinuity())
	default:
		select {
		case <-w.ready:
		default:
			close(w.ready)
		}
	}
}

// item demands the successor of what came before.
func (w *witness) item(i *pubsubpb.TopicItem) {
	h := heardItem{i.GetSequencePage(), i.GetTopicSequenceNumber(), i.GetValue().GetText()}
	if w.page != 0 && (h.page != w.page || h.number != w.last+1) {
		w.wrong = append(w.wrong, fmt.Sprintf("item %d on page %d after %d on page %d, and no word of it", h.number, h.page, w.last, w.page))
	}
	w.page, w.last = h.page, h.number
	w.items = append(w.items, h)
}

// discontinuity demands that it begins where this witness is and leads on. So
// there is one at most for each page that follows.
func (w *witness) discontinuity(d *pubsubpb.Discontinuity) {
	switch {
	case d.GetLastTopicSequence() != w.last:
		w.wrong = append(w.wrong, fmt.Sprintf("%v after item %d", d, w.last))
	case d.GetNewSequencePage() < w.page, d.GetNewSequencePage() == w.page && d.GetNewTopicSequence() <= w.last:
		w.wrong = append(w.wrong, fmt.Sprintf("%v leads back from item %d on page %d", d, w.last, w.page))
	}
	w.page, w.last = d.GetNewSequencePage(), d.GetNewTopicSequence()
	w.gaps = append(w.gaps, d)
}

// hears waits until the witness has heard a value.
func (w *witness) hears(t *testing.T, value string) {
	t.Helper()
	harness.Eventually(t, harness.Patience, fmt.Sprintf("%q at %s", value, w.node.Name), func() (bool, string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		found := slices.ContainsFunc(w.items, func(h heardItem) bool { return h.value == value })
		return found, fmt.Sprintf("it heard %d items and %v; %v", len(w.items), w.gaps, w.wrong)
	})
}

// missed reports whether a discontinuity told the witness that this item, which
// it has not heard, is lost to it.
func (w *witness) missed(h heardItem) bool {
	return slices.ContainsFunc(w.gaps, func(d *pubsubpb.Discontinuity) bool {
		if h.page == d.GetNewSequencePage() {
			return h.number <= d.GetNewTopicSequence()
		}
		return h.page < d.GetNewSequencePage() && h.number > d.GetLastTopicSequence()
	})
}

// startLoad begins to write through these nodes once every witness has heard a
// first item: on a machine that is very busy a subscriber may be greeted before the
// leader knows of it. The load ends with the test, or with finish.
func startLoad(t *testing.T, name string, writers int, through []*harness.Node, witnesses ...*witness) *load {
	t.Helper()
	preludes := 0
	harness.Eventually(t, harness.Patience, "every witness to hear a first item", func() (bool, string) {
		publish(t, through[0].Server, name, []string{fmt.Sprintf("prelude.%d-0", preludes)})
		preludes++
		deaf := slices.DeleteFunc(slices.Clone(witnesses), func(w *witness) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.items) > 0
		})
		return len(deaf) == 0, fmt.Sprint(len(deaf), " of them heard none of ", preludes)
	})
	ctx, cancel := context.WithCancel(harness.Bounded(t))
	l := &load{name: name, end: cancel}
	t.Cleanup(l.finish)
	for _, n := range through {
		conn := n.Conn(t)
		for w := range writers {
			l.writing.Go(func() { l.write(ctx, n, conn, fmt.Sprintf("%s.%d", n.Name, w)) })
		}
	}
	return l
}

// oneOrder demands of witnesses who have heard the last item that they tell of one
// topic: nothing unannounced is missing behind the first that they heard, every position is one item's and every item has one position, and each
// writer's acknowledged values are in their order. An acknowledged value that
// nobody heard must have been lost with its leader: at a change of pages.
func (l *load) oneOrder(t *testing.T, witnesses ...*witness) {
	t.Helper()
	at, of := make(map[[2]uint64]heardItem), make(map[string]heardItem)
	for _, w := range witnesses {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, wrong := range w.wrong {
			t.Errorf("at %s: %s", w.node.Name, wrong)
		}
		for _, h := range w.items {
			position := [2]uint64{h.page, h.number}
			if other, taken := at[position]; taken && other != h {
				t.Errorf("at %s: item %d on page %d is %q, elsewhere it is %q", w.node.Name, h.number, h.page, h.value, other.value)
			}
			if other, twice := of[h.value]; twice && other != h {
				t.Errorf("at %s: %q is item %d on page %d, it is also item %d on page %d", w.node.Name, h.value, h.number, h.page, other.number, other.page)
			}
			at[position], of[h.value] = h, h
		}
	}
	for _, w := range witnesses {
		lacks := maps.Clone(of)
		for _, h := range w.items {
			delete(lacks, h.value)
		}
		for _, h := range lacks {
			if first := w.items[0]; h.before(first) {
				delete(lacks, h.value)
			} else if !w.missed(h) {
				t.Errorf("at %s: item %d on page %d is missing, and no word of it", w.node.Name, h.number, h.page)
			}
		}
		t.Logf("at %s: %d items, %d missed, %d discontinuities", w.node.Name, len(w.items), len(lacks), len(w.gaps))
	}
	l.keepsOrder(t, of)
}

// keepsOrder holds what was heard against what was acknowledged.
func (l *load) keepsOrder(t *testing.T, heard map[string]heardItem) {
	t.Helper()
	last, lost := make(map[string]heardItem), make(map[string]string)
	count := 0
	for _, a := range l.of(&l.publishes, func(a attempt) bool { return a.acked() }) { // each writer's in their order
		writer := a.value[:strings.LastIndexByte(a.value, '-')]
		h, ok := heard[a.value]
		if !ok {
			lost[writer] = a.value
			count++
			continue
		}
		before := last[writer]
		switch {
		case h.before(before):
			t.Errorf("%s is item %d on page %d, before %s, which was published earlier", h.value, h.number, h.page, before.value)
		case lost[writer] != "" && h.page == before.page:
			t.Errorf("%s was acknowledged and nobody heard it, though the page did not change", lost[writer])
		}
		last[writer], lost[writer] = h, ""
	}
	t.Logf("%d items heard, %d acknowledged ones lost with their leader", len(heard), count)
}
