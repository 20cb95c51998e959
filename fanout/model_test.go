package fanout

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	modelKept   = 4
	modelLonger = time.Hour // longer than retention and the idle time together
)

// naiveTopic is a topic as one would write it without thinking of memory: everything ever published, and how much of
// it would still be kept.
type naiveTopic struct {
	last  Position
	all   []Position
	gone  int // all[:gone] is no longer kept
	ended bool
	subs  int
}

// naiveReader is a subscription by its promise alone.
type naiveReader struct {
	topic *naiveTopic
	seen  Position
	next  int // in topic.all
}

func (n *naiveTopic) publish() Position {
	n.last.Sequence++
	n.all = append(n.all, n.last)
	n.gone = max(n.gone, len(n.all)-modelKept)
	return n.last
}

// subscribe says in the words of the wire contract where a reader begins.
func (n *naiveTopic) subscribe(from Position) *naiveReader {
	n.subs++
	if from.Sequence == 0 {
		return &naiveReader{n, n.last, len(n.all)}
	}
	if from.Page == 0 {
		from.Page = n.last.Page
	}
	r := &naiveReader{n, Position{from.Page, from.Sequence - 1}, n.gone}
	kept := n.all[n.gone:]
	for _, p := range kept {
		before := p.Page < from.Page || p.Page == from.Page && p.Sequence < from.Sequence
		if from.Page > n.last.Page {
			before = p.Page < n.last.Page // of a page to come nothing is known
		}
		if !before {
			break
		}
		r.next++
	}
	return r
}

// take is what the reader must be told next.
func (r *naiveReader) take(limit int) []Event {
	var told []Event
	n := r.topic
	for len(told) < limit {
		r.next = max(r.next, n.gone)
		switch {
		case r.next == len(n.all) && r.seen == n.last:
			return told
		case r.next == len(n.all):
			told = append(told, Event{item: Item{Position: n.last}, last: r.seen.Sequence, gap: true})
			r.seen = n.last
		case n.all[r.next] == Position{r.seen.Page, r.seen.Sequence + 1}:
			r.seen = n.all[r.next]
			told = append(told, Event{item: Item{Position: r.seen}})
			r.next++
		default:
			p := n.all[r.next]
			p.Sequence--
			told = append(told, Event{item: Item{Position: p}, last: r.seen.Sequence, gap: true})
			r.seen = p
		}
	}
	return told
}

// pair is a subscription and what it should do.
type pair struct {
	real  *Subscription
	naive *naiveReader
	heard []Position // items, in the order they came
}

// model drives a broker and the naive topics alike.
type model struct {
	broker *Broker
	now    time.Time
	term   uint64
	owned  bool
	topics map[Key]*naiveTopic
	pages  map[Key]uint64 // highest ever seen per name
	pairs  []*pair
}

var modelKeys = []Key{{"chat", "a"}, {"chat", "b"}, {"news", "a"}}

// topic returns the naive topic, made on the page that the broker gave the real one.
func (m *model) topic(t *rapid.T, key Key, page uint64) *naiveTopic {
	n := m.topics[key]
	if n == nil {
		if page <= m.pages[key] {
			t.Fatalf("%v came back on page %d after %d", key, page, m.pages[key])
		}
		n = &naiveTopic{last: Position{Page: page}}
		m.topics[key] = n
	}
	m.pages[key] = n.last.Page
	return n
}

func (m *model) publish(t *rapid.T) {
	key := rapid.SampledFrom(modelKeys).Draw(t, "key")
	got, err := m.broker.Publish(0, key, m.now, encodePosition)
	if !m.owned {
		if err == nil {
			t.Fatal("published without ownership")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := m.topic(t, key, got.Page).publish(); got != want {
		t.Fatalf("published at %v, want %v", got, want)
	}
}

func (m *model) subscribe(t *rapid.T) {
	key := rapid.SampledFrom(modelKeys).Draw(t, "key")
	if !m.owned {
		if _, err := m.broker.Subscribe(0, key, Position{}, m.now); err != ErrNotOwner {
			t.Fatalf("subscribe without ownership: %v, want ErrNotOwner", err)
		}
		return
	}
	from := Position{
		Page:     rapid.SampledFrom([]uint64{0, m.pages[key], m.pages[key] - 1, pageOf(t, m.term), pageOf(t, m.term+1)}).Draw(t, "page"),
		Sequence: rapid.Uint64Range(0, 12).Draw(t, "number"),
	}
	if n := m.topics[key]; n != nil && len(n.all) > 0 && rapid.Bool().Draw(t, "exact") {
		from = rapid.SampledFrom(n.all[max(0, len(n.all)-6):]).Draw(t, "item")
		from.Sequence += rapid.Uint64Range(0, 1).Draw(t, "behind")
	}
	s, err := m.broker.Subscribe(0, key, from, m.now)
	if err != nil {
		t.Fatal(err)
	}
	s.topic.mu.Lock()
	page := s.topic.last.Page
	s.topic.mu.Unlock()
	p := &pair{real: s, naive: m.topic(t, key, page).subscribe(from)}
	m.pairs = append(m.pairs, p)
}

func (m *model) take(t *rapid.T) {
	if len(m.pairs) > 0 {
		p := rapid.SampledFrom(m.pairs).Draw(t, "reader")
		m.compare(t, p, rapid.IntRange(1, 2*modelKept).Draw(t, "room"))
	}
}

func (m *model) compare(t *rapid.T, p *pair, room int) (n int) {
	buf := make([]Event, room)
	n, err := p.real.Take(buf)
	if p.naive.topic.ended {
		if err != ErrCacheDropped {
			t.Fatalf("took %d, %v of a dropped cache", n, err)
		}
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, e := range buf[:n] {
		got = append(got, word(t, e))
		if item, ok := e.Item(); ok {
			if k := len(p.heard); k > 0 && item.Compare(p.heard[k-1]) <= 0 {
				t.Fatalf("%v was delivered after %v", item.Position, p.heard[k-1])
			}
			p.heard = append(p.heard, item.Position)
		}
	}
	for _, e := range p.naive.take(room) {
		e.item.Encoded = encodePosition(e.item.Position)
		want = append(want, word(t, e))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("reader was told %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
	if got := p.real.Position(); got != p.naive.seen {
		t.Fatalf("reader's anchor is %v, want %v", got, p.naive.seen)
	}
	return n
}

func (m *model) close(t *rapid.T) {
	if len(m.pairs) > 0 {
		i := rapid.IntRange(0, len(m.pairs)-1).Draw(t, "reader")
		m.pairs[i].real.Close()
		m.pairs[i].naive.topic.subs--
		m.pairs = slices.Delete(m.pairs, i, i+1)
	}
}

func (m *model) own(t *rapid.T) {
	m.term++
	if err := m.broker.Own(0, pageOf(t, m.term)); err != nil {
		t.Fatal(err)
	}
	m.owned = true
	for key, n := range m.topics {
		n.last.Page = pageOf(t, m.term)
		m.pages[key] = n.last.Page
	}
}

func (m *model) disown(*rapid.T) {
	m.broker.Disown(0)
	m.owned = false
}

// pass lets so much time go by that every item expires and every topic without readers is forgotten.
func (m *model) pass(*rapid.T) {
	for range 2 {
		m.now = m.now.Add(modelLonger)
		m.broker.Sweep(m.now)
	}
	for key, n := range m.topics {
		n.gone = len(n.all)
		if n.subs == 0 {
			delete(m.topics, key)
		}
	}
}

func (m *model) drop(t *rapid.T) {
	cache := rapid.SampledFrom([]string{"chat", "news"}).Draw(t, "cache")
	m.broker.DropCache(cache)
	for key, n := range m.topics {
		if key.Cache == cache {
			n.ended = true
			delete(m.topics, key)
		}
	}
}

// check compares the totals.
func (m *model) check(t *rapid.T) {
	var want Stats
	for _, n := range m.topics {
		want.Topics++
		want.Items += int64(len(n.all) - n.gone)
	}
	got := m.broker.Stats()
	if got.Topics != want.Topics || got.Items != want.Items || got.Subscriptions != int64(len(m.pairs)) {
		t.Fatalf("broker has %d topics, %d items, %d subscriptions, want %d, %d, %d",
			got.Topics, got.Items, got.Subscriptions, want.Topics, want.Items, len(m.pairs))
	}
}

// TestModel runs random histories against the naive topics. Whatever happens, a reader gets items in order, none twice,
// and misses only what is no longer kept, announced with exact bounds.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := New(Config{TopicItems: modelKept}, epoch)
		if err != nil {
			t.Fatal(err)
		}
		m := &model{broker: b, now: epoch, topics: make(map[Key]*naiveTopic), pages: make(map[Key]uint64)}
		m.own(t)
		t.Repeat(map[string]func(*rapid.T){
			"publish": m.publish, "publish again": m.publish, "publish more": m.publish,
			"subscribe": m.subscribe, "take": m.take, "take more": m.take, "close": m.close,
			"own": m.own, "disown": m.disown, "pass": m.pass, "drop": m.drop,
			"": m.check,
		})
		for _, p := range m.pairs { // in the end everybody catches up
			for m.compare(t, p, 3) > 0 {
			}
			p.real.Close()
		}
	})
}
