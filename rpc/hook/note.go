package hook

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/mayfly-broker/mayfly/cluster"
	"github.com/mayfly-broker/mayfly/fanout"
)

const (
	// noteEvery is how often the next leaders of a topic are told how far its
	// deliveries are, while they go on: what is delivered twice when a leader dies
	// was delivered within this time before.
	noteEvery = 200 * time.Millisecond
	// noteAgain is how often they are told although nothing has changed, as long as
	// something waits. Notes are kept for a minute, like all items.
	noteAgain = 10 * time.Second
)

// note is what a leader tells its successors about the deliveries of a webhook.
type note struct {
	Node    cluster.NodeID    `json:"node"`
	Through fanout.Position   `json:"through"` // the last item that was taken
	Pending []fanout.Position `json:"pending"` // of those, what is not done with
}

// leaves reports whether an item of an earlier leader is one to be delivered by
// its heir. A nil note leaves nothing.
func (n *note) leaves(at fanout.Position) bool {
	return n != nil && (at.Compare(n.Through) > 0 || slices.Contains(n.Pending, at))
}

// first is the first item that is left, or would be.
func (n *note) first() fanout.Position {
	first := fanout.Position{Page: n.Through.Page, Sequence: n.Through.Sequence + 1}
	for _, at := range n.Pending {
		if at.Compare(first) < 0 {
			first = at
		}
	}
	return first
}

// notes are the webhooks whose state is to be noted.
type notes struct {
	due  map[*post]time.Time
	next time.Time // the earliest of due, or before it; zero for none
}

// by has a webhook noted at that time or before.
func (n *notes) by(p *post, at time.Time) {
	if due, ok := n.due[p]; ok && !due.After(at) {
		return
	}
	n.due[p] = at
	if n.next.IsZero() || at.Before(n.next) {
		n.next = at
	}
}

// take returns the webhooks that are to be noted now.
func (n *notes) take(now time.Time) (all []*post) {
	if n.next.IsZero() || n.next.After(now) {
		return nil
	}
	n.next = time.Time{}
	for p, due := range n.due {
		if !due.After(now) {
			all = append(all, p)
			delete(n.due, p)
		} else if n.next.IsZero() || due.Before(n.next) {
			n.next = due
		}
	}
	return all
}

// note writes the notes that are due. One that cannot be written is no loss: this
// node does not lead the topic any more, and delivers what it has.
func (d *Deliverer) note() {
	now := time.Now()
	for _, p := range d.notes.take(now) {
		r := p.reader
		if r == nil {
			continue
		}
		value, err := json.Marshal(p.noted(d.config.Desk.Self()))
		if err == nil {
			err = d.config.Desk.Note(r.topic, p.hook.GetName(), value)
		}
		if err == nil && !p.empty() {
			d.notes.by(p, now.Add(noteAgain))
		}
	}
}

// noted is the note of this moment. What was never tried counts as not taken, so a
// note is short but for a receiver that fails.
func (p *post) noted(self cluster.NodeID) note {
	n := note{Node: self, Through: p.reader.last}
	if n.Through.Page == 0 {
		n.Through.Page = p.reader.base // what was numbered before is none of ours
	}
	for _, e := range p.fresh {
		if e.topic == p.reader.topic {
			n.Through = fanout.Position{Page: e.Page, Sequence: e.Sequence - 1}
			break
		}
	}
	tried := append(append([]*event{p.first}, p.retrying...), p.late...)
	for _, e := range tried {
		if e != nil && e.topic == p.reader.topic {
			n.Pending = append(n.Pending, e.Position)
		}
	}
	return n
}

// heir keeps this node ready to take over the deliveries of a webhook: while it
// reads the topic and its notes, as any subscriber does, items and notes come in.
// Nobody uses them here; a topic keeps its newest by itself.
type heir struct {
	topic       fanout.Key
	items, told *fanout.Subscription
}

// heirEvery is how often it is looked after whether heirs still read: their topic
// ends with its cache, which may be back with the same webhook before anybody looks.
const heirEvery = 10 * time.Second

// over reports whether the heir does not read any more. It passes over what came.
func (h *heir) over() bool {
	var buf [64]fanout.Event
	for _, s := range []*fanout.Subscription{h.items, h.told} {
		for n := len(buf); n > 0; {
			var err error
			if n, err = s.Take(buf[:]); err != nil {
				return true
			}
		}
	}
	return false
}

func (h *heir) close() {
	if h != nil {
		h.items.Close()
		h.told.Close()
	}
}

// follow makes this node an heir of a webhook's topic if, and only if, another
// node leads it and this one may be the next.
func (d *Deliverer) follow(p *post, page uint64) {
	topic := topicOf(p.hook)
	wanted := page == 0 && !d.ending && d.config.Desk.Follows(topic.Cache, topic.Topic)
	if p.heir != nil && page == 0 && (!wanted || p.heir.topic != topic || p.heir.over()) {
		p.heir.close()
		p.heir = nil
	}
	if !wanted || p.heir != nil {
		return
	}
	items, err := d.config.Desk.Read(topic, fanout.Position{})
	if err != nil {
		return // it is led here by now, or nowhere, which will be told
	}
	told, err := d.config.Desk.ReadNotes(topic, p.hook.GetName(), fanout.Position{})
	if err != nil {
		items.Close()
		return
	}
	p.heir = &heir{topic: topic, items: items, told: told}
}

// inherit returns what the leader before has left behind for a webhook, nil if it
// lives and delivers that itself, or if nothing is known of it.
func (d *Deliverer) inherit(p *post, old *reader, isNew bool) *note {
	defer func() { p.heir.close(); p.heir = nil }()
	if old != nil || isNew {
		return nil
	}
	topic := topicOf(p.hook)
	told, err := d.config.Desk.ReadNotes(topic, p.hook.GetName(), fanout.Position{Page: 1, Sequence: 1})
	if err != nil {
		return nil
	}
	defer told.Close()
	var last *note
	var buf [64]fanout.Event
	for {
		n, err := told.Take(buf[:])
		for i := range buf[:n] {
			if item, ok := buf[i].Item(); ok {
				read := new(note)
				if json.Unmarshal(item.Encoded, read) == nil {
					last = read
				}
			}
		}
		if n == 0 || err != nil {
			break
		}
	}
	if last == nil || d.config.Desk.Heard(topic.Cache, topic.Topic, last.Node) {
		return nil
	}
	return last
}

// idle reports whether a webhook has nothing to do here.
func (p *post) idle() bool { return p.reader == nil && p.heir == nil && p.empty() }
