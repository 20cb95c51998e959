package fanout

import (
	"fmt"
	"time"
)

// Feed brings one topic from its leader into the mirror. [Link.Changes] hands it out; its owner asks the leader to
// begin behind Seen, and passes on what the leader answers in the leader's order: Begin first, then Items, Gap and
// HighWater.
//
// What arrives twice, too late or from a page below one already seen does no harm; it is refused and counted. What
// is missing between the last position and the next becomes a discontinuity. All methods but the getters may fail with
// ErrStaleLink, ErrStaleFeed or ErrBadPosition; a feed that is stale is useless and its owner may forget it.
type Feed struct {
	topic  *topic
	link   *Link
	seen   Position
	newest bool

	// Guarded by topic.mu.
	target   Position // the leader's newest position when it began
	progress Position // how far the leader has come in what it sends
}

// Key returns the topic's name.
func (f *Feed) Key() Key { return f.topic.key }

// Seen returns the position behind which the leader should begin; the zero Position for all it has kept. False means
// that only what is published from now on is wanted.
func (f *Feed) Seen() (Position, bool) { return f.seen, !f.newest }

// catchingUp reports whether there is more to come of what the leader had when it began.
func (f *Feed) catchingUp() bool { return f.progress.Compare(f.target) < 0 }

// Begin says that the leader has begun to send, and which was its newest position then (Sequence 0 if it had published
// nothing on its page). Readers that asked for new items get their place behind it. ErrStaleLeader means that this node
// has seen more than that: another leader should be looked for.
func (f *Feed) Begin(newest Position) error {
	w, err := f.begin(newest)
	w.wake()
	f.link.partition.tell()
	return err
}

func (f *Feed) begin(newest Position) (*wakeList, error) {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.interest
	switch {
	case f.stale():
		return nil, ErrStaleLink
	case i == nil || i.asked != f:
		return nil, ErrStaleFeed
	case !newest.valid():
		return nil, fmt.Errorf("%w: %v", ErrBadPosition, newest)
	case newest.Compare(t.last) < 0:
		return nil, fmt.Errorf("%w: it has %v, seen was %v", ErrStaleLeader, newest, t.last)
	}
	i.feed, i.asked = f, nil
	f.target, f.progress = newest, f.seen
	switch {
	case f.newest:
		t.last, i.base, f.progress = newest, newest, newest
	case f.seen.above(newest):
		f.progress = Position{} // only a reader says so, who will be told what there is
		t.last, i.base = newest, newest
	case !t.anchored() && f.seen.above(t.last):
		t.last, i.base = f.seen, f.seen
	case f.seen.Compare(i.base) < 0:
		i.base = f.seen
	}
	return t.arrive(f, nil), nil
}

// Items takes items of the leader, oldest first. Their bytes belong to the broker from now on; the slice does not.
// Those that are not above all before them are refused without an error.
func (f *Feed) Items(items []Item, now time.Time) error {
	b := f.topic.shard.broker
	w, fed, err := f.items(items, b.at(now))
	w.wake()
	s := f.topic.shard
	s.fed.Add(int64(fed))
	s.refused.Add(int64(len(items) - fed))
	b.giveWay()
	return err
}

func (f *Feed) items(items []Item, at int64) (w *wakeList, fed int, err error) {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := f.current(); err != nil {
		return nil, 0, err
	}
	var older []Item // fill up the log of a feed that began further back
	catching := f.catchingUp()
	for _, item := range items {
		if !item.valid() || item.Sequence == 0 {
			err = fmt.Errorf("%w: %v", ErrBadPosition, item.Position)
			break
		}
		switch {
		case item.Compare(f.progress) <= 0 && catching:
			continue // the leader was here before
		case item.above(t.last):
			t.append(item, at)
			fed++
		case catching:
			older = append(older, item)
		default:
			continue
		}
		f.advance(item.Position)
	}
	if len(older) > 0 {
		fed += t.merge(older, at)
	}
	if fed > 0 {
		w = t.audience.detach()
	}
	if catching {
		w = t.arrive(f, w)
	}
	return w, fed, err
}

// Gap says that the leader continues behind the given position and has nothing more to send up to there: items were
// dropped, or its page changed. Readers that are not there yet are told at once, though no item may follow. It is
// also how the owner of the feed gives up on what HighWater found missing.
func (f *Feed) Gap(behind Position) error {
	w, err := f.gap(behind)
	w.wake()
	return err
}

func (f *Feed) gap(behind Position) (w *wakeList, err error) {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := f.current(); err != nil {
		return nil, err
	}
	if !behind.valid() {
		return nil, fmt.Errorf("%w: %v", ErrBadPosition, behind)
	}
	catching := f.catchingUp()
	if behind.above(t.last) {
		t.last = behind
		w = t.audience.detach()
	}
	f.advance(behind)
	if catching {
		w = t.arrive(f, w)
	}
	return w, nil
}

// Missing is a range of positions: those after After up to UpTo.
type Missing struct {
	After, UpTo Position
}

// HighWater says that the leader has sent everything up to the given position. True means that not all of it arrived,
// and what is missing. The owner of the feed then may call Renew, to have it sent again, or Gap, to give it up.
func (f *Feed) HighWater(sent Position) (Missing, bool, error) {
	t := f.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := f.current(); err != nil {
		return Missing{}, false, err
	}
	if !sent.valid() {
		return Missing{}, false, fmt.Errorf("%w: %v", ErrBadPosition, sent)
	}
	have := t.last
	if f.catchingUp() {
		have = f.progress
	}
	return Missing{After: have, UpTo: sent}, sent.above(have), nil
}

// Renew asks for a new feed that begins behind what this one has brought, or, if the leader refused to begin this one,
// for another try. It is among the link's next Changes; until that has begun this one continues.
func (f *Feed) Renew() error {
	t := f.topic
	t.mu.Lock()
	err := f.current()
	if i := t.interest; err == nil {
		i.again = true
		t.want()
	} else if i != nil && i.asked == f && !f.stale() {
		err = nil
		i.asked, i.again = nil, t.fed()
		t.want()
	}
	t.mu.Unlock()
	f.link.partition.tell()
	return err
}

// current returns an error unless the feed may change the topic. The caller holds the topic's lock.
func (f *Feed) current() error {
	switch i := f.topic.interest; {
	case f.stale():
		return ErrStaleLink
	case i == nil || i.feed != f:
		return ErrStaleFeed
	default:
		return nil
	}
}

// stale reports whether the feed's link has ended.
func (f *Feed) stale() bool { return f.link.partition.link.Load() != f.link }

func (f *Feed) advance(to Position) {
	if to.above(f.progress) {
		f.progress = to
	}
}

// arrive gives pending readers their places if the feed has caught up, and asks on for those it cannot serve.
func (t *topic) arrive(f *Feed, w *wakeList) *wakeList {
	if f.catchingUp() {
		return w
	}
	w = t.place(f, w)
	if len(t.interest.waiting) > 0 {
		t.want()
	}
	return w
}
