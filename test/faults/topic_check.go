package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// forever is later than everything that was recorded.
const forever = time.Duration(math.MaxInt64)

// position names an item within its topic.
type position struct{ page, sequence uint64 }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.page, q.page), cmp.Compare(p.sequence, q.sequence))
}

// String is page and number.
func (p position) String() string { return fmt.Sprintf("%d of page %d", p.sequence, p.page) }

// ReaderLog is what one reader of a topic saw.
type ReaderLog struct {
	Name   string
	Events []Event
}

// topicCheck judges one topic.
type topicCheck struct {
	published map[string]Publication // by value
	acked     []Publication          // by the time of the call
	values    map[position]string
	places    map[string]position
	verdict   TopicVerdict
}

// TopicVerdict is what the check of topics came to.
type TopicVerdict struct {
	// Problems are the broken rules.
	Problems []string
	// Gaps is how many discontinuities there were.
	Gaps int
	// Turns is how often a new page followed another, and Back how often its
	// numbers then began at or below one that readers at two nodes had seen. A
	// new leader asks what others have seen and waits for an answer for a moment
	// only, so that this may happen; it must not be what mostly happens.
	Turns, Back int
}

// add adds the verdict on another topic.
func (v *TopicVerdict) add(w TopicVerdict) {
	v.Problems = append(v.Problems, w.Problems...)
	v.Gaps += w.Gaps
	v.Turns += w.Turns
	v.Back += w.Back
}

// CheckTopic judges what readers saw of one topic. quiet says that publishing had
// ended long enough for every reader to know of the last item.
//
// The rules: a position names one item and an item has one position, so that all
// readers see one order, which is that of the publishers; a reader sees positions
// grow, each the successor of the one before or announced by a discontinuity that
// says exactly how far the reader was and where it goes on; nothing is delivered
// that was refused or that nobody published; and an acknowledged item whose
// publication lies between those of two items that a reader saw without a
// discontinuity in between was seen by that reader, too.
func CheckTopic(published []Publication, readers []ReaderLog, quiet bool) TopicVerdict {
	c := &topicCheck{published: make(map[string]Publication), values: make(map[position]string), places: make(map[string]position)}
	for _, p := range published {
		c.published[p.Value] = p
		if p.Outcome == Done {
			c.acked = append(c.acked, p)
		}
		if p.strange {
			c.wrong("publishing %s at %s: %s", p.Value, p.Node, p.Error)
		}
	}
	slices.SortFunc(c.acked, func(a, b Publication) int { return cmp.Compare(a.Call, b.Call) })
	for _, r := range readers {
		c.read(r, quiet)
	}
	c.order()
	c.turns(readers)
	return c.verdict
}

func (c *topicCheck) wrong(format string, args ...any) {
	c.verdict.Problems = append(c.verdict.Problems, fmt.Sprintf(format, args...))
}

// run is what a reader saw without a discontinuity in between.
type run struct {
	reader string
	// from: whatever was published after it belongs into the run or behind it.
	from time.Duration
	// to: what was published before it belongs into the run or before it.
	to   time.Duration
	seen map[string]bool
}

// read judges what one reader saw.
func (c *topicCheck) read(log ReaderLog, quiet bool) {
	var at position // the last one the reader was told
	known := false
	current := run{from: forever}
	for _, e := range log.Events {
		here := position{e.Page, e.Sequence}
		switch e.Kind {
		case Began:
			if known && here != at {
				c.wrong("%s asked to go on behind %v and was at %v", log.Name, here, at)
			}
		case Item:
			c.item(log.Name, e)
			switch {
			case !known:
				current = run{reader: log.Name, from: e.At, seen: make(map[string]bool)}
			case here.compare(at) <= 0:
				c.wrong("%s was at %v and was sent %v again or too late, at %v by %s", log.Name, at, here, e.At, e.Node)
			case here != (position{at.page, at.sequence + 1}):
				c.wrong("%s was at %v and was sent %v without a discontinuity, at %v by %s", log.Name, at, here, e.At, e.Node)
			}
			at, known = here, true
			current.take(c.published[e.Value], e.Value)
		case Gap:
			c.verdict.Gaps++
			switch {
			case known && e.Last != at.sequence:
				c.wrong("%s was at %v and was told that it was at %d, at %v by %s", log.Name, at, e.Last, e.At, e.Node)
			case known && here.compare(at) <= 0:
				c.wrong("%s was at %v and was told to go on behind %v, at %v by %s", log.Name, at, here, e.At, e.Node)
			}
			c.close(current)
			at, known = here, true
			current = run{reader: log.Name, from: e.At, seen: make(map[string]bool)}
		}
	}
	if quiet {
		current.to = forever
		if len(log.Events) == 0 || log.Events[len(log.Events)-1].Kind == Ended {
			c.wrong("%s has no stream at the end", log.Name)
		}
	}
	c.close(current)
}

// item judges an item by itself.
func (c *topicCheck) item(reader string, e Event) {
	here := position{e.Page, e.Sequence}
	if value, taken := c.values[here]; taken && value != e.Value {
		c.wrong("%v is %s for one reader and %s for %s", here, value, e.Value, reader)
	}
	if place, taken := c.places[e.Value]; taken && place != here {
		c.wrong("%s is %v and also, for %s, %v", e.Value, place, reader, here)
	}
	c.values[here], c.places[e.Value] = e.Value, here
	switch p, published := c.published[e.Value]; {
	case !published:
		c.wrong("%s was sent %q, which nobody published", reader, e.Value)
	case p.Outcome == Refused:
		c.wrong("%s was sent %s, which had been refused: %s", reader, e.Value, p.Error)
	}
}

// take adds an item.
func (r *run) take(p Publication, value string) {
	r.seen[value] = true
	if p.Outcome == Done {
		r.from = min(r.from, p.Return)
	}
	r.to = max(r.to, p.Call)
}

// close looks for what is missing in a run that is over.
func (c *topicCheck) close(r run) {
	first, _ := slices.BinarySearchFunc(c.acked, r.from, func(p Publication, from time.Duration) int { return cmp.Compare(p.Call, from) })
	for _, p := range c.acked[first:] {
		if p.Call > r.from && p.Return < r.to && !r.seen[p.Value] {
			c.wrong("%s missed %s without a discontinuity: it was acknowledged at %v by %s, and the reader was told all from %v to %v",
				r.reader, p.Value, p.Return, p.Node, r.from, r.to)
		}
	}
}

// order compares the order of the items with that of their publications.
func (c *topicCheck) order() {
	places := slices.SortedFunc(maps.Keys(c.values), position.compare)
	earliest := Publication{Return: forever}
	for _, place := range slices.Backward(places) {
		p := c.published[c.values[place]]
		if earliest.Return < p.Call {
			c.wrong("%s is %v, behind which comes %s, which was acknowledged before the other was published", p.Value, place, earliest.Value)
		}
		if p.Outcome == Done && p.Return < earliest.Return {
			earliest = p
		}
	}
}

// pageStory is how a page began and how far it came.
type pageStory struct {
	first   uint64            // lowest number that it can have given out
	reached map[string]uint64 // the highest number that readers were sent, by node
}

// turns looks at how numbers continued from page to page.
func (c *topicCheck) turns(readers []ReaderLog) {
	pages := make(map[uint64]*pageStory)
	for _, r := range readers {
		for _, e := range r.Events {
			if e.Kind != Item && e.Kind != Gap {
				continue
			}
			p := pages[e.Page]
			if p == nil {
				p = &pageStory{first: math.MaxUint64, reached: make(map[string]uint64)}
				pages[e.Page] = p
			}
			if e.Kind == Item {
				p.first = min(p.first, e.Sequence)
				p.reached[e.Node] = max(p.reached[e.Node], e.Sequence)
			} else {
				p.first = min(p.first, e.Sequence+1)
			}
		}
	}
	var before *pageStory
	for _, number := range slices.Sorted(maps.Keys(pages)) {
		p := pages[number]
		if before != nil {
			c.verdict.Turns++
			if reached := slices.Sorted(maps.Values(before.reached)); len(reached) > 1 && p.first <= reached[len(reached)-2] {
				c.verdict.Back++
			}
		}
		before = p
	}
}
