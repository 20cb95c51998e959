package fanout

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Relay is this broker's end of one connection to one other node: the links of all partitions that are led there. It
// turns what is wanted here into requests, and hands what comes to the feeds. What carries both, and who leads what,
// is its owner's business; the recipe is in the package's comment.
//
// Take is called by one goroutine at a time, everything else by any.
type Relay struct {
	broker *Broker
	batch  []Item // of Take

	mu      sync.Mutex // taken before a topic's lock
	links   map[uint32]*Link
	feeds   map[uint32]*Feed // by handle
	handles map[Key][]uint32 // of a topic, oldest first: the newest, and those that may still be told until it is begun
	last    uint32           // handle given out
	shut    []Request        // of links that have ended
	later   []*Feed          // refused for now
	closed  bool
}

// Request is one step of what the other node is to be told, in the words of its [Mux].
type Request struct {
	// Partition and Key name the topic.
	Partition uint32
	Key       Key
	// Shut says that the topic is no longer wanted, see [Mux.Shut]; the rest is empty then.
	Shut bool
	// Handle, Seen and Replay are those of [Mux.Open].
	Handle uint32
	Seen   Position
	Replay bool
}

// LinkLostError says that a relay gave up the link of one partition. The others go on.
type LinkLostError struct {
	Partition uint32
	// Err is why: ErrNotOwner or ErrClosed as the other node says (it may wrap who leads instead), ErrStaleLeader or
	// ErrBadPosition for what it sent.
	Err error
}

// Error names the partition and the reason.
func (e *LinkLostError) Error() string {
	return fmt.Sprintf("fanout: the link of partition %d was given up: %v", e.Partition, e.Err)
}

// Unwrap returns the reason.
func (e *LinkLostError) Unwrap() error { return e.Err }

// NewRelay makes a relay for a new connection, without links.
func (b *Broker) NewRelay() *Relay {
	return &Relay{
		broker: b, links: make(map[uint32]*Link), feeds: make(map[uint32]*Feed), handles: make(map[Key][]uint32),
	}
}

// Join begins a link of a mirrored partition that the other node leads, and ends the one before, whosever it was. All
// topics wanted here are among the next Requests. Errors: ErrNotMirrored, ErrClosed.
func (r *Relay) Join(partition uint32) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	l, err := r.broker.Link(partition)
	if err != nil {
		return err
	}
	r.drop(partition)
	r.links[partition] = l
	return nil
}

// Leave ends the link of a partition, if there is one: the other node does not lead it.
func (r *Relay) Leave(partition uint32) {
	r.mu.Lock()
	l := r.links[partition]
	r.drop(partition)
	r.mu.Unlock()
	if l != nil {
		l.Close()
	}
}

// Close ends all links: the connection is lost. Subscriptions stay, in silence and not [Subscription.Live]. Closing
// twice is harmless.
func (r *Relay) Close() {
	r.mu.Lock()
	links := r.links
	r.links, r.feeds, r.handles, r.shut, r.later, r.closed = nil, nil, nil, nil, nil, true
	r.mu.Unlock()
	for _, l := range links {
		l.Close()
	}
}

// Joined reports whether the relay feeds the partition now: it was joined and its link has not ended since.
func (r *Relay) Joined(partition uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[partition]
	return l != nil && l.partition.link.Load() == l
}

// Partition returns the partition of a topic that was asked for under the handle. False means that its portions are
// wanted no more: Take passes over them.
func (r *Relay) Partition(handle uint32) (id uint32, wanted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.feeds[handle]
	if f == nil {
		return 0, false
	}
	return f.link.partition.id, true
}

// Requests returns what the other node is to be told since the last call, in order. It is called after Join and Leave,
// after Take returned an error, and whenever Config.Notify named a partition of this relay. Who calls it must send
// what it returns before it is called again.
func (r *Relay) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var opened []Request
	for partition, l := range r.links {
		changes, err := l.Changes()
		if err != nil { // owned here by now, or another relay's
			r.drop(partition)
			continue
		}
		for _, c := range changes {
			if request, ok := r.request(partition, c); ok {
				opened = append(opened, request)
			}
		}
	}
	requests := append(r.shut, opened...)
	r.shut = nil
	return requests
}

// Retry asks anew for the topics that the other node refused for want of room, or whose cache it deleted earlier than
// this node. It is called every second or so; what it asks for is among the next Requests.
func (r *Relay) Retry() {
	r.mu.Lock()
	later := r.later
	r.later = nil
	r.mu.Unlock()
	for _, f := range later {
		_ = f.Renew() // or nobody wants it any more
	}
}

// request turns a change into what is sent, if the other node has to hear of it. The caller holds the lock.
func (r *Relay) request(partition uint32, c Change) (Request, bool) {
	key := c.Feed.Key()
	if c.Closed {
		open := r.handles[key]
		if len(open) == 0 || r.feeds[open[len(open)-1]] != c.Feed {
			return Request{}, false
		}
		r.forget(key)
		return Request{Partition: partition, Key: key, Shut: true}, true
	}
	for r.last++; r.feeds[r.last] != nil; r.last++ { // after four billion of them
	}
	r.feeds[r.last] = c.Feed
	r.handles[key] = append(r.handles[key], r.last)
	seen, replay := c.Feed.Seen()
	return Request{Partition: partition, Key: key, Handle: r.last, Seen: seen, Replay: replay}, true
}

// forget lets go of a topic's handles. The caller holds the lock.
func (r *Relay) forget(key Key) {
	for _, handle := range r.handles[key] {
		delete(r.feeds, handle)
	}
	delete(r.handles, key)
}

// drop forgets a link and sees to it that the other node stops sending its topics. The caller holds the lock.
func (r *Relay) drop(partition uint32) {
	l := r.links[partition]
	if l == nil {
		return
	}
	delete(r.links, partition)
	for key, open := range r.handles {
		if r.feeds[open[0]].link == l {
			r.forget(key)
			r.shut = append(r.shut, Request{Partition: partition, Key: key, Shut: true})
		}
	}
}

// Take hands a portion of the other node to its feed. The bytes of the items belong to the broker from now on, the
// rest does not. Portions of topics that are no longer wanted are passed over. The error is a [LinkLostError]: Join
// leads on, when there is a leader to join.
func (r *Relay) Take(p Portion, now time.Time) error {
	f := r.feed(p)
	if f == nil {
		return nil
	}
	err := r.deliver(f, p, now)
	switch {
	case err == nil, errors.Is(err, ErrStaleFeed), errors.Is(err, ErrStaleLink):
		return nil // Requests finds out
	default:
		f.link.Close()
		return &LinkLostError{Partition: f.link.partition.id, Err: err}
	}
}

// feed returns the feed that a portion is for, nil if there is none, and keeps the books about handles.
func (r *Relay) feed(p Portion) *Feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.feeds[p.Handle]
	if f == nil {
		return nil
	}
	key := f.Key()
	switch p.Kind {
	case Begun: // those before are not told any more
		open := r.handles[key]
		for open[0] != p.Handle {
			delete(r.feeds, open[0])
			open = open[1:]
		}
		r.handles[key] = open
	case Over:
		if errors.Is(p.Err, ErrCacheDropped) || errors.Is(p.Err, ErrTooManyTopics) {
			r.later = append(r.later, f)
		}
	}
	return f
}

func (r *Relay) deliver(f *Feed, p Portion, now time.Time) error {
	switch p.Kind {
	case Begun:
		return f.Begin(p.Position)
	case Told:
		return r.told(f, p.Events, now)
	case HighWater:
		_, behind, err := f.HighWater(p.Position)
		if behind {
			err = f.Renew()
		}
		return err
	case Over:
		if errors.Is(p.Err, ErrCacheDropped) || errors.Is(p.Err, ErrTooManyTopics) {
			return nil // see Retry
		}
		return p.Err
	default:
		return fmt.Errorf("%w: a portion of kind %d", ErrBadPosition, p.Kind)
	}
}

// told hands events to a feed, neighbouring items at once.
func (r *Relay) told(f *Feed, events []Event, now time.Time) error {
	for i := range events {
		item, ok := events[i].Item()
		if ok {
			r.batch = append(r.batch, item)
			continue
		}
		if err := r.flush(f, now); err != nil {
			return err
		}
		gap, _ := events[i].Discontinuity()
		if err := f.Gap(Position{Page: gap.Page, Sequence: gap.New}); err != nil {
			return err
		}
	}
	return r.flush(f, now)
}

func (r *Relay) flush(f *Feed, now time.Time) error {
	if len(r.batch) == 0 {
		return nil
	}
	err := f.Items(r.batch, now)
	clear(r.batch)
	r.batch = r.batch[:0]
	return err
}
