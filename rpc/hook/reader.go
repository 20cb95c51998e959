package hook

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mayfly-broker/mayfly/fanout"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// reader is a webhook's place in its topic, while this node numbers it.
type reader struct {
	post  *post
	topic fanout.Key
	will  *note  // what a leader that died left behind; nil for nothing
	base  uint64 // the page with which the numbering began here, see Desk
	sub   *fanout.Subscription
	last  fanout.Position // the last one taken, Page 0 for none
	rung  atomic.Bool     // on the list of a bell
	full  bool            // there was no room for all
	over  bool            // the subscription has ended
}

// bell gathers the readers that have something to take. It is rung with locks of
// the topics held, and takes none but its own.
type bell struct {
	mu      sync.Mutex
	readers []*reader
	rung    chan struct{}
}

func newBell() *bell { return &bell{rung: make(chan struct{}, 1)} }

func (b *bell) ring(r *reader) {
	if r.rung.Swap(true) {
		return
	}
	b.mu.Lock()
	b.readers = append(b.readers, r)
	b.mu.Unlock()
	select {
	case b.rung <- struct{}{}:
	default:
	}
}

// take returns the readers that rang since it was called last.
func (b *bell) take() []*reader {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.readers
	b.readers = nil
	for _, r := range all {
		r.rung.Store(false)
	}
	return all
}

// open places a webhook in its topic. One that was read here before goes on behind
// what it has read. Else one that is new begins with what is published from now
// on, and one that was there before this node led its topic with the first item
// that this node has numbered, or with what the leader before has left behind.
func (b *bell) open(desk Desk, p *post, base uint64, old *reader, isNew bool, will *note) (*reader, error) {
	r := &reader{post: p, will: will, topic: topicOf(p.hook), base: base}
	from := fanout.Position{Page: base, Sequence: 1}
	switch {
	case old != nil && old.topic == r.topic && fanout.BaseOf(old.last.Page) == base:
		r.last = old.last
		from = fanout.Position{Page: old.last.Page, Sequence: old.last.Sequence + 1}
	case isNew:
		from = fanout.Position{}
	case will != nil:
		from = will.first()
	}
	sub, err := desk.Read(r.topic, from)
	if err != nil {
		return nil, err
	}
	r.sub = sub
	if isNew && r.last.Page == 0 {
		r.last = sub.Position()
	}
	sub.Notify(func() { b.ring(r) })
	return r, nil
}

func topicOf(hook *storev1.Webhook) fanout.Key {
	return fanout.Key{Cache: hook.GetCache(), Topic: hook.GetTopic()}
}

// close lets go of the topic.
func (r *reader) close() {
	if r != nil && r.sub != nil {
		r.sub.Close()
	}
}

// pull moves what has room from the topic into the line, and returns how many items
// the topic has dropped before they could be taken. It stops at the first item
// that a later leader has numbered: that one's are not ours to deliver. Of an
// earlier one's it takes those that it died of, if it died.
func (r *reader) pull(l *line, now time.Time) (lost uint64) {
	var buf [64]fanout.Event
	for !r.over {
		room := min(l.room(), len(buf))
		if r.full = room <= 0; r.full {
			return lost
		}
		n, err := r.sub.Take(buf[:room])
		for i := range buf[:n] {
			if gap, ok := buf[i].Discontinuity(); ok {
				lost += r.missed(gap)
				continue
			}
			item, _ := buf[i].Item()
			if r.over = fanout.BaseOf(item.Page) > r.base; r.over {
				return lost
			}
			r.last = item.Position
			if fanout.BaseOf(item.Page) == r.base || r.will.leaves(item.Position) {
				l.push(&event{Item: item, topic: r.topic, taken: now})
			}
		}
		r.over = err != nil
		if n == 0 {
			return lost
		}
	}
	return lost
}

// missed is how many items a discontinuity leaves out. One that comes first tells
// of what was before this node led the topic; one that changes the page tells of a
// topic that began anew.
func (r *reader) missed(gap fanout.Discontinuity) uint64 {
	last := r.last
	r.last = fanout.Position{Page: gap.Page, Sequence: gap.New}
	if last.Page != gap.Page || gap.New <= last.Sequence {
		return 0
	}
	return gap.New - last.Sequence
}
