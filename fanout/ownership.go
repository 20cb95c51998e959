package fanout

import "fmt"

// Own begins ownership of a partition, or renews it under a newer page. The page (see [Page.Number], with Reset 0)
// must be above every page the partition had before, else ErrStalePage; the current one again is fine and changes
// nothing. Topics that are still here continue: their next item has the next number, on the new page, and every
// subscription is told the change at once by one discontinuity.
func (b *Broker) Own(partition uint32, page uint64) error {
	if partition >= maxPartitions {
		return fmt.Errorf("fanout: partition %d is out of range, want below %d", partition, maxPartitions)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Load() {
		return ErrClosed
	}
	return b.grow(partition).own(page)
}

// grow returns the partition, which it creates if need be. The caller holds b.mu.
func (b *Broker) grow(id uint32) *partition {
	old := *b.partitions.Load()
	if uint64(id) < uint64(len(old)) {
		return old[id]
	}
	all := append(make([]*partition, 0, id+1), old...)
	for uint64(len(all)) <= uint64(id) {
		all = append(all, newPartition(b))
	}
	b.partitions.Store(&all)
	return all[id]
}

// Owns reports whether the partition is owned now.
func (b *Broker) Owns(partition uint32) bool {
	p, err := b.partition(partition)
	return err == nil && p.page.Load() != 0
}

// Disown ends ownership of a partition: from its return on nothing is numbered there. Topics and subscriptions stay, in
// silence, for the case that ownership comes back; reading what is kept goes on. See Abandon.
func (b *Broker) Disown(partition uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, err := b.partition(partition); err == nil {
		p.disown()
	}
}

// Abandon ends ownership of a partition for good: its topics are forgotten, its subscriptions end with ErrDisowned
// after what they have not read yet.
func (b *Broker) Abandon(partition uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.partition(partition)
	if err != nil {
		return
	}
	p.disown()
	p.finish(disowned, everyTopic)
}

// DropCache forgets all topics of a deleted cache. Their subscriptions end with ErrCacheDropped at once. A topic of the
// same name may be used again right away; it is another one, on a newer page.
func (b *Broker) DropCache(cache string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range *b.partitions.Load() {
		p.finish(cacheDropped, func(t *topic) bool { return t.key.Cache == cache })
	}
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
