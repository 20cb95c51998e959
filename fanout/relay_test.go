package fanout

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// relay is a Relay and a Mux that are joined without a network. Frames lie in between until they are delivered, so that
// tests can do to them what networks do.
type relay struct {
	*Relay
	t      tb
	leader *Broker
	mirror *Broker
	link   *Link
	mux    *Mux
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
	r := mirror.NewRelay()
	if err := r.Join(0); err != nil {
		t.Fatal(err)
	}
	return &relay{Relay: r, t: t, leader: leader, mirror: mirror, link: r.links[0], mux: leader.NewMux()}
}

// ask carries what the mirror wants to the leader.
func (r *relay) ask(now time.Time) {
	r.t.Helper()
	for _, q := range r.Requests() {
		if q.Shut {
			r.mux.Shut(q.Key)
			continue
		}
		if err := r.mux.Open(q.Handle, q.Partition, q.Key, q.Seen, q.Replay, now); err != nil {
			r.frames = append(r.frames, frame{Portion: Portion{Handle: q.Handle, Partition: q.Partition, Kind: Over, Err: err}})
		}
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

// deliver hands a frame over.
func (r *relay) deliver(f frame, now time.Time) error {
	f.Events = f.events
	return r.Take(f.Portion, now)
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

// arrive does with a frame what a relay does. A link may be lost for good reasons only.
func (r *relay) arrive(f frame, now time.Time) {
	r.t.Helper()
	err := r.deliver(f, now)
	if err == nil {
		return
	}
	for _, reason := range []error{ErrStaleLeader, ErrNotOwner, ErrDisowned, ErrClosed} {
		if errors.Is(err, reason) {
			return
		}
	}
	r.t.Fatal(err)
}

// newRelay is a leader and a mirror of partition 0.
func newRelay(t *testing.T, config Config) *relay {
	t.Helper()
	return connect(t, ownedBroker(t, config), newBroker(t, config))
}
