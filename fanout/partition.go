package fanout

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"
)

// maxPartitions bounds partition numbers; a cluster has at most 64 groups, and 4,096 slots if each were one.
const maxPartitions = 4096

// partition is the topics that have one owner, and the page under which their numbers are given.
type partition struct {
	broker *Broker
	// page is what a new topic gets; 0 while not owned. It changes hands only while no shard's lock is held by a
	// publisher (see own, disown); its reset counter grows at any time.
	page   atomic.Uint64
	base   uint64 // the newest page handed in; guarded by broker.mu
	shards [shardsPerPartition]*shard
}

func newPartition(b *Broker) *partition {
	p := &partition{broker: b}
	for i := range p.shards {
		p.shards[i] = newShard(b, p)
	}
	return p
}

func (p *partition) shard(key Key) *shard {
	return p.shards[maphash.Comparable(p.broker.seed, key)%shardsPerPartition]
}

// current returns the page for new topics. Whoever holds a shard's lock may rely on the answer for this shard's topics.
func (p *partition) current() (uint64, error) {
	page := p.page.Load()
	switch {
	case page != 0:
		return page, nil
	case p.broker.closed.Load():
		return 0, ErrClosed
	default:
		return 0, ErrNotOwner
	}
}

// outgrow makes sure that new topics get a page above the given one, which a topic about to be removed had. It costs
// one value of the reset counter, and that only if no topic was removed since this one was created: a million topics
// used once take one or two. False if the counter is full; the topic must then stay.
func (p *partition) outgrow(page uint64) bool {
	for {
		current := p.page.Load()
		switch {
		case current == 0 || current > page:
			return true // not owned: the next owner's page is above all
		case current&maxReset == maxReset:
			return false
		case p.page.CompareAndSwap(current, current+1):
			return true
		}
	}
}

// own begins or renews ownership with a page above all earlier ones. Topics that are here continue on it. The caller
// holds broker.mu.
func (p *partition) own(base uint64) error {
	switch {
	case base == 0 || base > maxPage || base&maxReset != 0:
		return fmt.Errorf("fanout: %d is no page to begin with, want one of Page.Number with Reset 0", base)
	case base == p.base && p.page.Load() != 0:
		return nil
	case base <= p.base:
		return fmt.Errorf("%w: offered %v after %v", ErrStalePage, PageOf(base), PageOf(p.base))
	}
	p.disown()
	p.base = base
	for _, s := range p.shards {
		var woken []*wakeList
		s.mu.Lock()
		for _, t := range s.topics {
			if w := t.turn(base); w != nil {
				woken = append(woken, w)
			}
		}
		s.mu.Unlock()
		wakeAll(woken)
	}
	p.page.Store(base)
	return nil
}

// disown stops the numbering. When it returns no publish is under way.
func (p *partition) disown() {
	p.page.Store(0)
	for _, s := range p.shards {
		s.barrier()
	}
}

// finish ends the topics that match.
func (p *partition) finish(how ending, match func(*topic) bool) {
	for _, s := range p.shards {
		s.mu.Lock()
		woken := s.finish(how, match)
		s.mu.Unlock()
		wakeAll(woken)
	}
}

func wakeAll(lists []*wakeList) {
	for _, w := range lists {
		w.wake()
	}
}
