package fanout

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"
)

// maxPartitions bounds partition numbers; a cluster has at most 64 groups, and 4,096 slots if each were one.
const maxPartitions = 4096

// partition is the topics that have one owner, and the page under which their numbers are given. It is owned here,
// mirrored from an owner elsewhere, or neither.
type partition struct {
	broker *Broker
	id     uint32
	// page is what a new topic gets; 0 while not owned. It changes hands only while no shard's lock is held by a
	// publisher (see own, mirror, disown); its reset counter grows at any time.
	page     atomic.Uint64
	mirrored atomic.Bool          // changes like page
	link     atomic.Pointer[Link] // what feeds the mirror; nil while there is no leader to feed it
	wanted   atomic.Int64         // topics with an interest
	base     uint64               // the newest page handed in; guarded by broker.mu
	shards   [shardsPerPartition]*shard
}

func newPartition(b *Broker, id uint32) *partition {
	p := &partition{broker: b, id: id}
	for i := range p.shards {
		p.shards[i] = newShard(b, p)
	}
	return p
}

func (p *partition) shard(key Key) *shard {
	return p.shards[maphash.Comparable(p.broker.seed, key)%shardsPerPartition]
}

// exclusively calls do while nobody else is in any shard, and wakes the readers that it returns.
func (p *partition) exclusively(do func() []*wakeList) {
	for _, s := range p.shards {
		s.mu.Lock()
	}
	woken := do()
	for _, s := range p.shards {
		s.mu.Unlock()
	}
	wakeAll(woken)
}

// eachTopic calls do with every topic and gathers the readers to wake. The caller holds the locks of all shards.
func (p *partition) eachTopic(do func(*topic) *wakeList) (woken []*wakeList) {
	for _, s := range p.shards {
		for _, t := range s.topics {
			if w := do(t); w != nil {
				woken = append(woken, w)
			}
		}
	}
	return woken
}

// purpose is what a topic is looked up for.
type purpose uint8

const (
	toNumber purpose = iota // needs ownership
	toRead                  // a mirror is enough
)

// admit returns the page for new topics; 0 if a leader elsewhere will tell. Whoever holds a shard's lock may rely on
// the answer for this shard's topics.
func (p *partition) admit(why purpose) (uint64, error) {
	page := p.page.Load()
	switch {
	case page != 0 || why == toRead && p.mirrored.Load():
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

// own begins or renews ownership with a page above all earlier ones, and above all that was gathered. Topics that are
// here, or were elsewhere, continue on it. The caller holds broker.mu.
func (p *partition) own(base uint64, gathered map[Key]Seen) error {
	switch {
	case base == 0 || base > maxPage || base&maxReset != 0:
		return fmt.Errorf("fanout: %d is no page to begin with, want one of Page.Number with Reset 0", base)
	case base == p.base && p.page.Load() != 0:
		return nil
	case base <= p.base:
		return fmt.Errorf("%w: offered %v after %v", ErrStalePage, PageOf(base), PageOf(p.base))
	}
	err := error(nil)
	p.exclusively(func() []*wakeList {
		if seen := p.highestPage(gathered); seen >= base {
			err = fmt.Errorf("%w: offered %v after %v was seen", ErrStalePage, PageOf(base), PageOf(seen))
			return nil
		}
		p.base = base
		p.mirrored.Store(false)
		p.link.Store(nil)
		p.settle(gathered, p.broker.clock.Load())
		woken := p.eachTopic(func(t *topic) *wakeList { return t.turn(base) })
		p.page.Store(base)
		return woken
	})
	return err
}

// highestPage returns the highest page a topic has, here or among what was gathered. The caller holds the locks of all
// shards.
func (p *partition) highestPage(gathered map[Key]Seen) (highest uint64) {
	for _, seen := range gathered {
		highest = max(highest, seen.Last.Page)
	}
	p.eachTopic(func(t *topic) *wakeList {
		t.mu.Lock()
		defer t.mu.Unlock()
		highest = max(highest, t.last.Page)
		return nil
	})
	return highest
}

// mirror stops the numbering and lets a leader elsewhere take over. The caller holds broker.mu.
func (p *partition) mirror() error {
	if p.mirrored.Load() {
		return nil
	}
	p.exclusively(func() []*wakeList {
		p.page.Store(0)
		p.mirrored.Store(true)
		return p.eachTopic((*topic).follow)
	})
	return nil
}

// disown stops the numbering and the mirroring. When it returns no publish is under way. The caller holds broker.mu.
func (p *partition) disown() {
	p.page.Store(0)
	p.exclusively(func() []*wakeList {
		p.mirrored.Store(false)
		p.link.Store(nil)
		return p.eachTopic((*topic).stop)
	})
}

// tell calls Config.Notify if there is something to find out. No lock of a shard or topic is held.
func (p *partition) tell() {
	if l := p.link.Load(); l != nil && l.idle() || l == nil && p.wanted.Load() == 0 {
		return
	}
	p.broker.config.Notify(p.id)
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
