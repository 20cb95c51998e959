package fanout

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// relay is the smallest thing that joins a leader with a mirror: a connection without a network. Frames lie in it until
// they are delivered, so that tests can do to them what networks do.
type relay struct {
	t      tb
	leader *Broker
	mirror *Broker
	link   *Link
	mux    *Mux
	last   uint32
	feeds  map[uint32]*Feed
	byKey  map[Key]*Feed
	frames []frame
	sent   int // items that the leader handed out
}

// frame is a portion that does not share memory with the buffer it was taken into.
type frame struct {
	Portion
	events []Event
}

// connect makes the second broker mirror a partition 0 that the first one leads.
func connect(t tb, leader, mirror *Broker) *relay {
	t.Helper()
	if err := mirror.Mirror(0); err != nil {
		t.Fatal(err)
	}
	link, err := mirror.Link(0)
	if err != nil {
		t.Fatal(err)
	}
	return &relay{
		t: t, leader: leader, mirror: mirror, link: link, mux: leader.NewMux(),
		feeds: make(map[uint32]*Feed), byKey: make(map[Key]*Feed),
	}
}

// ask carries what the mirror wants to the leader.
func (r *relay) ask(now time.Time) {
	r.t.Helper()
	changes, err := r.link.Changes()
	if errors.Is(err, ErrStaleLink) {
		return
	}
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range changes {
		key := c.Feed.Key()
		if c.Closed {
			if r.byKey[key] != c.Feed {
				r.t.Fatalf("%v was closed for a feed that is not its newest", key)
			}
			delete(r.byKey, key)
			r.mux.Shut(key)
			continue
		}
		r.last++
		seen, replay := c.Feed.Seen()
		switch err := r.mux.Open(r.last, 0, key, seen, replay, now); {
		case errors.Is(err, ErrNotOwner), errors.Is(err, ErrClosed):
			r.link.Close() // a new one goes to the new leader
			return
		case err != nil:
			r.t.Fatal(err)
		}
		r.feeds[r.last], r.byKey[key] = c.Feed, c.Feed
	}
}

// send puts what the leader has to tell into the connection.
func (r *relay) send() {
	var buf [3]Event
	for {
		p, ok := r.mux.Take(buf[:])
		if !ok {
			return
		}
		f := frame{Portion: p, events: slices.Clone(p.Events)}
		for _, e := range f.events {
			if _, ok := e.Item(); ok {
				r.sent++
			}
		}
		r.frames = append(r.frames, f)
	}
}

// deliver hands a frame to its feed.
func (r *relay) deliver(f frame, now time.Time) error {
	feed := r.feeds[f.Handle]
	var err error
	switch f.Kind {
	case Begun:
		err = feed.Begin(f.Position)
	case HighWater:
		var behind bool
		if _, behind, err = feed.HighWater(f.Position); behind {
			err = feed.Renew()
		}
	case Told:
		for _, e := range f.events {
			if item, ok := e.Item(); ok {
				err = errors.Join(err, feed.Items([]Item{item}, now))
			} else {
				gap, _ := e.Discontinuity()
				err = errors.Join(err, feed.Gap(Position{gap.Page, gap.New}))
			}
		}
	case Over:
		r.link.Close()
	}
	return err
}

// pump lets everything arrive until both sides have nothing more to say.
func (r *relay) pump(now time.Time) {
	r.t.Helper()
	for {
		r.ask(now)
		r.send()
		if len(r.frames) == 0 {
			return
		}
		for _, f := range r.frames {
			r.arrive(f, now)
		}
		r.frames = nil
	}
}

// arrive does with a frame what a relay does: it shrugs at what is stale, and gives up a leader that is.
func (r *relay) arrive(f frame, now time.Time) {
	r.t.Helper()
	switch err := r.deliver(f, now); {
	case err == nil, errors.Is(err, ErrStaleFeed), errors.Is(err, ErrStaleLink):
	case errors.Is(err, ErrStaleLeader):
		r.link.Close()
	default:
		r.t.Fatal(err)
	}
}

// newRelay is a leader and a mirror of partition 0.
func newRelay(t *testing.T, config Config) *relay {
	t.Helper()
	return connect(t, ownedBroker(t, config), newBroker(t, config))
}
