package fanout

import "sync"

// audience is the readers of one topic. Only those that found nothing to read are listed; the others will look for
// themselves before they wait. Guarded by the topic's lock.
type audience struct {
	size    int
	cursors int    // how many of them belong to a Mux
	round   uint32 // grows with each detach, and may wrap
	waiting []*Subscription
}

// lists reports whether s is listed: if it was listed in this round, or in one of the same number four billion detaches
// ago, which its place would show.
func (a *audience) lists(s *Subscription) bool {
	return s.listed == a.round && int(s.place) < len(a.waiting) && a.waiting[s.place] == s
}

// list enters s, so that the next publish wakes it.
func (a *audience) list(s *Subscription) {
	if a.lists(s) {
		return
	}
	s.listed, s.place = a.round, uint32(len(a.waiting))
	a.waiting = append(a.waiting, s)
}

// leave removes s for good.
func (a *audience) leave(s *Subscription) {
	a.size--
	if s.cursor != nil {
		a.cursors--
	}
	if !a.lists(s) {
		return
	}
	n := len(a.waiting) - 1
	moved := a.waiting[n]
	a.waiting[s.place], moved.place = moved, s.place
	a.waiting[n] = nil
	a.waiting = a.waiting[:n]
}

// wakeList is a set of detached readers that are to be woken once the topic's lock is free.
type wakeList struct {
	readers []*Subscription
}

var wakeLists = sync.Pool{New: func() any { return new(wakeList) }}

// detach empties the list of waiting readers and returns it, or nil if nobody waits. The list is copied, not handed
// over, so that its memory stays with the topic whose size it has.
func (a *audience) detach() *wakeList {
	if a == nil || len(a.waiting) == 0 {
		return nil
	}
	w := wakeLists.Get().(*wakeList)
	w.readers = append(w.readers, a.waiting...)
	clear(a.waiting)
	a.waiting = a.waiting[:0]
	if cap(a.waiting) > 4*a.size+16 {
		a.waiting = nil
	}
	a.round++
	return w
}

// add enters one more reader; the list may be nil.
func (w *wakeList) add(s *Subscription) *wakeList {
	if w == nil {
		w = wakeLists.Get().(*wakeList)
	}
	w.readers = append(w.readers, s)
	return w
}

// wake rings every reader. A reader that listed itself anew or left meanwhile takes no harm from it.
func (w *wakeList) wake() {
	if w == nil {
		return
	}
	for _, s := range w.readers {
		s.Wake()
	}
	clear(w.readers)
	w.readers = w.readers[:0]
	wakeLists.Put(w)
}
