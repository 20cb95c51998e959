package fanout

// View is a look at one topic of a broker.
type View struct {
	// Last is the position given out last, here or, in a mirror, by the leader as
	// far as it was heard; Sequence 0: none yet on this page.
	Last Position
	// Subscriptions are the readers here, those of a Mux, which read for other
	// nodes, left out.
	Subscriptions int
}

// Look tells how a topic is, as this broker knows it, and changes nothing. ok is
// false when the topic is not known here: nobody uses it, or it is led elsewhere
// and nobody here is interested.
func (b *Broker) Look(partition uint32, key Key) (v View, ok bool) {
	p, err := b.partition(partition)
	if err != nil {
		return View{}, false
	}
	s := p.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.topics[key]
	if t == nil {
		return View{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	v.Last = t.last
	if t.audience != nil {
		v.Subscriptions = t.audience.size - t.audience.cursors
	}
	return v, v.Last.Page != 0
}
