package fanout

import "sync"

// ending says how a topic ended, for the subscriptions that still point to it.
type ending uint8

const (
	alive ending = iota
	forgotten
	cacheDropped
	disowned
	brokerClosed
)

// err returns what subscriptions are told.
func (e ending) err() error {
	switch e {
	case cacheDropped:
		return ErrCacheDropped
	case disowned:
		return ErrDisowned
	default:
		return ErrClosed
	}
}

// topic is one counter with its log and its readers. A broker may hold millions of them, mostly idle: log and audience
// are there only while there are items and subscriptions.
type topic struct {
	key   Key
	shard *shard

	mu         sync.Mutex
	last       Position // the last position given out; Sequence 0: none yet on this page; Page 0: none known, see interest
	end        uint64   // log index of the next item
	used       int64    // broker time of the last publish, subscribe or unsubscribe
	log        *log
	audience   *audience
	interest   *interest // while the topic is led elsewhere and wanted here
	merges     uint32    // how often indexes changed, see merge
	dismissals uint8     // how often all subscriptions were ended, see dismiss
	ended      ending
	aging      bool // in the timeline of topics with items
	idling     bool // in the timeline of topics that may be forgotten
}

// publish numbers, encodes and appends one item, and hands back the readers to wake.
func (t *topic) publish(at int64, encode func(Position) []byte) (Position, *wakeList) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := Position{Page: t.last.Page, Sequence: t.last.Sequence + 1}
	t.append(Item{Position: next, Encoded: encode(next)}, at)
	return next, t.audience.detach()
}

// subscribe places a new reader. It reports whether the reader has to wait for the leader elsewhere, who should then be
// asked.
func (t *topic) subscribe(s *Subscription, from Position, at int64) (ask bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.enter(s, at)
	if t.owned() {
		s.next, s.anchor = t.resume(from)
		return false
	}
	return t.await(s, from)
}

// serve places the cursor of a mirror behind what the mirror has seen, or behind the newest item, whose position it
// returns.
func (t *topic) serve(s *Subscription, seen Position, replay bool, at int64) (newest Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.enter(s, at)
	s.next, s.anchor = t.end, t.last
	if replay {
		s.next, s.anchor = t.after(seen), seen
		if seen.above(t.last) {
			s.anchor = Position{} // never given out here, so the cursor must tell where it really is
		}
	}
	return t.last
}

// enter adds a reader, whose place is found next.
func (t *topic) enter(s *Subscription, at int64) {
	t.used = max(t.used, at)
	if t.log != nil {
		bytes, items := t.log.bytes, t.log.count
		t.dropExpired(t.used)
		t.account(bytes, items)
	}
	if t.audience == nil {
		t.audience = &audience{}
	}
	t.audience.size++
	if s.cursor != nil {
		t.audience.cursors++
	}
	s.topic, s.merges, s.dismissals = t, t.merges, t.dismissals
}

// owned reports whether the topic is numbered here. The answer holds as long as the caller holds the shard's lock; who
// holds only the topic's is told of a change by turn or watch.
func (t *topic) owned() bool { return t.shard.partition.page.Load() != 0 }

// append puts an item behind all others, whoever gave it its position, which must be above the last one. The caller
// holds the lock.
func (t *topic) append(item Item, at int64) {
	b := t.shard.broker
	t.used = max(t.used, at)
	t.last = item.Position
	if t.log == nil {
		t.log = newLog(t.end)
	}
	bytes, items := t.log.bytes, t.log.count
	t.dropExpired(t.used)
	if t.log.count == b.config.TopicItems {
		t.log.drop()
	}
	t.log.push(item, t.used)
	for t.log.bytes > b.config.TopicBytes && t.log.count > 1 {
		t.log.drop()
	}
	t.end++
	t.account(bytes, items)
	if !t.aging {
		t.aging = true
		b.aging.add(t, t.log.oldest().at+b.retention)
	}
}

// dropExpired drops what is past retention. The caller accounts for it.
func (t *topic) dropExpired(now int64) {
	for t.log.count > 0 && t.log.oldest().at+t.shard.broker.retention <= now {
		t.log.drop()
	}
}

// account reports to the broker how the log changed.
func (t *topic) account(bytesBefore int64, itemsBefore int) {
	if d := t.log.bytes - bytesBefore; d != 0 {
		t.shard.broker.bytes.Add(d)
	}
	if d := t.log.count - itemsBefore; d != 0 {
		t.shard.items.Add(int64(d))
	}
}

// expire drops old items and plans the next visit. The topic just left the aging timeline.
func (t *topic) expire(now int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aging = false
	if t.log != nil {
		bytes, items := t.log.bytes, t.log.count
		t.dropExpired(now)
		t.account(bytes, items)
	}
	t.settle()
}

// giveWay drops the oldest items until the broker is back under its byte cap or nothing is left. The topic just left
// the aging timeline.
func (t *topic) giveWay() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aging = false
	b := t.shard.broker
	for t.log != nil && t.log.count > 0 && b.bytes.Load() > b.config.TotalBytes {
		bytes, items := t.log.bytes, t.log.count
		t.log.drop()
		t.account(bytes, items)
	}
	t.settle()
}

// abandon drops all items of a topic without readers, which is then one that may be forgotten; false if it has readers.
// The topic just left the aging timeline, and stays out of it if it has.
func (t *topic) abandon() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aging = false
	if t.audience != nil || t.interest != nil {
		t.aging = true // nobody else enters it meanwhile
		return false
	}
	t.clear()
	t.settle()
	return true
}

// resettle enters a topic that has left the aging timeline where it belongs.
func (t *topic) resettle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aging = false
	t.settle()
}

// clear drops the whole log.
func (t *topic) clear() {
	if t.log == nil {
		return
	}
	bytes, items := t.log.bytes, t.log.count
	*t.log = log{}
	t.account(bytes, items)
	t.log = nil
}

// settle gives back room that is no longer used and enters the topic in the timeline it belongs to. The caller holds
// the lock.
func (t *topic) settle() {
	b := t.shard.broker
	if t.interest != nil && t.audience == nil {
		t.interest.linger(t)
	}
	if t.log != nil && t.log.count == 0 {
		t.log = nil
	}
	if t.log != nil {
		t.log.fit()
		if !t.aging {
			t.aging = true
			b.aging.add(t, t.log.oldest().at+b.retention)
		}
		return
	}
	if t.audience == nil && t.interest == nil && t.ended == alive && !t.idling {
		t.idling = true
		b.idling.add(t, t.used+b.forgetAfter)
	}
}

// first returns the log index of the oldest kept item, or the end.
func (t *topic) first() uint64 {
	if t.log == nil {
		return t.end
	}
	return t.log.first
}

// turn continues the topic here on a new page, whose first number is the next one. Readers that waited for a leader
// elsewhere need not wait any longer.
func (t *topic) turn(page uint64) *wakeList {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last.Page = page
	w := t.audience.detach()
	if i := t.interest; i != nil {
		t.lose()
		for _, s := range i.waiting {
			if !s.closed {
				s.start(t.resume(s.from()))
				w = w.add(s)
			}
		}
	}
	return w
}

// finish ends the topic and returns the readers to wake. What they have not read stays for them unless the cache is
// gone.
func (t *topic) finish(how ending) *wakeList {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = how
	t.lose()
	if how == cacheDropped || t.audience == nil {
		t.clear()
	}
	return t.audience.detach()
}

// successor makes an empty topic that takes over the name and the counter of an ended one.
func (t *topic) successor() *topic {
	t.mu.Lock()
	next := &topic{key: t.key, shard: t.shard, last: t.last, used: t.used}
	t.mu.Unlock()
	next.mu.Lock()
	defer next.mu.Unlock()
	next.settle()
	return next
}

// resume finds where a reader who asks for a position begins: the log index of its first item, and the anchor, the
// position it has seen by its own account. Whether something is missing in between is found by reading on. The rules,
// row by row, are in the tests. The caller holds the lock.
func (t *topic) resume(from Position) (index uint64, anchor Position) {
	if from.Sequence == 0 {
		return t.end, t.last
	}
	if from.Page == 0 {
		from.Page = t.last.Page
	}
	anchor = from.behind()
	return t.after(anchor), anchor
}

// after returns the log index of the first item for a reader with the given anchor.
func (t *topic) after(anchor Position) uint64 {
	switch {
	case t.log == nil:
		return t.end
	case anchor.Page > t.last.Page:
		// Of a page that is still to come nothing can be continued: the reader gets what the current page has.
		return t.log.search(Position{Page: t.last.Page})
	default:
		return t.log.search(anchor.next())
	}
}

// merge enters items, in ascending order, that are missing in the log. Readers find their places anew. The last
// position is left to the caller.
func (t *topic) merge(items []Item, at int64) (added int) {
	b := t.shard.broker
	t.used = max(t.used, at)
	if t.log == nil {
		t.log = newLog(t.end)
	}
	bytes, count := t.log.bytes, t.log.count
	t.dropExpired(t.used)
	added = t.log.merge(items, t.used)
	t.end += uint64(added)
	if added > 0 {
		t.merges++
	}
	for t.log.count > b.config.TopicItems || t.log.bytes > b.config.TopicBytes && t.log.count > 1 {
		t.log.drop()
	}
	t.account(bytes, count)
	t.settle()
	return added
}
