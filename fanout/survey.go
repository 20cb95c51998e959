package fanout

import (
	"fmt"
	"iter"
	"slices"
	"strings"
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

// Adopt notes what another node has seen of a topic, for the case that this broker is about to own the partition: [Broker.Own]
// then numbers above it and keeps the items that were not here. Until then nothing changes, so the order in which nodes
// answer does not matter; if the partition gets a link or is disowned, what was noted is dropped. The bytes of the items
// belong to the broker from now on, the slice does not. Errors: ErrOwned, ErrBadPosition, ErrTooManyTopics, ErrClosed.
func (b *Broker) Adopt(id uint32, seen Seen) error {
	if err := seen.check(); err != nil {
		return err
	}
	return b.change(id, func(p *partition) error { return p.adopt(seen) })
}

// check makes sure that the positions are possible and in order.
func (s *Seen) check() error {
	if !s.Last.valid() {
		return fmt.Errorf("%w: %v", ErrBadPosition, s.Last)
	}
	before := Position{}
	for _, item := range s.Items {
		if !item.valid() || item.Sequence == 0 || item.Compare(before) <= 0 || item.Compare(s.Last) > 0 {
			return fmt.Errorf("%w: %v between %v and %v", ErrBadPosition, item.Position, before, s.Last)
		}
		before = item.Position
	}
	return nil
}

// adopt adds to what was noted. The caller holds broker.mu.
func (p *partition) adopt(seen Seen) error {
	if p.page.Load() != 0 {
		return ErrOwned
	}
	known, ok := p.adopted[seen.Key]
	if !ok {
		if len(p.adopted) >= p.broker.config.MaxTopics {
			return ErrTooManyTopics
		}
		if p.adopted == nil {
			p.adopted = make(map[Key]Seen)
		}
		known.Key = Key{Cache: strings.Clone(seen.Key.Cache), Topic: strings.Clone(seen.Key.Topic)}
	}
	if seen.Last.Compare(known.Last) > 0 {
		known.Last = seen.Last
	}
	known.Items = union(known.Items, seen.Items)
	if more := len(known.Items) - p.broker.config.TopicItems; more > 0 {
		known.Items = slices.Clone(known.Items[more:])
	}
	p.adopted[known.Key] = known
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

// settleAdopted enters what was noted into the topics. A topic for which there is no room is left out: it will begin on the
// new page, which is above all. The caller holds broker.mu and the locks of all shards.
func (p *partition) settleAdopted(at int64) {
	for key, seen := range p.adopted {
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
	p.adopted = nil
}

// adopt enters what another node has seen. Readers are woken when the topic turns to its new page.
func (t *topic) adopt(seen Seen, at int64) (added int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(seen.Items) > 0 {
		added = t.merge(seen.Items, at)
	}
	if seen.Last.Compare(t.last) > 0 {
		t.last = seen.Last
	}
	t.settle()
	return added
}
