package fanout

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// Broker holds the topics of this node. It has no goroutine and no clock: whoever owns it calls Sweep regularly, once
// a second or so, and hands in the time, of one clock that does not run backwards, everywhere.
type Broker struct {
	config                         Config
	retention, forgetAfter, linger int64
	seed                           maphash.Seed
	start                          time.Time

	mu         sync.Mutex // serialises changes of ownership
	partitions atomic.Pointer[[]*partition]
	closed     atomic.Bool

	aging     *timeline // topics with items
	idling    *timeline // topics that may be forgotten
	lingering *timeline // mirrored topics without readers

	clock                        atomic.Int64 // time of the last sweep
	topics, subscriptions, bytes atomic.Int64
}

// New makes a Broker that owns no partition yet. The time is where its own clock begins. It fails if the configuration
// makes no sense.
func New(config Config, now time.Time) (*Broker, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Broker{
		config:      config,
		retention:   int64(config.Retention),
		forgetAfter: int64(config.ForgetAfter),
		linger:      int64(config.Linger),
		seed:        maphash.MakeSeed(),
		start:       now,
		aging:       newTimeline(int64(config.Retention)),
		idling:      newTimeline(int64(config.ForgetAfter)),
		lingering:   newTimeline(int64(config.Linger)),
	}
	b.partitions.Store(&[]*partition{})
	return b, nil
}

// at turns a time into broker time: nanoseconds since its start.
func (b *Broker) at(now time.Time) int64 { return max(0, int64(now.Sub(b.start))) }

// partition returns a partition that was owned at some time, or an error.
func (b *Broker) partition(id uint32) (*partition, error) {
	all := *b.partitions.Load()
	switch {
	case uint64(id) < uint64(len(all)):
		return all[id], nil
	case b.closed.Load():
		return nil, ErrClosed
	default:
		return nil, ErrNotOwner
	}
}

// Publish gives an item the next position of its topic, appends it and wakes the readers that wait for it. The topic is
// created if it does not exist; its first item has number 1. The key must always come with the same partition.
//
// encode is called exactly once, with the topic locked: it makes the bytes that subscribers are sent, quickly and
// without calling the broker. The bytes are the broker's from then on. Errors, with nothing published: ErrNotOwner,
// ErrClosed, ErrTooManyTopics.
func (b *Broker) Publish(partition uint32, key Key, now time.Time, encode func(Position) []byte) (Position, error) {
	p, err := b.partition(partition)
	if err != nil {
		return Position{}, err
	}
	var (
		at       = b.at(now)
		s        = p.shard(key)
		position Position
		waiting  *wakeList
	)
	err = s.with(key, toNumber, at, func(t *topic) { position, waiting = t.publish(at, encode) })
	if err != nil {
		return Position{}, err
	}
	s.published.Add(1)
	waiting.wake()
	b.giveWay()
	return position, nil
}

// Subscribe places a reader in a topic, which is created if it does not exist. With from.Sequence 0 it reads what is
// published from now on. Otherwise from names the first item it wants: what is kept is replayed, and anything missing
// is announced by one discontinuity first. from.Page 0 means the current page. The subscription lives until it is
// closed.
//
// In a mirrored partition the same holds once the leader has been asked, see [Link]; until then the subscription has
// nothing to read (see [Subscription.Live]), unless the mirror has been fed all along and has what was asked for.
// Errors: ErrNotOwner, ErrClosed, ErrTooManyTopics.
func (b *Broker) Subscribe(partition uint32, key Key, from Position, now time.Time) (*Subscription, error) {
	p, err := b.partition(partition)
	if err != nil {
		return nil, err
	}
	at := b.at(now)
	sub := &Subscription{ready: make(chan struct{}, 1)}
	ask := false
	if err := p.shard(key).with(key, toRead, at, func(t *topic) { ask = t.subscribe(sub, from, at) }); err != nil {
		return nil, err
	}
	b.subscriptions.Add(1)
	if ask {
		p.tell()
	}
	return sub, nil
}

// Stats is a look at a broker: what it holds now, and how often things happened since it began.
type Stats struct {
	Topics        int64 // remembered, idle ones included
	Subscriptions int64 // not closed yet
	Items         int64 // kept in all logs
	Bytes         int64 // of those, counted as in Config.TopicBytes

	Interests int64 // mirrored topics that are wanted here
	Fed       int64 // items that mirrors took
	Refused   int64 // items offered to mirrors that were there already, came too late or had no valid position

	Published       int64
	Delivered       int64 // items taken by readers, those of a Mux included
	Discontinuities int64 // told to readers

	// PagesExhausted is how many partitions have used up the pages of their term. Their topics are no longer
	// forgotten, until the partition has a new owner.
	PagesExhausted int64
}

// Stats sums up the counters. They are read one after the other while the broker goes on.
func (b *Broker) Stats() Stats {
	stats := Stats{
		Topics:        b.topics.Load(),
		Subscriptions: b.subscriptions.Load(),
		Bytes:         b.bytes.Load(),
	}
	for _, p := range *b.partitions.Load() {
		if p.page.Load()&maxReset == maxReset {
			stats.PagesExhausted++
		}
		stats.Interests += p.wanted.Load()
		for _, s := range p.shards {
			stats.Items += s.items.Load()
			stats.Published += s.published.Load()
			stats.Fed += s.fed.Load()
			stats.Refused += s.refused.Load()
			stats.Delivered += s.delivered.Load()
			stats.Discontinuities += s.discontinuities.Load()
		}
	}
	return stats
}
