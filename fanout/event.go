package fanout

import "cmp"

// Key names a topic. Names are compared byte by byte; whether they are well-formed is the caller's business.
type Key struct {
	Cache, Topic string
}

// Position names one item of a topic: its number, and the page under which that number was given. As an anchor it
// names the last item somebody has seen; Sequence 0 then means none yet on this page.
type Position struct {
	Page, Sequence uint64
}

// Compare orders positions by page, then by number: the order in which a topic's items were published.
func (p Position) Compare(q Position) int {
	if p.Page != q.Page {
		return cmp.Compare(p.Page, q.Page)
	}
	return cmp.Compare(p.Sequence, q.Sequence)
}

// above is Compare > 0, for where every nanosecond is paid for each reader.
func (p Position) above(q Position) bool {
	return p.Page > q.Page || p.Page == q.Page && p.Sequence > q.Sequence
}

// follows reports whether p is the direct successor of q.
func (p Position) follows(q Position) bool {
	return p.Page == q.Page && p.Sequence == q.Sequence+1
}

// next is the position after p on the same page.
func (p Position) next() Position { return Position{Page: p.Page, Sequence: p.Sequence + 1} }

// behind is the position before p on the same page: where a reader stands that asks for p.
func (p Position) behind() Position { return Position{Page: p.Page, Sequence: p.Sequence - 1} }

// maxSequence bounds the numbers taken from outside, so that adding to them cannot overflow. At a billion items a
// second they last 292 years.
const maxSequence = 1<<63 - 1

// valid reports whether a leader can have given out p, or stands at the beginning of its page.
func (p Position) valid() bool {
	return p.Page != 0 && p.Page <= maxPage && p.Sequence <= maxSequence
}

// Item is one published item.
type Item struct {
	Position
	// Encoded is what the publisher's encode function made: the very bytes that subscribers' streams send. It is
	// shared by all readers; nobody may change it.
	Encoded []byte
}

// Discontinuity says that a reader's next item is not the successor of its last one: items in between were dropped,
// or the page changed, or the reader asked for a place the topic does not have.
type Discontinuity struct {
	// Last is the number before the first one the reader misses: what it had seen, or one less than what it asked for.
	Last uint64
	// New is the number after which items continue, on Page; 0 if nothing was published on it yet. The next item is
	// numbered New + 1, so a client that takes New for the last number it has seen resumes without a gap.
	New uint64
	// Page is the page on which items continue.
	Page uint64
}

// Event is what a subscription yields: an item or a discontinuity. It is a plain value without memory of its own,
// apart from the item's shared bytes.
type Event struct {
	item Item // of a discontinuity: the position after which items continue
	last uint64
	gap  bool
}

// Item returns the item, or false if the event is a discontinuity.
func (e *Event) Item() (Item, bool) { return e.item, !e.gap }

// Discontinuity returns the discontinuity, or false if the event is an item.
func (e *Event) Discontinuity() (Discontinuity, bool) {
	return Discontinuity{Last: e.last, New: e.item.Sequence, Page: e.item.Page}, e.gap
}

// ItemEvent is the event that yields the item: for who carries events from one broker to another.
func ItemEvent(item Item) Event { return Event{item: item} }

// GapEvent is the event that yields the discontinuity.
func GapEvent(d Discontinuity) Event {
	return gapBetween(Position{Sequence: d.Last}, Position{Page: d.Page, Sequence: d.New})
}

// gapBetween announces that a reader who has seen seen continues behind resume.
func gapBetween(seen, resume Position) Event {
	return Event{item: Item{Position: resume}, last: seen.Sequence, gap: true}
}
