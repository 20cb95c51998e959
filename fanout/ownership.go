package fanout

import "fmt"

// Own begins ownership of a partition, or renews it under a newer page. The page (see [Page.Number], with Reset 0)
// must be above every page the partition had before, else ErrStalePage; the current one again is fine and changes
// nothing. Topics that are still here continue: their next item has the next number, on the new page, and every
// subscription is told the change at once by one discontinuity.
//
// In a partition that was mirrored, what was seen of each topic counts as its numbers and its recent items; see
// [Survey] for what other nodes have seen. A page that is not above all pages seen is an ErrStalePage, too.
func (b *Broker) Own(id uint32, page uint64) error {
	return b.change(id, func(p *partition) error { return p.own(page, nil) })
}

// Mirror lets a partition be fed by its owner elsewhere, see [Link]. Subscribing is allowed from now on, numbering no
// longer. Topics and subscriptions that are here stay; what the new leader knows of them continues them, after one
// discontinuity. Mirroring already is fine and changes nothing.
func (b *Broker) Mirror(id uint32) error {
	return b.change(id, (*partition).mirror)
}

// change does something to a partition, which is created if need be, while nobody else changes one.
func (b *Broker) change(id uint32, do func(*partition) error) error {
	if id >= maxPartitions {
		return fmt.Errorf("fanout: partition %d is out of range, want below %d", id, maxPartitions)
	}
	b.mu.Lock()
	if b.closed.Load() {
		b.mu.Unlock()
		return ErrClosed
	}
	p := b.grow(id)
	err := do(p)
	b.mu.Unlock()
	p.tell()
	return err
}

// grow returns the partition, which it creates if need be. The caller holds b.mu.
func (b *Broker) grow(id uint32) *partition {
	old := *b.partitions.Load()
	if uint64(id) < uint64(len(old)) {
		return old[id]
	}
	all := append(make([]*partition, 0, id+1), old...)
	for uint64(len(all)) <= uint64(id) {
		all = append(all, newPartition(b, uint32(len(all))))
	}
	b.partitions.Store(&all)
	return all[id]
}

// Owns reports whether the partition is owned now.
func (b *Broker) Owns(partition uint32) bool {
	p, err := b.partition(partition)
	return err == nil && p.page.Load() != 0
}

// Base returns the page with which the present ownership of a partition began, 0 while it is not owned. Everything that
// was numbered under it, by this broker alone, lies on this page or one that differs from it in [Page].Reset only.
func (b *Broker) Base(partition uint32) uint64 {
	p, err := b.partition(partition)
	if err != nil {
		return 0
	}
	return BaseOf(p.page.Load())
}

// Disown ends ownership of a partition, or its mirroring: from its return on nothing is numbered or fed there. Topics
// and subscriptions stay, in silence, for the case that ownership comes back; reading what is kept goes on. See
// Abandon.
func (b *Broker) Disown(partition uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, err := b.partition(partition); err == nil {
		p.disown()
	}
}

// Abandon ends ownership of a partition for good: its topics are forgotten, its subscriptions end with ErrDisowned
// after what they have not read yet.
func (b *Broker) Abandon(id uint32) {
	b.each(func(p *partition) {
		if p.id == id {
			p.disown()
			p.finish(disowned, everyTopic)
		}
	})
}

// each calls do with every partition, while nobody else changes one.
func (b *Broker) each(do func(*partition)) {
	b.mu.Lock()
	all := *b.partitions.Load()
	for _, p := range all {
		do(p)
	}
	b.mu.Unlock()
	for _, p := range all {
		p.tell()
	}
}

// Dismiss ends all subscriptions of a partition with ErrDisowned, after what they have not read yet. Topics and items
// stay. It is for a node that lost the leader for long: subscribers shall look for another node, and this one still
// knows what it has seen.
func (b *Broker) Dismiss(partition uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, err := b.partition(partition); err == nil {
		p.exclusively(func() []*wakeList { return p.eachTopic((*topic).dismiss) })
	}
}

// DropCache forgets all topics of a deleted cache. Their subscriptions end with ErrCacheDropped at once. A topic of the
// same name may be used again right away; it is another one, on a newer page.
func (b *Broker) DropCache(cache string) {
	b.each(func(p *partition) {
		p.finish(cacheDropped, func(t *topic) bool { return t.key.Cache == cache })
	})
}

// Close ends everything: publishing and subscribing fail with ErrClosed, subscriptions end with it after what they have
// not read yet. It does not wait for the readers. Closing twice is harmless.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Swap(true) {
		return
	}
	for _, p := range *b.partitions.Load() {
		p.disown()
		p.finish(brokerClosed, everyTopic)
	}
}

func everyTopic(*topic) bool { return true }
