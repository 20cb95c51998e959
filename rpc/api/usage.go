package api

import (
	"fmt"
	"sync/atomic"

	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/metering"
)

// use is what is counted of a call.
type use struct {
	answered uint64 // bytes
	counted  bool
	// answer is the last message of a unary call, here so that it needs no room of
	// its own.
	answer encoded
}

// counts reports whether the call is one of those that are counted: it is about what
// caches and topics hold, and it is known who makes it.
func (c *call) counts() bool {
	return c.door.usage != nil && c.method.need >= readItem && c.who.Kind != 0
}

// encode encodes a message of the answer, so that its size is known. Frames, which
// belong to subscriptions, are left as they are.
func (c *call) encode(message any) (any, error) {
	if _, ok := message.(*frame); ok || !c.counts() {
		return message, nil
	}
	data, err := c.door.codec.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	c.use.answered += uint64(data.Len())
	if c.use.answer.data == nil {
		c.use.answer.data = data
		return &c.use.answer, nil
	}
	return &encoded{data}, nil
}

// count counts the call, once: when it ends, or when its subscription stands.
func (c *call) count(err error) {
	if c.use.counted || !c.counts() {
		return
	}
	c.use.counted = true
	used := metering.Counts{BytesIn: uint64(c.request.size), BytesOut: c.use.answered}
	used.Units = metering.UnitsOf(used.BytesIn + used.BytesOut)
	switch c.method.need {
	case readItem:
		used.Reads = 1
	case publish:
		used.Publishes = 1
	case subscribe:
		used.Subscriptions = 1
	default:
		used.Writes = 1
	}
	if err != nil {
		used.Failed = 1
	}
	c.door.usage.Count(c.subject(), &used)
}

// subject is what the call is put down to. A call whose cache was not found, or that
// may not use it, has none.
func (c *call) subject() metering.Subject {
	s := metering.Subject{Cache: c.cache.GetName(), Holder: holderOf(&c.who)}
	if c.topic != "" {
		s.Prefix = c.door.usage.PrefixOf(c.topic)
	}
	return s
}

// holderOf is who a caller is, to those who read what was used.
func holderOf(who *auth.Principal) metering.Holder {
	switch {
	case who.Kind == auth.KindAnonymous:
		return metering.Holder{Kind: metering.Anonymous}
	case who.Kind == auth.KindAPIKey:
		return metering.Holder{Kind: metering.ByKey, Name: who.ID}
	case who.Kind == auth.KindToken && who.TokenID != "":
		return metering.Holder{Kind: metering.ByToken, Name: who.TokenID}
	case who.KeyID != "":
		return metering.Holder{Kind: metering.ByKey, Name: who.KeyID}
	case who.Kind == auth.KindToken:
		return metering.Holder{Kind: metering.ByToken}
	default:
		return metering.Holder{Kind: metering.Admin}
	}
}

// deliveries count what a subscription is sent. One goroutine at a time adds to them,
// and any may settle. What is added costs one atomic addition for a batch, to memory
// that nobody else writes to: a topic may have very many subscribers.
type deliveries struct {
	meter   *metering.Meter // nil counts nothing
	subject metering.Subject

	// sum is the items that were not settled yet, in its lower bits, and their bytes
	// above. more is the units that items have beyond their first.
	sum  atomic.Uint64
	more atomic.Uint64

	// Of whoever adds: the batch at hand.
	items, bytes, extra uint64
	// byPost: a message counts when it was taken, and which of the batch are items is
	// told by bits.
	byPost bool
	bits   uint64
}

// itemBits is how many of the lower bits of a sum count items.
const itemBits = 24

// open begins to count for a call.
func (d *deliveries) open(c *call) {
	if c.counts() {
		d.meter, d.subject = c.door.usage, c.subject()
	}
}

// begin begins a batch.
func (d *deliveries) begin() { d.items, d.bytes, d.extra, d.bits = 0, 0, 0, 0 }

// item notes that a message of the batch is an item.
func (d *deliveries) item(place int, message []byte) {
	if d.byPost {
		d.bits |= 1 << place
		return
	}
	d.items++
	d.bytes += uint64(len(message))
	if len(message) > metering.UnitBytes {
		d.extra += metering.UnitsOf(uint64(len(message))) - 1
	}
}

// posted notes that a message was taken.
func (d *deliveries) posted(place int, message []byte) {
	if d.bits&(1<<place) == 0 {
		return
	}
	d.items, d.bytes, d.extra = 1, uint64(len(message)), metering.UnitsOf(uint64(len(message)))-1
	d.count()
}

// count adds the batch.
func (d *deliveries) count() {
	if d.items == 0 || d.meter == nil {
		return
	}
	if d.extra > 0 {
		d.more.Add(d.extra)
	}
	sum := d.sum.Add(d.bytes<<itemBits + d.items)
	if sum>>63 != 0 || sum&(1<<(itemBits-1)) != 0 {
		d.settle() // nobody else did for very long
	}
}

// settle puts what was added down to the subject.
func (d *deliveries) settle() {
	sum := d.sum.Swap(0)
	if sum == 0 {
		return
	}
	items := sum & (1<<itemBits - 1)
	d.meter.Count(d.subject, &metering.Counts{Deliveries: items, Units: items + d.more.Swap(0), BytesOut: sum >> itemBits})
}
