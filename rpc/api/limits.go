package api

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/mayfly-broker/mayfly/rpc/quota"
	"github.com/mayfly-broker/mayfly/rpc/share"
)

// Limits bound what clients may ask for. Sizes are in bytes.
type Limits struct {
	// RequestBytes is the largest request message.
	RequestBytes int
	// AnswerBytes is the largest answer that a list is fetched with.
	AnswerBytes int
	// InFlightBytes is the budget of all requests being served at one moment.
	InFlightBytes int64
	// ItemBytes is the largest scalar, key and value together.
	ItemBytes int
	// ElementBytes is the largest entry of a collection.
	ElementBytes int
	// MessageBytes is the largest topic message.
	MessageBytes int
	// Elements is how many keys, values, ranges or statements one request may
	// hold.
	Elements int
	// MaxTTL is the longest life an item may be given.
	MaxTTL time.Duration
	// Subscriptions is how many subscriptions one cache may have on this node at a
	// time, whatever it has of its own.
	Subscriptions int
	// StreamsPerConnection is how many calls one connection may have open.
	StreamsPerConnection uint32
	// Operations and Publishes are how many operations on items and how many messages
	// a second a cache may have in the whole cluster, and Throughput how many bytes,
	// as long as it has no limits of its own; 0 means as many as there are.
	Operations, Publishes, Throughput int
	// Node bounds all calls on this node together, and Token those with one
	// disposable token on this node, publishing counted as an operation.
	Node, Token Allowance
}

// Allowance bounds what somebody may use; 0 means as much as there is.
type Allowance struct {
	// Operations and Throughput are operations and bytes per second.
	Operations, Throughput int
	// Subscriptions is how many there may be at a time.
	Subscriptions int
}

func (a Allowance) negative() bool { return min(a.Operations, a.Throughput, a.Subscriptions) < 0 }

// DefaultLimits are generous: a self-hosted broker has no bill to protect.
func DefaultLimits() Limits {
	return Limits{
		RequestBytes:         5_242_880, // what SDK tests pin (protocol.md 10.1)
		AnswerBytes:          maxReceive,
		InFlightBytes:        512 << 20,
		ItemBytes:            5_000_192, // 4883 KiB, what the hosted service shows
		ElementBytes:         1 << 20,
		MessageBytes:         1 << 20,
		Elements:             1 << 16,
		MaxTTL:               400 * 24 * time.Hour,
		Subscriptions:        100_000,
		StreamsPerConnection: 1_000,
	}
}

// withDefaults fills in the zero fields and checks the others.
func (l Limits) withDefaults() (Limits, error) {
	d := DefaultLimits()
	l.RequestBytes = cmp.Or(l.RequestBytes, d.RequestBytes)
	l.AnswerBytes = cmp.Or(l.AnswerBytes, d.AnswerBytes)
	l.InFlightBytes = cmp.Or(l.InFlightBytes, d.InFlightBytes)
	l.ItemBytes = cmp.Or(l.ItemBytes, d.ItemBytes)
	l.ElementBytes = cmp.Or(l.ElementBytes, d.ElementBytes)
	l.MessageBytes = cmp.Or(l.MessageBytes, d.MessageBytes)
	l.Elements = cmp.Or(l.Elements, d.Elements)
	l.MaxTTL = cmp.Or(l.MaxTTL, d.MaxTTL)
	l.Subscriptions = cmp.Or(l.Subscriptions, d.Subscriptions)
	l.StreamsPerConnection = cmp.Or(l.StreamsPerConnection, d.StreamsPerConnection)
	switch {
	case l.RequestBytes > maxReceive:
		return l, fmt.Errorf("a request limit of %d bytes, the most is %d", l.RequestBytes, maxReceive)
	case l.RequestBytes < 0, l.AnswerBytes < 0, l.ItemBytes < 0, l.ElementBytes < 0, l.MessageBytes < 0, l.Elements < 0, l.Subscriptions < 0,
		l.Operations < 0, l.Publishes < 0, l.Throughput < 0, l.Node.negative(), l.Token.negative():
		return l, errors.New("a limit is negative")
	case l.InFlightBytes < int64(l.RequestBytes):
		return l, fmt.Errorf("%d bytes in flight is less than one request may have, %d", l.InFlightBytes, l.RequestBytes)
	case l.MaxTTL < time.Second:
		return l, fmt.Errorf("a longest time to live of %v, want at least 1s", l.MaxTTL)
	}
	return l, nil
}

// Validate says what makes no sense. A zero field means its default.
func (l Limits) Validate() error {
	_, err := l.withDefaults()
	return err
}

// NewRoom makes what large messages share that are on their way, and answers that are
// not read: Limits.InFlightBytes, as the requests that are being served once more, and
// never so little that none would fit.
func NewRoom(limits Limits) *share.Pool {
	limits.InFlightBytes = cmp.Or(limits.InFlightBytes, DefaultLimits().InFlightBytes)
	return share.New(limits.roomBytes(), byteGreed)
}

// roomBytes is what NewRoom's pool is to hold.
func (l *Limits) roomBytes() int64 { return max(l.InFlightBytes, 2*maxReceive) }

// byteGreed: one connection may have as many bytes under way as are free.
const byteGreed = 1

// bounds are limits as calls need them. They are never changed, only replaced: a call
// keeps to those that it began with.
type bounds struct {
	Limits

	node, token quota.Rates // as in Limits
}

// SetLimits has calls keep to other limits, zero fields meaning their defaults. Calls
// that are under way keep to those that they began with, live subscriptions stay, and
// a connection has as many streams as it was told. It fails, and changes nothing, when
// the limits make no sense. It may be called at any time, by anybody.
func (s *Server) SetLimits(limits Limits) error {
	limits, err := limits.withDefaults()
	if err != nil {
		return err
	}
	s.bound(limits)
	s.config.Room.Resize(limits.roomBytes())
	s.door.SetMaxStreams(limits.StreamsPerConnection)
	return nil
}

// bound puts complete limits into force.
func (s *Server) bound(limits Limits) {
	s.door.bounds.Store(&bounds{Limits: limits, node: limits.Node.rates(), token: limits.Token.rates()})
	s.door.budget.limit.Store(limits.InFlightBytes)
}
