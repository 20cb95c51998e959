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
			t.shard.forget(t, at, false)
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

const (
	// roomMade is how many topics are forgotten at once when there are too many: looking for them has its price.
	roomMade = 32
	// roomSought is how many are looked at for that.
	roomSought = 8 * roomMade
)

// makeRoom forgets topics that nobody listens to before their time, since there are too many: first those without
// items, the longest unused first, then those whose items are oldest. It reports whether there is room now.
func (b *Broker) makeRoom(at int64) bool {
	var inUse []*topic
	made := 0
	for range roomSought {
		if made == roomMade {
			break
		}
		if t := b.idling.pop(); t != nil {
			if t.shard.forget(t, at, true) {
				made++
			}
			continue
		}
		t := b.aging.pop()
		if t == nil {
			break
		}
		if !t.abandon() {
			inUse = append(inUse, t)
		}
	}
	for _, t := range inUse {
		t.resettle()
	}
	return made > 0 || b.topics.Load() < int64(b.config.MaxTopics)
}
