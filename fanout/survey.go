package fanout

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Seen is what a broker has seen of one topic.
type Seen struct {
	Key Key
	// Last is the highest position; Sequence 0 if nothing was published on its page.
	Last Position
	// Items are the recent ones that are kept, oldest first, none above Last. They need not be without holes, and may
	// be of older pages. The bytes are shared.
	Items []Item
}

// Seen yields what this broker knows of the topics of a partition, whoever numbered them: the answer to a new leader's
// survey. A topic that is created or forgotten meanwhile may be missing. No lock is held while the loop's body runs.
func (b *Broker) Seen(partition uint32) iter.Seq[Seen] {
	return func(yield func(Seen) bool) {
		p, err := b.partition(partition)
		if err != nil {
			return
		}
		for _, s := range p.shards {
			for _, t := range s.all() {
				if seen, ok := t.seen(); ok && !yield(seen) {
					return
				}
			}
		}
	}
}

// all returns the topics of this moment.
func (s *shard) all() []*topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*topic, 0, len(s.topics))
	for _, t := range s.topics {
		all = append(all, t)
	}
	return all
}

func (t *topic) seen() (Seen, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended != alive || t.last.Page == 0 {
		return Seen{}, false
	}
	seen := Seen{Key: t.key, Last: t.last}
	if t.log != nil {
		seen.Items = make([]Item, 0, t.log.count)
		for i := range uint64(t.log.count) {
			seen.Items = append(seen.Items, t.log.at(t.log.first+i).Item)
		}
	}
	return seen, true
}

// Survey gathers what nodes have seen of a partition's topics, for the case that this broker is about to own it. What
// is gathered belongs to the survey alone: whatever happens to the partition meanwhile, a relay's new [Link] included,
// takes nothing from it, and a survey that is let go, because another node leads after all, leaves nothing behind. Its
// methods may be called from any goroutine.
type Survey struct {
	broker    *Broker
	partition uint32

	mu     sync.Mutex // taken after broker.mu
	topics map[Key]Seen
	bytes  int64 // of the items, counted as in Config.TopicBytes
	over   bool  // it was owned under
}

// NewSurvey begins a survey of a partition, without answers.
func (b *Broker) NewSurvey(partition uint32) *Survey {
	return &Survey{broker: b, partition: partition, topics: make(map[Key]Seen)}
}

// Adopt notes what a node has seen of a topic. The order in which nodes answer does not matter, nor does an answer that
// comes twice. Of a topic the newest items are kept, as many as Config lets a topic keep; beyond Config.TotalBytes only
// positions are. The bytes of the items belong to the broker from now on, the slice does not. Errors: ErrBadPosition,
// ErrTooManyTopics, ErrOwned if the survey is over.
func (s *Survey) Adopt(seen Seen) error {
	if err := seen.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.topics[seen.Key]
	switch {
	case s.over:
		return ErrOwned
	case !ok && len(s.topics) >= s.broker.config.MaxTopics:
		return ErrTooManyTopics
	case !ok:
		known.Key = Key{Cache: strings.Clone(seen.Key.Cache), Topic: strings.Clone(seen.Key.Topic)}
	}
	if seen.Last.above(known.Last) {
		known.Last = seen.Last
	}
	if s.bytes < s.broker.config.TotalBytes && len(seen.Items) > 0 {
		s.bytes -= cost(known.Items)
		known.Items = s.broker.config.newest(union(known.Items, seen.Items))
		s.bytes += cost(known.Items)
	}
	s.topics[known.Key] = known
	return nil
}

// Own is [Broker.Own] with what was gathered: each topic is numbered above the highest position any node has seen, and
// keeps the items that were not here. Readers are told what they missed. What this broker itself has seen counts anyway
// and need not be adopted. After success the survey is over; after an error it may be tried again, under a newer page.
// Errors beside those of Broker.Own: ErrStalePage if a node has seen that page or a newer one, ErrOwned if the partition
// is owned under that page already, or the survey is over.
func (s *Survey) Own(page uint64) error {
	err := s.broker.change(s.partition, func(p *partition) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.over || page != 0 && page == p.base && p.page.Load() != 0 {
			return fmt.Errorf("%w: under %v", ErrOwned, PageOf(p.base))
		}
		if err := p.own(page, s.topics); err != nil {
			return err
		}
		s.over, s.topics = true, nil
		return nil
	})
	if err == nil {
		s.broker.giveWay()
	}
	return err
}

// newest cuts the oldest items off that a topic may not keep. The newest one stays whatever its size.
func (c *Config) newest(items []Item) []Item {
	from, bytes := len(items), int64(0)
	for from > 0 && len(items)-from < c.TopicItems {
		bytes += cost(items[from-1 : from])
		if bytes > c.TopicBytes && from < len(items) {
			break
		}
		from--
	}
	if from == 0 {
		return items
	}
	return slices.Clone(items[from:]) // lets go of the others
}

func cost(items []Item) (bytes int64) {
	for _, item := range items {
		bytes += int64(len(item.Encoded)) + itemOverhead
	}
	return bytes
}

// check makes sure that the positions are possible and in order.
func (s *Seen) check() error {
	if !s.Last.valid() {
		return fmt.Errorf("%w: %v", ErrBadPosition, s.Last)
	}
	before := Position{}
	for _, item := range s.Items {
		if !item.valid() || item.Sequence == 0 || item.Compare(before) <= 0 || item.above(s.Last) {
			return fmt.Errorf("%w: %v between %v and %v", ErrBadPosition, item.Position, before, s.Last)
		}
		before = item.Position
	}
	return nil
}

// union merges two ascending lists of items into a new one without duplicates.
func union(a, b []Item) []Item {
	all := make([]Item, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := a[0].Compare(b[0].Position); {
		case order < 0:
			all, a = append(all, a[0]), a[1:]
		case order > 0:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// settle enters what a survey gathered into the topics. A topic for which there is no room is left out: it will begin
// on the new page, which is above all. The caller holds broker.mu and the locks of all shards.
func (p *partition) settle(gathered map[Key]Seen, at int64) {
	for key, seen := range gathered {
		s := p.shard(key)
		t := s.topics[key]
		if t == nil {
			var err error
			if t, err = s.create(key, 0, at); err != nil {
				continue
			}
		}
		s.fed.Add(int64(t.adopt(seen, at)))
	}
}

// adopt enters what another node has seen. Readers are woken when the topic turns to its new page.
func (t *topic) adopt(seen Seen, at int64) (added int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(seen.Items) > 0 {
		added = t.merge(seen.Items, at)
	}
	if seen.Last.above(t.last) {
		t.last = seen.Last
	}
	t.settle()
	return added
}
