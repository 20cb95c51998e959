package fanout

// interest is what a topic that is led elsewhere has beside its log, from its first reader here until a while after its
// last: what feeds it, and the readers that cannot be placed before the leader has been asked. Guarded by the topic's
// lock.
type interest struct {
	feed  *Feed // what feeds the topic, or did until its link was lost
	asked *Feed // handed out by Changes and not begun yet
	// base is how far back the mirror has everything that the leader had: a reader that wants no more than what comes
	// after it need not ask.
	base      Position
	waiting   []*Subscription // pending readers, and closed ones that are not swept out yet
	gone      int             // how many of waiting are closed
	queued    *Link           // in the queue of this link
	again     bool            // the feed lost something and has to be renewed
	lingering bool            // in the timeline of topics whose interest ends
	left      int64           // broker time when the last reader left
}

// forgo notes that a pending reader was closed. Sweeping only when most are gone keeps this cheap for crowds.
func (i *interest) forgo() {
	i.gone++
	if i.gone <= len(i.waiting)/2+16 {
		return
	}
	i.keep(func(*Subscription) bool { return true })
}

// keep removes from the list of pending readers the closed ones and those for which stays is false.
func (i *interest) keep(stays func(*Subscription) bool) {
	kept := i.waiting[:0]
	for _, s := range i.waiting {
		if !s.closed && stays(s) {
			kept = append(kept, s)
		}
	}
	clear(i.waiting[len(kept):])
	i.waiting, i.gone = kept, 0
	if len(kept) == 0 {
		i.waiting = nil
	}
}

// from is what a pending reader asked for.
func (s *Subscription) from() Position { return s.anchor }

// watch returns the topic's interest, which begins if there is none: from here on everything is wanted.
func (t *topic) watch(base Position) *interest {
	if t.interest == nil {
		t.interest = &interest{base: base}
		t.shard.partition.wanted.Add(1)
	}
	return t.interest
}

// lose ends the interest. Readers that were pending stay so.
func (t *topic) lose() {
	i := t.interest
	if i == nil {
		return
	}
	t.interest = nil
	p := t.shard.partition
	p.wanted.Add(-1)
	if l := p.link.Load(); l != nil {
		if f := i.on(l); f != nil {
			l.enqueue(entry{closed: f})
		}
	}
}

// on returns the newest feed that was handed out by the link, or nil.
func (i *interest) on(l *Link) *Feed {
	switch {
	case i.asked != nil && i.asked.link == l:
		return i.asked
	case i.feed != nil && i.feed.link == l:
		return i.feed
	default:
		return nil
	}
}

// fed reports whether a leader elsewhere feeds the topic now.
func (t *topic) fed() bool {
	i := t.interest
	return i != nil && i.feed != nil && i.feed.link == t.shard.partition.link.Load()
}

// anchored reports whether a reader has its place already, so that nothing may be passed over in silence. That may be
// another node's, which has not found out yet that the topic is led elsewhere.
func (t *topic) anchored() bool {
	a, i := t.audience, t.interest
	return a != nil && a.size > len(i.waiting)-i.gone
}

// await places a reader if the mirror can serve it, and otherwise lets it wait for the leader to be asked. True says
// that the link's owner should look.
func (t *topic) await(s *Subscription, from Position) (ask bool) {
	i := t.watch(t.last)
	if t.fed() && !i.feed.catchingUp() && (from.Sequence == 0 || i.covers(t, from)) {
		s.next, s.anchor = t.resume(from)
		return false
	}
	s.pending, s.anchor = true, from
	i.waiting = append(i.waiting, s)
	return t.want()
}

// covers reports whether the mirror has all that the leader could send to a reader that asks for from.
func (i *interest) covers(t *topic, from Position) bool {
	if from.Page == 0 {
		from.Page = t.last.Page
	}
	from = from.behind()
	return from.Compare(i.base) >= 0 && from.Compare(t.last) <= 0
}

// want enters the topic in the link's queue unless the leader is being asked already. True says that the link's owner,
// or who could make a link, should look.
func (t *topic) want() bool {
	i, l := t.interest, t.shard.partition.link.Load()
	switch {
	case l == nil:
		return true
	case i.queued == l, i.asked != nil && i.asked.link == l:
		return false
	case t.fed() && i.feed.catchingUp() && !i.again:
		return false // what it brings may do
	}
	i.queued = l
	l.enqueue(entry{topic: t, interest: i})
	return true
}

// ask makes the feed that gives the topic's readers what they need, or returns nil if they have it. The link's queue
// just let go of the interest.
func (t *topic) ask(l *Link, i *interest) *Feed {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i != t.interest || i.queued != l || t.shard.partition.link.Load() != l {
		return nil
	}
	i.queued = nil
	if t.fed() && !i.again && len(i.waiting) == i.gone {
		return nil
	}
	if t.audience == nil && !t.fed() { // it only lingers, which is not worth asking anew
		t.lose()
		t.settle()
		return nil
	}
	f := &Feed{topic: t, link: l}
	f.seen, f.newest = i.needs(t)
	i.asked, i.again = f, false
	for _, s := range i.waiting {
		s.asked = true
	}
	return f
}

// needs returns the position behind which the leader should begin, or that it may begin with what is new. A position
// of zero means all it has.
func (i *interest) needs(t *topic) (seen Position, newest bool) {
	placed := t.anchored() || i.again
	seen, newest = t.last, !placed
	for _, s := range i.waiting {
		from := s.from()
		if s.closed || from.Sequence == 0 {
			continue
		}
		if from.Page == 0 {
			from.Page = t.last.Page // 0 before the leader's first word: then everything is wanted
		}
		from = from.behind()
		switch {
		case placed && from.Compare(i.base) >= 0:
			// What follows t.last will do.
		case placed:
			seen = Position{}
		case newest || from.Compare(seen) < 0:
			seen = from
		}
		newest = false
	}
	if !placed && seen.Page == 0 {
		seen = Position{}
	}
	return seen, newest
}

// place gives their places to the pending readers that can have one, now that the feed has caught up, and adds them to
// those to wake.
func (t *topic) place(f *Feed, w *wakeList) *wakeList {
	i := t.interest
	i.keep(func(s *Subscription) bool {
		from := s.from()
		switch {
		case from.Sequence == 0:
			s.start(t.after(f.target), f.target)
		case s.asked || i.covers(t, from):
			s.start(t.resume(from))
		default:
			return true
		}
		w = w.add(s)
		return false
	})
	return w
}

// follow begins to wait for a leader elsewhere. The broker owned the partition, or nobody here knew the owner.
// Cursors of other nodes must look elsewhere, too.
func (t *topic) follow() *wakeList {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.audience; a != nil && a.size > a.cursors {
		t.watch(Position{}) // who numbered the items has all there were
	}
	t.merges++ // a reader that has strayed here, see there, must not read what it has seen
	return t.release()
}

// stop ends the reading by other nodes.
func (t *topic) stop() *wakeList {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.release()
}

// release returns the waiting readers if cursors are among them, which must find out that ownership is lost.
func (t *topic) release() *wakeList {
	if t.audience == nil || t.audience.cursors == 0 {
		return nil
	}
	return t.audience.detach()
}

// dismiss ends all subscriptions that there are.
func (t *topic) dismiss() *wakeList {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.audience == nil {
		return nil
	}
	t.dismissals++
	w := t.audience.detach()
	if i := t.interest; i != nil {
		for _, s := range i.waiting {
			w = w.add(s)
		}
	}
	return w
}

// linger plans the end of an interest that nobody has now. The caller holds the lock.
func (i *interest) linger(t *topic) {
	if i.lingering {
		return
	}
	i.lingering = true
	b := t.shard.broker
	b.lingering.add(t, i.left+b.linger)
}

// abate ends the interest if nobody came back, and reports whether it did. The topic just left the timeline.
func (t *topic) abate(now int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.interest
	if i == nil {
		return false
	}
	i.lingering = false
	switch {
	case t.audience != nil:
		return false
	case i.left+t.shard.broker.linger > now:
		i.linger(t)
		return false
	}
	t.lose()
	t.settle()
	return true
}
