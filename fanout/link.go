package fanout

import "sync"

// Link is what feeds the mirror of one partition: the part of a connection to its leader that is about that
// partition's topics. Whoever holds the connection reads from the link which topics are wanted, asks the leader for
// them, and hands what comes to their feeds. A link ends when it is closed, when the partition gets a newer one, and
// when the partition is no longer mirrored; its feeds then refuse everything, so nothing that an old leader sent
// comes in late.
//
// All methods may be called from any goroutine, but one at a time should act on Changes.
type Link struct {
	partition *partition

	mu    sync.Mutex
	queue []entry
}

// entry is an interest for which the leader may have to be asked, or a feed that is no longer wanted. An interest
// that has ended is passed over: if the topic is wanted again, that is another entry, behind the end of the old feed.
type entry struct {
	topic    *topic
	interest *interest
	closed   *Feed
}

// Change is one step of what the leader is to be told.
type Change struct {
	// Feed is the feed the change is about.
	Feed *Feed
	// Closed says that the feed is no longer wanted. Otherwise it is to be begun, see [Feed.Begin]; if the leader
	// already sends the topic for another feed, the new one takes its place there.
	Closed bool
}

// Link begins a new link of a mirrored partition and ends the one before, if any. All topics wanted here are among its
// first Changes. Errors: ErrNotMirrored, ErrClosed.
func (b *Broker) Link(partition uint32) (*Link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, err := b.partition(partition)
	switch {
	case b.closed.Load():
		return nil, ErrClosed
	case err != nil || !p.mirrored.Load():
		return nil, ErrNotMirrored
	}
	l := &Link{partition: p}
	p.link.Store(l)
	for _, s := range p.shards {
		s.mu.RLock()
		for _, t := range s.topics {
			t.relink()
		}
		s.mu.RUnlock()
	}
	return l, nil
}

// relink enters the topic in a new link's queue if it is wanted.
func (t *topic) relink() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.interest != nil {
		t.want()
	}
}

// Interests returns how many topics of a partition are wanted here: those with subscriptions, and those that had some
// until a moment ago. A mirrored partition with none needs no link.
func (b *Broker) Interests(partition uint32) int {
	p, err := b.partition(partition)
	if err != nil {
		return 0
	}
	return int(p.wanted.Load())
}

// Changes returns what has changed since the last call about the topics that are wanted, in order; the first call
// tells all of them. See Config.Notify for when to call. The error is ErrStaleLink.
func (l *Link) Changes() ([]Change, error) {
	if l.partition.link.Load() != l {
		return nil, ErrStaleLink
	}
	l.mu.Lock()
	queue := l.queue
	l.queue = nil
	l.mu.Unlock()
	changes := make([]Change, 0, len(queue))
	for _, e := range queue {
		if e.closed != nil {
			changes = append(changes, Change{Feed: e.closed, Closed: true})
		} else if f := e.topic.ask(l, e.interest); f != nil {
			changes = append(changes, Change{Feed: f})
		}
	}
	return changes, nil
}

// Close ends the link: the leader is out of reach. Subscriptions stay, in silence and not [Subscription.Live].
// Closing a link that has ended is harmless.
func (l *Link) Close() {
	if l.partition.link.CompareAndSwap(l, nil) {
		l.partition.tell()
	}
}

func (l *Link) enqueue(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, e)
}

// idle reports whether there are no changes.
func (l *Link) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue) == 0
}
