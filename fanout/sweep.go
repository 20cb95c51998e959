package fanout

import "time"

// Sweep drops items that are past retention, ends the interest in mirrored topics without subscriptions, and forgets
// topics that nobody used for a while. Its cost follows
// what is due, not how many topics there are; a topic's lock is held for one visit only. Concurrent calls are harmless.
func (b *Broker) Sweep(now time.Time) {
	at := b.at(now)
	b.clock.Store(at)
	for due, ok := b.aging.take(at); ok; due, ok = b.aging.take(at) {
		for _, t := range due {
			t.expire(at)
		}
	}
	for due, ok := b.lingering.take(at); ok; due, ok = b.lingering.take(at) {
		for _, t := range due {
			if t.abate(at) {
				t.shard.partition.tell()
			}
		}
	}
	for due, ok := b.idling.take(at); ok; due, ok = b.idling.take(at) {
		for _, t := range due {
			t.shard.forget(t, at)
		}
	}
}

// giveWay brings the logs back under the cap of all topics together, at the expense of those with the oldest items.
func (b *Broker) giveWay() {
	for b.bytes.Load() > b.config.TotalBytes {
		t := b.aging.pop()
		if t == nil {
			return // being emptied by somebody else
		}
		t.giveWay()
	}
}
