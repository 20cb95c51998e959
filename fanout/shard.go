package fanout

import (
	"strings"
	"sync"
	"sync/atomic"
	"unique"
)

// shardsPerPartition divides the topics of a partition, so that creating and forgetting topics stops only a few others
// and rebuilding a map after many were forgotten takes well under a millisecond.
const shardsPerPartition = 16

// shard is the registry of some topics of one partition. A topic is created and forgotten under the exclusive lock;
// whoever uses a topic by its key holds the lock for reading, so it cannot be forgotten meanwhile.
type shard struct {
	broker    *Broker
	partition *partition

	mu     sync.RWMutex
	topics map[Key]*topic
	peak   int // most topics since the map was built

	items, published, delivered, discontinuities, fed, refused atomic.Int64
}

func newShard(b *Broker, p *partition) *shard {
	return &shard{broker: b, partition: p, topics: make(map[Key]*topic)}
}

// with calls use with the topic of that name, which is created if need be, while the topic cannot be forgotten nor the
// partition change hands. If there are too many topics, those that nobody uses make room.
func (s *shard) with(key Key, why purpose, now int64, use func(*topic)) error {
	err := s.try(key, why, now, use)
	if err == ErrTooManyTopics && s.broker.makeRoom(now) { //nolint:errorlint // create's own, never wrapped
		err = s.try(key, why, now, use)
	}
	return err
}

func (s *shard) try(key Key, why purpose, now int64, use func(*topic)) error {
	if done, err := s.withExisting(key, why, use); done {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page, err := s.partition.admit(why)
	if err != nil {
		return err
	}
	t := s.topics[key]
	if t == nil {
		if t, err = s.create(key, page, now); err != nil {
			return err
		}
	}
	use(t)
	return nil
}

func (s *shard) withExisting(key Key, why purpose, use func(*topic)) (done bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, err := s.partition.admit(why); err != nil {
		return true, err
	}
	t := s.topics[key]
	if t == nil {
		return false, nil
	}
	use(t)
	return true, nil
}

// create enters a new topic. The caller holds the lock exclusively.
func (s *shard) create(key Key, page uint64, now int64) (*topic, error) {
	if n := s.broker.topics.Add(1); n > int64(s.broker.config.MaxTopics) {
		s.broker.topics.Add(-1)
		return nil, ErrTooManyTopics
	}
	t := &topic{
		// The caller's strings may be parts of something larger.
		key:   Key{Cache: unique.Make(key.Cache).Value(), Topic: strings.Clone(key.Topic)},
		shard: s,
		last:  Position{Page: page},
		used:  now,
	}
	s.topics[t.key] = t
	s.peak = max(s.peak, len(s.topics))
	return t, nil
}

// remove takes t out of the registry, unless its page could then be given out again. The caller holds the lock
// exclusively.
func (s *shard) remove(t *topic) bool {
	if !s.partition.outgrow(t.last.Page) {
		return false
	}
	delete(s.topics, t.key)
	s.broker.topics.Add(-1)
	return true
}

// forget removes t if nobody needs it, early even if it was used lately. The topic just left the idling timeline. It
// reports whether t is gone.
func (s *shard) forget(t *topic, now int64, early bool) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idling = false
	b := s.broker
	switch {
	case t.ended != alive || t.log != nil || t.audience != nil || t.interest != nil:
		// Gone, or in use again: settle enters it anew.
	case !early && t.used+b.forgetAfter > now:
		t.settle()
	case s.remove(t):
		t.ended = forgotten
		s.fit()
		return true
	default:
		t.used = now // pages are used up: ask again later, the partition may change hands
		t.settle()
	}
	return false
}

// finish ends the topics that match and returns their waiting readers. The caller holds the lock exclusively.
func (s *shard) finish(how ending, match func(*topic) bool) []*wakeList {
	var woken []*wakeList
	for key, t := range s.topics {
		if !match(t) {
			continue
		}
		if w := t.finish(how); w != nil {
			woken = append(woken, w)
		}
		if !s.remove(t) {
			s.topics[key] = t.successor() // no larger page is left, so the counter must live on
		}
	}
	s.fit()
	return woken
}

// fit rebuilds the map when most of it was deleted.
func (s *shard) fit() {
	n := len(s.topics)
	if s.peak < 64 || n > s.peak/4 {
		return
	}
	topics := make(map[Key]*topic, n)
	for key, t := range s.topics {
		topics[key] = t
	}
	s.topics, s.peak = topics, n
}

// count notes what a reader took.
func (s *shard) count(events, gaps int) {
	if events > gaps {
		s.delivered.Add(int64(events - gaps))
	}
	if gaps > 0 {
		s.discontinuities.Add(int64(gaps))
	}
}
